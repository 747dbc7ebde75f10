"""From the two views of a field to its masks and its cells, by threshold or by network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from jaxcell.cells.instrument import LABORATORY_PIXEL_UM
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.masks import field_mask
from jaxcell.cells.methods import decoded, field_masks, in_laboratory_pixels
from jaxcell.cells.numbering import close_up
from jaxcell.cells.resampling import nearest
from jaxcell.experiments.measurement.own_labels import read_own_labels

# uint16 [H, W, 2] -> masks bool [2, H, W] and labels int32 [2, H, W].
CellFinder = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class FieldCells(NamedTuple):
    """The cells of a field.

    Attributes:
      masks: bool [2, H, W], True inside cells.
      labels: int32 [2, H, W], 0 outside cells, 1..n without gaps.
      numbers: of each kind [n], the number that each cell has in its file; None of cells that were
        found here.
    """

    masks: np.ndarray
    labels: np.ndarray
    numbers: list[np.ndarray] | None


def cells_of_field(row: Any, views: np.ndarray, find: CellFinder | None) -> FieldCells:
    """The cells of a field.

    Args:
      row: of the field; where nothing is to be found, with the columns of `label_columns`.
      views: uint16 [H, W, 2].
      find: finds them; None: another program has.

    Raises:
      ValueError: a label image cannot be used.
    """
    if find is not None:
        return FieldCells(*find(views), None)
    own = read_own_labels(row, views.shape[:2])
    labels = np.stack([one.labels for one in own])
    return FieldCells(labels > 0, labels, [one.numbers for one in own])


def make_cell_finder(config: ConfigDict) -> CellFinder:
    """How a measurement finds cells.

    Args:
      config: as `configs/measure.py` describes.

    Returns:
      uint16 [H, W, 2] -> masks bool [2, H, W] and labels int32 [2, H, W]; the masks are the area
      of the labelled cells.

    Raises:
      ValueError: a method or scope that does not exist, or a run that finds other cells.
    """
    if config.measurement.segmentation:
        return _by_network(Path(config.measurement.segmentation), config.plates.pixel_um)
    method, scope = config.dataset.mask_method, config.dataset.mask_scope
    if method not in ("two_means", "mean_sd", "instrument") or scope not in ("patch", "field"):
        raise ValueError(
            f"dataset.mask_method is {method!r} and dataset.mask_scope {scope!r}: use two_means, "
            "mean_sd or instrument, and patch or field"
        )
    if method == "instrument" and scope != "field":
        raise ValueError(
            "the instrument's masks are made of whole fields: set dataset.mask_scope to field"
        )

    minimum_um2, pixel_um = config.measurement.minimum_area_um2, config.plates.pixel_um

    def find(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = in_laboratory_pixels(views, pixel_um)
        size_um = pixel_um if own is views else LABORATORY_PIXEL_UM
        if scope == "field":
            masks = decoded(field_masks(own, method, size_um))
        else:
            window = config.dataset.window
            masks = [
                field_mask(np.ascontiguousarray(own[..., view]), method, window) for view in (0, 1)
            ]
        minimum_area = max(round(minimum_um2 / size_um**2), 1)
        labels = [label_cells(mask, minimum_area) for mask in masks]
        if own is not views:
            labels = [close_up(nearest(each, views.shape[:2]))[0] for each in labels]
        labels = np.stack(labels)
        return labels > 0, labels

    return find


def _by_network(workdir: Path, pixel_um: float) -> CellFinder:
    from jaxcell.inference.segmenter import load, segment  # slow to import

    _, segmenter = load(workdir)
    if segmenter.kinds != VIEWS:
        raise ValueError(
            f"{workdir} finds {' and '.join(segmenter.kinds)}, not T cells and dendritic cells: "
            "find its cells by jaxcell segment, or train one with the config segmentation"
        )

    def find(views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        labels = np.ascontiguousarray(np.moveaxis(segment(segmenter, views, pixel_um), -1, 0))
        return labels > 0, labels

    return find
