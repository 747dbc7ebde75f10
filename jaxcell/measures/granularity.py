"""Granularity spectra: how much of a cell's light lies in structures of which size."""

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from jaxcell.measures.field import Field
from jaxcell.measures.morphology import check_cells

# CellProfiler's own defaults are 0.25 and 16 steps, for cells several times as wide: a T cell of
# 8-11 px is then 2-3 px across and gone at the first step. On simulated T cells the mean step
# follows the true diameter with r -0.2 to -0.1 at 0.25, 0.4 to 0.6 at 0.5, 0.5 to 0.7 at 1, which
# takes some nine times as long. At 0.5 T cells are gone at the third step, dendritic cells of
# 12-20 px at the fourth or fifth.
SUBSAMPLE, STEPS = 0.5, 6
# As in CellProfiler. Together with a subsample of 0.5 the background is what is wider than 160 px:
# the widest clumps of dendritic cells are about half that.
BACKGROUND_SUBSAMPLE, BACKGROUND_RADIUS = 0.25, 10
# Sweeps up, down, left and right go on until no more than this share of the pixels is still to
# rise, which are then followed one by one; never more than so many rounds, since light that winds
# through noise gains less from every further one.
FEW, ROUNDS = 0.02, 12
# Places sampled at a time: each is two numbers of 8 bytes meanwhile.
AT_A_TIME = 2**21


def record(field: Field, view: int, step: int) -> np.ndarray:
    """One step of the spectrum of the cells of a view, float32 [n], in percent."""
    return cell_granularity(field.views[view], field.cells(view), step)[:, -1]


def cell_granularity(
    image: np.ndarray,
    labels: np.ndarray,
    steps: int = STEPS,
    subsample: float = SUBSAMPLE,
    background_subsample: float = BACKGROUND_SUBSAMPLE,
    background_radius: int = BACKGROUND_RADIUS,
) -> np.ndarray:
    """Share of each cell's light that is lost when structures of radius k and less are removed.

    The image is subsampled and freed from its background (an opening by a disc, of the image
    subsampled once more). Step k erodes it k times by a cross, reconstructs it from that under
    itself, resamples the result to the size of the image and averages it over the cell; entry k is
    what that mean lost against step k - 1, in percent of the mean raw count. As in CellProfiler,
    the means begin with the raw image, so entry 1 holds the background's share too.

    Args:
      image: uint16 or float [H, W], raw counts of 0 and more.
      labels: int [H, W], 0 outside cells, 1 to n inside, without gaps.
      steps: length of the spectrum; entry k is about structures of radius k / `subsample` px.
      subsample: pixels kept in y and x, in (0, 1].
      background_subsample: pixels kept of those to find the background, in (0, 1].
      background_radius: radius of the disc in pixels of the image subsampled twice.

    Returns:
      float32 [n, steps] in percent, together at most 100 a cell; entry 1 may be a little below 0
      where resampling smears light into a cell. 0 for a cell of 0 counts throughout. On a constant
      image all is background: entry 1 is 100, the others 0.

    Raises:
      ValueError: as `check_cells`; a count is negative, or a parameter is out of range.

    Source: CellProfiler 4, MeasureGranularity in objects, after Ravkin; Vincent 2000,
    "Granulometries and opening trees". Reconstruction: Vincent 1993.
    """
    check_cells(labels, image)
    if image.size and image.min() < 0:
        raise ValueError("the image holds negative counts: raise them to 0 before measuring")
    if not (0 < subsample <= 1 and 0 < background_subsample <= 1):
        raise ValueError(f"subsample {subsample}, {background_subsample}: choose in (0, 1]")
    if steps < 1 or background_radius < 1:
        raise ValueError(f"steps {steps}, background radius {background_radius}: at least 1 each")
    y, x = np.divmod(np.flatnonzero(labels != 0), labels.shape[1])
    inside = labels[y, x].astype(np.intp) - 1
    count = int(labels.max(initial=0))
    if count == 0:
        return np.zeros((0, steps), np.float32)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(inside, values, count) / np.bincount(inside)

    pixels = _foreground(image, subsample, background_subsample, background_radius)
    ratio = _ratio(image.shape, subsample)
    places = np.stack([y * ratio[0], x * ratio[1]])
    raw = mean(image[y, x].astype(np.float64))
    means, eroded, under = [raw], pixels, pixels
    for _ in range(steps):
        eroded = _spread(eroded, np.minimum)
        # The one before is a mask as good as the image, and flatter.
        under = _reconstruct(eroded, under)
        means.append(mean(_sample(under, places)))
    lost = -np.diff(np.stack(means, axis=1), axis=1)
    # Where there is no light, nothing is lost either.
    return (100 * lost / np.where(raw > 0, raw, 1)[:, None]).astype(np.float32)


