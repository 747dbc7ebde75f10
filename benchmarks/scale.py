"""Does another camera or another magnification change what a trained network says?

    python -m benchmarks.scale runs/default [runs/second ...] [--seed=1000] [--json=FILE]

Simulates 36 wells that no training has used and writes the same images again: in other counts, as
cameras of other gain, offset and depth would, and in other sizes of a pixel, with that size told to
`jaxcell predict`. Each answer is held against the truth of the simulator, patch by patch and well
by well, and against the answer to the unchanged images, in SD of the truth.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import tifffile
from skimage.transform import resize, resize_local_mean

from benchmarks.timing import arguments, keep, table
from benchmarks.truth import COLUMNS, FIELD_SIZE, ROWS, WELL
from jaxcell.compute import backend
from jaxcell.dataset.batches import open_examples
from jaxcell.dataset.immune_cells import build
from jaxcell.dataset.source import dataset_config
from jaxcell.inference.plates import predict_plates
from jaxcell.inference.trained import load
from jaxcell.plates.folder import read_plates
from jaxcell.simulator.plates import simulate_plates

PATCH = [*WELL, "field", "x", "y"]


class Change(NamedTuple):
    """What is done to images of counts uint16 [H, W], and their new size of a pixel in µm."""

    of: Callable[[np.ndarray], np.ndarray]
    pixel_um: float


def changes(pixel_um: float, sizes_um: Sequence[float] = (0.3, 0.5, 1.0, 1.5)) -> dict[str, Change]:
    """Name -> change, of images whose pixels have this size; the first leaves all as it is.

    `sizes_um` are those that pixels are given, besides twice their own.
    """

    def scaled(new_um: float) -> Change:
        def of(image: np.ndarray) -> np.ndarray:
            size = tuple(round(side * pixel_um / new_um) for side in image.shape)
            if new_um > pixel_um:
                return _counts(resize_local_mean(image.astype(np.float64), size))
            return _counts(resize(image.astype(np.float64), size, order=3, mode="edge"))

        return Change(of, new_um)

    def counted(of: Callable[[np.ndarray], np.ndarray]) -> Change:
        return Change(lambda image: _counts(of(image.astype(np.float64))), pixel_um)

    return {
        "as it is, 12 bit": Change(lambda image: image, pixel_um),
        "8 bit: counts / 16": counted(lambda image: np.floor(image / 16)),
        "16 bit: counts x 16": counted(lambda image: image * 16),
        "offset + 1,000": counted(lambda image: image + 1000),
        **{f"pixels of {um:.4g} µm": scaled(um) for um in sizes_um},
        f"{2 * pixel_um:.3f} µm: binned 2 x 2": scaled(2 * pixel_um),
    }


def _counts(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 65535).astype(np.uint16)


def rewritten(source: Path, folder: Path, change: Change) -> Path:
    """A plate's folder again, without its truth, with every image changed."""
    for path in source.rglob("*"):
        if path.is_dir() or "truth" in path.parts:
            continue
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".tif":
            tifffile.imwrite(target, change.of(tifffile.imread(path)))
        else:
            shutil.copyfile(path, target)
    return folder


def judge(predictions: pd.DataFrame, truth: pd.DataFrame) -> dict:
    """Errors of predictions against the truth, over patches and over means of wells."""
    patches = truth.merge(predictions[[*PATCH, "predicted"]], on=PATCH)
    wells = patches.groupby(WELL)[["target", "predicted"]].mean()
    return {"patches": _error(patches), "wells": _error(wells), "found": len(patches)}


def _error(values: pd.DataFrame) -> dict:
    error = values["predicted"] - values["target"]
    return {
        "rmse_over_sd": float(np.sqrt((error**2).mean()) / values["target"].std(ddof=0)),
        "bias_percent": float(100 * error.mean() / values["target"].mean()),
    }


def judge_run(workdir: Path, plates: Path, folder: Path) -> list[dict]:
    """What one run makes of the same plate in other counts and other sizes."""
    config, run = load(workdir)
    views = config.plates.views.to_dict()
    settings = dataset_config(config, split_by="none", subset="full")
    built = build(read_plates(plates, views), settings, folder / "tfds")
    truth = open_examples(built, memory_gib=0).table[[*PATCH, "target"]]
    results, first = [], None
    for name, change in changes(config.plates.pixel_um).items():
        changed = rewritten(plates, folder / "changed", change)
        found = predict_plates(run, config, read_plates(changed, views), change.pixel_um).patches
        shutil.rmtree(changed)
        first = found if first is None else first
        both = first.merge(found, on=PATCH, suffixes=("", "_changed"))
        differences = both["predicted_changed"] - both["predicted"]
        results.append(
            {"run": workdir.name, "change": name, **judge(found, truth)}
            | {"change_in_sd": float(np.sqrt((differences**2).mean()) / truth["target"].std())}
        )
    return results


def main(given: Sequence[str] | None = None) -> None:
    """Judges runs on the changed images, prints the table and keeps all numbers."""
    parser = arguments(__doc__)
    parser.add_argument("runs", nargs="+", help="trained runs")
    parser.add_argument("--seed", type=int, default=1000, help="of the new plate")
    options = parser.parse_args(given)
    backend.set_up()
    with tempfile.TemporaryDirectory() as folder:
        plates = Path(folder) / "base"
        simulate_plates(
            plates, rows=ROWS, columns=COLUMNS, field_size=FIELD_SIZE, seed=options.seed
        )
        results = [
            found for run in options.runs for found in judge_run(Path(run), plates, Path(folder))
        ]
    lines = [
        [
            found["run"],
            found["change"],
            f"{found['patches']['rmse_over_sd']:.3f}",
            f"{found['patches']['bias_percent']:+.1f} %",
            f"{found['wells']['rmse_over_sd']:.3f}",
            f"{found['change_in_sd']:.3f}",
            f"{found['found']:,}",
        ]
        for found in results
    ]
    heads = ["run", "images", "patches", "bias", "wells", "change in SD", "patches found"]
    print(table(heads, lines))
    keep({"seed": options.seed, "results": results}, options.json)


if __name__ == "__main__":
    main()
