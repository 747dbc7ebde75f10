"""Cells as maps that a network can learn, and cells from the maps that it predicts."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from jaxcell.cells.labelling import label_cells


class Separation(NamedTuple):
    """How the cells of predicted maps are told from the ground, and from each other.

    Attributes:
      neck: two hills of the distance are two cells where the pass between them is lower than this
        share of the lower hill.
      inside: a pixel belongs to a cell where the network gives it more than this chance.
      smoothing: standard deviation in pixels of the Gaussian that takes small bumps out of the
        distance.
    """

    neck: float
    inside: float = 0.5
    smoothing: float = 1.0


def distance_map(labels: np.ndarray) -> np.ndarray:
    """How far inside its cell each pixel lies, as a share of the cell's deepest pixel.

    Scaled by cell, so that one threshold finds the core of small and of large cells, and so that
    two cells that touch are two hills with a valley between them.

    Args:
      labels: int [H, W], 0 outside cells; each number is one cell.

    Returns:
      uint8 [H, W]: 0 outside, 255 at the deepest pixel of each cell, at least 1 inside.

    Source: the distance regression of Naylor et al. 2019, scaled by cell.
    """
    result = np.zeros(labels.shape, np.uint8)
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        # One pixel of margin where there is one: elsewhere the field's border is no cell's edge.
        box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        own = labels[box] == number
        # Without a pixel of background there is no distance to one.
        depth = np.ones(own.shape) if own.all() else ndimage.distance_transform_edt(own)
        result[box] = np.where(own, np.ceil(255 * depth / depth.max()), result[box])
    return result


def separate_cells(
    probability: np.ndarray, distance: np.ndarray, how: Separation, *, minimum_area: int
) -> np.ndarray:
    """Numbers the cells of predicted maps, those that touch separated.

    Args:
      probability: float [H, W], chance that a pixel is inside a cell.
      distance: float [H, W] in [0, 1], predicted `distance_map` / 255.
      how: they are separated.
      minimum_area: pixels; smaller cells are dropped.

    Returns:
      int32 [H, W], 0 outside cells, 1..n without gaps.

    Raises:
      ValueError: a map is not finite.
    """
    if not (np.isfinite(probability).all() and np.isfinite(distance).all()):
        raise ValueError("the predicted maps are not finite: the network's training has failed")
    smooth = ndimage.gaussian_filter(distance.astype(np.float32), how.smoothing)
    # A pixel inside by its probability counts as inside however low its distance is.
    height = np.maximum(smooth, np.float32(1e-6))
    return label_cells(probability > how.inside, minimum_area, height=height, neck=how.neck)
