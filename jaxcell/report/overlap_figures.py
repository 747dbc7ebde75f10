"""Figures on the regressor: predicted against true overlap, and where it errs."""

import re

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from jaxcell.analysis.regression import condition_names, scores
from jaxcell.report import style

# Rows and columns of the plates in use: 384 wells, else 1,536.
PLATE_FORMATS = ((16, 24), (32, 48))
# The colours of the plate map span at least this many points, so that a small error looks small.
SMALLEST_ERROR_SPAN = 0.5
TRUE_LABEL, PREDICTED_LABEL = "true overlap, %", "predicted overlap, %"


@style.legible
def scatter(patches: pd.DataFrame, palette: style.Palette) -> Figure:
    """Predicted against true overlap of every patch, with the line of perfect prediction.

    Args:
      patches: condition, overlap and predicted (percent).
      palette: marks of the conditions.

    Returns:
      The figure; one panel a condition, equal axes, RMSE and RMSE / SD in the titles.
    """
    frame = _finite(patches)
    if frame.empty:
        return style.sentence_figure("There are no finite predictions to show.")
    names = condition_names(frame)
    shown = [name for name in palette if (names == name).any()]
    lines, columns = style.grid_shape(len(shown))
    figure = style.new_figure(7.2, 0.45 + lines * {1: 4.2, 2: 3.6, 3: 2.75}[columns])
    grid = style.panels(figure, len(shown), sharex=True, sharey=True)
    low, high = _limits(frame["overlap"], frame["predicted"])
    for axes, name in zip(grid, shown):
        rows = frame[names == name]
        mark, result = palette[name], scores(rows["overlap"], rows["predicted"])
        axes.plot([low, high], [low, high], color=style.MUTED, lw=1)
        axes.scatter(rows["overlap"], rows["predicted"], s=9, c=mark.colour, marker=mark.marker,
                     alpha=_alpha(len(rows)), linewidths=0, rasterized=True)
        axes.set_title(f"{name}\n", color=style.INK)
        axes.text(0, 1.02, _score_line(result), transform=axes.transAxes, size=8.5,
                  color=style.MUTED)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    _label_outside(grid, columns, TRUE_LABEL, PREDICTED_LABEL)
    if len(shown) > 1:
        together = _score_line(scores(frame["overlap"], frame["predicted"]))
        figure.suptitle(f"All conditions: {together}", size=10.5, x=0.01, ha="left")
    return figure


@style.legible
def histograms(patches: pd.DataFrame, palette: style.Palette) -> Figure:
    """How often each overlap occurs, true and predicted, one panel a condition.

    Args:
      patches: condition, overlap and predicted (percent).
      palette: marks of the conditions.

    Returns:
      The figure; counts on a log scale, common bins.
    """
    frame = _finite(patches)
    if frame.empty:
        return style.sentence_figure("There are no finite predictions to show.")
    names = condition_names(frame)
    shown = [name for name in palette if (names == name).any()]
    lines, columns = style.grid_shape(len(shown))
    figure = style.new_figure(7.2, 0.3 + 2.6 * lines)
    grid = style.panels(figure, len(shown), sharex=True, sharey=True)
    low, high = _limits(frame["overlap"], frame["predicted"])
    width = next(step for step in (0.5, 1, 2, 5, 10, 1e9) if (high - low) / step <= 45)
    bins = np.arange(np.floor(low / width) * width, high + width, width)
    for axes, name in zip(grid, shown):
        rows = frame[names == name]
        axes.hist(rows["overlap"], bins, color=palette[name].colour, alpha=0.45, label="true")
        axes.hist(rows["predicted"], bins, histtype="step", color=style.INK, lw=1.4,
                  label="predicted")
        zero = 100 * float((rows["overlap"] == 0).mean())
        axes.set_title(name)
        axes.text(0.98, 0.72, f"{len(rows):,} patches\n{zero:.0f} % truly 0", ha="right", va="top",
                  transform=axes.transAxes, size=8.5, color=style.MUTED)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="upper right")
    _label_outside(grid, columns, "overlap, %", f"patches in {width:g} % of overlap")
    return figure


