"""Every estimator against the truth of new simulated plates, in each light.

    python -m benchmarks.truth runs/default [runs/second ...] [--segmentation=runs/segmentation]
        [--seed=1000] [--json=FILE]

Simulates 36 wells in each light with seeds that no training has used, and asks each run and every
mask, those of a segmentation run too, for the true overlap, overlap share, contacts and bound T
cells, patch by patch and well by well. Several runs, of several seeds, show how much of an answer
is chance. A run of it takes some five minutes on two cores.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis.conditions import condition_names
from jaxcell.analysis.intervals import by_group, conformal
from jaxcell.analysis.scores.estimators import compare_estimators
from jaxcell.compute import backend
from jaxcell.dataset.batches import Examples, open_examples
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.immune_cells import build
from jaxcell.dataset.patches import windows
from jaxcell.dataset.source import dataset_config
from jaxcell.experiments.interaction import calibrate
from jaxcell.inference import segmenter as segmentation
from jaxcell.inference.mapping import map_examples
from jaxcell.inference.trained import Run, by_own_masks, estimates, load
from jaxcell.measures import truth
from jaxcell.measures.catalogue import BY_MASKS, TRUTHS
from jaxcell.measures.patch import measure_patches
from jaxcell.models.interaction_unet import AMOUNTS, share
from jaxcell.plates.folder import read_plates
from jaxcell.simulator.plates import simulate_plates

LIGHTS = ("base", "defocus", "dim", "uneven", "varied")
ROWS, COLUMNS, FIELD_SIZE = 4, 9, 1152
WELL = ["plate", "well"]
LEVEL = 0.9


def new_plates(folder: Path, config, seed: int, light: str) -> Examples:
    """Examples of a new plate in one light, with maps of the truth and what masks say."""
    plates = folder / light
    simulate_plates(
        plates, rows=ROWS, columns=COLUMNS, field_size=FIELD_SIZE, seed=seed, light=light
    )
    read = read_plates(plates, config.plates.views.to_dict())
    settings = dataset_config(config, split_by="none", subset="full")
    return open_examples(build(read, settings, folder / "tfds"), memory_gib=8, with_masks=True)


def by_segmentation(workdir: Path, config, plates: Path) -> pd.DataFrame:
    """What the masks of a segmentation run say of the patches of plates, `by_segmentation`."""
    _, segmenter = segmentation.load(workdir)
    settings = dataset_config(config, split_by="none", subset="full")
    fields = select_fields(read_plates(plates, config.plates.views.to_dict()), settings)
    parts = []
    for field in fields.itertuples(index=False):
        views = read_field(field, {})
        cells = segmentation.segment(segmenter, views) > 0
        cut = (windows(each, settings.window, settings.stride) for each in (views, cells))
        (patches, corners), (masks, _) = cut
        name, pixel_um = BY_MASKS[settings.target], settings.pixel_um
        said = measure_patches(patches, masks, name, pixel_um=pixel_um)
        about = {name: getattr(field, name) for name in (*WELL, "field")}
        places = {"y": corners[:, 0], "x": corners[:, 1]}
        parts.append(pd.DataFrame(places | {"by_segmentation": said}).assign(**about))
    return pd.concat(parts, ignore_index=True)


def patches_of(run: Run, config, examples: Examples) -> pd.DataFrame:
    """The table of patches with the true amounts and the run's, `true_` and as `AMOUNTS`."""

    def answer(params, batch):
        how = (run.models.regressor, params, batch)
        return estimates(*how) | by_own_masks(*how)

    rows = np.arange(len(examples.table), dtype=np.int32)
    params, size = run.params["regressor"], config.evaluation.batch_size
    found, _ = map_examples(answer, params, examples, rows, size, "answering")
    found.pop("row")
    patches = examples.table.assign(**found)
    amounts = np.array([truth.record(each) for each in examples.masks])
    return patches.assign(**{f"true_{n}": amounts[:, i] for i, n in enumerate(AMOUNTS)})


def pooled(patches: pd.DataFrame, target: str) -> pd.DataFrame:
    """True and estimated shares of wells, from amounts summed over their patches."""
    sums = patches.groupby(WELL)[[*AMOUNTS, *(f"true_{name}" for name in AMOUNTS)]].sum()
    true = sums[[f"true_{name}" for name in AMOUNTS]].to_numpy(np.float64)
    return pd.DataFrame(
        {
            "true": np.asarray(share(true, target)),
            "estimated": np.asarray(share(sums[list(AMOUNTS)].to_numpy(np.float64), target)),
        }
    )


def intervals_hold(workdir: Path, patches: pd.DataFrame) -> dict[str, float]:
    """Share of patches whose interval holds the truth, in all and by condition."""
    kept = calibrate.load(workdir, len(patches))
    if kept is None:
        return {}
    names, predicted = condition_names(patches), patches["predicted"]
    at = conformal.places(patches)
    low, high = by_group.interval(kept[0][0], names, predicted, LEVEL, 0, 100, at)
    held = (patches["target"] >= low) & (patches["target"] <= high)
    return {"all": held.mean(), **held.groupby(patches["condition"]).mean().to_dict()}


def judge(workdir: Path, config, run: Run, light: str, examples: Examples) -> dict:
    """What one run and every mask make of plates in one light."""
    patches = patches_of(run, config, examples)
    shares = {target: pooled(patches, target) for target in TRUTHS}
    wells = {name: float(found.corr().iloc[0, 1]) for name, found in shares.items()}
    return {
        "run": workdir.name,
        "light": light,
        "estimators": compare_estimators(patches, run.dataset["training_mean"]),
        "r_of_wells": wells,
        "intervals_hold": intervals_hold(workdir, patches),
        "wells": len(patches[WELL].drop_duplicates()),
        "patches": len(patches),
    }


def main(given: Sequence[str] | None = None) -> None:
    """Judges runs on new plates, prints the table and keeps all numbers."""
    parser = arguments(__doc__)
    parser.add_argument("runs", nargs="+", help="trained runs, each with another training.seed")
    parser.add_argument("--segmentation", type=Path, help="a trained segmentation run")
    parser.add_argument("--seed", type=int, default=1000, help="of the first new plate")
    options = parser.parse_args(given)
    backend.set_up()
    runs = [(Path(name), *load(Path(name))) for name in options.runs]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for number, light in enumerate(LIGHTS):
            config = runs[0][1]
            examples = new_plates(Path(folder), config, options.seed + number, light)
            if options.segmentation:
                said = by_segmentation(options.segmentation, config, Path(folder) / light)
                examples = examples._replace(table=examples.table.merge(said, how="left"))
            results += [judge(*run, light, examples) for run in runs]
    lines = [
        [
            found["light"],
            found["run"] if item["name"] == "this network" else item["name"],
            f"{item['patches']['rmse_over_sd']:.3f}",
            f"{item['patches']['bias_percent']:+.1f} %",
            f"{item['wells']['rmse_over_sd']:.3f}",
            *(
                f"{100 * found['intervals_hold'].get('all', np.nan):.1f} %"
                if item["name"] == "this network"
                else "",
            ),
            f"{found['r_of_wells']['bound_share']:.3f}" if item["name"] == "this network" else "",
        ]
        for found in results
        for item in found["estimators"]
    ]
    heads = ["light", "estimator", "patches", "bias", "wells", "intervals hold", "bound, r wells"]
    print(table(heads, lines))
    keep({"seed": options.seed, "results": results}, options.json)


if __name__ == "__main__":
    main()
