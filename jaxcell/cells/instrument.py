"""The IN Cell Analyzer's way to a mask: white top-hat, threshold by sensitivity, sieve.

Its last step, the watershed, is `labelling.label_cells`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from jaxcell.cells.grey_values import count_values
from jaxcell.cells.noise import pixel_noise

# The threshold, times the sensitivity: of the field's noise, and of the light of its cells. The
# maker does not publish its formula. On simulated fields in usual light the light of the cells
# decides, at the threshold where count, area and overlap with the true masks are best (a quarter of
# that light). So it is the same however much noise a camera, resampling or denoising leaves. The
# noise keeps fields with no or dim cells free of false ones.
NOISES_AT_SENSITIVITY_ONE = 170.0
LIGHT_AT_SENSITIVITY_ONE = 4.0
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


def protocol_mask(field: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Masks the cells of a field by the instrument's protocol.

    A pixel is a cell's where it stands out of its surroundings (`_white_top_hat`) by more than
    `NOISES_AT_SENSITIVITY_ONE / sensitivity` times the noise of the field (`pixel_noise`), and by
    more than `LIGHT_AT_SENSITIVITY_ONE / sensitivity` times what its bright cells do
    (`bright_level`). Neither camera nor exposure decides.

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
    standing_out = _white_top_hat(field, protocol.kernel)
    noise = NOISES_AT_SENSITIVITY_ONE * pixel_noise(field)
    threshold = max(noise, LIGHT_AT_SENSITIVITY_ONE * bright_level(standing_out))
    # Compared as whole numbers: a pixel is above `threshold` where it is above its floor.
    limit = min(int(threshold / protocol.sensitivity), np.iinfo(field.dtype).max)
    return _sieve(standing_out > limit, protocol.minimum_area)


def bright_level(image: np.ndarray) -> float:
    """What the pixels of cells have in the middle, in the unit of an image, unsigned [H, W].

    The square of the mean root of the brighter class: roots are split by exact 2-means (Otsu 1979),
    so that glaring debris, a few pixels, makes no class by itself. 0 in an image of one value.
    """
    counts = count_values(image)
    values = np.flatnonzero(counts)
    if len(values) < 2:
        return 0.0
    below = np.cumsum(counts[values]).astype(np.float64)
    roots = np.cumsum(counts[values] * np.sqrt(values))
    mean_below = roots[:-1] / below[:-1]
    mean_above = (roots[-1] - roots[:-1]) / (below[-1] - below[:-1])
    between = below[:-1] * (below[-1] - below[:-1]) * (mean_above - mean_below) ** 2
    return float(mean_above[np.argmax(between)] ** 2)


def _white_top_hat(field: np.ndarray, radius: int) -> np.ndarray:
    """A field, unsigned [H, W], less its opening by a square of side `2 * radius + 1` (Meyer 1979).

    The square is separable, so that it takes logarithmically many passes, ten times as fast as
    scipy.ndimage.white_tophat, which gives the same.
    """
    opened = np.pad(field, radius, mode="edge")
    opened = _sweep(np.minimum, _sweep(np.minimum, opened, radius).T, radius).T
    opened = np.pad(opened, radius)  # zeros never win a maximum
    return field - _sweep(np.maximum, _sweep(np.maximum, opened, radius).T, radius).T


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
