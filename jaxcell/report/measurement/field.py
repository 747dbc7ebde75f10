"""The cells that were found, outlined in their field."""

import numpy as np
from matplotlib.axes import Axes

from jaxcell.cells.kinds import KINDS
from jaxcell.report.common import style
from jaxcell.report.common.images import colour_image, draw_scale_bar
from jaxcell.report.common.outlines import brightness, draw_outlines

# How each kind of cell is outlined, in words and for matplotlib.
LINES = {"t_cell": ("solid", "-"), "dendritic_cell": ("dashed", (0, (2, 1)))}


def draw_found(axes: Axes, picture: np.ndarray, labels: np.ndarray) -> list[str]:
    """Draws a picture with a line round every cell.

    Args:
      axes: where to draw, a unit a pixel.
      picture: float [H, W, 3].
      labels: int32 [2, H, W], 0 outside T cells and dendritic cells.

    Returns:
      For each kind of cell how many there are and how they are outlined, in words.
    """
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    words = []
    for (kind, (word, line)), numbers in zip(LINES.items(), labels):
        draw_outlines(axes, numbers, "white", line)
        count = np.unique(numbers[numbers > 0]).size
        words.append(f"{count} {KINDS[kind].plural} ({word})")
    return words


@style.legible
def outlined_field(
    views: np.ndarray, labels: np.ndarray, pixel_um: float, title: str, axes: Axes | None = None
) -> Axes:
    """Draws a field, an outline round every cell, how many there are, and a scale bar.

    Args:
      views: uint16 [H, W, 2], counts of the T-cell and the dendritic-cell view.
      labels: int32 [2, H, W], 0 outside cells.
      pixel_um: width of a pixel.
      title: what it is of.
      axes: where to draw; None: in a new figure, which a notebook shows by itself.

    Returns:
      The axes, a unit a pixel.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.figure(figsize=(7.2, 7.5), layout="constrained").add_subplot()
    height, width = views.shape[:2]
    # Of every fourth pixel in y and x: enough for a percentile.
    low, high = np.percentile(views[::4, ::4], (1, 99.7), axis=(0, 1))
    counts = draw_found(axes, colour_image(brightness(views, low, high)), labels)
    axes.set_title(f"{title}\n{', '.join(counts)}")
    draw_scale_bar(axes, width, height, width * pixel_um, width)
    return axes
