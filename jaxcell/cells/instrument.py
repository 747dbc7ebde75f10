"""The IN Cell Analyzer's way to a mask: white top-hat, threshold by sensitivity, sieve.

Its last step, the watershed, is `labelling.label_cells`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

# The threshold is this many times the noise, divided by the sensitivity. The maker does not publish
# its formula; this one's constant is where simulated fields (seeds 0-3) come closest to their truth
# in count, area and F1 of T cells (best at 450) and DCs (best at 400, area at 320). On one real
# field the counts hardly change between 320 and 450 and cells have the instrument's usual areas.
NOISES_AT_SENSITIVITY_ONE = 360.0
# From the median absolute difference of two neighbouring pixels to the standard deviation of one.
_DEVIATION = 1.4826 / np.sqrt(2)
# Rows looked at to estimate the noise: every so many, a million pixels of a field are enough.
_NOISE_ROWS = 4
_CORNERS_TOUCH = np.ones((3, 3), bool)


class Protocol(NamedTuple):
    """Settings of the instrument's software for one cell type.

    Attributes:
      kernel: radius in pixels of the top-hat's square, whose side is `2 * kernel + 1`. It must be
        wider than a cell, or cells are taken for background. That is why 5 is read as a radius: no
        T cell of 8-11 pixels holds a square of side 11, but each holds one of side 5.
      sensitivity: higher finds fainter cells; positive.
      minimum_area: objects of this many pixels or fewer are removed.
    """

    kernel: int
    sensitivity: float
    minimum_area: int


# The laboratory's settings, for pixels of its microscope.
PROTOCOLS = {
    "t_cell": Protocol(kernel=5, sensitivity=17.0, minimum_area=40),
    "dendritic_cell": Protocol(kernel=15, sensitivity=16.0, minimum_area=18),
}
LABORATORY_PIXEL_UM = 0.741


def at_pixel_size(protocol: Protocol, pixel_um: float) -> Protocol:
    """A protocol for pixels of `LABORATORY_PIXEL_UM`, its lengths and areas in other pixels."""
    scale = LABORATORY_PIXEL_UM / pixel_um
    return protocol._replace(
        kernel=max(round(protocol.kernel * scale), 1),
        minimum_area=round(protocol.minimum_area * scale**2),
    )


def protocol_mask(field: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Masks the cells of a field by the instrument's protocol.

    A pixel is a cell's where it stands out of its surroundings (`_white_top_hat`) by more than
    `NOISES_AT_SENSITIVITY_ONE / sensitivity` times the noise of the field (`pixel_noise`).

    Args:
      field: uint8 or uint16 [H, W], raw counts of one stained view.
      protocol: one of `PROTOCOLS` or your own.

    Returns:
      bool [H, W], True inside a cell; all False in a field of one value or without cells.

    Raises:
      ValueError: the field is not raw counts [H, W], or a setting is out of its range.

    Source: settings of the reference study; the formula of the threshold is this program's.
    """
    if field.dtype not in (np.uint8, np.uint16) or field.ndim != 2:
        raise ValueError(
            f"a field is uint8 or uint16 [H, W], this one is {field.dtype} {list(field.shape)}: "
            "pass one view of raw counts (replace NaN, round, then .astype(np.uint16))"
        )
    if protocol.kernel < 1 or protocol.sensitivity <= 0 or protocol.minimum_area < 0:
        raise ValueError(
            f"{protocol}: kernel is at least 1, sensitivity above 0, minimum_area not negative"
        )
    if not field.size:
        return np.zeros(field.shape, bool)
    threshold = NOISES_AT_SENSITIVITY_ONE / protocol.sensitivity * pixel_noise(field)
    # Compared as whole numbers: a pixel is above `threshold` where it is above its floor.
    limit = min(int(threshold), np.iinfo(field.dtype).max)
    return _sieve(_white_top_hat(field, protocol.kernel) > limit, protocol.minimum_area)


def _white_top_hat(field: np.ndarray, radius: int) -> np.ndarray:
    """A field, unsigned [H, W], less its opening by a square of side `2 * radius + 1` (Meyer 1979).

    The square is separable, so that it takes logarithmically many passes, ten times as fast as
    scipy.ndimage.white_tophat, which gives the same.
    """
    opened = np.pad(field, radius, mode="edge")
    opened = _sweep(np.minimum, _sweep(np.minimum, opened, radius).T, radius).T
    opened = np.pad(opened, radius)  # zeros never win a maximum
    return field - _sweep(np.maximum, _sweep(np.maximum, opened, radius).T, radius).T


def pixel_noise(field: np.ndarray) -> float:
    """Standard deviation in counts of a pixel of the background of a field, unsigned [H, W].

    From the median difference between neighbours, which cells, haze and illumination leave alone.
    Where few grey values occur (8-bit images) the median is interpolated between them; 0 where
    neighbours never differ by more than one amount.
    """
    rows = field[::_NOISE_ROWS].astype(np.int32)
    counts = np.bincount(np.abs(np.diff(rows, axis=1)).ravel())
    if len(counts) < 2:
        return 0.0
    steps = np.flatnonzero(counts)
    middle = np.cumsum(counts[steps]) - counts[steps] / 2
    return float(_DEVIATION * np.interp(counts.sum() / 2, middle, steps))


def _sweep(extreme: Callable, image: np.ndarray, radius: int) -> np.ndarray:
    """Minimum or maximum of each run of `2 * radius + 1` pixels of every column."""
    reach, length = 1, 2 * radius + 1
    while reach < length:
        # Two runs that overlap or adjoin make one that is up to twice as long.
        step = min(reach, length - reach)
        image = extreme(image[:-step], image[step:])
        reach += step
    return image


def _sieve(mask: np.ndarray, area: int) -> np.ndarray:
    """Removes objects of `area` pixels or fewer; pixels that touch at a corner are connected."""
    objects, count = ndimage.label(mask, _CORNERS_TOUCH)
    at = np.flatnonzero(mask)
    number = objects.ravel()[at]
    small = np.bincount(number, minlength=count + 1) <= area
    sieved = mask.copy()
    sieved.ravel()[at[small[number]]] = False
    return sieved
