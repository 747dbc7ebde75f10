"""Figures of measured plates: each well's answer, strength by condition, and the cells."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from skimage.segmentation import find_boundaries

from jaxcell.analysis.conditions import condition_names
from jaxcell.cells.kinds import KINDS
from jaxcell.measures.chance import TOO_FEW
from jaxcell.report.common import style
from jaxcell.report.common.images import colour_image, scale_bar
from jaxcell.report.interaction.plates import place, row_name

# Colour and hatching of each answer: told apart in grey too.
ANSWERS = {
    "interaction": (style.ORANGE, ""),
    "no more than chance": ("#efefef", ""),
    "less than chance": (style.SKY, "...."),
    TOO_FEW: ("white", "/////"),
}
# Plates of a figure, so that it fits a sheet of paper: of up to so many columns, and of more.
NARROW_COLUMNS, NARROW_PLATES, WIDE_PLATES = 12, 4, 2
# What is drawn of the cells: column -> words and unit of the axis.
SHAPE = {
    "area_um2": "area, µm²",
    "eccentricity": "eccentricity\n(0 round, 1 a line)",
    "solidity": "solidity\n(1 without dents)",
    "mean_intensity": "mean intensity,\ncounts",
}
ENLARGED = 3  # labels, so that their outlines are finer than a pixel
OUTLINES = {"t_cell": "#ffffff", "dendritic_cell": style.SKY}


def plate_groups(wells: pd.DataFrame) -> list[list[str]]:
    """Plates in the groups in which `answers` draws them: those with a well that has a place."""
    places = [place(str(well)) for well in wells["well"]]
    widest = max((found[1] + 1 for found in places if found), default=0)
    size = NARROW_PLATES if widest <= NARROW_COLUMNS else WIDE_PLATES
    plates = sorted(set(wells["plate"].astype(str)[[found is not None for found in places]]))
    return [plates[start : start + size] for start in range(0, len(plates), size)]


@style.legible
def answers(wells: pd.DataFrame, plates: Sequence[str]) -> Figure:
    """Each well's answer at its place on the plate, with its z.

    Args:
      wells: plate, well, answer, chance_z.
      plates: which to draw: one of `plate_groups`.

    Returns:
      The figure, one panel a plate, down to the last row and column measured.
    """
    wells = wells[wells["plate"].astype(str).isin(plates)]
    places = [place(str(well)) for well in wells["well"]]
    wells = wells[[found is not None for found in places]]
    places = np.array([found for found in places if found is not None])
    lines, columns = np.maximum(places.max(axis=0) + 1, (2, 6))
    across = 2 if columns <= NARROW_COLUMNS and len(plates) > 1 else 1
    down = -(-len(plates) // across)
    width = min(7.2 / across, 0.6 * columns + 0.6)
    figure = style.new_figure(7.2, 0.5 + down * ((width - 0.3) * lines / columns + 0.8))
    grid = figure.subplots(down, across, squeeze=False).ravel()
    size = min(8.0, 20.0 * (width - 0.3) / columns)
    for axes, plate in zip(grid, plates):
        rows = (wells["plate"].astype(str) == plate).to_numpy()
        _draw_plate(axes, wells[rows], places[rows], size)
        axes.set(
            xlim=(-0.5, columns - 0.5),
            ylim=(lines - 0.5, -0.5),
            aspect="equal",
            title=f"Plate {plate}",
        )
        axes.set_xticks(range(columns), range(1, columns + 1), size=8)
        axes.set_yticks(range(lines), map(row_name, range(lines)), size=8)
    for axes in grid[len(plates) :]:
        axes.set_axis_off()
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor=style.MUTED, linewidth=0.6,
              label=f"{answer} ({(wells['answer'] == answer).sum()})")
        for answer, (colour, hatch) in ANSWERS.items() if (wells["answer"] == answer).any()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=2 if len(handles) > 3 else 3)
    return figure


def _draw_plate(axes: Axes, wells: pd.DataFrame, places: np.ndarray, size: float) -> None:
    """A square a well, filled and hatched by its answer, its z in it."""
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), answer, z in zip(places, wells["answer"], wells["chance_z"]):
        colour, hatch = ANSWERS.get(answer, ("white", ""))
        axes.add_patch(
            Rectangle(
                (column - 0.46, row - 0.46),
                0.92,
                0.92,
                facecolor=colour,
                hatch=hatch,
                edgecolor=style.MUTED,
                linewidth=0.6,
            )
        )
        if answer != TOO_FEW:
            text = f"{round(z, 1) + 0.0:.1f}" if abs(z) < 9.95 else f"{z:.0f}"  # no −0.0
            box = {"facecolor": colour, "edgecolor": "none", "pad": 0.6} if hatch else None
            axes.text(
                column, row, text.replace("-", "−"), size=size, ha="center", va="center", bbox=box
            )


@style.legible
def strengths(
    wells: pd.DataFrame, names: Sequence[str], measures: Mapping, palette: style.Palette
) -> Figure:
    """Measures of interaction by condition: a point a well, a line at the median.

    Args:
      wells: condition, answer, the measures, and chance_excess where overlap_share is drawn.
      names: of the measures to draw, a panel each.
      measures: name -> label and unit.
      palette: marks of the conditions.

    Returns:
      The figure. Wells with too few cells are hollow and do not count in the median; in the panel
      of overlap_share grey points beside are what chance gives.
    """
    columns = 1 if len(palette) > 8 else 2 if len(palette) > 3 or len(names) == 4 else 3
    lines = -(-len(names) // columns)
    slanted = max(map(len, palette)) * len(palette) * columns > 66
    figure = style.new_figure(7.2, 2.2 * lines + (0.6 if slanted else 0.3))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    of_well, few = condition_names(wells), wells["answer"] == TOO_FEW
    for number, (axes, name) in enumerate(zip(grid, names)):
        for at, (condition, mark) in enumerate(palette.items()):
            rows = of_well == condition
            values = wells[name][rows]
            if name == "overlap_share":
                _strip(axes, at - 0.2, values, few[rows], mark)
                chance = values - wells["chance_excess"][rows]
                _strip(axes, at + 0.2, chance, few[rows], style.Mark(style.MUTED, "_"))
            else:
                _strip(axes, at, values, few[rows], mark)
        words = style.with_unit(measures[name]["label"], measures[name]["unit"])
        axes.set_ylabel(textwrap.fill(words, 26))
        _name_conditions(axes, palette, slanted)
        axes.tick_params(labelbottom=number + columns >= len(names))
        if name == "overlap_share":
            chance = Line2D([], [], ls="", marker="_", color=style.MUTED, label="by chance")
            axes.legend(handles=[chance], loc="best", handletextpad=0.2, borderpad=0.2)
    return figure


def _strip(axes: Axes, at: float, values: pd.Series, few: pd.Series, mark: style.Mark) -> None:
    """Wells of one condition beside one another, and their median."""
    shift = 0.13 * np.random.default_rng(0).uniform(-1, 1, len(values))
    line = mark.marker == "_"
    many = len(values) > 60
    for rows, face in ((~few, mark.colour), (few, "none")):
        axes.scatter(
            at + shift[rows],
            values[rows],
            s=9 if many else 18,
            marker=mark.marker,
            c=mark.colour if line else None,
            facecolor=None if line else face,
            edgecolors=None if line else mark.colour,
            alpha=0.5 if many else 0.85,
            linewidths=0.4 if many else 0.9,
        )
    if (~few).any():
        axes.hlines(
            values[~few].median(),
            at - 0.2,
            at + 0.2,
            lw=1.6,
            zorder=3,
            color=mark.colour if line else style.INK,
        )


def _name_conditions(axes: Axes, palette: style.Palette, slanted: bool) -> None:
    """Conditions along the axis, long names cut."""
    names = [name if len(name) < 15 else f"{name[:13]}…" for name in palette]
    axes.set_xticks(
        range(len(names)),
        names,
        rotation=30 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor",
    )
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.tick_params(axis="x", length=0)


@style.legible
def shapes(cells: pd.DataFrame, palette: style.Palette) -> Figure:
    """Size, shape and brightness of the cells, as mirrored histograms by condition.

    Args:
      cells: kind, condition, touches_border, the columns of `SHAPE`; cells cut by the border of
        their field are left out.
      palette: marks of the conditions.

    Returns:
      The figure; T cells on the left, dendritic cells on the right.
    """
    whole = cells[~cells["touches_border"].astype(bool)]
    if whole.empty:
        return style.sentence_figure("No cell lies wholly inside its field.")
    figure, slanted = style.new_figure(7.2, 7.6), max(map(len, palette)) * len(palette) > 38
    for pair, (name, words) in zip(figure.subplots(len(SHAPE), 2, sharex=True), SHAPE.items()):
        for axes, kind in zip(pair, KINDS.values()):
            of_kind = whole[whole["kind"] == kind.key]
            if len(of_kind):
                low, high = np.percentile(of_kind[name], (0.2, 99.5))
                # Of equal values too.
                number = int(np.clip(2 * np.cbrt(len(of_kind) / len(palette)), 8, 40))
                bins = np.linspace(low, high if high > low else low + 1, number + 1)
                of_cell = condition_names(of_kind)
                for at, (condition, mark) in enumerate(palette.items()):
                    _mirrored(axes, at, of_kind[name][of_cell == condition], bins, mark.colour)
            _name_conditions(axes, palette, slanted)
            if name == "area_um2":
                axes.set_title(f"{len(of_kind):,} {kind.plural}")
        pair[0].set_ylabel(words)
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
def granularity(cells: pd.DataFrame, palette: style.Palette) -> Figure:
    """Mean granularity spectrum of the cells of each kind and condition.

    Args:
      cells: kind, condition, granularity_1, granularity_2...
      palette: marks of the conditions.

    Returns:
      The figure, one panel a kind of cell.
    """
    columns = [name for name in cells if name.startswith("granularity_")]
    figure = style.new_figure(7.2, 2.9)
    for axes, kind in zip(figure.subplots(1, 2), KINDS.values()):
        of_kind = cells[cells["kind"] == kind.key]
        spectra = of_kind[columns].groupby(condition_names(of_kind)).mean()
        steps = [int(name.split("_")[1]) for name in columns]
        for condition, mark in palette.items():
            if condition in spectra.index:
                axes.plot(
                    steps,
                    spectra.loc[condition],
                    color=mark.colour,
                    marker=mark.marker,
                    ms=4,
                    lw=1.3,
                    label=condition,
                )
        axes.set(title=kind.plural, xlabel="step (larger structures to the right)")
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].set_ylabel("light lost at this step,\n% of the cell's light")
    handles = [Line2D([], [], lw=1.3, ms=4, label=name, color=mark.colour, marker=mark.marker)
               for name, mark in palette.items()]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower left", ncols=4)
    return figure


@style.legible
def found(title: str, picture: np.ndarray, labels: np.ndarray, pixel_um: float) -> Figure:
    """A square of a field, and the same with the cells that were found in it.

    Args:
      title: what it is of.
      picture: float [H, W, 2] in [0, 1], T cells and dendritic cells.
      labels: int32 [2, H, W], 0 outside cells.
      pixel_um: width of a pixel.

    Returns:
      The figure: dendritic cells red, T cells green; a scale bar.
    """
    picture = colour_image(picture)
    figure = style.new_figure(7.2, 3.95)
    plain, outlined = figure.subplots(1, 2)
    extent = (0, labels.shape[2], labels.shape[1], 0)
    plain.imshow(picture, extent=extent, interpolation="nearest")
    outlined.imshow(picture * 0.8, extent=extent, interpolation="nearest")
    words = []
    for (kind, colour), numbers in zip(OUTLINES.items(), labels):
        large = numbers.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
        overlay = np.zeros((*large.shape, 4), np.float32)
        overlay[find_boundaries(large, mode="thick")] = to_rgba(colour)
        outlined.imshow(overlay, extent=extent, interpolation="nearest")
        words.append(f"{len(np.unique(numbers[numbers > 0]))} {KINDS[kind].plural}")
    plain.set_title(title)
    outlined.set_title("found here: " + ", ".join(words))
    for axes in (plain, outlined):
        axes.set(xticks=[], yticks=[])
    _draw_scale_bar(plain, labels.shape[2], labels.shape[1], pixel_um)
    return figure


def _draw_scale_bar(axes: Axes, width: int, height: int, pixel_um: float) -> None:
    """A white bar of a round length in the lower right corner."""
    length_um = scale_bar(width * pixel_um)
    end, start, y = 0.95 * width, 0.95 * width - length_um / pixel_um, 0.94 * height
    axes.plot([start, end], [y, y], color="white", lw=3, solid_capstyle="butt")
    axes.text(
        (start + end) / 2,
        y - 0.02 * height,
        f"{length_um:g} µm",
        color="white",
        ha="center",
        va="bottom",
        size=9,
    )
