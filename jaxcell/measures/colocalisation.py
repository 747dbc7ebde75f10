"""How much light two views of a field share: Manders' coefficients, Pearson's correlation."""

from collections.abc import Sequence

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter

from jaxcell.measures.chance import (
    beyond_chance,
    can_be_shifted,
    shifted_alike,
    some_shifts,
)
from jaxcell.measures.field import Field, percent

# Views are shifted by whole squares about so wide, below the width of a cell: what matters is the
# mean over shifts, and that of squares is that of pixels.
SQUARE_UM = 3.0
# Mean light of squares so wide is the background's: a lamp's, a droplet's, a well's rim.
SMOOTH_UM = 90.0
# Pixels summed at a time, two fields of 2048 x 2048: each is a number of 8 bytes meanwhile.
AT_A_TIME = 2**23


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
    means = [_mean(view) for view in field.views]
    sums = np.zeros(3)
    lines = max(1, AT_A_TIME // max(1, field.views[0].shape[1]))
    for start in range(0, len(field.views[0]), lines):
        part = slice(start, start + lines)
        first, second = (_centred(view[part], mean) for view, mean in zip(field.views, means))
        sums += first @ first, second @ second, first @ second
    return sums


def pearson(records: Sequence[np.ndarray]) -> float:
    """Correlation of the counts of two views, pixel by pixel about each field's own means.

    Returns:
      In [-1, 1], of single precision; 0 where a view is constant.

    Source: Pearson 1896; Manders, Stap, Brakenhoff, van Driel and Aten 1992 for images.
    """
    first, second, product = sum(records)
    scale = np.sqrt(first) * np.sqrt(second)
    return float(np.float32(np.clip(product / scale, -1, 1))) if scale > 0 else 0.0


def record_shifts(field: Field) -> np.ndarray:
    """Sums the products of the two views about their means, without a shift and at some.

    One view is shifted over the other, round the edges as on a torus (see `chance`). The smooth
    light of each is taken away first: views that share a lamp correlate less the further they are
    shifted, and a shift would take the lamp for cells.

    Returns:
      float64 [3 + S], squared counts: squares of the T-cell view, of the other view, both with
      their smooth light, then products; [3] of a field that is too small to be shifted.

    Raises:
      ValueError: a view holds NaN or infinite values.

    Source: the cross-correlation theorem.
    """
    height, width = field.views[0].shape
    if not can_be_shifted((height, width), field.pixel_um):
        return record_spread(field)
    step = max(1, round(SQUARE_UM / field.pixel_um))
    shifts = np.rint(some_shifts((height, width), field.pixel_um) / step).astype(int)
    first, second, product = record_spread(field)
    squares = [_squares(view, step) for view in field.views]
    width = max(1, round(SMOOTH_UM / (step * field.pixel_um)))
    fine = [some - uniform_filter(some, width, mode="nearest") for some in squares]
    transformed = [fft.rfft2(some) for some in fine]
    shifted = fft.irfft2(np.conj(transformed[0]) * transformed[1], s=fine[0].shape)
    shifted = shifted[tuple((shifts % fine[0].shape).T)].astype(np.float64) / step**2
    smooth = (np.vdot(*squares) - np.vdot(*fine)) / step**2
    return np.array([first, second, product - smooth, *shifted])


def _squares(view: np.ndarray, step: int) -> np.ndarray:
    """Sums over squares of pixels, about their mean, float32; what fills no square is left out."""
    height, width = (side // step for side in view.shape)
    some = view[: height * step, : width * step].astype(np.float32)
    some = some.reshape(height, step, -1).sum(axis=1).reshape(height, width, step).sum(axis=2)
    return some - some.mean(dtype=np.float64).astype(np.float32)


def pearson_beyond_chance(records: Sequence[np.ndarray]) -> tuple[float, float]:
    """Correlation less its mean over shifts, and that in SDs over shifts; 0 of a constant view."""
    if not shifted_alike([record[2:] for record in records]):
        return np.nan, np.nan
    first, second, *products = sum(records)
    scale = np.sqrt(first) * np.sqrt(second)
    return beyond_chance(np.array(products) / scale) if scale > 0 else (0.0, 0.0)


def _mean(view: np.ndarray) -> float:
    """Mean of a view; of a constant one its very value, so that no deviation is left."""
    if view.size == 0 or view.min() == view.max():
        return float(view.flat[0]) if view.size else 0.0
    return float(view.mean(dtype=np.float64))


def _centred(part: np.ndarray, mean: float) -> np.ndarray:
    """Deviations of a part of a view from the mean of the view, float64 [P].

    Centred before anything is squared: the digits of a high, nearly constant level would cancel.
    """
    return part.ravel().astype(np.float64) - mean


def _require_finite(view: np.ndarray) -> None:
    if np.issubdtype(view.dtype, np.floating) and not np.isfinite(view).all():
        bad = np.count_nonzero(~np.isfinite(view))
        raise ValueError(
            f"{bad} of {view.size} values of a view are NaN or infinite: a correction divided by "
            "zero or a file is damaged; replace them, or measure inside a mask without them"
        )
