"""Size, shape, brightness and place of every labelled cell of a field."""

from collections.abc import Sequence

import numpy as np

from jaxcell.measures.field import Field


def count(field: Field, view: int) -> int:
    """Counts the cells of a view."""
    return int(field.cells(view).max(initial=0))


def record(field: Field, view: int, column: str) -> np.ndarray:
    """One column of `measure_cells` of the cells of a view, float32 [n]."""
    return measure_cells(field.cells(view), field.views[view], pixel_um=field.pixel_um)[column]


def mean_over_cells(records: Sequence[np.ndarray]) -> float:
    """Mean over all cells, from one value a cell of each field; 0 without any."""
    values = np.concatenate(records)
    return float(values.mean(dtype=np.float64)) if len(values) else 0.0


def measure_cells(
    labels: np.ndarray, image: np.ndarray, *, pixel_um: float
) -> dict[str, np.ndarray]:
    """Measures every cell of a label image.

    Pixels of one number are one cell, connected or not. A cell of one pixel has axes 0,
    eccentricity 0 and solidity 1; a cell of one row or column eccentricity 1 and solidity 1 if it
    has no gap. The background is one number an image, the median count outside all cells, without
    correction for illumination; 0 where cells leave no pixel to take it from.

    Args:
      labels: int [H, W], 0 outside cells, 1 to n inside, without gaps.
      image: uint16 or float [H, W], raw counts.
      pixel_um: side of a pixel in µm.

    Returns:
      `y` and `x`, mean row and column of the cell's pixels; every column of `catalogue.SHAPES`;
      `touches_border`, whether a pixel lies on the border of the image, bool. Each is [n], in the
      order of the labels, and float32 but for the last.

    Raises:
      ValueError: shapes differ, a label is negative or missing, a count is not finite, or
        `pixel_um` is not positive.

    Source: the region properties of scikit-image (`skimage.measure.regionprops`), by sums over
    labels.
    """
    check_cells(labels, image)
    if not pixel_um > 0:
        raise ValueError(f"a pixel of {pixel_um} µm: give the side of a pixel in µm")
    # Much faster than np.nonzero of two dimensions.
    y, x = np.divmod(np.flatnonzero(labels != 0), labels.shape[1])
    inside = labels[y, x].astype(np.intp) - 1
    area = np.bincount(inside).astype(np.float64)
    counts = image[y, x].astype(np.float64)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(inside, values, minlength=len(area))

    centre_y, centre_x = total(y) / area, total(x) / area
    major, minor = _variances(y - centre_y[inside], x - centre_x[inside], total, area)
    integrated = total(counts)
    border = (y == 0) | (x == 0) | (y == labels.shape[0] - 1) | (x == labels.shape[1] - 1)
    columns = {
        "y": centre_y,
        "x": centre_x,
        "area_um2": area * pixel_um**2,
        "equivalent_diameter_um": np.sqrt(4 * area / np.pi) * pixel_um,
        "major_axis_um": 4 * np.sqrt(major) * pixel_um,
        "minor_axis_um": 4 * np.sqrt(minor) * pixel_um,
        "eccentricity": np.sqrt(1 - minor / np.where(major > 0, major, 1)) * (major > 0),
        "solidity": area / _convex_area(inside, y, x),
        "mean_intensity": integrated / area,
        "integrated_intensity": integrated,
        "intensity_above_background": integrated - area * _background(labels, image),
    }
    measured = {name: values.astype(np.float32) for name, values in columns.items()}
    return measured | {"touches_border": total(border) > 0}


