"""Cells outlined in images: which square to show, how bright, and a line around each cell."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from scipy.ndimage import find_objects
from skimage.measure import find_contours

# Below 1 the dimmer cells are seen too, not only their outlines.
GAMMA = 0.6


def fullest_square(inside: np.ndarray, side: int) -> tuple[slice, slice]:
    """Rows and columns of the square that holds most of a mask.

    Args:
      inside: bool [H, W].
      side: of the square in pixels.

    Returns:
      Slices of `side` pixels, or of the image's side where that is less.
    """
    height, width = np.minimum(side, inside.shape)
    sums = np.zeros(np.add(inside.shape, 1), np.int32)
    np.cumsum(inside, axis=0, dtype=np.int32, out=sums[1:, 1:])
    np.cumsum(sums[1:, 1:], axis=1, dtype=np.int32, out=sums[1:, 1:])
    held = sums[height:, width:] - sums[:-height, width:]
    held += sums[:-height, :-width] - sums[height:, :-width]
    y, x = (int(corner) for corner in np.unravel_index(held.argmax(), held.shape))
    return slice(y, y + int(height)), slice(x, x + int(width))


def brightness(counts: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Counts as light.

    Args:
      counts: of any shape.
      low, high: counts that are drawn as black and as full light.

    Returns:
      float32 in [0, 1], of the same shape.
    """
    share = (counts.astype(np.float32) - low) / np.maximum(high - low, 1)
    return np.clip(share, 0, 1).astype(np.float32) ** GAMMA


def draw_outlines(
    axes: Axes, labels: np.ndarray, colour: str, line: str = "-", width: float = 1.0
) -> None:
    """Draws a line around every cell.

    Args:
      axes: that show the image, a unit a pixel.
      labels: int [H, W], 0 outside cells.
      colour, line, width: of the lines; width in points.
    """
    outlines = []
    for number, box in enumerate(find_objects(labels), 1):
        if box is not None:
            corner = [side.start - 1 for side in box]
            paths = find_contours(np.pad(labels[box] == number, 1), 0.5)
            outlines += [(path + corner)[:, ::-1] for path in paths]
    look = {"colors": colour, "linestyles": line, "linewidths": width}
    axes.add_collection(LineCollection(outlines, **look), autolim=False)
