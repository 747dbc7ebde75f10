"""Cell masks as thresholds on raw counts: 2-means or mean + SD, and a test of emptiness.

What is background and what too little contrast is estimated from each image, so that neither a
camera's gain nor its offset matters; `Levels` fixes them in counts, as the reference study did.
"""

from collections.abc import Callable
from math import isqrt
from typing import NamedTuple

import numpy as np

from jaxcell.cells.grey_values import count_values
from jaxcell.cells.noise import pixel_noise

# A mask is empty unless its two classes stand this many standard deviations of the darker one
# apart. Pure Gaussian noise split at the optimum gives 2.65, a linear illumination ramp 3.46; split
# at mean + SD they give 2.28 and 2.20.
MINIMUM_SEPARATION = 4.0
# ... and at least so many times the noise of a pixel apart. On simulated plates cells mostly stand
# out by 40 times the noise and more, the edges of illumination looked at by up to 13.
MINIMUM_CONTRAST_IN_NOISES = 15.0
# Cells cover at most 14 % of a patch of a real field. A brighter class wider than this is an edge
# of illumination, such as the rim of a droplet, with the cells somewhere in it.
MAXIMUM_AREA = 1 / 6
# The threshold of a view without cells: no count lies above it.
NOTHING = np.iinfo(np.uint16).max


class Levels(NamedTuple):
    """What counts as background and as too little contrast, in counts of one camera.

    Attributes:
      background: nothing below is a stained cell; 0: the median of each image.
      minimum_contrast: between cells and background; 0: `MINIMUM_CONTRAST_IN_NOISES` times the
        noise of each image.
    """

    background: float = 0.0
    minimum_contrast: float = 0.0


BY_IMAGE = Levels()


class Histogram(NamedTuple):
    """The grey values that occur in an image, ascending, and how often: both int64 [G]."""

    grey: np.ndarray
    counts: np.ndarray


class Split(NamedTuple):
    """Two classes of an image: a pixel is in the brighter one where `image > threshold`.

    Attributes:
      threshold: counts.
      contrast: counts between the two class means; 0 where the brighter class is empty.
      spread: standard deviation in counts of the darker class; 0 in a constant image.
    """

    threshold: int
    contrast: float
    spread: float


def split_counts(images: np.ndarray, method: str = "two_means") -> list[Split]:
    """Splits the grey values of each image into two classes.

    By `two_means` at the global optimum of 2-means: in one dimension an optimal partition is a
    threshold, so trying every grey value finds the least within-class variance, unique and
    repeatable (ties: the lowest value). By `mean_sd` at mean + SD, rounded down in exact
    arithmetic, so that `image > threshold` is `image > mean + SD`. The threshold of a constant
    image is its maximum, so that its brighter class is empty.

    Args:
      images: uint8 or uint16 [N, H, W], raw counts.
      method: `two_means` or `mean_sd`.

    Returns:
      N splits.

    Raises:
      ValueError: the images are not raw counts or hold no pixels, or the method is unknown.

    Source: Otsu 1979 (maximal between-class variance); Fisher 1958 (exact partition in 1-D); mean +
    SD is the reference study's second way to a mask.
    """
    return list(map(_method(method), _histograms(images)))


def cell_threshold(
    images: np.ndarray, method: str = "two_means", levels: Levels = BY_IMAGE
) -> np.ndarray:
    """Threshold on raw counts above which a pixel of a stained view belongs to a cell.

    Counts below the background are raised to it, then split in two classes. Where the brighter
    class is wider than cells can be (`MAXIMUM_AREA`), the rest is raised to its darkest grey and
    split again. Where the two classes are not two (`MINIMUM_SEPARATION`, the least contrast), or
    still too wide, the view holds no cells. The tests are the same for both methods.

    Args:
      images: uint8 or uint16 [N, H, W], raw counts of one stained view.
      method: "two_means" (the exact optimum) or "mean_sd" (mean + SD, after raising).
      levels: background and least contrast where they are fixed.

    Returns:
      uint16 [N]; `image > threshold` is the cell mask. 65535 where the view is empty.

    Raises:
      ValueError: the images are not raw counts or hold no pixels, or the method is unknown.
    """
    split = _method(method)
    thresholds = []
    for image, histogram in zip(images, _histograms(images), strict=True):
        background = levels.background or _median(histogram)
        contrast = levels.minimum_contrast or MINIMUM_CONTRAST_IN_NOISES * pixel_noise(image)
        thresholds.append(_threshold_of_cells(histogram, split, int(background), contrast))
    return np.array(thresholds, np.uint16)


