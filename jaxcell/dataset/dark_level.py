"""The counts of a camera in the dark, from images alone: light is shaded by the lamp, they are not.

Where a field is brighter lit by so many counts than its middle, the light of its background and of
its cells is more by one and the same share, so that the counts of a share tell the dark level. Two
things show that share: the backgrounds of bright fields, which differ more from place to place than
those of dim ones (Tukey 1949, one degree of freedom for non-additivity), and cells, which are
brighter above their background where there is more light.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage

from jaxcell.cells.noise import pixel_noise

# Cells are looked for in squares of so many pixels, as the brightest of so many squares a side.
SQUARE, NEIGHBOURS = 4, 5
# Times the noise of a square that a cell is brighter than its background.
CLEAR = 5.0
# A cell counts from this share of the middle one of its field on: debris of the background is less.
DIM = 0.6
# Fields that must show something, or chance decides: their scatter says how sure it is.
FEWEST_FIELDS = 8
# Rounds of an estimate, which halves its error in each.
ROUNDS = 20


class Cells(NamedTuple):
    """The cells of a field.

    Attributes:
      y, x: float [n], where they are, as shares of the field's sides.
      light: float [n], counts of their brightest square above the background.
    """

    y: np.ndarray
    x: np.ndarray
    light: np.ndarray


def bright_cells(field: np.ndarray, background: np.ndarray) -> Cells:
    """Finds bright spots of a field, unsigned [H, W], above its blocks' background, [h, w]."""
    height, width = (side // SQUARE for side in field.shape)
    if not height or not width:
        return Cells(*np.zeros((3, 0)))
    squares = field[: height * SQUARE, : width * SQUARE].astype(np.float32)
    squares = squares.reshape(height, SQUARE, width, SQUARE).mean((1, 3))
    # A block full of cells stands alone.
    smooth = ndimage.median_filter(background.astype(np.float32), 3)
    by = np.divide(squares.shape, smooth.shape)
    above = squares - ndimage.zoom(smooth, by, order=1, grid_mode=True, mode="nearest")
    clear = above > CLEAR * pixel_noise(field) / SQUARE
    y, x = np.nonzero(clear & (above == ndimage.maximum_filter(above, NEIGHBOURS)))
    return Cells((y + 0.5) / height, (x + 0.5) / width, above[y, x])


def dark_level(backgrounds: np.ndarray, cells: Sequence[Cells]) -> float:
    """Estimates the counts of a camera in the dark.

    Args:
      backgrounds: float [N, h, w], counts of the blocks of N fields.
      cells: of each field.

    Returns:
      Counts, from 0 to those of the darkest block. 0 where neither the backgrounds nor the cells of
      at least `FEWEST_FIELDS` fields differ: uneven light is then corrected too little, never too
      much.
    """
    # Of one count everywhere is a view that shows nothing, not even the camera's noise.
    shown = np.flatnonzero(np.ptp(backgrounds, axis=(1, 2)) > 0)
    if not len(shown):
        return 0.0
    backgrounds, cells = backgrounds[shown], [cells[number] for number in shown]
    levels = np.median(backgrounds, axis=(1, 2))
    usual = np.median(levels)
    shade = np.median(backgrounds - levels[:, None, None], axis=0)
    shade = np.pad(shade, 3, mode="reflect", reflect_type="odd")
    shade = ndimage.gaussian_filter(ndimage.median_filter(shade, 3), 1)[3:-3, 3:-3]
    # Shares of light a count of background: 1 / (usual - dark).
    found = [_share_by_level(backgrounds, levels, shade), _share_by_cells(cells, shade)]
    shares, errors = np.transpose([estimate for estimate in found if estimate] or [(0.0, 1.0)])
    share = np.average(shares, weights=1 / np.maximum(errors, 1e-9) ** 2)
    if not share > 0 < usual:
        return 0.0
    return float(np.clip(usual - 1 / share, 0, max(backgrounds.min(), 0)))


def _share_by_level(
    backgrounds: np.ndarray, levels: np.ndarray, shade: np.ndarray
) -> tuple[float, float] | None:
    """Share of light a count of background, from fields of several levels, and its error."""
    rest = backgrounds - levels[:, None, None] - shade
    rest -= np.median(rest, axis=(1, 2), keepdims=True)
    expected = (levels - np.median(levels))[:, None, None] * shade
    field = np.repeat(np.arange(len(backgrounds)), shade.size)
    share, bound = 0.0, 2 * 1.4826 * np.median(np.abs(rest))
    for _ in range(ROUNDS):
        # Clumps of cells and debris pull no harder than the bound.
        clipped = np.clip(rest - share * expected, -bound, bound)
        step, error = _slope(clipped.ravel(), expected.ravel(), field)
        share += step
    return (share, error) if np.isfinite(error) else None


def _share_by_cells(cells: Sequence[Cells], shade: np.ndarray) -> tuple[float, float] | None:
    """The same from the light of cells at places of more and less background."""
    field = np.repeat(np.arange(len(cells)), [len(own.light) for own in cells])
    if len(np.unique(field)) < FEWEST_FIELDS:
        return None
    y, x, light = np.concatenate([np.stack(own) for own in cells], axis=1)
    rows, columns = shade.shape
    counts, share = shade[(y * rows).astype(int), (x * columns).astype(int)], 0.0
    for _ in range(ROUNDS):
        lamp = np.maximum(1 + share * counts, 0.2)
        even = pd.Series(light / lamp)
        kept = (even > DIM * even.groupby(field).transform("median")).to_numpy()
        even, of = even[kept], field[kept]
        relative = np.log(even / even.groupby(of).transform("median")).clip(-1, 1).to_numpy()
        expected = (counts / lamp)[kept]
        step, error = _slope(relative, expected - expected.mean(), of)
        if not np.isfinite(error):
            return None
        share += step
    return share, error


def _slope(values: np.ndarray, by: np.ndarray, field: np.ndarray) -> tuple[float, float]:
    """Slope through the origin and its standard error, where what is of one field may err alike."""
    size = np.square(by).sum()
    if not size > 0 or not np.isfinite(size):
        return 0.0, np.inf
    slope = (values * by).sum() / size
    errors = np.bincount(field, (values - slope * by) * by)
    return float(slope), float(np.sqrt(np.square(errors).sum()) / size)
