"""What a network of truth takes for cells, outlined beside what it is compared with."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from skimage.measure import find_contours

from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.report.common import style
from jaxcell.report.common.outlines import brightness

# Told apart by colour, by width and by dashes: the network's, and the other's.
NETWORK, OTHER = ("#00e5ff", "-", 1.2), ("#ff9100", (0, (2, 1.2)), 1.0)


class Outlined(NamedTuple):
    """Patches with two sets of masks.

    Attributes:
      counts: uint16 [k, H, W, 2].
      network, other: uint8 [k, H, W]: 0 nothing, 1 a T cell, 2 a dendritic cell, 3 both.
      captions: of each patch.
      other_words: whose masks the others are.
    """

    counts: np.ndarray
    network: np.ndarray
    other: np.ndarray
    captions: Sequence[str]
    other_words: str


@style.legible
def outlines(shown: Outlined, pixel_um: float, kinds: Sequence[Kind] = USUAL.kinds) -> Figure:
    """Each view of some patches with the cells of the network and of what it is compared with.

    Args:
      shown: at most six patches; two rows of panels for each three.
      pixel_um: µm, edge of a pixel.
      kinds: of cells, one a view.

    Returns:
      The figure.
    """
    count = len(shown.captions)
    columns = min(3, count)
    figure = style.new_figure(7.2, 0.5 + 2.5 * 2 * -(-count // columns))
    rows = 2 * -(-count // columns)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    width_um = shown.counts.shape[2] * pixel_um
    for number, caption in enumerate(shown.captions):
        for kind in kinds:
            axes = grid[2 * (number // columns) + kind.view, number % columns]
            view = shown.counts[number, ..., kind.view]
            axes.imshow(brightness(view, *np.percentile(view, (1, 99.7))), cmap="gray")
            for masks, look in ((shown.other, OTHER), (shown.network, NETWORK)):
                _draw_edges(axes, masks[number] >> kind.view & 1, *look)
            title = f"{caption}\n{kind.plural}" if kind.view == 0 else kind.plural
            axes.set_title(title, size=8.5)
    handles = [
        Line2D([], [], color=colour, ls=line, lw=width, label=words)
        for (colour, line, width), words in (
            (NETWORK, "this network"),
            (OTHER, shown.other_words),
        )
    ]
    legend = figure.legend(handles=handles, loc="outside upper left", ncols=2)
    legend.get_frame().set(facecolor="0.25", alpha=1)
    for text in legend.get_texts():
        text.set_color("white")
    figure.supxlabel(f"Each square is {width_um:.0f} µm wide", size=8.5)
    return figure


def _draw_edges(axes: Axes, mask: np.ndarray, colour: str, line: object, width: float) -> None:
    paths = [path[:, ::-1] - 1 for path in find_contours(np.pad(mask.astype(float), 1), 0.5)]
    look = {"colors": colour, "linestyles": line, "linewidths": width}
    axes.add_collection(LineCollection(paths, **look), autolim=False)
