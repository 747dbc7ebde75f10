"""How much two views of the same field share: by their masks, and by their light.

Plain numpy: each is a pass or two over the pixels, and most callers are threads that build a data
set, where compiling would cost more than it saves.
"""

import numpy as np


def iou(t_cell: np.ndarray, dendritic_cell: np.ndarray) -> np.ndarray:
    """Intersection over union of two masks.

    Args:
      t_cell: bool [..., H, W], True inside a T cell.
      dendritic_cell: bool [..., H, W], True inside a dendritic cell.

    Returns:
      float32 [...] in [0, 1]; 0 where both masks are empty.

    Source: Jaccard 1912; the interaction label of the reference study.
    """
    intersection = np.count_nonzero(t_cell & dendritic_cell, axis=(-2, -1))
    union = np.count_nonzero(t_cell | dendritic_cell, axis=(-2, -1))
    return (intersection / np.maximum(union, 1)).astype(np.float32)


def overlap_share(t_cell: np.ndarray, dendritic_cell: np.ndarray) -> np.ndarray:
    """Share of the T cells' area that dendritic cells cover.

    Args:
      t_cell: bool [..., H, W], True inside a T cell.
      dendritic_cell: bool [..., H, W], True inside a dendritic cell.

    Returns:
      float32 [...] in [0, 1]; 0 where there is no T cell.

    Source: the column "overlap area / T-cell area" of the IN Cell Analyzer's own table.
    """
    intersection = np.count_nonzero(t_cell & dendritic_cell, axis=(-2, -1))
    area = np.count_nonzero(t_cell, axis=(-2, -1))
    return (intersection / np.maximum(area, 1)).astype(np.float32)


def manders(view: np.ndarray, own: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of a view's light inside its own mask that lies in the other view's mask too.

    M1 is that of the T-cell view in the dendritic cells' mask, M2 the reverse. The thresholds of
    the masks are the coefficient's thresholds, and counts are taken as they are: nothing is
    subtracted inside a mask.

    Args:
      view: uint16 or float [..., H, W], counts.
      own: bool [..., H, W], mask of this view.
      other: bool [..., H, W], mask of the other view.

    Returns:
      float32 [...] in [0, 1]; 0 where the own mask is empty or dark throughout.

    Raises:
      ValueError: `view` holds NaN or infinite values.

    Source: Manders, Verbeek and Aten 1993, coefficients M1 and M2 with thresholds.
    """
    shared, total = light_inside(view, own, other)
    return (shared / np.where(total > 0, total, 1)).astype(np.float32)


def light_inside(
    view: np.ndarray, own: np.ndarray, other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums the light of a view in both masks, and in its own; the two parts of `manders`.

    Returns:
      float64 [...] counts in `own & other`; float64 [...] counts in `own`.

    Raises:
      ValueError: `view` holds NaN or infinite values.
    """
    _require_finite(view)
    # Masks are nearly empty: picking out their pixels is much quicker than summing all of them.
    sums = np.zeros((2, *view.shape[:-2]))
    for at in np.ndindex(view.shape[:-2]):
        pixels = np.flatnonzero(own[at])
        counts = view[at].ravel()[pixels].astype(np.float64)
        sums[(0, *at)] = counts @ other[at].ravel()[pixels]
        sums[(1, *at)] = counts.sum()
    return sums[0], sums[1]


def pearson(first: np.ndarray, second: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Correlation of the counts of two views, pixel by pixel.

    Args:
      first: uint8, uint16 or float [..., H, W], counts.
      second: the same of the other view.
      mask: bool [..., H, W], the pixels to compare; all of them without.

    Returns:
      float32 [...] in [-1, 1]; 0 where a view is constant, as where no or one pixel is compared.

    Raises:
      ValueError: a view holds NaN or infinite values.

    Source: Pearson 1896; Manders, Stap, Brakenhoff, van Driel and Aten 1992 for images.
    """
    shape = np.broadcast_shapes(first.shape, second.shape)[:-2]
    spreads = np.zeros((3, *shape))
    for at in np.ndindex(shape):
        inside = slice(None) if mask is None else mask[at]
        spreads[(slice(None), *at)] = joint_spread(first[at][inside], second[at][inside])
    return correlation(*spreads)


def joint_spread(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """Sums of squares and products about the means of two images.

    Args:
      first: uint8, uint16 or float, any shape, counts.
      second: the same of the other view.

    Returns:
      Sum of squares of `first`, of `second`, sum of products; in squared counts. Exactly 0 for
      a constant image.

    Raises:
      ValueError: a view holds NaN or infinite values.
    """
    _require_finite(first)
    _require_finite(second)
    first, second = _centred(first), _centred(second)
    return float(first @ first), float(second @ second), float(first @ second)


def correlation(first: np.ndarray, second: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Correlation from the sums that `joint_spread` gives, of one image or added up over several.

    Returns:
      float32 [...] in [-1, 1]; 0 where a view is constant.
    """
    scale = np.sqrt(first) * np.sqrt(second)
    varied = scale > 0
    return np.where(varied, product / np.where(varied, scale, 1), 0).clip(-1, 1).astype(np.float32)


def _centred(view: np.ndarray) -> np.ndarray:
    """Deviations from the mean, float64 [P].

    Centred before anything is squared: the digits of a high, nearly constant level would cancel.
    """
    if view.size == 0 or view.min() == view.max():
        return np.zeros(view.size)
    values = view.ravel().astype(np.float64)
    values -= values.mean()
    return values


def _require_finite(view: np.ndarray) -> None:
    if np.issubdtype(view.dtype, np.floating) and not np.isfinite(view).all():
        bad = np.count_nonzero(~np.isfinite(view))
        raise ValueError(
            f"{bad} of {view.size} values of a view are NaN or infinite: a correction divided by "
            "zero or a file is damaged; replace them, or measure inside a mask without them"
        )
