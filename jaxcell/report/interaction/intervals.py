"""Figures of uncertainty: intervals of wells, whether they hold, agreement, strength."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.words import count, signed

# Wells up to which each gets its name, and those that one row of intervals holds.
NAMED_WELLS, ROW_WELLS = 40, 100
PREDICTED = style.Mark(style.INK, "_")
NO_WELLS = "There are no wells with finite means to show."


@style.legible
def calibration(curves: Mapping, palette: style.Palette) -> Figure:
    """Share of true values inside their intervals against the share promised.

    Args:
      curves: as `coverage.calibration_curve` gives.
      palette: marks of the conditions.

    Returns:
      The figure: all wells with a 95 % band, and each condition; above the line is wider than
      needed, below it is too narrow.
    """
    if curves["reason"]:
        return style.sentence_figure(f"No calibration to show: {curves['reason']}.")
    figure = style.new_figure(7.2, 3.9)
    axes = figure.subplots()
    levels, overall, conditions = curves["levels"], curves["overall"], curves["by_condition"]
    axes.plot([0, 1], [0, 1], color=style.MUTED, lw=1, ls="--", label="as promised")
    if overall["low"] is not None:
        band = {"color": style.FAINT, "lw": 0, "label": "all: 95 % band"}
        axes.fill_between(levels, overall["low"], overall["high"], **band)
    curves = {
        name: (conditions[name], {"color": mark.colour, "marker": mark.marker, "ms": 5, "lw": 1.2})
        for name, mark in palette.items()
        if name in conditions and len(conditions) > 1
    }
    curves["all"] = (overall, {"color": style.INK, "marker": ".", "ms": 8})
    for name, (curve, look) in curves.items():
        label = f"{style.shortened(name, style.LONGEST_NAME)} ({curve['wells']})"
        axes.plot(levels, curve["observed"], label=label, **look)
    shares = [curve["observed"] for curve in (overall, *conditions.values())]
    ends = (min(levels[0], np.min(shares)) - 0.05, 1.01)
    axes.set(
        xlim=ends,
        ylim=ends,
        xlabel="promised: share of patches inside their interval",
        ylabel="found in the test wells",
        title="Do intervals contain the true value?",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    figure.legend(loc="outside right upper", title="wells of the test set", alignment="left")
    return figure


@style.legible
def wells_with_intervals(
    wells: pd.DataFrame, palette: style.Palette, target: Quantity = OVERLAP
) -> Figure:
    """Each well's true and predicted mean, with the interval of the prediction.

    Args:
      wells: plate, well, condition, target_mean, predicted_mean, and low and high where there are
        intervals; one row a well.
      palette: marks of the conditions.
      target: what was predicted.

    Returns:
      The figure: wells by condition and rising truth; a true mean outside its interval is ringed.
    """
    groups = style.by_condition(style.finite(wells, "target_mean", "predicted_mean"), palette)
    if not groups:
        return style.sentence_figure(NO_WELLS)
    ordered = [rows.sort_values("target_mean", kind="stable") for *_, rows in groups]
    frame = pd.concat(ordered, ignore_index=True)
    frame["name"] = frame["well"].astype(str)
    if frame["plate"].nunique() > 1:
        frame["name"] = frame["plate"].astype(str) + " " + frame["name"]
    frame = frame.reindex(columns=[*dict.fromkeys([*frame, "low", "high"])])
    true = frame["target_mean"]
    frame["outside"] = (true < frame["low"]) | (true > frame["high"])
    lines = -(-len(frame) // ROW_WELLS)
    across = -(-len(frame) // lines)
    figure = style.new_figure(7.2, 1.2 + 2.3 * lines + 0.5 * (lines == 1))
    grid = figure.subplots(lines, 1, squeeze=False)[:, 0]
    words = textwrap.fill(style.with_unit(f"mean {target.label} of a well", target.unit), 26)
    for line, axes in enumerate(grid):
        part = frame.iloc[line * across : (line + 1) * across].reset_index(drop=True)
        _draw_wells(axes, part, palette, across)
        axes.set_ylabel(words)
    grid[-1].set_xlabel("wells, by condition and rising true mean")
    grid[0].set_title(_inside(frame))
    handles = style.handles(groups)
    handles.append(style.handle(PREDICTED, "predicted", ms=8, mew=1.6))
    if frame["low"].notna().any():
        handles.append(Line2D([], [], lw=6, color=style.MUTED, alpha=0.4, label="interval"))
    figure.legend(handles=handles, loc="outside lower left", ncols=3 if len(handles) > 5 else 5)
    return figure


def _draw_wells(axes: Axes, part: pd.DataFrame, palette: style.Palette, across: int) -> None:
    """One row of wells: marks for the truth, dashes for predictions, bars for intervals."""
    size = float(np.clip(1100 / across, 10, 30))
    bar, dash = min(14, 290 / across), min(14, 380 / across) ** 2
    for _, mark, rows in style.by_condition(part, palette):
        axes.vlines(rows.index, rows["low"], rows["high"], color=mark.colour, alpha=0.35, lw=bar)
        style.points(axes, rows.index, rows["target_mean"], mark, s=size, zorder=3, **style.EDGED)
    style.points(axes, part.index, part["predicted_mean"], PREDICTED, s=dash, linewidths=1)
    missed = part[part["outside"]]
    ring = {"facecolors": "none", "edgecolors": style.INK, "linewidths": 0.9, "zorder": 5}
    axes.scatter(missed.index, missed["target_mean"], s=6 * size + 20, **ring)
    axes.set_xlim(-1, across)
    axes.set_xticks([])
    if len(part) <= NAMED_WELLS:
        upright = len(part) > 14 or part["name"].str.len().max() > 4
        axes.set_xticks(part.index, part["name"], rotation=90 if upright else 0, size=7.5)


def _inside(frame: pd.DataFrame) -> str:
    """How many wells have their true mean inside the interval, in words."""
    known, outside = int(frame["low"].notna().sum()), int(frame["outside"].sum())
    if not known:
        return f"{len(frame)} wells; there are no intervals"
    ringed = " (the others are ringed)" if outside else ""
    return f"{known - outside} of {known} wells lie inside their interval{ringed}"


@style.legible
def bland_altman(
    wells: pd.DataFrame, palette: style.Palette, target: Quantity, limits: Mapping
) -> Figure:
    """Difference of predicted and true mean of each well against their average.

    Args:
      wells: condition, target_mean and predicted_mean, one row a well.
      palette: marks of the conditions.
      target: what was predicted.
      limits: as `agreement.limits_of_agreement` gives for these wells.

    Returns:
      The figure: bias and limits of agreement as lines, their 95 % confidence intervals shaded.
    """
    groups = style.by_condition(style.finite(wells, "target_mean", "predicted_mean"), palette)
    if not groups:
        return style.sentence_figure(NO_WELLS)
    figure = style.new_figure(7.2, 4.3)
    axes = figure.subplots()
    for _, mark, rows in groups:
        difference = rows["predicted_mean"] - rows["target_mean"]
        average = rows["target_mean"] + difference / 2
        style.points(axes, average, difference, mark, s=32, alpha=0.8, **style.EDGED)
    axes.axhline(0, color=style.MUTED, lw=0.8, ls=":")
    _draw_limits(axes, limits, target)
    words = style.with_unit(f"average of true and predicted {target.label} of a well", target.unit)
    axes.set(
        xlabel=textwrap.fill(words, 70),
        title=_limits_title(limits),
        ylabel=style.with_unit("predicted − true", target.difference_unit),
    )
    axes.margins(x=0.05, y=0.12)
    legend = {"title": "condition (wells)", "alignment": "left", "ncols": 3}
    figure.legend(handles=style.handles(groups, True), loc="outside lower left", **legend)
    return figure


def _draw_limits(axes: Axes, limits: Mapping, target: Quantity) -> None:
    """Lines with their values at the right edge, as far as they are defined."""
    lines = {"bias": ("bias", "-"), "low": ("lower limit", "--"), "high": ("upper limit", "--")}
    for name, (words, dashes) in lines.items():
        at, around = limits[name], limits[f"{name}_interval"]
        # Without any spread the three lines, and their words, would lie on one another.
        if at is None or (name != "bias" and not limits["sd"]):
            continue
        axes.axhline(at, color=style.INK, lw=1.2, ls=dashes)
        if around is not None:
            axes.axhspan(*around, color=style.FAINT, alpha=0.6, lw=0, zorder=0)
        text = f"{words} {signed(at, target.digits)}"
        axes.text(1.01, at, text, transform=axes.get_yaxis_transform(), va="center", size=8.5)


def _limits_title(limits: Mapping) -> str:
    """Correlation and number of wells; the reason where limits are missing."""
    wells = count(limits["n"], "well")
    if limits["low"] is None:
        return f"{wells}: {limits['reason']}" if limits["reason"] else ""
    correlation = "" if limits["r"] is None else f", r = {limits['r']:.3f}"
    return f"Agreement over {wells}{correlation}"


@style.legible
def strength(
    result: Mapping, wells: pd.DataFrame, palette: style.Palette, target: Quantity = OVERLAP
) -> Figure:
    """Wells of each condition, and their mean with its interval.

    Args:
      result: as `strength.strength` gives for these wells.
      wells: condition and the value compared, and role where known, one row a well.
      palette: marks of the conditions.
      target: what was measured.

    Returns:
      The figure: a dot a well, the mean and its 95 % interval.
    """
    if "role" in wells:
        wells = wells[wells["role"] != "empty"]
    groups = style.by_condition(style.finite(wells, result["value"]), palette)
    if not groups:
        return style.sentence_figure(f"No strength to show: {result['reason']}.")
    figure = style.new_figure(7.2, 1.0 + 0.62 * max(len(groups), 2))
    axes = figure.subplots()
    for place, (name, mark, rows) in enumerate(groups):
        shift = 0.24 * np.random.default_rng(0).uniform(-1, 1, len(rows))
        size, opacity = (9, 0.4) if len(rows) > 60 else (20, 0.6)
        style.points(axes, rows[result["value"]], place + shift, mark, s=size, alpha=opacity)
        summary = result["conditions"][name]
        if summary["interval"] is not None:
            axes.plot(summary["interval"], [place] * 2, color=style.INK, lw=2.2)
        axes.plot(summary["mean"], place, marker="o", ms=6.5, mfc="white", mec=style.INK, mew=1.5)
    names = [textwrap.fill(style.shortened(name, 36), 20) for name, *_ in groups]
    axes.set_yticks(range(len(groups)), names)
    words = style.with_unit(f"mean {target.label} of a well", target.unit)
    axes.set(xlabel=textwrap.fill(words, 70), ylim=(len(groups) - 0.4, -0.6))
    return figure
