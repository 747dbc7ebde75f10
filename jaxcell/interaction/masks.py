"""Cell masks as thresholds on raw counts: the exact two-class optimum, and a test of emptiness."""

import numpy as np

# Unstained cells glow at up to this many counts (reference study): nothing below is a stained cell.
BACKGROUND = 255
# A mask is empty unless its two classes stand this many standard deviations of the darker one
# apart. Splitting pure Gaussian noise gives 2.65 and a linear illumination ramp 3.46.
MINIMUM_SEPARATION = 4.0
# ... and at least this many counts apart. On simulated plates cells mostly stand out by 400 counts
# and more, the edges of illumination looked at by up to 125. Chosen on those plates and on one real
# field, where nine patches in ten are as clear and a few lie between (184).
MINIMUM_CONTRAST = 150.0
# Cells cover at most 14 % of a patch of a real field. A brighter class wider than this is an edge
# of illumination, such as the rim of a droplet, with the cells somewhere in it.
MAXIMUM_AREA = 1 / 6


def two_means_threshold(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Splits the grey values of each image at the global optimum of 2-means.

    In one dimension an optimal 2-means partition is a threshold, so trying every grey value finds
    the global minimum of the within-class variance, unique and repeatable (ties: the lowest value).

    Args:
      images: uint8 or uint16 [N, H, W], raw counts.

    Returns:
      threshold: uint16 [N]; a pixel is in the brighter class where `image > threshold`. The
        maximum of a constant image, so that its brighter class is empty.
      contrast: float32 [N], counts between the two class means; 0 for a constant image.
      spread: float32 [N], standard deviation in counts of the darker class.

    Source: Otsu 1979 (maximal between-class variance); Fisher 1958 (exact partition in 1-D).
    """
    results = [_split(image.ravel()) for image in images]
    threshold, contrast, spread = zip(*results) if results else ((), (), ())
    return (
        np.array(threshold, np.uint16),
        np.array(contrast, np.float32),
        np.array(spread, np.float32),
    )


def _split(values: np.ndarray) -> tuple[int, float, float]:
    """Returns threshold, contrast and spread of one image, uint [P]."""
    lowest = int(values.min())
    counts = np.bincount(values - values.dtype.type(lowest)).astype(np.float64)
    if len(counts) == 1:
        return lowest, 0.0, 0.0
    grey = np.arange(len(counts), dtype=np.float64)
    below = np.cumsum(counts)[:-1]
    sum_below = np.cumsum(counts * grey)
    total, sum_total = below[-1] + counts[-1], sum_below[-1]
    mean_below = sum_below[:-1] / below
    mean_above = (sum_total - sum_below[:-1]) / (total - below)
    between = below * (total - below) * (mean_above - mean_below) ** 2
    best = int(np.argmax(between))
    square_below = float(np.dot(counts[: best + 1], grey[: best + 1] ** 2)) / below[best]
    spread = np.sqrt(max(square_below - mean_below[best] ** 2, 0.0))
    return best + lowest, float(mean_above[best] - mean_below[best]), float(spread)


def cell_threshold(images: np.ndarray) -> np.ndarray:
    """Threshold on raw counts above which a pixel of a stained view belongs to a cell.

    Counts below `BACKGROUND` are raised to it, then split by 2-means. Where the brighter class is
    wider than cells can be (`MAXIMUM_AREA`), the rest is raised to its darkest grey and split
    again. Where the two classes are not two (`MINIMUM_SEPARATION`, `MINIMUM_CONTRAST`), or still
    too wide, the view holds no cells.

    Args:
      images: uint8 or uint16 [N, H, W], raw counts of one stained view.

    Returns:
      uint16 [N]; `image > threshold` is the cell mask. 65535 where the view is empty.
    """
    raised = np.maximum(images, np.asarray(BACKGROUND, images.dtype))
    threshold, contrast, spread = two_means_threshold(raised)
    wide = np.flatnonzero(_area(images, threshold) > MAXIMUM_AREA)
    if wide.size:
        # Raised to the brighter class's darkest pixel, so that no gap is left to split at again.
        floors = [image[image > low].min() for image, low in zip(images[wide], threshold[wide])]
        raised = np.maximum(images[wide], np.array(floors, images.dtype)[:, None, None])
        threshold[wide], contrast[wide], spread[wide] = two_means_threshold(raised)
    empty = (contrast < MINIMUM_CONTRAST) | (contrast < MINIMUM_SEPARATION * spread)
    empty |= _area(images, threshold) > MAXIMUM_AREA
    return np.where(empty, np.uint16(np.iinfo(np.uint16).max), threshold)


def _area(images: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """Share of each image that is brighter than its threshold, float64 [N]."""
    above = np.count_nonzero(images > threshold[:, None, None], axis=(1, 2))
    return above / images[0].size if len(images) else above
