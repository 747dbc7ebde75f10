"""Figures of measured plates: each well's answer, strength by condition, and the cells."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from jaxcell.analysis.conditions import condition_names
from jaxcell.analysis.wells import median_interval
from jaxcell.cells.kinds import Kind
from jaxcell.measures.catalogue import SHAPES
from jaxcell.measures.chance import CANNOT_SAY, MINIMUM_CELLS, TOO_FEW
from jaxcell.report.common import style
from jaxcell.report.common.images import draw_scale_bar, lights, mixed_light
from jaxcell.report.interaction.plates import place, row_name
from jaxcell.report.measurement.field import draw_found

# Colour and hatching of each answer, told apart in grey too, and the rule it is by.
FILLS = {
    "interaction": (style.ORANGE, "", ", q ≤ {level:g}"),
    "no more than chance": ("#efefef", "", ""),
    "less than chance": (style.SKY, "....", ", q ≤ {level:g}"),
    TOO_FEW: ("white", "/////", f": below {MINIMUM_CELLS} of a kind"),
    CANNOT_SAY: ("white", "xxxx", ": fields too small, or of several sizes"),
}
# What is drawn of the cells.
SHAPE = ("area_um2", "eccentricity", "solidity", "mean_intensity")
# A mark beside the wells of a condition: what chance gives in them.
BY_CHANCE = style.Mark(style.MUTED, "_")


@style.legible
def answers(wells: pd.DataFrame, level: float) -> Figure:
    """Each well's answer at its place on the plate, with its z.

    Args:
      wells: well, plate, answer, chance_z; of one plate.
      level: of q that the answers are by.

    Returns:
      The figure, down to the last row and column measured; wells without a place are left out.
    """
    places = wells["well"].map(place).dropna()
    if places.empty:
        return style.sentence_figure("No well has a place on a plate.")
    lines, columns = np.maximum(np.max([*places], axis=0) + 1, (2, 6))
    width = min(7.2, 0.6 * columns + 0.6)
    figure = style.new_figure(7.2, 1.8 + (width - 0.3) * lines / columns)
    axes = figure.subplots()
    size = min(8.0, 20.0 * (width - 0.3) / columns)
    for (row, column), well in zip(places, wells.loc[places.index].itertuples()):
        _draw_well(axes, row, column, well.answer, well.chance_z, size)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(lines - 0.5, -0.5), aspect="equal")
    axes.set_title(f"Plate {wells['plate'].iloc[0]}: z of the overlap against chance")
    axes.set_xticks(range(columns), range(1, columns + 1), size=8)
    axes.set_yticks(range(lines), map(row_name, range(lines)), size=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    counts, handles = wells["answer"].value_counts(), []
    for answer, (colour, hatch, rule) in FILLS.items():
        if answer in counts:
            label = f"{answer}{rule.format(level=level)} ({counts[answer]})"
            handles.append(Patch(fc=colour, hatch=hatch, ec=style.MUTED, lw=0.6, label=label))
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _draw_well(axes: Axes, row: int, column: int, answer: str, z: float, size: float) -> None:
    """A square filled and hatched by its answer, its z in it."""
    colour, hatch, _ = FILLS[answer]
    square = Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fc=colour, hatch=hatch)
    square.set(edgecolor=style.MUTED, linewidth=0.6)
    axes.add_patch(square)
    if answer not in (TOO_FEW, CANNOT_SAY):
        text = f"{round(z, 1) + 0.0:.1f}" if abs(z) < 9.95 else f"{z:.0f}"  # no −0.0
        box = {"facecolor": colour, "edgecolor": "none", "pad": 0.6} if hatch else None
        text = text.replace("-", "−")
        axes.text(column, row, text, size=size, ha="center", va="center", bbox=box)


@style.legible
def strengths(
    wells: pd.DataFrame, names: Sequence[str], measures: Mapping, palette: style.Palette
) -> Figure:
    """Measures of interaction by condition: a point a well, a line at the median, its interval.

    Args:
      wells: condition, answer, the measures, and chance_excess where overlap_share is drawn.
      names: of the measures to draw, a panel each.
      measures: name -> label and unit.
      palette: marks of the conditions.

    Returns:
      The figure. Wells with too few cells are hollow and do not count in the median; in the panel
      of overlap_share grey dashes beside are what chance gives.
    """
    columns = 1 if len(palette) > 8 else 2
    lines = -(-len(names) // columns)
    figure = style.new_figure(7.2, 2.2 * lines + 0.5)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True).ravel()
    of_well, few = condition_names(wells), wells["answer"].isin((TOO_FEW, CANNOT_SAY))
    for axes, name in zip(grid, names):
        for at, (condition, mark) in enumerate(palette.items()):
            chosen = of_well == condition
            groups = [(at, wells[name][chosen], mark)]
            if name == "overlap_share":
                chance = (wells[name] - wells["chance_excess"])[chosen]
                groups = [(at - 0.2, wells[name][chosen], mark), (at + 0.2, chance, BY_CHANCE)]
            for middle, values, how in groups:
                _strip(axes, middle, values, few[chosen], how)
        words, unit = measures[name]["label"], measures[name]["unit"]
        # A unit stays beside its last word.
        axes.set_ylabel(textwrap.fill(f"{words},\u00a0{unit}" if unit else words, 30))
        _name_conditions(axes, of_well[~few], palette, 72 // columns)
        if name == "overlap_share":
            handle = style.handle(BY_CHANCE, "by chance")
            axes.legend(handles=[handle], loc="best", handletextpad=0.2, borderpad=0.2)
    return figure


def _strip(axes: Axes, at: float, values: pd.Series, few: pd.Series, mark: style.Mark) -> None:
    """Wells of one condition beside one another, their median and its interval."""
    shift = 0.13 * np.random.default_rng(0).uniform(-1, 1, len(values))
    small = {"ms": 3, "alpha": 0.5, "mew": 0.4} if len(values) > 60 else {"ms": 4.2, "mew": 0.9}
    for rows, face in ((~few, mark.colour), (few, "none")):
        x = at + shift[rows]
        axes.plot(x, values[rows], mark.marker, mec=mark.colour, mfc=face, **small)
    if (~few).any():
        line = {"zorder": 3, "color": style.MUTED if mark is BY_CHANCE else style.INK}
        axes.hlines(values[~few].median(), at - 0.2, at + 0.2, lw=1.6, **line)
        if interval := median_interval(values[~few]):
            axes.vlines(at, *interval, lw=1.0, **line)


def _name_conditions(axes: Axes, of_rows: pd.Series, palette: style.Palette, room: int) -> None:
    """Conditions along the axis with the number of rows of each; `room` characters side by side."""
    counts = of_rows.value_counts()
    names = {name: style.shortened(name, 16) for name in palette}
    slanted = max(map(len, names.values())) * len(names) > room
    gap = " " if slanted else "\n"
    words = [f"{short}{gap}(n = {counts.get(name, 0):,})" for name, short in names.items()]
    turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(len(words)), words, **turned)
    axes.set_xlim(-0.6, len(words) - 0.4)
    axes.tick_params(axis="x", length=0)


@style.legible
def shapes(cells: pd.DataFrame, palette: style.Palette, kinds: Sequence[Kind]) -> Figure:
    """Size, shape and brightness of the cells, as mirrored histograms by condition.

    Args:
      cells: kind, condition, touches_border, the columns of `SHAPE`; cells cut by the border of
        their field are left out.
      palette: marks of the conditions.
      kinds: of cells, one or two.

    Returns:
      The figure, a column a kind.
    """
    cells = cells[cells["kind"].isin([kind.key for kind in kinds])]
    whole = cells[~cells["touches_border"].astype(bool)]
    if whole.empty:
        return style.sentence_figure("No cell lies wholly inside its field.")
    figure = style.new_figure(7.2, 7.8)
    grid = figure.subplots(len(SHAPE), len(kinds), sharex="col", squeeze=False)
    for column, kind in zip(grid.T, kinds):
        of_kind = whole[whole["kind"] == kind.key]
        of_cell = condition_names(of_kind)
        number = int(np.clip(2 * np.cbrt(len(of_kind) / len(palette)), 8, 40))
        column[0].set_title(f"{len(of_kind):,} {kind.plural}")
        for axes, name in zip(column, SHAPE):
            if len(of_kind):
                low, high = np.percentile(of_kind[name], (0.2, 99.5))
                bins = np.linspace(low, high if high > low else low + 1, number + 1)
                for at, (condition, mark) in enumerate(palette.items()):
                    _mirrored(axes, at, of_kind[name][of_cell == condition], bins, mark.colour)
            _name_conditions(axes, of_cell, palette, 72 // len(kinds))
    for axes, name in zip(grid[:, 0], SHAPE):
        axes.set_ylabel(style.with_unit(SHAPES[name].label, SHAPES[name].unit))
    return figure


def _mirrored(axes: Axes, at: int, values: pd.Series, bins: np.ndarray, colour: str) -> None:
    """A histogram stood on end and mirrored, its quartiles as a bar and its median as a point."""
    counts, _ = np.histogram(values, bins)
    if not counts.any():
        return
    half = np.append(0.42 * counts / counts.max(), 0)
    axes.fill_betweenx(bins, at - half, at + half, step="post", color=colour, alpha=0.55, lw=0)
    lower, median, upper = np.percentile(values, (25, 50, 75))
    axes.vlines(at, lower, upper, color=style.INK, lw=2.2)
    axes.plot(at, median, marker="o", ms=5, mfc="white", mec=style.INK, mew=1.2)


@style.legible
def granularity(cells: pd.DataFrame, palette: style.Palette, kinds: Sequence[Kind]) -> Figure:
    """Mean granularity spectrum of the cells of each kind and condition.

    Args:
      cells: kind, condition, granularity_1, granularity_2...
      palette: marks of the conditions.
      kinds: of cells, one or two.

    Returns:
      The figure, one panel a kind of cell.
    """
    columns = [name for name in cells if name.startswith("granularity_")]
    steps = [int(name.split("_")[1]) for name in columns]
    figure = style.new_figure(7.2, 2.9)
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds):
        of_kind = cells[cells["kind"] == kind.key]
        spectra = of_kind[columns].groupby(condition_names(of_kind)).mean()
        for condition, (colour, marker) in palette.items():
            if condition in spectra.index:
                line = spectra.loc[condition]
                axes.plot(steps, line, color=colour, marker=marker, ms=4, lw=1.3)
        axes.set_title(f"{len(of_kind):,} {kind.plural}")
        axes.set_xlabel("step (larger structures to the right)")
        style.set_scale(axes, spectra.stack(), wide=np.inf)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].set_ylabel("light lost at this step,\n% of the cell's light")
    handles = [style.handle(mark, style.shortened(name, style.LONGEST_NAME), ls="-", lw=1.3, ms=4)
               for name, mark in palette.items()]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


@style.legible
def found(
    title: str,
    picture: np.ndarray,
    labels: np.ndarray,
    pixel_um: float,
    colours: str,
    kinds: Sequence[Kind],
) -> Figure:
    """A square of a field, and the same with the cells that were found in it.

    Args:
      title: what it is of.
      picture: float [H, W, K] in [0, 1], a view a kind of cell.
      labels: int32 [K, H, W], 0 outside cells.
      pixel_um: width of a pixel.
      colours: as `lights` takes.
      kinds: of cells.

    Returns:
      The figure, a scale bar in its left image; cells outlined by lines of their kind, as
      `field.LINES`.
    """
    picture = mixed_light(picture, lights(kinds, colours))
    height, width = picture.shape[:2]
    figure = style.new_figure(7.2, 3.95)
    plain, outlined = figure.subplots(1, 2)
    plain.imshow(picture, interpolation="nearest")
    plain.set(xticks=[], yticks=[], title=title)
    words = ", ".join(draw_found(outlined, picture, labels, kinds))
    outlined.set_title(words, size=8.5, weight="normal")
    draw_scale_bar(plain, width, height, width * pixel_um, width)
    return figure
