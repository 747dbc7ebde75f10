"""The truth that simulated plates carry, patch by patch, and what masks say in its place."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tifffile
from skimage.filters import threshold_otsu

from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.methods import decoded, field_masks, patch_masks
from jaxcell.dataset.patches import windows
from jaxcell.measures.catalogue import BY_MASKS, TRUTHS
from jaxcell.measures.patch import measure_patches
from jaxcell.measures.truth import BOUND, CENTRE, CONTACT, DENDRITIC_CELL, T_CELL
from jaxcell.plates.addresses import first_file
from jaxcell.plates.folder import Plates
from jaxcell.simulator.ceiling import KNOWN, ceiling

# How cells are found in place of the truth, for comparison; `otsu` is what a user without this
# program has: scikit-image's threshold of a patch, in 128 bins, without a rule of ours.
MASKS = ("two_means", "mean_sd", "instrument", "otsu")
OTSU_BINS = 128


def truth_image(image: Path) -> Path:
    """Where the true label image of a field of a simulated plate lies, from one of its views."""
    return image.parent / "truth" / f"{image.name.split(' wv ')[0]}) labels.tif"


def has_truth(plates: Plates) -> bool:
    """Whether the true cells of every field of some plates are known."""
    images = plates.images[plates.images["role"] == VIEWS[0]]
    return all(truth_image(first_file(path)).exists() for path in images["path"])


def read_ceiling(plates: Plates) -> dict | None:
    """How well the conditions of simulated plates could be told apart at best; None of others.

    Returns:
      As `simulator.ceiling.ceiling` gives.
    """
    homes = sorted({first_file(path).parent for path in plates.images["path"]})
    files = [home / "truth" / "wells.parquet" for home in homes]
    tables = [pd.read_parquet(file) for file in files if file.exists()]
    known = [table for table in tables if set(KNOWN) <= set(table)]  # plates of earlier versions
    return ceiling(pd.concat(known, ignore_index=True)) if known else None


def read_labels(field: Any) -> np.ndarray:
    """The true cells of a field.

    Args:
      field: a row of `select_fields`.

    Returns:
      int32 [H, W, 2], numbers of T cells and of dendritic cells, 0 outside.

    Raises:
      ValueError: they are not known; names plate, well and field.
    """
    path = truth_image(first_file(field.t_cell))
    if not path.exists():
        raise ValueError(
            f"{field.plate} {field.well}: the true cells of field {field.field} are not known, "
            f"there is no {path}: train on simulated plates, and evaluate or predict yours"
        )
    return np.moveaxis(tifffile.imread(path), 0, -1).astype(np.int32)


def with_unstained(t_cells: np.ndarray, field: Any) -> np.ndarray:
    """The true round cells of a field: T cells and, where they are known, cells without stain.

    Args:
      t_cells: int32 [H, W], of `read_labels`.
      field: a row of `select_fields`.

    Returns:
      int32 [H, W], numbers, 0 outside; of two in one pixel the T cell has it.
    """
    path = truth_image(first_file(field.t_cell))
    path = path.with_name(path.name.replace(") labels.tif", ") unstained.tif"))
    if not path.exists():
        return t_cells
    unstained = tifffile.imread(path).astype(np.int32)
    return np.where((t_cells > 0) | (unstained == 0), t_cells, unstained + t_cells.max())


def read_truth(field: Any) -> np.ndarray:
    """The truth of a field as a map, uint8 [H, W], coded as in `measures.truth`.

    Args:
      field: a row of `select_fields`.

    Raises:
      ValueError: as `read_labels`.
    """
    labels = read_labels(field) > 0
    truth = labels[..., 0] * T_CELL | labels[..., 1] * DENDRITIC_CELL
    cells, contacts = (
        table.get((field.well, field.field)) for table in _tables(first_file(field.t_cell).parent)
    )
    if cells is not None:
        touching = np.isin(cells["cell"], [] if contacts is None else contacts["t_cell"])
        code = CENTRE | touching * CONTACT | cells["bound"].to_numpy() * BOUND
        y, x = (np.rint(cells[name].to_numpy()).astype(int) for name in "yx")
        truth[y, x] |= code.astype(np.uint8)
    return truth


@functools.lru_cache(maxsize=8)
def _tables(plate: Path) -> tuple[dict, dict]:
    """T cells and contacts of a plate, by well and field."""
    cells, contacts = (
        pd.read_parquet(plate / "truth" / f"{name}.parquet") for name in ("cells", "contacts")
    )
    cells = cells[cells["type"] == VIEWS[0]]
    return tuple(
        {place: rows for place, rows in table.groupby(["well", "field"])}
        for table in (cells, contacts)
    )


def light_of(field: Any) -> str:
    """The name of the light that a simulated field was taken in; empty where nobody noted it."""
    wells = pd.read_parquet(first_file(field.t_cell).parent / "truth" / "wells.parquet")
    return str(wells["light"].iloc[0]) if "light" in wells else ""


def true_values(truth: np.ndarray, target: str) -> np.ndarray:
    """A target of `catalogue.TRUTHS`, float32 [N], of maps of the truth, uint8 [N, H, W]."""
    measure = TRUTHS[target]
    return np.array([measure.reduce([measure.record(each)]) for each in truth], np.float32)


def values_by_masks(
    views: np.ndarray, patches: np.ndarray, target: str, config: Any
) -> dict[str, np.ndarray]:
    """What each way of `MASKS` gives in place of a target of truth.

    Args:
      views: uint16 [H, W, 2], the field.
      patches: uint16 [N, w, w, 2], its windows.
      target: of `catalogue.TRUTHS`.
      config: an `ImmuneCellsConfig`.

    Returns:
      `by_METHOD` -> float32 [N], in the unit of the target.
    """
    whole = field_masks(views, "instrument", config.pixel_um)[..., None]
    coded = windows(whole, config.window, config.stride)[0][..., 0]
    instrument = _measured(patches, np.stack(decoded(coded), axis=-1), target, config.pixel_um)
    return {"by_instrument": instrument} | values_by_patch(patches, target, config.pixel_um)


def values_by_patch(patches: np.ndarray, target: str, pixel_um: float) -> dict[str, np.ndarray]:
    """Likewise by the ways that need no more than the patch, all but the instrument's."""
    thresholds = [
        [threshold_otsu(patch[..., view], OTSU_BINS) for view in (0, 1)] for patch in patches
    ]
    masks = {
        name: np.stack(decoded(patch_masks(patches, name)), axis=-1)
        for name in ("two_means", "mean_sd")
    }
    masks["otsu"] = patches > np.array(thresholds).reshape(-1, 1, 1, 2)
    return {
        f"by_{name}": _measured(patches, found, target, pixel_um) for name, found in masks.items()
    }


def _measured(patches: np.ndarray, masks: np.ndarray, target: str, pixel_um: float) -> np.ndarray:
    return measure_patches(patches, masks, BY_MASKS[target], pixel_um=pixel_um)
