"""Figures on the regressor: predicted against true values, and where it errs."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

from jaxcell.analysis.conditions import condition_names
from jaxcell.analysis.scores.regression import scores
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style

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
    low, high = _limits(frame["target"], frame["predicted"], target)
    for axes, name in zip(grid, shown):
        rows = frame[names == name]
        mark, result = palette[name], scores(rows["target"], rows["predicted"])
        axes.plot([low, high], [low, high], color=style.MUTED, lw=1)
        axes.scatter(
            rows["target"],
            rows["predicted"],
            s=9,
            c=mark.colour,
            marker=mark.marker,
            alpha=_alpha(len(rows)),
            linewidths=0,
            rasterized=True,
        )
        axes.set_title(f"{name}\n", color=style.INK)
        axes.text(
            0,
            1.02,
            _score_line(result, target),
            transform=axes.transAxes,
            size=8.5,
            color=style.MUTED,
        )
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    _label_outside(grid, columns, _axis("true", target, NARROW), _axis("predicted", target, NARROW))
    if len(shown) > 1:
        together = _score_line(scores(frame["target"], frame["predicted"]), target)
        figure.suptitle(f"All conditions: {together}", size=10.5, x=0.01, ha="left")
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
    frame = _finite(patches)
    if frame.empty:
        return style.sentence_figure("There are no finite predictions to show.")
    names = condition_names(frame)
    shown = [name for name in palette if (names == name).any()]
    lines, columns = style.grid_shape(len(shown))
    figure = style.new_figure(7.2, 0.3 + 2.6 * lines)
    grid = style.panels(figure, len(shown), sharex=True, sharey=True)
    low, high = _limits(frame["target"], frame["predicted"], target)
    width = _bin_width(high - low, target)
    bins = np.arange(np.floor(low / width) * width, high + width, width)
    for axes, name in zip(grid, shown):
        rows = frame[names == name]
        axes.hist(rows["target"], bins, color=palette[name].colour, alpha=0.45, label="true")
        axes.hist(
            rows["predicted"], bins, histtype="step", color=style.INK, lw=1.4, label="predicted"
        )
        zero = 100 * float((rows["target"] == 0).mean())
        axes.set_title(name)
        told = f"{len(rows):,} patches"
        if zero or target.unit == "%":
            told += f"\n{zero:.0f} % truly 0"
        axes.text(
            0.98,
            0.72,
            told,
            ha="right",
            va="top",
            transform=axes.transAxes,
            size=8.5,
            color=style.MUTED,
        )
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="upper right")
    every = f"{width:g} {target.unit}".strip()
    _label_outside(
        grid,
        columns,
        _axis("", target, NARROW),
        f"patches in {every}" + (" of overlap" if target == OVERLAP else ""),
    )
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
    frame = _finite(patches)
    if frame.empty:
        return style.sentence_figure("There are no finite predictions to show.")
    names = condition_names(frame)
    shown = [name for name in palette if (names == name).any()]
    error = frame["predicted"] - frame["target"]
    figure = style.new_figure(7.2, 3.5)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.axhline(0, color=style.MUTED, lw=1)
    for name in shown:
        rows, mark = names == name, palette[name]
        left.scatter(
            frame["target"][rows],
            error[rows],
            s=9,
            c=mark.colour,
            marker=mark.marker,
            alpha=_alpha(len(frame)),
            linewidths=0,
            rasterized=True,
        )
        left.scatter([], [], s=22, c=mark.colour, marker=mark.marker, label=name)
    _draw_running_mean(left, frame["target"].to_numpy(float), error.to_numpy(float))
    unit = target.difference_unit
    left.set(
        xlabel=_axis("true", target, WIDE),
        title="Against the truth",
        ylabel=style.with_unit("error (predicted − true)", unit),
    )
    left.legend(loc="best", ncols=2, handletextpad=0.2, columnspacing=0.9)
    right.axhline(0, color=style.MUTED, lw=1)
    # Without outliers, which the left panel shows: with them on the axis the boxes are slits.
    boxes = right.boxplot(
        [error[names == name] for name in shown],
        whis=(5, 95),
        widths=0.55,
        patch_artist=True,
        showfliers=False,
        medianprops={"color": style.INK, "lw": 1.6},
    )
    for box, name in zip(boxes["boxes"], shown):
        box.set(facecolor=palette[name].colour, alpha=0.55)
    labels = [name if len(name) < 13 else f"{name[:11]}…" for name in shown]
    right.set_xticks(range(1, len(shown) + 1), labels, rotation=20 if len(shown) > 3 else 0)
    right.set(title="By condition", ylabel=style.with_unit("error", unit))
    return figure


def _label_outside(grid: list[Axes], columns: int, x_label: str, y_label: str) -> None:
    """Axis labels on the outer panels only."""
    for axes in grid[::columns]:
        axes.set_ylabel(y_label)
    for axes in grid[-columns:]:
        axes.set_xlabel(x_label)


def _finite(patches: pd.DataFrame) -> pd.DataFrame:
    """Rows with a finite true and predicted target."""
    return patches[np.isfinite(patches[["target", "predicted"]].astype(float)).all(axis=1)]


def _axis(which: str, target: Quantity, width: int) -> str:
    """Words of an axis, such as `true overlap, %`, in lines of so many characters."""
    words = style.with_unit(f"{which} {target.label}".strip(), target.unit)
    return textwrap.fill(words, width)


def _limits(first: pd.Series, second: pd.Series, target: Quantity) -> tuple[float, float]:
    """Common limits of both axes: a little more than all values, 0 and, in percent, 1."""
    high = max(float(first.max()), float(second.max()), 1.0 if target.unit == "%" else 0.0)
    low = min(float(first.min()), float(second.min()), 0.0)
    high = high if high > low else low + 1.0
    return low - 0.03 * (high - low), high + 0.03 * (high - low)


def _bin_width(span: float, target: Quantity) -> float:
    """The smallest round width that needs at most 45 bins; of percentages at least 0.5."""
    least = max(span / 45, 0.5 if target.unit == "%" else 0.0)
    power = 10.0 ** np.floor(np.log10(least))
    # Not quite: 0.3 / 0.1 is less than 3.
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))


def _alpha(count: int) -> float:
    """Opacity of one of many points."""
    return float(np.clip(60 / max(count, 1) ** 0.75, 0.18, 0.8))


def _score_line(result: dict, target: Quantity) -> str:
    """RMSE and its ratio to the spread of the truth, as far as they are defined."""
    if result["rmse"] is None:
        return result["reason"]
    line = f"RMSE {result['rmse']:.{target.digits}f}"
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
