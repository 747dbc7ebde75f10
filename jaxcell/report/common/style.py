"""One look for all figures: legible type, and one colour and marker a condition, everywhere."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from jaxcell.analysis.conditions import NO_CONDITION, condition_names

# Okabe and Ito 2008: told apart with any kind of colour vision.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
SKY, VERMILION, PURPLE, YELLOW = "#56B4E9", "#D55E00", "#CC79A7", "#F0E442"
INK, MUTED, FAINT = "#1a1a1a", "#5c5c5c", "#dddddd"
# A white edge, by which points are told apart that lie on one another.
EDGED = {"edgecolors": "white", "linewidths": 0.5}


class Mark(NamedTuple):
    """How one condition is drawn: the marker tells it where colour cannot (print, grey)."""

    colour: str
    marker: str


Palette = Mapping[str, Mark]

KNOWN = {
    "Unstimulated": Mark(BLUE, "o"),
    "OVA": Mark(ORANGE, "s"),
    "ConA": Mark(GREEN, "^"),
    NO_CONDITION: Mark(MUTED, "o"),
}
# Characters of a condition's name in a legend.
LONGEST_NAME = 24
# Colour and marker change together, so that neighbours differ in both.
SPARE = tuple(
    Mark((PURPLE, VERMILION, SKY, YELLOW)[index % 4], "DvPX"[(index + index // 4) % 4])
    for index in range(16)
)


def palette(conditions: Iterable[str]) -> dict[str, Mark]:
    """Colour and marker of each condition.

    The study's three conditions always look the same; others take the spare marks in order of name.

    Args:
      conditions: names, in the order in which they are to be shown.

    Returns:
      dict of condition -> Mark, in the order given.
    """
    names = list(dict.fromkeys(conditions))
    others = sorted(name for name in names if name not in KNOWN)
    spare = {name: SPARE[index % len(SPARE)] for index, name in enumerate(others)}
    return {name: KNOWN.get(name) or spare[name] for name in names}


RC = {
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.facecolor": "white",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.fontsize": 9,
    # Names are text: a `$` in one begins no formula.
    "text.parse_math": False,
    "lines.linewidth": 1.8,
    # Text as outlines: an SVG looks the same where the font is missing.
    "svg.fonttype": "path",
    # Fixed, so that the same numbers give the same file.
    "svg.hashsalt": "jaxcell",
}

# Decorates a function that builds or saves a figure, so that nobody's own settings are touched.
legible = matplotlib.rc_context(RC)


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """An empty figure without a window manager behind it: nothing to close, nothing shared."""
    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def panels(figure: Figure, count: int, **shared: bool) -> list[Axes]:
    """`count` panels in rows of at most three, tick labels on the lowest of each column.

    Args:
      figure: where they go.
      count: at least 1.
      **shared: as for `Figure.subplots`.

    Returns:
      The panels; places of the grid that stay empty are removed.
    """
    rows, columns = grid_shape(count)
    grid = list(figure.subplots(rows, columns, squeeze=False, **shared).flat)
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[max(count - columns, 0) : count]:
        axes.tick_params(labelbottom=True)
    return grid[:count]


def finite(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows in which these columns are finite numbers."""
    return table[np.isfinite(table[list(columns)].astype(float)).all(axis=1)]


def by_condition(table: pd.DataFrame, palette: Palette) -> list[tuple[str, Mark, pd.DataFrame]]:
    """Name, mark and rows of each condition that has any, in the order of the palette."""
    names = condition_names(table)
    groups = ((name, mark, table[names == name]) for name, mark in palette.items())
    return [group for group in groups if len(group[2])]


def points(axes: Axes, x: object, y: object, mark: Mark, **look: object) -> None:
    """Points in the look of a mark."""
    axes.scatter(x, y, c=mark.colour, marker=mark.marker, **{"linewidths": 0} | look)


def note(axes: Axes, x: float, y: float, text: str, **look: object) -> None:
    """Grey words at a place of a panel, from 0 to 1 in both directions."""
    axes.text(x, y, text, **{"transform": axes.transAxes, "size": 8.5, "color": MUTED} | look)


def handle(mark: Mark, label: str, **line: object) -> Line2D:
    """Legend entry of a mark."""
    look = {"ls": "", "ms": 6, "marker": mark.marker, "color": mark.colour} | line
    return Line2D([], [], label=label, **look)


def handles(groups: Iterable[tuple], counted: bool = False) -> list[Line2D]:
    """Legend entries of conditions as `by_condition` gives them; long names lose their middle."""
    return [
        handle(mark, shortened(name, LONGEST_NAME) + (f" ({len(rows)})" if counted else ""))
        for name, mark, rows in groups
    ]


def grid_shape(count: int) -> tuple[int, int]:
    """Rows and columns for so many panels: four as two by two, else at most three in a row."""
    columns = 2 if count == 4 else min(3, count)
    return -(-count // columns), columns


def with_unit(words: str, unit: str) -> str:
    """`overlap, %`; the words alone where there is no unit."""
    return f"{words}, {unit}" if unit else words


def shortened(name: str, longest: int) -> str:
    """A long name with its middle cut out: names of conditions often differ at the end alone."""
    if len(name) <= longest:
        return name
    half = longest // 2
    return f"{name[: longest - half - 1].rstrip()}…{name[-half:].lstrip()}"


def sentence_figure(sentence: str) -> Figure:
    """A small figure that says why there is nothing to show."""
    figure = new_figure(7.2, 1.4)
    figure.text(0.5, 0.5, sentence, ha="center", va="center", color=MUTED, wrap=True)
    return figure


def set_scale(axes: Axes, values: pd.Series, which: str = "y", wide: float = 4) -> None:
    """A log axis with plain numbers where values differ by more than `wide`; else one from 0."""
    low, high = values.min(), values.max()
    if not (low > 0 and high > wide * low):
        getattr(axes, f"set_{which}lim")(0, 1.15 * high if high > 0 else 1)
        return
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    axis = getattr(axes, f"{which}axis")
    few, some, many = (1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 6)
    ticks = few if high > 100 * low else some if high > 10 * low else many
    axis.set_major_locator(LogLocator(subs=ticks))
    axis.set_major_formatter("{x:,.10g}")
    axis.set_minor_formatter(NullFormatter())