def field_mask(
    field: np.ndarray,
    method: str = "two_means",
    window: int | None = 192,
    levels: Levels = BY_IMAGE,
) -> np.ndarray:
    """Masks the cells of a whole field, each window by its own threshold as in the reference study.

    The windows lie centred, as the data set's patches do, and the border that they leave takes the
    threshold of the nearest.

    Args:
      field: uint8 or uint16 [H, W], raw counts of one stained view.
      method: "two_means" or "mean_sd", as in `cell_threshold`.
      window: its side in pixels; a field that is shorter is one window along that side. None: the
        field has one threshold.
      levels: as in `cell_threshold`.

    Returns:
      bool [H, W], True inside a cell; all False where there is none.

    Raises:
      ValueError: the field is not raw counts, not [H, W] or without pixels; the method is unknown.
    """
    if field.ndim != 2 or not field.size:
        raise ValueError(
            f"a field is [H, W] and holds pixels, this one is {list(field.shape)}: pass one view"
        )
    tall, wide = (max(1, min(window or side, side)) for side in field.shape)
    (rows, top), (columns, left) = (
        (side // step, side % step // 2) for side, step in zip(field.shape, (tall, wide))
    )
    tiles = field[top : top + rows * tall, left : left + columns * wide]
    tiles = tiles.reshape(rows, tall, columns, wide).swapaxes(1, 2).reshape(-1, tall, wide)
    thresholds = cell_threshold(tiles, method, levels).reshape(rows, columns)
    nearest = np.clip((np.arange(field.shape[1]) - left) // wide, 0, columns - 1)
    edges = [0, *(top + tall * np.arange(1, rows)), len(field)]
    mask = np.empty(field.shape, bool)
    for first, last, line in zip(edges, edges[1:], thresholds[:, nearest]):
        np.greater(field[first:last], line, out=mask[first:last])
    return mask


def _histograms(images: np.ndarray) -> list[Histogram]:
    if images.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"images are {images.dtype}, thresholds are for raw counts: pass the camera's uint8 or "
            "uint16 (replace NaN, round, then .astype(np.uint16))"
        )
    if len(images) and not images[0].size:
        raise ValueError(f"images {list(images.shape)} hold no pixels: leave empty ones out")
    counts = map(count_values, images)
    return [Histogram(grey, each[grey]) for each in counts for grey in each.nonzero()]


def _two_means(histogram: Histogram) -> Split:
    """Splits where the variance between the classes is largest, that within them least."""
    lowest = histogram.grey[0]
    # From the lowest grey, and only those that occur: all sums stay whole numbers below 2^53.
    grey = (histogram.grey - lowest).astype(np.float64)
    counts = histogram.counts.astype(np.float64)
    if len(grey) == 1:
        return Split(int(lowest), 0.0, 0.0)
    below = np.cumsum(counts)
    sum_below = np.cumsum(counts * grey)
    total, sum_total = below[-1], sum_below[-1]
    below, sum_below = below[:-1], sum_below[:-1]
    mean_below = sum_below / below
    above = total - below
    mean_above = (sum_total - sum_below) / above
    between = below * above * (mean_above - mean_below) ** 2
    best = int(np.argmax(between))
    square_below = float(np.dot(counts[: best + 1], grey[: best + 1] ** 2)) / below[best]
    spread = np.sqrt(max(square_below - mean_below[best] ** 2, 0.0))
    contrast = mean_above[best] - mean_below[best]
    return Split(int(histogram.grey[best]), float(contrast), float(spread))


def _mean_sd(histogram: Histogram) -> Split:
    grey, counts = histogram
    total = int(counts.sum())
    weighted = counts * grey
    whole, square = int(weighted.sum()), int(np.dot(weighted, grey))
    # floor((sum + sqrt(n * sum of squares - sum^2)) / n), in whole numbers.
    threshold = (whole + isqrt(total * square - whole * whole)) // total
    cut = int(np.searchsorted(grey, threshold, "right"))
    below = int(counts[:cut].sum())
    mean_below = int(weighted[:cut].sum()) / below
    variance = int(np.dot(weighted[:cut], grey[:cut])) / below - mean_below**2
    contrast = 0.0
    if cut < len(grey):
        contrast = int(weighted[cut:].sum()) / (total - below) - mean_below
    return Split(threshold, contrast, max(variance, 0.0) ** 0.5)


_METHODS = {"two_means": _two_means, "mean_sd": _mean_sd}


def _method(name: str) -> Callable[[Histogram], Split]:
    if name not in _METHODS:
        raise ValueError(f"no mask method {name!r}: choose one of {', '.join(_METHODS)}")
    return _METHODS[name]


def _threshold_of_cells(
    histogram: Histogram,
    split: Callable[[Histogram], Split],
    background: int,
    minimum_contrast: float,
) -> int:
    """The threshold of an image's cells, `NOTHING` where it holds none."""
    most = MAXIMUM_AREA * histogram.counts.sum()
    result = split(_raise(histogram, background))
    if _above(histogram, result.threshold) > most:
        # Raised to the brighter class's darkest grey, so that no gap is left to split at again.
        cut = np.searchsorted(histogram.grey, result.threshold, "right")
        result = split(_raise(histogram, histogram.grey[cut]))
    if (
        not result.contrast
        or result.contrast < minimum_contrast
        or result.contrast < MINIMUM_SEPARATION * result.spread
        or _above(histogram, result.threshold) > most
    ):
        return NOTHING
    return result.threshold


def _median(histogram: Histogram) -> int:
    """The lower median, a grey value that occurs."""
    below = np.cumsum(histogram.counts)
    return int(histogram.grey[np.searchsorted(below, below[-1] / 2)])


def _raise(histogram: Histogram, floor: int) -> Histogram:
    cut = int(np.searchsorted(histogram.grey, floor, "right"))
    if cut == 0:
        return histogram
    counts = histogram.counts[cut - 1 :].copy()
    counts[0] = histogram.counts[:cut].sum()
    grey = histogram.grey[cut - 1 :].copy()
    grey[0] = floor
    return Histogram(grey, counts)


def _above(histogram: Histogram, threshold: int) -> int:
    return int(histogram.counts[np.searchsorted(histogram.grey, threshold, "right") :].sum())
