"""How often doubts about the light warn, of light that is in order and of light that is not.

    python -m benchmarks.light [--wells=36] [--seed=20261202] [--json=FILE]

Simulated wells of three conditions are looked at as they are and then with crosstalk (a share of
one view's light above its background added to the other), with less light (offset, shot noise and
read noise as the simulated camera's), and denoised (by a Gaussian), where the threshold of the
instrument's protocol, which is relative to noise, falls. Beside the share of wells warned stands
what it is about: how many wells are called interacting, and the IoU of masks with the true ones.
Lamps and stains are those of the simulator's usual light, without its crosstalk.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy import ndimage
from tqdm import tqdm

from benchmarks.timing import arguments, keep
from jaxcell.cells.kinds import VIEWS
from jaxcell.configs import measure
from jaxcell.experiments.measurement.cell_finding import make_cell_finder
from jaxcell.measures import chance
from jaxcell.measures.doubts import PROBLEMS, doubts
from jaxcell.measures.field import Field
from jaxcell.measures.light import measure_light, record_light
from jaxcell.simulator import biology, camera, field
from jaxcell.simulator.light import Light, draw_light

CROSSTALK, LIGHT, BLURS = (0.02, 0.05, 0.1, 0.2), (0.5, 0.35, 0.2), (0.7, 1.0, 1.5)
FIELD_SIZE = 768
USUAL = Light()
Change = Callable[[np.ndarray], np.ndarray]


def with_crosstalk(views: np.ndarray, into: int, share: float) -> np.ndarray:
    """Views, uint16 [2, H, W], a share of one's light above its background added to the other."""
    light = views[1 - into].astype(np.float64)
    changed = views.astype(np.float64)
    changed[into] += share * (light - np.percentile(light, 10))
    return _counts(changed)


def dimmer(views: np.ndarray, share: float) -> np.ndarray:
    """Views as a share of their light would have given them: its shot noise is relatively more."""
    light = np.maximum(views.astype(np.float64) - USUAL.offset, 0)
    # The noise that is there is scaled down with the light; what lacks is added.
    lacking = camera.SHOT_GAIN * share * (1 - share) * light
    lacking += USUAL.read_noise**2 * (1 - share**2)
    noise = np.random.default_rng(0).standard_normal(views.shape)
    return _counts(share * light + np.sqrt(lacking) * noise + USUAL.offset)


def denoised(views: np.ndarray, blur: float) -> np.ndarray:
    """Views blurred by a Gaussian of this standard deviation in pixels."""
    return _counts(ndimage.gaussian_filter(views.astype(np.float64), (0, blur, blur)))


def _counts(light: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(light), 0, 4095).astype(np.uint16)


def changes() -> dict[str, Change]:
    """What is done to the views, by name."""
    ways: dict[str, Change] = {"as it is": lambda views: views}
    for into, kind in enumerate(VIEWS):
        for share in CROSSTALK:
            ways[f"{100 * share:g} % into the view of {kind}"] = (
                lambda views, into=into, share=share: with_crosstalk(views, into, share)
            )
    for share in LIGHT:
        ways[f"light x {share:g}"] = lambda views, share=share: dimmer(views, share)
    for blur in BLURS:
        ways[f"blurred by {blur:g} px"] = lambda views, blur=blur: denoised(views, blur)
    return ways


def simulate(condition: str, seed: int) -> field.Field:
    """A well's field in usual light without crosstalk."""
    random = np.random.default_rng(seed)
    light = draw_light(random)._replace(crosstalk=0.0)
    well = biology.draw_well(random, biology.CONDITIONS[condition])
    return field.simulate_field(random, FIELD_SIZE, well.association, well=well, light=light)


def is_interacting(labels: np.ndarray, pixel_um: float) -> bool:
    """Whether the cells, int32 [2, H, W], overlap more than chance explains."""
    found = chance.record(Field(labels, labels > 0, labels.__getitem__, pixel_um))
    counts = (int(own.max(initial=0)) for own in labels)
    return chance.answer(chance.compare_with_chance([found]), *counts) == "interaction"


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--wells", type=int, default=36)
    parser.add_argument("--seed", type=int, default=20261202)
    parser.add_argument("--method", default="instrument")
    given = parser.parse_args()
    config, rows = measure.get_config(), []
    config.dataset.mask_method = given.method
    config.dataset.mask_scope = "field" if given.method == "instrument" else "patch"
    find, pixel_um, ways = make_cell_finder(config), config.plates.pixel_um, changes()
    for number in tqdm(range(given.wells), "wells"):
        condition = list(biology.CONDITIONS)[number % len(biology.CONDITIONS)]
        made = simulate(condition, given.seed + number)
        truth = made.labels > 0
        for name, change in ways.items():
            views = change(made.views[:2])
            masks, labels = find(np.ascontiguousarray(np.moveaxis(views, 0, -1)))
            light = measure_light([record_light(views, labels, find)])
            found = {one.problem for one in doubts([{"plate": "", "well": ""} | light])}
            both, either = (masks & truth).sum((1, 2)), (masks | truth).sum((1, 2))
            iou = dict(zip((f"iou_{kind}" for kind in VIEWS), both / np.maximum(either, 1)))
            rows.append(
                {"change": name, "well": number, "condition": condition}
                | {problem: problem in found for problem in PROBLEMS}
                | {"interacting": is_interacting(labels, pixel_um)} | iou | light
            )  # fmt: skip
    print(
        f"\n{given.wells} wells, cells found by {given.method}; share of wells, mean IoU of masks"
    )
    shown = [*PROBLEMS, "interacting", *(f"iou_{kind}" for kind in VIEWS)]
    means = pd.DataFrame(rows).groupby("change", sort=False)[shown].mean()
    print(means.to_string(float_format="{:.2f}".format))
    keep({"settings": vars(given), "wells": rows}, given.json)


if __name__ == "__main__":
    main()