def _subsample(image: np.ndarray, share: float) -> np.ndarray:
    """Reads an image at every 1 / share pixels, bilinearly; float32."""
    if share == 1:
        return image.astype(np.float32)
    rows, columns = (np.arange(np.ceil(side * share)) / share for side in image.shape)
    return _sample_grid(image, rows, columns)


def _sample(image: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Bilinear interpolation at `places`, float [2, ...]; the border's value beyond it."""
    return ndimage.map_coordinates(image, places, np.float32, order=1, mode="nearest")


def _sample_grid(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """`_sample` where rows and columns cross, float32 [R, C], some lines at a time."""
    result = np.empty((len(rows), len(columns)), np.float32)
    lines = max(1, AT_A_TIME // max(1, len(columns)))
    for start in range(0, len(rows), lines):
        part = slice(start, start + lines)
        result[part] = _sample(image, np.stack(np.meshgrid(rows[part], columns, indexing="ij")))
    return result


def _ratio(shape: tuple[int, ...], share: float) -> np.ndarray:
    """Pixels of the subsampled image a pixel of the image, last on last as in CellProfiler."""
    full = np.array(shape, np.float64)
    return np.where(share == 1, 1.0, np.maximum(full * share - 1, 0) / np.maximum(full - 1, 1))


def _foreground(image, subsample, background_subsample, background_radius) -> np.ndarray:
    """The subsampled image less its background, float32 of 0 and more."""
    pixels = _subsample(image, subsample)
    back = _subsample(pixels, background_subsample)
    side = np.arange(-background_radius, background_radius + 1)
    disc = side[:, None] ** 2 + side**2 <= background_radius**2
    back = ndimage.grey_opening(back, footprint=disc, mode="reflect")
    # Sides before rounding up, as in CellProfiler.
    shape = np.array(image.shape) * subsample
    ratio = _ratio(tuple(shape), background_subsample)
    rows, columns = (np.arange(n) * r for n, r in zip(pixels.shape, ratio))
    return np.maximum(pixels - _sample_grid(back, rows, columns), 0)


def _reconstruct(marker: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Grey-scale reconstruction of `marker`, float32 [H, W], under `mask` with a cross, exact.

    Sweeps over whole rows and columns carry nearly all light to its place; the pixels that could
    still rise are then followed one by one (the hybrid algorithm of Vincent 1993). Three to five
    times as fast as sorting all pixels.
    """
    across = np.ascontiguousarray(mask.T)
    raised = marker.copy()
    for _ in range(ROUNDS):
        _sweep(raised, mask)
        turned = np.ascontiguousarray(raised.T)
        _sweep(turned, across)
        raised = np.ascontiguousarray(turned.T)
        rising = np.minimum(_spread(raised, np.maximum), mask) > raised
        if np.count_nonzero(rising) < FEW * rising.size:
            break
    front = np.flatnonzero(np.pad(_spread(rising, np.logical_or), 1))
    # A frame that nothing can rise in, so that every pixel has four neighbours.
    raised, mask = (np.pad(image, 1, constant_values=-np.inf) for image in (raised, mask))
    width, flat, limit = raised.shape[1], raised.ravel(), mask.ravel()
    around = np.array([-width, -1, 1, width])[:, None]
    while front.size:
        neighbours = front + around
        values = np.minimum(flat[front], limit[neighbours])
        rises = values > flat[neighbours]
        np.maximum.at(flat, neighbours[rises], values[rises])
        front = np.unique(neighbours[rises])
    return raised[1:-1, 1:-1]


def _sweep(raised: np.ndarray, mask: np.ndarray) -> None:
    """Carries light down all rows and up again, in place."""
    for above, row, limit in zip(raised[:-1], raised[1:], mask[1:]):
        np.minimum(np.maximum(row, above, out=row), limit, out=row)
    for below, row, limit in zip(raised[:0:-1], raised[-2::-1], mask[-2::-1]):
        np.minimum(np.maximum(row, below, out=row), limit, out=row)


def _spread(image: np.ndarray, choose: Callable) -> np.ndarray:
    """Least or greatest of each pixel and its four neighbours; the border has fewer."""
    result = image.copy()
    for ahead, behind in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        choose(result[ahead], image[behind], out=result[ahead])
        choose(result[behind], image[ahead], out=result[behind])
    return result
