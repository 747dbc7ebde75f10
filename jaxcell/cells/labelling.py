"""From a mask to cells: touching cells are separated by watershed and numbered.

The distance transform of SciPy and the watershed of scikit-image look at every pixel of a field and
take most of a second for 2048 x 2048. Here only the pixels of cells are looked at, a few in a
hundred: a list of their places (flat indices in the field with a margin of one pixel of background)
and arrays as long as it.
"""

import numpy as np

# Two parts of an object are two cells where the neck between them is narrower than this share of
# the narrower part. In the true masks of simulated fields (seeds 0-3) T cells are then found with
# an F1 of 0.997 and 2 in 1,000 single irregular DCs are cut; at 0.95 it would be 7 in 1,000.
NECK = 0.925
# Distances to the background are exact up to this many pixels, wider than half a cell at any
# magnification; what lies deeper counts as a plateau.
REACH = 64


def label_cells(
    mask: np.ndarray,
    minimum_area: int = 12,
    *,
    height: np.ndarray | None = None,
    neck: float = NECK,
) -> np.ndarray:
    """Separates touching cells by watershed on the distance to the background, and numbers them.

    Each pixel climbs to the peak of distance above it. Two peaks are one cell unless the pass
    between them is lower than `neck` times the lower of the two: a criterion without a scale, so
    that small round cells are separated and large irregular ones stay whole. A part smaller than
    `minimum_area` stays with its neighbour; an object that small is dropped. Pixels that touch at
    a corner are connected. Beyond the field's border lies background.

    Args:
      mask: bool [H, W], True inside a cell.
      minimum_area: pixels of the smallest cell.
      height: float [H, W], a map to climb instead of the distance, such as a network predicts:
        above 0 inside, highest in the middle of each cell.
      neck: how deep a pass separates, as a share of the lower peak.

    Returns:
      int32 [H, W], 0 outside and 1..n without gaps, in the order of each cell's first pixel (row by
      row); all 0 where the mask is empty.

    Raises:
      ValueError: the mask is not bool [H, W], or the height differs in shape or is not finite.

    Source: Meyer 1994 (watershed by steepest ascent); Chazal et al. 2013 (merging of peaks by
    prominence, from the highest pass down), here relative to the peak.
    """
    if mask.dtype != bool or mask.ndim != 2:
        raise ValueError(
            f"a mask is bool [H, W], this one is {mask.dtype} {list(mask.shape)}: pass "
            "`field > threshold` of one view"
        )
    if height is not None and (height.shape != mask.shape or not np.isfinite(height).all()):
        raise ValueError(f"heights {height.shape} must be finite, one for each pixel {mask.shape}")
    shape = (mask.shape[0] + 2, mask.shape[1] + 2)
    at = np.flatnonzero(mask)
    if not at.size:
        return np.zeros(mask.shape, np.int32)
    at += 2 * (at // mask.shape[1]) + shape[1] + 1  # to flat indices with the margin
    inside = np.sqrt(_squared_distance(at, shape)) if height is None else height[mask]
    depth = inside.astype(np.float32)
    # Place of a pixel in the list, from 1; 0 is background.
    position = np.zeros(shape, np.int32)
    position.ravel()[at] = np.arange(1, len(at) + 1, dtype=np.int32)
    basin = _climb(at, depth, position)
    cell = _merge(at, depth, position, basin, minimum_area, neck)[basin]
    position.ravel()[at] = _number(cell, minimum_area)
    return position[1:-1, 1:-1].copy()


def _squared_distance(at: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Squared Euclidean distance of each cell pixel to the nearest background, int16 [P]."""
    starts = np.flatnonzero(np.diff(at, prepend=-1) != 1)  # of runs along a row
    run = np.diff(starts, append=len(at))
    from_left = np.arange(1, len(at) + 1) - np.repeat(starts, run)
    from_right = np.repeat(run + 1, run) - from_left
    nearest = np.minimum(np.minimum(from_left, from_right), REACH).astype(np.int16) ** 2
    along_row = np.zeros(shape[0] * shape[1], np.int16)
    along_row[at] = nearest
    # Then along columns, as far as it can still make a difference.
    open_ = np.arange(len(at))
    for step in range(1, REACH):
        open_ = open_[nearest[open_] > step * step]
        if not open_.size:
            break
        here = at[open_]
        column = np.minimum(along_row[here - step * shape[1]], along_row[here + step * shape[1]])
        nearest[open_] = np.minimum(nearest[open_], column + np.int16(step * step))
    return nearest


def _climb(at: np.ndarray, depth: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Number of the peak that steepest ascent leads each cell pixel to, int64 [P], from 0."""
    width, places = position.shape[1], position.ravel()
    heights = np.append(np.float32(0), depth)
    up, steepest = np.zeros(len(at), np.int32), np.full(len(at), -np.inf, np.float32)
    # In the order of rows, so that of equal neighbours the first wins: no ascent goes in circles.
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            neighbour = places[at + (row * width + column)]
            slope = heights[neighbour] - depth
            if row and column:
                slope *= np.float32(np.sqrt(0.5))
            steeper = slope > steepest
            np.copyto(up, neighbour, where=steeper)
            np.copyto(steepest, slope, where=steeper)
    up = up.astype(np.int64) - 1
    while True:
        further = up[up]
        if np.array_equal(further, up):
            break
        up = further
    peaks = up == np.arange(len(at))
    return (np.cumsum(peaks) - 1)[up]


def _passes(
    at: np.ndarray, depth: np.ndarray, position: np.ndarray, basin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of basins that touch, int64 [E, 2], and the height of their pass, highest first."""
    width, places = position.shape[1], position.ravel()
    count = int(basin.max()) + 1
    keys, heights = [], []
    for offset in (1, width - 1, width, width + 1):
        neighbour = places[at + offset].astype(np.int64) - 1
        # Background is -1, the last pixel: never mind, it is sorted out next.
        here = np.flatnonzero((neighbour >= 0) & (basin[neighbour] != basin))
        there = neighbour[here]
        low, high = np.sort([basin[here], basin[there]], axis=0)
        keys.append(low * count + high)
        heights.append(np.minimum(depth[here], depth[there]))
    keys, heights = np.concatenate(keys), np.concatenate(heights)
    order = np.lexsort((keys, -heights))
    first = np.sort(np.unique(keys[order], return_index=True)[1])
    chosen = order[first]
    return np.stack(np.divmod(keys[chosen], count), 1), heights[chosen]


def _merge(
    at: np.ndarray,
    depth: np.ndarray,
    position: np.ndarray,
    basin: np.ndarray,
    minimum_area: int,
    neck: float,
) -> np.ndarray:
    """Number of the cell that each basin is a part of, int64 [basins]."""
    area = np.bincount(basin).tolist()
    top = np.zeros(len(area), np.float32)
    np.maximum.at(top, basin, depth)
    top, whole = top.tolist(), list(range(len(area)))

    def cell(part: int) -> int:
        while whole[part] != part:
            whole[part] = whole[whole[part]]
            part = whole[part]
        return part

    pairs, heights = _passes(at, depth, position, basin)
    for (one, other), height in zip(pairs.tolist(), heights.tolist()):
        high, low = cell(one), cell(other)
        if top[high] < top[low]:
            high, low = low, high
        small = min(area[high], area[low]) < minimum_area
        if high != low and (small or height >= neck * top[low]):
            whole[low] = high
            area[high] += area[low]
    return np.array([cell(part) for part in whole])


def _number(cell: np.ndarray, minimum_area: int) -> np.ndarray:
    """Numbers cells 1..n by their first pixel; those that are too small become 0, int32 [P]."""
    area = np.bincount(cell)
    first = np.empty(len(area), np.int64)
    first[cell[::-1]] = np.arange(len(cell))[::-1]  # the last to be written is the first pixel
    kept = np.flatnonzero((area >= minimum_area) & (area > 0))
    numbers = np.zeros(len(area), np.int32)
    numbers[kept[np.argsort(first[kept])]] = np.arange(1, len(kept) + 1)
    return numbers[cell]