@style.legible
def errors(patches: pd.DataFrame, palette: style.Palette) -> Figure:
    """Error against the truth, and its distribution in each condition.

    Args:
      patches: condition, overlap and predicted (percent).
      palette: marks of the conditions.

    Returns:
      The figure; error is predicted - true, percentage points.
    """
    frame = _finite(patches)
    if frame.empty:
        return style.sentence_figure("There are no finite predictions to show.")
    names = condition_names(frame)
    shown = [name for name in palette if (names == name).any()]
    error = frame["predicted"] - frame["overlap"]
    figure = style.new_figure(7.2, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.axhline(0, color=style.MUTED, lw=1)
    for name in shown:
        rows, mark = names == name, palette[name]
        left.scatter(frame["overlap"][rows], error[rows], s=9, c=mark.colour, marker=mark.marker,
                     alpha=_alpha(len(frame)), linewidths=0, rasterized=True)
        left.scatter([], [], s=22, c=mark.colour, marker=mark.marker, label=name)
    _draw_running_mean(left, frame["overlap"].to_numpy(float), error.to_numpy(float))
    left.set(xlabel=TRUE_LABEL, ylabel="error (predicted − true), points",
             title="Against the truth")
    left.legend(loc="best", ncols=2, handletextpad=0.2, columnspacing=0.9)
    right.axhline(0, color=style.MUTED, lw=1)
    # Without outliers, which the left panel shows: with them on the axis the boxes are slits.
    boxes = right.boxplot([error[names == name] for name in shown], whis=(5, 95), widths=0.55,
                          patch_artist=True, showfliers=False,
                          medianprops={"color": style.INK, "lw": 1.6})
    for box, name in zip(boxes["boxes"], shown):
        box.set(facecolor=palette[name].colour, alpha=0.55)
    labels = [name if len(name) < 13 else f"{name[:11]}…" for name in shown]
    right.set_xticks(range(1, len(shown) + 1), labels, rotation=20 if len(shown) > 3 else 0)
    right.set(title="By condition", ylabel="error, points")
    return figure


@style.legible
def plate_map(wells: pd.DataFrame) -> Figure:
    """Mean error of each well at its place on the plate: an error that knows a place is a warning.

    Args:
      wells: plate, well (like `D07`), error (percentage points), one row a well.

    Returns:
      The figure, one panel a plate (the first eight); places without a well stay empty.
    """
    frame = wells[np.isfinite(wells["error"].astype(float))]
    places = [_place(well) for well in frame["well"]]
    frame = frame[[place is not None for place in places]]
    found = np.array([place for place in places if place is not None]).reshape(-1, 2)
    if frame.empty:
        return style.sentence_figure("No well with a finite error and a place on a plate.")
    plates = sorted(frame["plate"].astype(str).unique())[:8]
    lines, columns = next(
        (size for size in PLATE_FORMATS if (found < size).all()), tuple(found.max(axis=0) + 1)
    )
    across = 1 if len(plates) == 1 else 2
    down = -(-len(plates) // across)
    height = down * (6.2 / across * lines / columns + 0.5)
    figure = style.new_figure(7.2, min(height, 14.0))
    grid = np.ravel(figure.subplots(down, across, squeeze=False))
    limit = max(float(frame["error"].abs().max()), SMALLEST_ERROR_SPAN)
    norm = TwoSlopeNorm(0.0, -limit, limit)
    for axes, plate in zip(grid, plates):
        rows = (frame["plate"].astype(str) == plate).to_numpy()
        image = np.full((lines, columns), np.nan)
        image[tuple(found[rows].T)] = frame["error"][rows]
        picture = axes.imshow(image, cmap="PuOr", norm=norm)
        axes.set_title(f"Plate {plate}")
        step = 1 if across == 1 and columns <= 24 else 2 if columns <= 24 else 4
        axes.set_xticks(range(0, columns, step), range(1, columns + 1, step), size=8)
        axes.set_yticks(range(0, lines, step), [_row_name(i) for i in range(0, lines, step)],
                        size=8)
        axes.vlines(np.arange(columns + 1) - 0.5, -0.5, lines - 0.5, color=style.FAINT, lw=0.6)
        axes.hlines(np.arange(lines + 1) - 0.5, -0.5, columns - 0.5, color=style.FAINT, lw=0.6)
        # Outlined, since an error of nothing has the colour of no well.
        wells_drawn = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in found[rows]]
        axes.add_collection(PatchCollection(wells_drawn, facecolor="none",
                                            edgecolor=style.MUTED, linewidth=0.6))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if across == 1 and columns <= 24:
            for (row, column), value in zip(found[rows], frame["error"][rows]):
                dark = abs(value) > 0.6 * limit
                text = f"{round(value, 1) + 0.0:.1f}".replace("-", "−")
                axes.text(column, row, text, ha="center", va="center", size=6,
                          color="white" if dark else style.INK)
    for axes in grid[len(plates):]:
        axes.set_axis_off()
    figure.colorbar(picture, ax=list(grid), shrink=0.75, aspect=28, pad=0.01,
                    label="mean error (predicted − true), points")
    return figure


@style.legible
def well_means(wells: pd.DataFrame, palette: style.Palette) -> Figure:
    """Mean predicted against mean true overlap of each well.

    Args:
      wells: well, condition, overlap_mean and predicted_mean (percent), one row a well.
      palette: marks of the conditions.

    Returns:
      The figure; wells are named where there are few.
    """
    finite = np.isfinite(wells[["overlap_mean", "predicted_mean"]].astype(float)).all(axis=1)
    frame = wells[finite]
    if frame.empty:
        return style.sentence_figure("There are no wells with finite means to show.")
    figure = style.new_figure(7.2, 4.4)
    axes = figure.subplots()
    low, high = _limits(frame["overlap_mean"], frame["predicted_mean"])
    axes.plot([low, high], [low, high], color=style.MUTED, lw=1, label="perfect prediction")
    names = condition_names(frame)
    for name, mark in palette.items():
        rows = frame[names == name]
        if len(rows):
            axes.scatter(rows["overlap_mean"], rows["predicted_mean"], s=46, c=mark.colour,
                         marker=mark.marker, alpha=0.85, edgecolors="white", linewidths=0.6,
                         label=f"{name} ({len(rows)})")
    if len(frame) <= 24:
        for row in frame.itertuples():
            axes.annotate(row.well, (row.overlap_mean, row.predicted_mean), (5, -3),
                          textcoords="offset points", size=7.5, color=style.MUTED)
    result = scores(frame["overlap_mean"], frame["predicted_mean"])
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal",
             xlabel="mean true overlap of a well, %", ylabel="mean predicted overlap of a well, %",
             title=f"Means of wells: {_score_line(result)}")
    figure.legend(loc="outside right upper", title="condition (wells)", alignment="left")
    return figure


