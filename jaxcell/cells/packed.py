"""Cells of packed tissue, which no threshold separates: from nuclei, held apart by membranes.

For images in which each kind of cell has a stain of its membrane and all have one of their nuclei.
In a lymph node cells touch all round, so that a mask of a membrane stain is one piece.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.segmentation import expand_labels

from jaxcell.cells.labelling import NECK, label_cells
from jaxcell.cells.masks import split_counts

# Standard deviation of the Gaussian that takes the grain of chromatin out of a nucleus.
SMOOTHING_UM = 0.75
# A nucleus of a lymphocyte has about 40 µm²; what is smaller than this is debris.
MINIMUM_AREA_UM2 = 10.0
# From the edge of a lymphocyte's nucleus to that of the cell.
CYTOPLASM_UM = 2.0
# Of each stain the brightest percent counts as full light, so that no stain outweighs another.
FULL = 99
# Grey values that the mean light of cells is split at.
GREYS = np.iinfo(np.uint16).max


def label_packed_cells(
    nuclei: np.ndarray,
    membranes: Sequence[np.ndarray],
    *,
    pixel_um: float,
    smoothing_um: float = SMOOTHING_UM,
    cytoplasm_um: float = CYTOPLASM_UM,
    neck: float = NECK,
) -> np.ndarray:
    """Numbers the cells of packed tissue, a nucleus each.

    Nuclei are masked by Otsu's threshold. Where they touch, a watershed parts them along the
    darkest nuclear and the brightest membrane stain. Then each grows by its cytoplasm, as far as
    the next cell.

    Args:
      nuclei: float or unsigned [H, W], the stain of nuclei.
      membranes: [H, W] each, stains of membranes; may be none.
      pixel_um: width of a pixel.
      smoothing_um: standard deviation of the Gaussian before the watershed.
      cytoplasm_um: how far a cell reaches beyond its nucleus.
      neck: how deep a valley parts two cells, see `label_cells`.

    Returns:
      int32 [H, W], 0 outside and 1..n without gaps.

    Raises:
      ValueError: the stains differ in shape, or `pixel_um` is not positive.
    """
    stains = [np.asarray(stain, np.float32) for stain in (nuclei, *membranes)]
    if len({stain.shape for stain in stains}) > 1 or not pixel_um > 0:
        raise ValueError(
            f"stains of shapes {[stain.shape for stain in stains]} and a pixel of {pixel_um} µm: "
            "give registered stains of one field, and the width of a pixel"
        )
    smooth = ndimage.gaussian_filter(stains[0], SMOOTHING_UM / pixel_um)
    inside = smooth > threshold_otsu(smooth)
    own, *others = map(_full_light, stains)
    # From 0, where a membrane shines alone, to 2, where a nucleus does.
    light = 1 + own - np.max(others, axis=0, initial=0)
    height = ndimage.gaussian_filter(light, smoothing_um / pixel_um)
    least = round(MINIMUM_AREA_UM2 / pixel_um**2)
    labels = label_cells(inside, least, height=height, neck=neck)
    return expand_labels(labels, cytoplasm_um / pixel_um)


def _full_light(stain: np.ndarray) -> np.ndarray:
    """A stain from 0 to 1, its brightest percent being 1."""
    return np.clip(stain / (np.percentile(stain, FULL) or stain.max() or 1), 0, 1)


def cells_with_stain(labels: np.ndarray, stain: np.ndarray) -> np.ndarray:
    """Which cells carry a stain: the brighter class of the exact 2-means of the cells' mean light.

    Where no cell or every cell carries it, the two classes mean nothing: look at the image.

    Args:
      labels: int [H, W], 1..n inside cells, 0 outside.
      stain: [H, W].

    Returns:
      bool [n].
    """
    count = int(labels.max(initial=0))
    if not count:
        return np.zeros(0, bool)
    light = ndimage.mean(np.asarray(stain, np.float64), labels, np.arange(1, count + 1))
    span = max(np.ptp(light), 1e-12)
    greys = np.round((light - light.min()) / span * GREYS).astype(np.uint16)
    return greys > split_counts(greys[None, None])[0].threshold


def cells_of(labels: np.ndarray, which: np.ndarray) -> np.ndarray:
    """The chosen cells of a label image, renumbered 1..k without gaps, int32 [H, W].

    Args:
      labels: int [H, W], 1..n inside cells.
      which: bool [n].
    """
    numbers = np.zeros(len(which) + 1, np.int32)
    numbers[1:][which] = np.arange(1, np.count_nonzero(which) + 1)
    return numbers[labels]
