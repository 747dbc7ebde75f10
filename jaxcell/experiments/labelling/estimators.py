"""What each estimator says of the patches of a sheet: masks, trained runs, and the mean."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skimage.filters import threshold_otsu

from jaxcell.analysis.scores.estimators import ESTIMATORS
from jaxcell.analysis.scores.over_wells import mean_of_other_wells
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.methods import decoded, field_masks, patch_masks
from jaxcell.dataset.fields import read_field
from jaxcell.dataset.truth import OTSU_BINS
from jaxcell.experiments.labelling.sheet import QUANTITIES, Sheet, measure_labels
from jaxcell.measures.patch import measure_patches
from jaxcell.storage.atomic import read

# How masks are found without anything learnt, of `ESTIMATORS`.
MASKS = ("two_means", "mean_sd", "instrument", "otsu")
MEAN = "mean of the other wells"
# How the names of targets of truth begin; these are what a person is asked for.
TRUE = "true_"
# Patches that a network answers at a time.
BATCH = 32
# A network that predicts knows cells by their size in pixels, which may differ by this share.
PIXEL_TOLERANCE = 0.1

# Quantity -> float [N], one a patch of the sheet; what an estimator does not say is absent.
Estimates = Mapping[str, np.ndarray]


def estimate(sheet: Sheet, plates: str, runs: Sequence[Path]) -> dict[str, Estimates]:
    """What every estimator says of the patches of a sheet.

    Args:
      sheet: with answers, of which only `MEAN` makes use.
      plates: folder of the plates; empty: where they lay when the sheet was drawn.
      runs: folders of trained runs, of interaction or of segmentation.

    Returns:
      Words of the estimator -> its estimates.

    Raises:
      ValueError: an image or a run cannot be read, or the images are not those of the sheet.
    """
    openers = [_opened(run, sheet) for run in runs]
    parts: dict[str, list[tuple[np.ndarray, Estimates]]] = {}
    for rows, views in _fields(sheet, Path(plates or sheet.settings["plates"])):
        patches = np.stack([_cut(views, row, sheet) for row in rows.itertuples()])
        for method in MASKS:
            masks = _masks(method, views, patches, rows, sheet)
            parts.setdefault(ESTIMATORS[f"by_{method}"], []).append(
                (rows.index, _of_masks(patches, masks, sheet))
            )
        for words, answer in openers:
            parts.setdefault(words, []).append((rows.index, answer(views, patches, rows)))
    return {words: _joined(some, len(sheet.key)) for words, some in parts.items()} | {
        MEAN: {name: mean_of_other_wells(sheet.true(name), sheet.wells) for name in QUANTITIES}
    }


def _fields(sheet: Sheet, plates: Path) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """The rows of the key of each field, and the field, uint16 [H, W, 2]."""
    files = sheet.key.assign(**{view: [str(plates / path) for path in sheet.key[view]]
                                for view in VIEWS})  # fmt: skip
    for _, rows in files.groupby(["plate", "well", "field"], sort=False):
        first = next(rows.itertuples())
        try:
            views = read_field(first, {})
        except ValueError as error:
            raise ValueError(
                f"{first.plate} {first.well}, field {first.field}: {error}; where the plates lie "
                "now is said by --plates"
            ) from error
        yield rows, views


def _cut(views: np.ndarray, row: Any, sheet: Sheet) -> np.ndarray:
    """A patch, uint16 [w, w, 2]."""
    window = sheet.settings["window"]
    patch = views[row.y : row.y + window, row.x : row.x + window]
    if patch.shape[:2] != (window, window):
        raise ValueError(
            f"{row.plate} {row.well}, field {row.field} is {views.shape[0]} x {views.shape[1]} "
            f"pixels and has no patch {row.patch}: these are not the plates of the sheet"
        )
    return np.ascontiguousarray(patch)


def _masks(
    method: str, views: np.ndarray, patches: np.ndarray, rows: pd.DataFrame, sheet: Sheet
) -> np.ndarray:
    """Masks of patches, bool [N, w, w, 2]."""
    if method == "otsu":
        thresholds = [
            [threshold_otsu(patch[..., view], OTSU_BINS) for view in (0, 1)] for patch in patches
        ]
        return patches > np.array(thresholds)[:, None, None]
    if method == "instrument":
        whole = field_masks(views, method, sheet.settings["pixel_um"])
        coded = np.stack([_cut(whole, row, sheet) for row in rows.itertuples()])
    else:
        coded = patch_masks(patches, method)
    return np.stack(decoded(coded), axis=-1)


def _of_masks(patches: np.ndarray, masks: np.ndarray, sheet: Sheet) -> Estimates:
    pixel_um = sheet.settings["pixel_um"]
    return {name: measure_patches(patches, masks, name, pixel_um=pixel_um) for name in QUANTITIES}


def _joined(parts: Sequence[tuple[np.ndarray, Estimates]], count: int) -> Estimates:
    """Estimates of all fields, in the order of the key."""
    joined = {name: np.full(count, np.nan) for name in parts[0][1]}
    for rows, estimates in parts:
        for name, values in estimates.items():
            joined[name][rows] = values
    return joined


def _opened(
    run: Path, sheet: Sheet
) -> tuple[str, Callable[[np.ndarray, np.ndarray, pd.DataFrame], Estimates]]:
    """Words for a trained run, and what gives its estimates of a field, its patches and rows."""
    path = run / "config.json"
    kind = read(path).get("experiment") if path.exists() else "interaction"
    if kind == "segmentation":
        return f"cells of {run}", _segmentation(run, sheet)
    return f"prediction of {run}", _interaction(run, sheet)


def _segmentation(run: Path, sheet: Sheet) -> Callable:
    from jaxcell.inference.segmenter import load, segment  # slow to import

    _, segmenter = load(run)
    if segmenter.kinds != VIEWS:
        raise ValueError(f"{run} finds {' and '.join(segmenter.kinds)}: a sheet asks for others")

    def answer(views: np.ndarray, patches: np.ndarray, rows: pd.DataFrame) -> Estimates:
        del patches
        labels = segment(segmenter, views, sheet.settings["pixel_um"])
        found = [_measured(_cut(labels, row, sheet), sheet) for row in rows.itertuples()]
        return {name: np.array([each[name] for each in found]) for name in QUANTITIES}

    return answer


def _measured(labels: np.ndarray, sheet: Sheet) -> dict[str, float]:
    """What the cells of a patch say, int32 [w, w, 2] with the numbers that they have in a field."""
    each = [
        np.unique(labels[..., view], return_inverse=True)[1].reshape(labels.shape[:2])
        + (labels[..., view].min() > 0)  # without background the numbers would start at 0
        for view in (0, 1)
    ]
    return measure_labels(*(own.astype(np.int32) for own in each), sheet.settings["pixel_um"])


def _interaction(run: Path, sheet: Sheet) -> Callable:
    import jax

    from jaxcell.dataset.patches import scale
    from jaxcell.dataset.source import dataset_config
    from jaxcell.inference.trained import estimates, load
    from jaxcell.models.interaction_unet import AMOUNTS, TARGETS, InteractionUNet, share

    config, trained = load(run)
    target, levels = config.dataset.target, dataset_config(config).levels
    knows_truth = isinstance(trained.models.regressor, InteractionUNet)
    if target.removeprefix(TRUE) not in QUANTITIES and not knows_truth:
        raise ValueError(
            f"{run} predicts {target}; a sheet has answers for {', '.join(QUANTITIES)}"
        )
    if config.dataset.masked:
        raise ValueError(f"{run} was trained on masked images: a sheet shows plain ones")
    if config.dataset.window != sheet.settings["window"]:
        raise ValueError(
            f"{run} was trained on patches of {config.dataset.window} pixels, the sheet's have "
            f"{sheet.settings['window']}: draw a sheet by "
            f"--config.labelling.window={config.dataset.window}"
        )

    if abs(config.plates.pixel_um / sheet.settings["pixel_um"] - 1) > PIXEL_TOLERANCE:
        raise ValueError(
            f"{run} learnt pixels of {config.plates.pixel_um} µm, the sheet's are of "
            f"{sheet.settings['pixel_um']} µm: score a run trained on such"
        )

    @jax.jit
    def predict(params: Any, counts: jax.Array) -> dict[str, jax.Array]:
        batch = {"image": scale(counts, levels), "counts": counts}
        found = estimates(trained.models.regressor, params, batch)
        said = {target.removeprefix(TRUE): found["predicted"]}
        if knows_truth:
            amounts = jax.numpy.stack([found[name] for name in AMOUNTS], axis=-1)
            said |= {name.removeprefix(TRUE): share(amounts, name) for name in TARGETS}
            said["t_cells"] = found["t_cells"]
        return {name: said[name] for name in QUANTITIES if name in said}

    params = jax.device_put(trained.params["regressor"])

    def answer(views: np.ndarray, patches: np.ndarray, rows: pd.DataFrame) -> Estimates:
        del views, rows
        found = []
        for start in range(0, len(patches), BATCH):
            some = patches[start : start + BATCH]
            # Filled up, so that one program is compiled.
            full = np.concatenate([some, np.zeros((BATCH - len(some), *some.shape[1:]), np.uint16)])
            found.append({name: np.asarray(values)[: len(some)]
                          for name, values in predict(params, full).items()})  # fmt: skip
        return {
            name: np.concatenate([each[name] for each in found]).astype(float) for name in found[0]
        }

    return answer