def check_cells(labels: np.ndarray, image: np.ndarray) -> None:
    """Raises ValueError unless `measure_cells` can take these labels and this image."""
    if labels.ndim != 2 or labels.shape != image.shape:
        raise ValueError(
            f"labels {labels.shape} and image {image.shape}: give one grey image and its labels"
        )
    if not np.issubdtype(labels.dtype, np.integer) or (labels.size and labels.min() < 0):
        raise ValueError("labels are whole numbers: 0 outside cells, 1 to n inside")
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    present[0] = True
    present[labels[labels != 0]] = True
    if not present.all():
        raise ValueError(
            f"the labels reach {len(present) - 1} but no pixel has {present.argmin()}: number the "
            "cells without gaps (skimage.segmentation.relabel_sequential)"
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise ValueError("the image holds NaN or infinite counts: replace them before measuring")


def _variances(dy: np.ndarray, dx: np.ndarray, total, area) -> tuple[np.ndarray, np.ndarray]:
    """Variance in px² along the major and the minor axis of each cell, float64 [n] each."""
    yy, xx, xy = (total(a * b) / area for a, b in ((dy, dy), (dx, dx), (dy, dx)))
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    # A line's minor variance would come out a rounding error above or below 0.
    minor = middle - half
    return middle + half, np.where(minor > 1e-12 * middle, minor, 0.0)


def _background(labels: np.ndarray, image: np.ndarray) -> float:
    """Median count outside all cells, of every fourth pixel in y and x where that is enough."""
    for step in (4, 1):
        outside = image[::step, ::step][labels[::step, ::step] == 0]
        if outside.size >= 1000 or (step == 1 and outside.size):
            return float(np.median(outside))
    return 0.0


def _convex_area(inside: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Number of pixels in the convex hull of each cell 0 to n - 1, float64 [n].

    The hull is that of the middles of the pixels' edges, so that a single pixel and a line have
    one; a pixel belongs to it where its centre does, the border included. In whole numbers
    throughout, so no pixel on the border is lost to rounding. By the definition of
    `skimage.morphology.convex_hull_image`; upper hulls by Jarvis 1973.
    """
    if inside.size == 0:
        return np.zeros(0)
    order = np.lexsort((x, y, inside))
    inside, y, x = inside[order], y[order], x[order]
    starts = np.flatnonzero(np.diff(inside, prepend=-1) | np.diff(y, prepend=-1))
    cell, row = inside[starts], y[starts]
    # Left and right ends of every row, the left ones mirrored so that both are upper bounds.
    ends = np.stack([-x[starts], x[np.append(starts[1:], len(x)) - 1]])
    first = np.flatnonzero(np.diff(cell, prepend=-1))
    top, height = row[first], row[np.append(first[1:], len(row)) - 1] - row[first] + 1
    areas = np.zeros(len(first))
    size = np.ceil(np.log2(height)).astype(int)
    for bucket in np.unique(size):  # cells of like height together: little padding
        place = np.cumsum(size == bucket) - 1
        member = size[cell] == bucket
        chosen = np.flatnonzero(size == bucket)
        areas[chosen] = _hull_sizes(
            place[cell[member]], (row - top[cell])[member], ends[:, member], height[chosen]
        )
    return areas


def _hull_sizes(
    cell: np.ndarray, row: np.ndarray, ends: np.ndarray, height: np.ndarray
) -> np.ndarray:
    """Pixels in the hulls of n cells from the ends, int [2, R], of their R rows; float64 [n].

    Coordinates are doubled: the middles of a pixel's edges lie half a pixel from its centre.
    """
    steps = 2 * height.max() + 1
    bound = np.full((2, len(height), steps), np.iinfo(np.int32).min, np.int64)
    bound[:, cell, 2 * row + 1] = 2 * ends + 1
    for edge in (2 * row, 2 * row + 2):  # shared by neighbouring rows, the farther one counts
        bound[:, cell, edge] = np.maximum(bound[:, cell, edge], 2 * ends)
    reach = _upper_hull(bound.reshape(-1, steps), np.tile(2 * height, 2)).reshape(bound.shape)
    reach = reach[:, :, 1::2]
    real = np.arange(reach.shape[2]) < height[:, None]
    return ((reach.sum(axis=0) + 1) * real).sum(axis=1).astype(np.float64)


def _upper_hull(bound: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Half the least concave bound above each row of `bound`, int [N, M], rounded down.

    Column `last[i]` is where row i ends; beyond it the result means nothing.
    """
    index = np.arange(bound.shape[1])
    rows = np.arange(len(bound))
    corner = np.zeros(bound.shape, bool)
    at = np.zeros(len(bound), np.intp)
    corner[:, 0] = True
    while (at < last).any():
        ahead = index - at[:, None]
        rise = bound - bound[rows, at][:, None]
        allowed = (ahead > 0) & (index <= last[:, None])
        slope = np.where(allowed, rise / np.maximum(ahead, 1), -np.inf)
        at = np.where(at < last, slope.argmax(axis=1), at)
        corner[rows, at] = True
    before = np.maximum.accumulate(np.where(corner, index, 0), axis=1)
    after = np.minimum.accumulate(np.where(corner, index, index[-1])[:, ::-1], axis=1)[:, ::-1]
    start, end = (np.take_along_axis(bound, corners, axis=1) for corners in (before, after))
    span = np.maximum(after - before, 1)
    return (start * span + (end - start) * (index - before)) // (2 * span)
