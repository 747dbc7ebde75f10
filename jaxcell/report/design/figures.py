"""Figures of a design: the plates, what they can show, and why blocks of columns show nothing."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.design.blocks import BLOCKS, BY_LOT, DESIGNED, STRIPES, Proof
from jaxcell.analysis.design.power import POWER
from jaxcell.report.common import style

# How much of a condition's colour the background of a compound's well keeps.
TINT = 0.28
LINES = {
    BLOCKS: (style.VERMILION, "-", "o"),
    STRIPES: (style.PURPLE, "--", "D"),
    BY_LOT: (style.SKY, "-.", "s"),
    DESIGNED: (style.GREEN, "-", "^"),
}
# Wells a compound, fewest first.
SHADES = (style.SKY, style.BLUE, style.ORANGE, style.VERMILION, style.PURPLE)
MARKERS = "osD^v"


@style.legible
def plate_map(wells: pd.DataFrame, palette: style.Palette) -> Figure:
    """One plate: what each well gets.

    Args:
      wells: row, column, condition, compound, concentration_um, role, one row a well of the plate;
        those not used are `empty`.
      palette: of all conditions of the design.

    Returns:
      The figure: a compound's number (and dose where there are several) on the tint of its
      condition, V on its full colour for the vehicle, and the condition's marker; nothing where
      the well stays empty.
    """
    rows, columns = int(wells["row"].max()), int(wells["column"].max())
    doses = wells["concentration_um"].dropna().nunique() > 1
    side = 6.9 / columns
    figure = style.new_figure(7.2, min(side * rows, 6.9 * rows / columns) + 0.55)
    axes = figure.subplots()
    size = min(9.0, 26 * side)
    for well in wells.itertuples():
        _draw_well(axes, well, palette, size, doses)
    axes.set(xlim=(0.5, columns + 0.5), ylim=(rows + 0.5, 0.5), aspect="equal")
    axes.set_xticks(range(1, columns + 1), range(1, columns + 1), size=8)
    axes.set_yticks(range(1, rows + 1), [chr(ord("A") + row) for row in range(rows)], size=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    handles = [
        style.handle(mark, style.shortened(name, style.LONGEST_NAME))
        for name, mark in palette.items()
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False)
    return figure


def _draw_well(axes: Axes, well: object, palette: style.Palette, size: float, doses: bool) -> None:
    """One well as a square."""
    corner = (well.column - 0.46, well.row - 0.46)
    if well.role == "empty":
        axes.add_patch(
            Rectangle(corner, 0.92, 0.92, facecolor="none", edgecolor=style.FAINT, lw=0.6)
        )
        return
    mark = palette[well.condition]
    vehicle = well.role == "vehicle"
    full = np.array(to_rgb(mark.colour))
    face = full if vehicle else 1 - TINT * (1 - full)
    axes.add_patch(Rectangle(corner, 0.92, 0.92, facecolor=face, edgecolor="none"))
    ink = "white" if vehicle else style.INK
    text = "V" if vehicle else well.compound
    look = {"ha": "center", "va": "center", "color": ink}
    weight = "bold" if vehicle else "normal"
    axes.text(well.column, well.row - 0.2, text, size=size, weight=weight, **look)
    if doses and not vehicle:
        dose = f"{well.concentration_um:.3g}".lstrip("0") or "0"
        axes.text(well.column, well.row + 0.25, dose, size=0.75 * size, **look)
        place, wide = (well.column + 0.34, well.row - 0.33), 0.3
    else:
        place, wide = (well.column, well.row + 0.24), 0.55
    colour = "white" if vehicle else mark.colour
    axes.scatter(*place, s=(wide * size) ** 2, marker=mark.marker, c=colour, linewidths=0)


@style.legible
def power_curves(power: pd.DataFrame) -> Figure:
    """Share of compounds found, by the size of their effect, a line for each number of wells.

    Args:
      power: the rows of one source: condition, inhibition, replicates, power, low, high.

    Returns:
      The figure, a panel a condition; bars are 95 % intervals, the dashed line is 80 %.
    """
    names = conditions(power)
    figure = style.new_figure(7.2, 3.1 * style.grid_shape(len(names))[0] + 0.5)
    panels = style.panels(figure, len(names), sharex=True, sharey=True)
    numbers = sorted(power["replicates"].unique())
    for axes, name in zip(panels, names):
        axes.axhline(100 * POWER, color=style.MUTED, lw=1, ls=(0, (4, 3)))
        for at, number in enumerate(numbers):
            own = power[(power["condition"] == name) & (power["replicates"] == number)]
            found, x = 100 * own["power"], 100 * own["inhibition"] * (1 + 0.02 * (at - 1.5))
            ends = np.abs(np.stack([own["low"], own["high"]]) * 100 - found.to_numpy())
            axes.errorbar(
                x, found, yerr=ends, color=SHADES[at % 5], marker=MARKERS[at % 5], ms=4.5, lw=1.5,
                elinewidth=0.8, label=f"{number} wells" if number > 1 else "1 well",
            )  # fmt: skip
        axes.set_title(style.shortened(name, style.LONGEST_NAME))
        axes.set_xscale("log")
        shown = sorted(power["inhibition"].unique())
        axes.set_xticks([100 * value for value in shown], [f"{100 * value:g}" for value in shown])
        axes.minorticks_off()
        axes.set_ylim(-4, 104)
    panels[-1].legend(loc="lower right", title="of each compound", title_fontsize=9)
    figure.supxlabel("share of the stimulation’s effect that the compound takes away, %", size=10)
    figure.supylabel("compounds found, %", size=10)
    return figure


@style.legible
def proofs(found: Sequence[Proof]) -> Figure:
    """What blocks, stripes, lot and design can prove of conditions.

    Args:
      found: as `blocks.proofs` gives.

    Returns:
      The figure: false positives by the size of a gradient, and what is left once rows and columns
      are corrected for.
    """
    figure = style.new_figure(7.2, 3.3)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for proof in found:
        colour, line, marker = LINES[proof.arrangement]
        sizes = list(proof.false_positives)
        shares = [100 * share for share in proof.false_positives.values()]
        left.plot(sizes, shares, color=colour, ls=line, marker=marker, ms=5,
                  label=proof.arrangement)  # fmt: skip
    left.axhline(5, color=style.MUTED, lw=1, ls=(0, (4, 3)))
    left.set(ylim=(-4, 104), xlabel="gradient along the columns, SDs of the noise",
             ylabel="false positives, %")  # fmt: skip
    left.set_title("Nothing acts, and yet p ≤ 0.05")
    left.legend(loc="center right")
    names = [proof.arrangement for proof in found]
    values = [100 * proof.information for proof in found]
    right.barh(names, values, color=[LINES[name][0] for name in names], height=0.6)
    for at, value in enumerate(values):
        right.text(value + 2, at, f"{value:.0f}", va="center", size=9)
    right.set(xlim=(0, 115), xlabel="information left, %")
    right.invert_yaxis()
    right.set_title("Columns corrected")
    right.tick_params(length=0, axis="y")
    return figure