def _label_outside(grid: list[Axes], columns: int, x_label: str, y_label: str) -> None:
    """Axis labels on the outer panels only."""
    for axes in grid[::columns]:
        axes.set_ylabel(y_label)
    for axes in grid[-columns:]:
        axes.set_xlabel(x_label)


def _finite(patches: pd.DataFrame) -> pd.DataFrame:
    """Rows with a finite true and predicted overlap."""
    return patches[np.isfinite(patches[["overlap", "predicted"]].astype(float)).all(axis=1)]


def _limits(first: pd.Series, second: pd.Series) -> tuple[float, float]:
    """Common limits of both axes: a little more than all values and 0."""
    high = max(float(first.max()), float(second.max()), 1.0)
    low = min(float(first.min()), float(second.min()), 0.0)
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def _alpha(count: int) -> float:
    """Opacity of one of many points."""
    return float(np.clip(60 / max(count, 1) ** 0.75, 0.18, 0.8))


def _score_line(result: dict) -> str:
    """RMSE and its ratio to the spread of the truth, as far as they are defined."""
    if result["rmse"] is None:
        return result["reason"]
    line = f"RMSE {result['rmse']:.2f}"
    if result["rmse_over_sd"] is not None:
        line += f", RMSE / SD {result['rmse_over_sd']:.2f}"
    return line


def _draw_running_mean(axes: Axes, true: np.ndarray, error: np.ndarray) -> None:
    """Mean error in ten groups of rising truth: shows large overlaps predicted too small."""
    edges = np.unique(np.quantile(true, np.linspace(0, 1, 11)))
    if len(true) < 50 or len(edges) < 3:
        return
    group = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, len(edges) - 2)
    means = [(true[group == g].mean(), error[group == g].mean()) for g in np.unique(group)]
    axes.plot(*np.array(means).T, color=style.INK, lw=1.6, marker="o", ms=3, label="mean")


def _place(well: str) -> tuple[int, int] | None:
    """Row and column from 0 of a well name like `D07` or `AA01`."""
    match = re.fullmatch(r"([A-Z]{1,2})(\d{1,2})", str(well))
    if not match or int(match[2]) < 1:
        return None
    row = 0
    for letter in match[1]:
        row = 26 * row + ord(letter) - ord("A") + 1
    return row - 1, int(match[2]) - 1


def _row_name(row: int) -> str:
    """Letters of a plate row counted from 0."""
    return chr(ord("A") + row) if row < 26 else "A" + chr(ord("A") + row - 26)
