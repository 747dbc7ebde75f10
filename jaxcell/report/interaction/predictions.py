"""Figures on the regressor: predicted against true values, and where it errs."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from jaxcell.analysis.scores.regression import scores
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.words import number, predicted, reference

NOTHING = "There are no finite predictions to show."
# Characters in a line along a panel of three, and along one that is wider.
NARROW, WIDE = 28, 46


@style.legible
def scatter(patches: pd.DataFrame, palette: style.Palette, target: Quantity = OVERLAP) -> Figure:
    """Predicted against true target of every patch, with the line of perfect prediction.

    Args:
      patches: condition, target and predicted.
      palette: marks of the conditions.
      target: what was predicted.

    Returns:
      The figure; one panel a condition, equal axes, RMSE and RMSE / SD above each.
    """
    frame = style.finite(patches, "target", "predicted")
    groups = style.by_condition(frame, palette)
    if not groups:
        return style.sentence_figure(NOTHING)
    lines, columns = style.grid_shape(len(groups))
    figure = style.new_figure(7.2, 0.45 + lines * {1: 4.2, 2: 3.6, 3: 2.75}[columns])
    grid = style.panels(figure, len(groups), sharex=True, sharey=True)
    low, high = _limits(frame, target)
    for axes, (name, mark, rows) in zip(grid, groups):
        axes.plot([low, high], [low, high], color=style.MUTED, lw=1)
        _draw_points(axes, rows["target"], rows["predicted"], mark, len(rows))
        axes.set_title(style.shortened(name, NARROW - 6) + "\n")
        style.note(axes, 0, 1.02, _score_line(rows, target))
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    _label_outside(
        grid, columns, _axis(reference(target), target), _axis(predicted(target), target)
    )
    if len(groups) > 1:
        together = f"All conditions: {_score_line(frame, target)}"
        figure.suptitle(together, size=10.5, x=0.01, ha="left")
    return figure


@style.legible
def histograms(patches: pd.DataFrame, palette: style.Palette, target: Quantity = OVERLAP) -> Figure:
    """How often each value occurs, true and predicted, one panel a condition.

    Args:
      patches: condition, target and predicted.
      palette: marks of the conditions.
      target: what was predicted.

    Returns:
      The figure; counts on a log scale, common bins.
    """
    frame = style.finite(patches, "target", "predicted")
    groups = style.by_condition(frame, palette)
    if not groups:
        return style.sentence_figure(NOTHING)
    lines, columns = style.grid_shape(len(groups))
    figure = style.new_figure(7.2, 0.3 + 2.6 * lines)
    grid = style.panels(figure, len(groups), sharex=True, sharey=True)
    low, high = _limits(frame, target)
    width = _bin_width(high - low, target)
    bins = np.arange(np.floor(low / width) * width, high + width, width)
    known = reference(target).split()[0]  # true or measured
    for axes, (name, mark, rows) in zip(grid, groups):
        axes.hist(rows["target"], bins, color=mark.colour, alpha=0.45, label=known)
        outline = {"histtype": "step", "color": style.INK, "lw": 1.4}
        axes.hist(rows["predicted"], bins, label="predicted", **outline)
        zero = 100 * float((rows["target"] == 0).mean())
        text = f"{len(rows):,} patches"
        if zero or target.unit == "%":
            text += f"\n{zero:.0f} % are 0"
        style.note(axes, 0.98, 0.72, text, ha="right", va="top")
        axes.set(title=style.shortened(name, NARROW - 6), yscale="log")
        axes.set_ylim(bottom=0.7)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="upper right")
    bin_words = f"{width:g} {target.unit}".strip()
    _label_outside(grid, columns, _axis(target.label, target), f"patches per {bin_words}")
    return figure


@style.legible
def errors(patches: pd.DataFrame, palette: style.Palette, target: Quantity = OVERLAP) -> Figure:
    """Error against the truth, and its distribution in each condition.

    Args:
      patches: condition, target and predicted.
      palette: marks of the conditions.
      target: what was predicted.

    Returns:
      The figure; error is predicted - true, in the unit of the target.
    """
    frame = style.finite(patches, "target", "predicted")
    frame = frame.assign(error=frame["predicted"] - frame["target"])
    groups = style.by_condition(frame, palette)
    if not groups:
        return style.sentence_figure(NOTHING)
    figure = style.new_figure(7.2, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for axes in (left, right):
        axes.axhline(0, color=style.MUTED, lw=1)
    for _, mark, rows in groups:
        _draw_points(left, rows["target"], rows["error"], mark, len(frame))
    mean = _draw_running_mean(left, frame["target"].to_numpy(float), frame["error"].to_numpy(float))
    known = reference(target).split()[0]  # true or measured
    words = style.with_unit(f"error (predicted − {known})", target.difference_unit)
    left.set(xlabel=_axis(reference(target), target, WIDE), ylabel=textwrap.fill(words, NARROW))
    left.set_title("Against the truth" if known == "true" else "Against what was measured")
    handles = style.handles(groups) + mean
    left.legend(handles=handles, loc="best", ncols=2, handletextpad=0.2, columnspacing=0.9)
    # Without outliers, which the left panel shows: with them on the axis the boxes are slits.
    boxes = right.boxplot(
        [rows["error"] for *_, rows in groups],
        whis=(5, 95),
        widths=0.55,
        patch_artist=True,
        showfliers=False,
        medianprops={"color": style.INK, "lw": 1.6},
    )
    for box, (_, mark, _) in zip(boxes["boxes"], groups):
        box.set(facecolor=mark.colour, alpha=0.55)
    labels = [style.shortened(name, 12) for name, *_ in groups]
    right.set_xticks(range(1, len(groups) + 1), labels)
    if len(groups) > 3 or sum(map(len, labels)) > 24:
        right.tick_params(axis="x", rotation=90)
    right.set_title("By condition")
    return figure


def _draw_points(axes: Axes, x: pd.Series, y: pd.Series, mark: style.Mark, crowd: int) -> None:
    """Points, the more transparent the more there are in a panel."""
    opacity = float(np.clip(60 / max(crowd, 1) ** 0.75, 0.18, 0.8))
    style.points(axes, x, y, mark, s=9, alpha=opacity, rasterized=True)


def _label_outside(grid: Sequence[Axes], columns: int, x_label: str, y_label: str) -> None:
    """Axis labels on the outer panels only."""
    for axes in grid[::columns]:
        axes.set_ylabel(y_label)
    for axes in grid[-columns:]:
        axes.set_xlabel(x_label)


def _axis(what: str, target: Quantity, width: int = NARROW) -> str:
    """Words of an axis with their unit, in lines of so many characters."""
    return textwrap.fill(style.with_unit(what, target.unit), width)


def _limits(frame: pd.DataFrame, target: Quantity) -> tuple[float, float]:
    """Common limits of both axes: a little more than all values, 0 and, in percent, 1."""
    both = frame[["target", "predicted"]].to_numpy(float)
    high = max(both.max(), 1.0 if target.unit == "%" else 0.0)
    low = min(both.min(), 0.0)
    high = high if high > low else low + 1.0
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def _bin_width(span: float, target: Quantity) -> float:
    """The smallest round width that needs at most 45 bins; of percentages at least 0.5."""
    least = max(span / 45, 0.5 if target.unit == "%" else 0.0)
    power = 10.0 ** np.floor(np.log10(least))
    # Not quite: 0.3 / 0.1 is less than 3.
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def _score_line(rows: pd.DataFrame, target: Quantity) -> str:
    """RMSE and its ratio to the spread of the truth, as far as they are defined."""
    result = scores(rows["target"], rows["predicted"])
    if result["rmse"] is None:
        return result["reason"]
    ratio = result["rmse_over_sd"]
    text = f"RMSE {number(result['rmse'], target.digits)}"
    return text if ratio is None else f"{text}, RMSE / SD {ratio:.3f}"


def _draw_running_mean(axes: Axes, true: np.ndarray, error: np.ndarray) -> list:
    """Mean error in ten groups of rising truth: shows large overlaps predicted too small."""
    edges = np.unique(np.quantile(true, np.linspace(0, 1, 11)))
    if len(true) < 50 or len(edges) < 3:
        return []
    group = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, len(edges) - 2)
    means = [(true[group == g].mean(), error[group == g].mean()) for g in np.unique(group)]
    return axes.plot(*np.array(means).T, color=style.INK, lw=1.6, marker="o", ms=3, label="mean")
