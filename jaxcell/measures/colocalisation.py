"""How much light two views of a field share: Manders' coefficients, Pearson's correlation."""

from collections.abc import Sequence

import numpy as np

from jaxcell.measures.field import Field, percent


def record_light(field: Field, view: int) -> np.ndarray:
    """Sums the counts of a view.

    Returns:
      float64 [2]: inside both masks, inside its own.

    Raises:
      ValueError: the view holds NaN or infinite values.
    """
    image, own, other = field.views[view], field.masks[view], field.masks[1 - view]
    _require_finite(image)
    # Masks are nearly empty: picking out their pixels is much quicker than summing all of them.
    pixels = np.flatnonzero(own)
    counts = image.ravel()[pixels].astype(np.float64)
    return np.array([counts @ other.ravel()[pixels], counts.sum()])


def manders(records: Sequence[np.ndarray]) -> float:
    """Share of a view's light inside its own mask that lies in the other mask too, in percent.

    M1 is that of the T-cell view, M2 that of the dendritic-cell view. The thresholds of the masks
    are the coefficient's thresholds, and counts are taken as they are: nothing is subtracted inside
    a mask. 0 where the own mask is empty or dark throughout.

    Source: Manders, Verbeek and Aten 1993, coefficients M1 and M2 with thresholds.
    """
    return percent(*sum(records))


def record_spread(field: Field) -> np.ndarray:
    """Sums the squares and products of the two views' counts about their means.

    Returns:
      float64 [3], squared counts: of the T-cell view, of the other view, their product; exactly 0
      for a constant view.

    Raises:
      ValueError: a view holds NaN or infinite values.
    """
    for view in field.views:
        _require_finite(view)
    first, second = map(_centred, field.views)
    return np.array([first @ first, second @ second, first @ second])


def pearson(records: Sequence[np.ndarray]) -> float:
    """Correlation of the counts of two views, pixel by pixel about each field's own means.

    Returns:
      In [-1, 1], of single precision; 0 where a view is constant.

    Source: Pearson 1896; Manders, Stap, Brakenhoff, van Driel and Aten 1992 for images.
    """
    first, second, product = sum(records)
    scale = np.sqrt(first) * np.sqrt(second)
    return float(np.float32(np.clip(product / scale, -1, 1))) if scale > 0 else 0.0


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
