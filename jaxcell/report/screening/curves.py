"""Dose series: wells, curves, their bands and IC50s, and what the cells do beside them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from jaxcell.analysis.screening.curves import value_at
from jaxcell.analysis.screening.doses import FOUND, NO_EFFECT, Response
from jaxcell.analysis.screening.scale import Scale
from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.screening.sentences import on_series

# Panels of a figure, and where dose 0 stands left of the lowest dose, in decades.
PANELS, COLUMNS, ZERO = 12, 3, 1.0
# Of the numbers of each kind of cells in turn.
LINES = ("--", ":", "-.", (0, (1, 3)), (0, (6, 2)), (0, (3, 1, 1, 1, 1, 1)))


def parts(responses: Sequence[Response]) -> list[list[str]]:
    """Compounds of each figure, in order."""
    names = list(dict.fromkeys(item.series.compound for item in responses))
    return [names[start : start + PANELS] for start in range(0, len(names), PANELS)]


@style.legible
def dose_curves(
    responses: Sequence[Response],
    compounds: Sequence[str],
    scale: Scale,
    measure: Quantity,
    palette: Mapping[str, style.Mark],
) -> Figure:
    """A panel a compound: wells and curves of its conditions over the dose.

    Args:
      responses: of all series.
      compounds: which to draw.
      scale: of the measure.
      measure: what was screened.
      palette: marks of the conditions.

    Returns:
      The figure. Bands hold 95 % of bootstrap curves; a bar under a curve is the interval of its
      IC50; a level dashed line is the median of a series without effect. Controls stand at dose 0.
    """
    figure, grid = _panels(len(compounds))
    for axes, compound in zip(grid, compounds):
        own = [item for item in responses if item.series.compound == compound]
        lines = []
        for item in own:
            mark = palette[item.series.condition]
            values = scale.backward(item.series.scaled)
            position = _position(item.series.dose, _lowest(own))
            for control, look in ((True, {"alpha": 0.35}), (False, {"alpha": 0.9})):
                chosen = item.series.control == control
                axes.plot(position[chosen], values[chosen], mark.marker, ms=3, mew=0,
                          color=mark.colour, **look)  # fmt: skip
            _draw_curve(axes, item, values, mark.colour, _lowest(own))
            if item.row["answer"] == FOUND:
                lines.append((item, mark.colour))
        _draw_intervals(axes, lines, _lowest(own))
        _name(axes, own)
        _dose_axis(axes, own)
    figure.supxlabel("dose, µM (controls at 0)", size=10)
    figure.supylabel(style.with_unit(measure.label, measure.unit), size=10)
    shown = {item.series.condition for item in responses}
    handles = [style.handle(mark, name, ls="-", lw=1.3, ms=4)
               for name, mark in palette.items() if name in shown]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    return figure


@style.legible
def beside_cells(
    responses: Sequence[Response],
    counts: Mapping[str, Sequence[Response]],
    measure: Quantity,
    palette: Mapping[str, style.Mark],
    kinds: Sequence[Kind] = USUAL.kinds,
) -> Figure:
    """Curves of the measure and of the numbers of cells, each in percent of its controls.

    Args:
      responses: of the measure, those to draw, at most `PANELS`.
      counts: column of counts -> responses of the same series.
      measure: what was screened.
      palette: marks of the conditions.
      kinds: of cells that were counted.
    """
    figure, grid = _panels(len(responses))
    for axes, item in zip(grid, responses):
        over = _over([item])
        colour = palette[item.series.condition].colour
        _percent(axes, item, over, {"color": colour, "lw": 1.8, "ls": "-"})
        for kind, line in zip(kinds, LINES):
            same = [other for other in counts.get(kind.counts, ()) if other.curve is not None and
                    (other.series.condition, other.series.compound)
                    == (item.series.condition, item.series.compound)]  # fmt: skip
            for other in same:
                _percent(axes, other, over, {"color": style.INK, "lw": 1.3, "ls": line})
        axes.axhline(100, color=style.FAINT, lw=0.8, zorder=0)
        axes.set_title(f"{item.series.compound}, {item.series.condition}", size=9)
        axes.set_ylim(bottom=0)
        _dose_axis(axes, [item])
    figure.supxlabel("dose, µM (controls at 0)", size=10)
    figure.supylabel("% of the controls", size=10)
    handles = [style.handle(style.Mark(style.MUTED, ""), measure.label, ls="-", lw=1.8)]
    for kind, line in zip(kinds, LINES):
        if kind.counts in counts:
            label = f"number of {kind.plural}"
            handles.append(style.handle(style.Mark(style.INK, ""), label, ls=line, lw=1.3))
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(COLUMNS, max(count, 1))
    lines = -(-count // columns)
    figure = style.new_figure(7.2, 1.0 + 1.9 * lines)
    grid = list(np.ravel(figure.subplots(lines, columns, squeeze=False)))
    for axes in grid[count:]:
        axes.set_axis_off()
    return figure, grid[:count]


def _lowest(own: Sequence[Response]) -> float:
    return min(item.row["lowest_um"] for item in own)


def _position(dose: np.ndarray, lowest: float) -> np.ndarray:
    """Logarithms of doses, dose 0 a decade below the lowest."""
    return np.where(dose > 0, np.log10(np.maximum(dose, 1e-12)), np.log10(lowest) - ZERO)


def _over(own: Sequence[Response]) -> np.ndarray:
    highest = max(item.row["highest_um"] for item in own)
    return np.geomspace(_lowest(own) / 10 ** (0.6 * ZERO), highest, 90)


def _draw_curve(axes: Axes, item: Response, values: np.ndarray, colour: str, lowest: float) -> None:
    if item.curve is None:
        return
    over = np.geomspace(lowest / 10 ** (0.6 * ZERO), item.row["highest_um"], 90)
    if item.row["answer"] == NO_EFFECT:  # A curve through noise would show what is not there.
        axes.hlines(np.median(values), *np.log10(over[[0, -1]]), color=colour, lw=1.2, ls="--")
        return
    low, high = np.quantile(value_at(item.draws, over), (0.025, 0.975), axis=0)
    axes.fill_between(np.log10(over), low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(np.log10(over), value_at(item.curve, over), color=colour, lw=1.5)


def _draw_intervals(axes: Axes, lines: list[tuple[Response, str]], lowest: float) -> None:
    """The interval of each IC50 as a bar along the bottom, its estimate a stroke."""
    bottom, top = axes.get_ylim()
    for place, (item, colour) in enumerate(lines, 1):
        y = bottom - 0.06 * place * (top - bottom)
        ends = np.clip([item.row["half_um_low"], item.row["half_um_high"]], lowest / 10,
                       10 * item.row["highest_um"])  # fmt: skip
        axes.plot(np.log10(ends), [y, y], color=colour, lw=2.2, solid_capstyle="butt")
        axes.plot(np.log10(item.row["half_um"]), y, "|", color=style.INK, ms=7, mew=1.5)
    axes.set_ylim(bottom - 0.06 * (len(lines) + 0.6) * (top - bottom), top)


def _name(axes: Axes, own: Sequence[Response]) -> None:
    """Compound, number of wells, and the answer of the condition with the surest one."""
    best = min(own, key=lambda item: 2.0 if item.row["q"] is None else item.row["q"])
    wells = sum(item.row["wells"] for item in own)
    axes.set_title(f"{best.series.compound} (n = {wells})", size=9.5, pad=14)
    text = on_series(best.row).replace("not reached by the top dose: ", "")
    axes.text(0, 1.02, style.shortened(text, 38), transform=axes.transAxes, size=7,
              color=style.MUTED, va="bottom")  # fmt: skip


def _dose_axis(axes: Axes, own: Sequence[Response]) -> None:
    """A logarithmic axis of doses with plain numbers, and 0 at its left end."""
    lowest, highest = np.log10(_lowest(own)), np.log10(max(i.row["highest_um"] for i in own))
    decades = np.arange(np.ceil(lowest - 1e-9), np.floor(highest + 1e-9) + 1)
    step = 2 if len(decades) > 4 else 1
    ticks = [lowest - ZERO, *decades[::step]]
    labels = ["0", *(f"{10.0**decade:g}" for decade in decades[::step])]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter(labels))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(lowest - 1.25 * ZERO, highest + 0.3)


def _percent(axes: Axes, item: Response, over: np.ndarray, look: Mapping) -> None:
    control = float(value_at(item.curve, 0.0))
    if item.row["answer"] == NO_EFFECT:
        axes.plot(np.log10(over), np.full(len(over), 100.0), **look)
    elif control > 0:
        axes.plot(np.log10(over), 100 * value_at(item.curve, over) / control, **look)
