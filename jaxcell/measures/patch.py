"""What can be learnt of a patch: one measure of the catalogue for each of many."""

import numpy as np

from jaxcell.cells.labelling import label_cells
from jaxcell.measures.catalogue import MEASURES, TARGETS
from jaxcell.measures.chance import NEAREST_SHIFT_UM
from jaxcell.measures.field import Field

# Rounded to single precision before they become percent, as in every data set that was built.
ROUNDED_SHARES = ("iou", "overlap_share", "manders_t_cell", "manders_dendritic_cell")


def check_target(name: str) -> None:
    """Raises ValueError unless the catalogue has a target of this name."""
    if name not in TARGETS:
        raise ValueError(
            f"target {name!r} is not one of {', '.join(MEASURES)}, nor of the morphology of cells, "
            "such as t_cell_area_um2: jaxcell/measures/catalogue.py says all names"
        )


def measure_patches(
    patches: np.ndarray, masks: np.ndarray, name: str, *, pixel_um: float
) -> np.ndarray:
    """Computes one target of each patch, and only what that needs.

    Cells are labelled in each patch by itself; one cut by its border counts as a cell, by the part
    that is inside. A patch without cells of a kind has count 0 and means 0, in every unit. A
    granularity takes some 40 ms a patch of 192 x 192, anything else a few at most.

    Args:
      patches: uint16 [N, H, W, 2], raw counts of the T-cell and the dendritic-cell view.
      masks: bool [N, H, W, 2], True inside cells.
      name: of `TARGETS`.
      pixel_um: width of a pixel.

    Returns:
      float32 [N], in the unit of `TARGETS[name].quantity`.

    Raises:
      ValueError: there is no such target, `pixel_um` is not positive, or, of measures by chance,
        the patches are too small to be shifted.
    """
    check_target(name)
    measure = TARGETS[name]
    fields = (
        Field(views, inside, lambda view, inside=inside: label_cells(inside[view]), pixel_um)
        for views, inside in zip(np.moveaxis(patches, -1, 1), np.moveaxis(masks, -1, 1))
    )
    values = np.array([measure.reduce([measure.record(field)]) for field in fields], np.float64)
    if np.isnan(values).any():
        raise ValueError(
            f"patches of {patches.shape[1]} x {patches.shape[2]} pixels of {pixel_um} µm are too "
            f"small for {name}: they leave no shift of {NEAREST_SHIFT_UM:g} µm over half of them"
        )
    if name in ROUNDED_SHARES:
        return np.float32(100) * (values / 100).astype(np.float32)
    return values.astype(np.float32)
