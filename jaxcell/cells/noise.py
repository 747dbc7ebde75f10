"""The noise of an image, estimated from the image itself."""

import numpy as np

# From the median absolute difference of two pixels to the standard deviation of one.
DEVIATION = 1.4826 / np.sqrt(2)
# Lines looked at: every so many, a million pixels of a field are enough.
LINES = 4
# Pixels between those that are compared. Neighbours alone would call an image quiet whose noise is
# alike from pixel to pixel: denoised, resampled or compressed.
LAGS = (1, 4)
# Lowest bits that a camera of fewer bits leaves empty where its counts are shifted up.
EMPTY_BITS = 8


def pixel_noise(image: np.ndarray) -> float:
    """Standard deviation in counts of a pixel of the background of an image, unsigned [H, W].

    From the median difference of pixels of one row or column, which cells, haze and illumination
    leave alone; the largest over both directions and the distances of `LAGS`. At least that of
    rounding to the camera's step, 1 / sqrt(12) of it. 0 in a constant image.
    """
    along_rows, along_columns = image[::LINES].astype(np.int32), image[:, ::LINES].astype(np.int32)
    step = _step(along_rows)
    found = [_middle_difference(along_rows[:, lag:], along_rows[:, :-lag], step) for lag in LAGS]
    found += [_middle_difference(along_columns[lag:], along_columns[:-lag], step) for lag in LAGS]
    return max(DEVIATION * max(found), step / np.sqrt(12))


def _middle_difference(one: np.ndarray, other: np.ndarray, step: int) -> float:
    """Median absolute difference, each value spread evenly over the step that rounds to it."""
    below = np.cumsum(np.bincount(np.abs(one - other).ravel()))
    if not len(below) or not step:
        return 0.0
    middle = int(np.searchsorted(below, below[-1] / 2))
    before = below[middle - 1] if middle else 0
    share = (below[-1] / 2 - before) / (below[middle] - before)
    low, high = max(middle - step / 2, 0), middle + step / 2
    return float(low + share * (high - low))


def _step(pixels: np.ndarray) -> int:
    """The camera's step in counts, a power of 2; 0 where all pixels are alike, or none."""
    differing = np.bitwise_or.reduce((pixels ^ pixels.flat[0]).ravel()) if pixels.size else 0
    return min(int(differing & -differing), 2**EMPTY_BITS)
