"""The cells that were found, outlined in their field."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.report.common import style
from jaxcell.report.common.images import draw_scale_bar, lights, mixed_light
from jaxcell.report.common.outlines import brightness, draw_outlines

# How the cells of each view are outlined, in words and for matplotlib.
LINES = (
    ("solid", "-"),
    ("dashed", (0, (2, 1))),
    ("dotted", (0, (1, 1.5))),
    ("dashes and dots", (0, (3, 1, 1, 1))),
    ("long dashes", (0, (6, 1.5))),
    ("dashes and two dots", (0, (3, 1, 1, 1, 1, 1))),
)


def draw_found(
    axes: Axes, picture: np.ndarray, labels: np.ndarray, kinds: Sequence[Kind]
) -> list[str]:
    """Draws a picture with a line round every cell.

    Args:
      axes: where to draw, a unit a pixel.
      picture: float [H, W, 3].
      labels: int32 [K, H, W], 0 outside the cells of each kind.
      kinds: of cells.

    Returns:
      For each kind of cell how many there are and how they are outlined, in words.
    """
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    words = []
    for kind, (word, line), numbers in zip(kinds, LINES, labels):
        draw_outlines(axes, numbers, "white", line)
        count = np.unique(numbers[numbers > 0]).size
        words.append(f"{count} {kind.plural} ({word})")
    return words


@style.legible
def outlined_field(
    views: np.ndarray,
    labels: np.ndarray,
    pixel_um: float,
    title: str,
    axes: Axes | None = None,
    kinds: Sequence[Kind] = USUAL.kinds,
) -> Axes:
    """Draws a field, an outline round every cell, how many there are, and a scale bar.

    Args:
      views: uint16 [H, W, K], counts of each kind's view.
      labels: int32 [K, H, W], 0 outside cells.
      pixel_um: width of a pixel.
      title: what it is of.
      axes: where to draw; None: in a new figure, which a notebook shows by itself.
      kinds: of cells.

    Returns:
      The axes, a unit a pixel.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.figure(figsize=(7.2, 7.5), layout="constrained").add_subplot()
    height, width = views.shape[:2]
    # Of every fourth pixel in y and x: enough for a percentile.
    low, high = np.percentile(views[::4, ::4], (1, 99.7), axis=(0, 1))
    picture = mixed_light(brightness(views, low, high), lights(kinds))
    counts = draw_found(axes, picture, labels, kinds)
    axes.set_title(f"{title}\n{', '.join(counts)}")
    draw_scale_bar(axes, width, height, width * pixel_um, width)
    return axes
