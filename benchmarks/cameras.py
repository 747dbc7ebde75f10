"""Do the cells that are found depend on the camera, on its pixels or on how images were treated?

    python -m benchmarks.cameras [--seed=1818] [--json=FILE]

Simulates 24 wells in usual light and writes the same images again: in other counts, as cameras of
other gain, offset and depth would, in other pixels, and denoised or compressed. Of each, cells are
found as `jaxcell measure` does, by the instrument's protocol, and by 2-means of each patch; and
patches are judged faulty or not. Every number is held against that of the images as they are,
beside what a tenth more camera noise alone changes.
A run of it takes about ten minutes on two cores.
"""

import io
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle
from tqdm import tqdm

from benchmarks.scale import Change, changes, rewritten
from benchmarks.timing import arguments, keep, table
from jaxcell.cells.noise import pixel_noise
from jaxcell.configs import measure
from jaxcell.dataset.fields import cut_fields, read_field, select_fields
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.experiments.measurement.cell_finding import make_cell_finder
from jaxcell.measures import chance, contacts
from jaxcell.measures.field import Field
from jaxcell.plates.folder import read_plates
from jaxcell.simulator.plates import simulate_plates

ROWS, COLUMNS, FIELD_SIZE = 4, 6, 768
METHODS = {"instrument": "field", "two_means": "patch"}


def cameras(pixel_um: float) -> dict[str, Change]:
    """Name -> change; the first leaves all as it is."""
    ways = changes(pixel_um, (pixel_um / 2,))
    more = {
        "counts / 4": lambda image: image // 4,
        "offset + 100": lambda image: image + np.uint16(100),
        "a tenth more noise": _noisier,
        "Gaussian of 1 pixel": lambda image: ndimage.gaussian_filter(image, 1),
        "median of 3 x 3": lambda image: ndimage.median_filter(image, 3),
        "denoised by total variation": _denoised,
        "8 bit and JPEG of quality 85": _jpeg,
    }
    return ways | {name: Change(of, pixel_um) for name, of in more.items()}


def _noisier(image: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(int(image[:8, :8].sum()))
    added = np.sqrt(1.1**2 - 1) * pixel_noise(image) * random.standard_normal(image.shape)
    return np.clip(np.rint(image + added), 0, 4095).astype(np.uint16)


def _denoised(image: np.ndarray) -> np.ndarray:
    smooth = denoise_tv_chambolle(image.astype(np.float64), weight=1.5 * pixel_noise(image))
    return np.rint(smooth).astype(np.uint16)


def _jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray((image // 16).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file)).astype(np.uint16)


def finders(pixel_um: float) -> dict[str, Callable]:
    """Name of a method -> what finds cells by it in pixels of this size."""
    found = {}
    for method, scope in METHODS.items():
        config = measure.get_config()
        config.plates.pixel_um = pixel_um
        config.dataset.update({"mask_method": method, "mask_scope": scope})
        found[method] = make_cell_finder(config)
    return found


def look_at(plates: Path, pixel_um: float) -> pd.DataFrame:
    """Cells, T cells in contact and the answer of each well, and its faulty patches."""
    read = read_plates(plates, measure.get_config().plates.views.to_dict())
    settings = ImmuneCellsConfig(name="cameras", split_by="none", from_um=pixel_um)
    fields, find, rows = select_fields(read, settings), finders(pixel_um), []
    for field, _, _, labels in cut_fields(fields, settings, {}, labelled=False, threads=1):
        views = read_field(field, {})
        row = {"well": field.well, "faulty": int(labels["faulty"].sum())}
        row["patches"] = len(labels["faulty"])
        for method, finder in find.items():
            cells = finder(views)[1]
            of = Field(cells, cells > 0, cells.__getitem__, pixel_um)
            touching = contacts.record(of).dendritic_cells_in_contact
            t_cells, dendritic_cells = (int(own.max(initial=0)) for own in cells)
            row |= {
                f"t_cells_{method}": t_cells,
                f"dendritic_cells_{method}": dendritic_cells,
                f"in_contact_{method}": int(np.count_nonzero(touching)),
            }
            if method == "instrument":
                shifted = chance.compare_with_chance([chance.record(of)])
                row["answer"] = chance.answer(shifted, t_cells, dendritic_cells)
        rows.append(row)
    return pd.DataFrame(rows)


def line(name: str, wells: pd.DataFrame, first: pd.DataFrame) -> list[str]:
    """A row of the table: counts with their change against the first images."""
    cells = [name]
    total, before = wells.sum(numeric_only=True), first.sum(numeric_only=True)
    for method in METHODS:
        for kind in ("t_cells", "dendritic_cells"):
            now, then = total[f"{kind}_{method}"], before[f"{kind}_{method}"]
            cells.append(f"{now:,} ({100 * (now / then - 1):+.1f} %)")
        touching = 100 * total[f"in_contact_{method}"] / max(total[f"t_cells_{method}"], 1)
        cells.append(f"{touching:.1f} %")
        if method == "instrument":
            same = (wells["answer"].to_numpy() == first["answer"].to_numpy()).sum()
            cells.append(f"{same} of {len(wells)}")
    return [*cells, f"{total['faulty']} of {total['patches']}"]


def main(given: Sequence[str] | None = None) -> None:
    """Looks at the plate through each camera, prints the table and keeps all numbers."""
    parser = arguments(__doc__)
    parser.add_argument("--seed", type=int, default=1818, help="of the plate")
    options = parser.parse_args(given)
    pixel_um, results = measure.get_config().plates.pixel_um, {}
    with tempfile.TemporaryDirectory() as folder:
        base, changed = Path(folder) / "base", Path(folder) / "changed"
        simulate_plates(base, rows=ROWS, columns=COLUMNS, field_size=FIELD_SIZE, seed=options.seed)
        true = pd.read_parquet(next(base.rglob("truth/cells.parquet")))["type"].value_counts()
        for name, change in tqdm(cameras(pixel_um).items(), "cameras"):
            results[name] = look_at(rewritten(base, changed, change), change.pixel_um)
            shutil.rmtree(changed)
    first = next(iter(results.values()))
    print(", ".join(f"{count:,} {kind}" for kind, count in true.items()), "in truth")
    heads = ["images", "T cells", "dendritic cells", "in contact", "same answer"]
    heads += ["2-means: T cells", "dendritic cells", "in contact", "faulty patches"]
    print(table(heads, [line(name, wells, first) for name, wells in results.items()]))
    numbers = {name: wells.to_dict("records") for name, wells in results.items()}
    keep({"seed": options.seed, "truth": true.to_dict(), "wells": numbers}, options.json)


if __name__ == "__main__":
    main()
