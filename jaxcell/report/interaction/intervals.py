"""Figures of uncertainty: intervals of wells, whether they hold, agreement, strength."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from jaxcell.analysis.conditions import NO_CONDITION, condition_names
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style

# Wells up to which each gets its name, and those that one row of intervals holds.
NAMED_WELLS, ROW_WELLS = 40, 100


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
    levels, overall = curves["levels"], curves["overall"]
    axes.plot([0, 1], [0, 1], color=style.MUTED, lw=1, ls="--", label="as promised")
    if overall["low"] is not None:
        axes.fill_between(
            levels, overall["low"], overall["high"], color=style.FAINT, lw=0, label="all: 95 % band"
        )
    for name, mark in palette.items():
        curve = curves["by_condition"].get(name)
        if curve is not None and len(curves["by_condition"]) > 1:
            axes.plot(
                levels,
                curve["observed"],
                color=mark.colour,
                marker=mark.marker,
                ms=5,
                lw=1.2,
                label=f"{style.shortened(name, 24)} ({curve['wells']})",
            )
    axes.plot(
        levels,
        overall["observed"],
        color=style.INK,
        marker=".",
        ms=8,
        label=f"all ({overall['wells']})",
    )
    start = min(levels[0], *(min(curve["observed"]) for curve in _curves(curves))) - 0.05
    axes.set(
        xlim=(start, 1.01),
        ylim=(start, 1.01),
        xlabel="promised: share of patches inside",
        ylabel="found in test wells",
        title="Do the intervals hold?",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    figure.legend(loc="outside right upper", title="wells of the test set", alignment="left")
    return figure


def _curves(curves: Mapping) -> list[Mapping]:
    """The curve of all wells and those of the conditions."""
    return [curves["overall"], *curves["by_condition"].values()]


def _signed(value: float, digits: int) -> str:
    """A number with its sign, and none where it rounds to zero."""
    text = f"{value:+.{digits}f}".replace("-", "−")
    return text[1:] if not text.strip("+−0.") else text


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
    finite = np.isfinite(wells[["target_mean", "predicted_mean"]].astype(float)).all(axis=1)
    frame = wells[finite]
    if frame.empty:
        return style.sentence_figure("There are no wells with finite means to show.")
    rank = {name: place for place, name in enumerate(palette)}
    frame = frame.assign(condition=condition_names(frame))
    frame["rank"] = frame["condition"].map(rank).fillna(len(rank))
    frame = frame.sort_values(["rank", "target_mean"], kind="stable").reset_index(drop=True)
    frame["name"] = frame["well"].astype(str)
    if frame["plate"].nunique() > 1:
        frame["name"] = frame["plate"].astype(str) + " " + frame["name"]
    if not {"low", "high"} <= set(frame):
        frame = frame.assign(low=np.nan, high=np.nan)
    lines = -(-len(frame) // ROW_WELLS)
    figure = style.new_figure(7.2, 1.2 + 2.3 * lines + 0.5 * (lines == 1))
    grid = figure.subplots(lines, 1, squeeze=False)[:, 0]
    across = -(-len(frame) // lines)
    for line, axes in enumerate(grid):
        part = frame.iloc[line * across : (line + 1) * across].reset_index(drop=True)
        _draw_wells(axes, part, palette, across)
        axes.set_ylabel(
            textwrap.fill(style.with_unit(f"mean {target.label} of a well", target.unit), 26)
        )
    grid[-1].set_xlabel("wells, by condition and rising true mean")
    grid[0].set_title(_missed(frame))
    handles = [_handle(mark, style.shortened(name, 24)) for name, mark in palette.items()
               if (frame["condition"] == name).any()]  # fmt: skip
    handles.append(
        Line2D([], [], ls="", marker="_", ms=8, mew=1.6, color=style.INK, label="predicted")
    )
    if frame["low"].notna().any():
        handles.append(Line2D([], [], lw=6, color=style.MUTED, alpha=0.4, label="interval"))
    figure.legend(handles=handles, loc="outside lower left", ncols=3 if len(handles) > 5 else 5)
    return figure


def _draw_wells(axes: Axes, part: pd.DataFrame, palette: style.Palette, across: int) -> None:
    """One row of wells: marks for the truth, dashes for predictions, bars for intervals."""
    size = float(np.clip(1100 / across, 10, 30))
    dash = min(14, 380 / across)
    for name in part["condition"].unique():
        mark = palette.get(name) or style.KNOWN[NO_CONDITION]
        rows = part[part["condition"] == name]
        axes.vlines(
            rows.index,
            rows["low"],
            rows["high"],
            color=mark.colour,
            alpha=0.35,
            lw=min(14, 290 / across),
        )
        axes.scatter(
            rows.index,
            rows["target_mean"],
            s=size,
            c=mark.colour,
            marker=mark.marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
        )
    axes.scatter(
        part.index,
        part["predicted_mean"],
        s=dash**2,
        c=style.INK,
        marker="_",
        linewidths=1.0,
        zorder=2.5,
    )
    missed = part[_outside(part)]
    axes.scatter(
        missed.index,
        missed["target_mean"],
        s=6 * size + 20,
        facecolors="none",
        edgecolors=style.INK,
        linewidths=0.9,
        zorder=5,
    )
    axes.set_xlim(-1, across)
    if len(part) <= NAMED_WELLS:
        upright = len(part) > 14 or part["name"].str.len().max() > 4
        axes.set_xticks(part.index, part["name"], rotation=90 if upright else 0, size=7.5)
    else:
        axes.set_xticks([])


def _outside(frame: pd.DataFrame) -> pd.Series:
    """Wells whose true mean lies outside its interval."""
    return (frame["target_mean"] < frame["low"]) | (frame["target_mean"] > frame["high"])


def _missed(frame: pd.DataFrame) -> str:
    """How many wells have their true mean inside the interval, in words."""
    known = int(frame["low"].notna().sum())
    if not known:
        return f"{len(frame)} wells; there are no intervals"
    outside = int(_outside(frame).sum())
    ringed = " (the others are ringed)" if outside else ""
    return f"{known - outside} of {known} wells lie inside their interval{ringed}"


def _handle(mark: style.Mark, label: str) -> Line2D:
    """Legend entry of a condition."""
    return Line2D([], [], ls="", marker=mark.marker, ms=6, color=mark.colour, label=label)


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
    finite = np.isfinite(wells[["target_mean", "predicted_mean"]].astype(float)).all(axis=1)
    frame = wells[finite]
    if frame.empty:
        return style.sentence_figure("There are no wells with finite means to show.")
    figure = style.new_figure(7.2, 4.3)
    axes = figure.subplots()
    names = condition_names(frame)
    difference = frame["predicted_mean"] - frame["target_mean"]
    average = (frame["predicted_mean"] + frame["target_mean"]) / 2
    for name, mark in palette.items():
        rows = names == name
        if rows.any():
            axes.scatter(
                average[rows],
                difference[rows],
                s=32,
                c=mark.colour,
                marker=mark.marker,
                alpha=0.8,
                edgecolors="white",
                linewidths=0.5,
                label=f"{style.shortened(name, 24)} ({int(rows.sum())})",
            )
    axes.axhline(0, color=style.MUTED, lw=0.8, ls=":")
    unit = target.difference_unit
    _draw_limits(axes, limits, unit, target.digits)
    words = style.with_unit(f"average of true and predicted {target.label} of a well", target.unit)
    axes.set(
        xlabel=textwrap.fill(words, 70),
        ylabel=style.with_unit("predicted − true", unit),
        title=_limits_title(limits),
    )
    axes.margins(x=0.05, y=0.12)
    handles, _ = axes.get_legend_handles_labels()
    figure.legend(
        handles=handles,
        loc="outside lower left",
        ncols=3,
        alignment="left",
        title="condition (wells)",
    )
    return figure


def _draw_limits(axes: Axes, limits: Mapping, unit: str, digits: int) -> None:
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
        axes.annotate(
            f"{words} {_signed(at, digits)} {unit}".strip(),
            (1, at),
            (6, 0),
            va="center",
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            size=8.5,
        )


def _limits_title(limits: Mapping) -> str:
    """Correlation and number of wells; the reason where limits are missing."""
    if limits["low"] is None:
        return f"{limits['n']} wells: {limits['reason']}" if limits["reason"] else ""
    correlation = "" if limits["r"] is None else f", r = {limits['r']:.3f}"
    return f"Agreement over {limits['n']} wells{correlation}"


@style.legible
def strength(
    result: Mapping, wells: pd.DataFrame, palette: style.Palette, target: Quantity = OVERLAP
) -> Figure:
    """Wells of each condition, their means with intervals, and the differences in words.

    Args:
      result: as `strength.strength` gives for these wells.
      wells: condition and the value compared, and role where known, one row a well.
      palette: marks of the conditions.
      target: what was measured.

    Returns:
      The figure: a dot a well, the mean and its 95 % interval; on the right, each condition against
      the reference.
    """
    names = [name for name in palette if name in result["conditions"]]
    if not names:
        return style.sentence_figure(f"No strength to show: {result['reason']}.")
    if "role" in wells:
        wells = wells[wells["role"] != "empty"]
    of_well = condition_names(wells)
    figure = style.new_figure(7.2, 1.2 + 0.62 * max(len(names), 2))
    axes, told = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for place, name in enumerate(names):
        values = wells[result["value"]][of_well == name].astype(float)
        _draw_condition(
            axes, place, values[np.isfinite(values)], result["conditions"][name], palette[name]
        )
        told.text(0, place, _against(result, name, target), va="center", size=8.5)
    axes.set_yticks(range(len(names)), [textwrap.fill(name, 20) for name in names])
    axes.set(ylim=(len(names) - 0.4, -0.6))
    axes.set_xlabel(
        textwrap.fill(style.with_unit(f"mean {target.label} of a well", target.unit), 46)
    )
    axes.set_title("Wells, mean and 95 % interval")
    told.set_axis_off()
    if result["reference"] is not None and len(names) > 1:
        told.set_title(f"Against {style.shortened(result['reference'], 20)}")
    return figure


def _draw_condition(
    axes: Axes, place: int, values: pd.Series, summary: Mapping, mark: style.Mark
) -> None:
    """Dots of the wells beside one another, mean and interval on top."""
    shift = 0.24 * np.random.default_rng(0).uniform(-1, 1, len(values))
    many = len(values) > 60
    axes.scatter(
        values,
        place + shift,
        s=9 if many else 20,
        c=mark.colour,
        marker=mark.marker,
        alpha=0.4 if many else 0.6,
        linewidths=0,
    )
    if summary["interval"] is not None:
        axes.plot(
            summary["interval"], [place, place], color=style.INK, lw=2.2, solid_capstyle="butt"
        )
    axes.plot(summary["mean"], place, marker="o", ms=6.5, mfc="white", mec=style.INK, mew=1.5)


def _against(result: Mapping, name: str, target: Quantity) -> str:
    """Difference from the reference with its interval, ratio, p and g, and what is missing."""
    if name == result["reference"]:
        wells = result["conditions"][name]["wells"]
        return f"reference, {wells} well{'s' * (wells != 1)}"
    found = result["against_reference"].get(name)
    if found is None or found["difference"] is None:
        return textwrap.fill(found["reason"] if found else "not compared", 34)
    digits, unit = target.digits, target.difference_unit
    text = _signed(found["difference"], digits)
    if found["interval"] is not None:
        text += " ({} to {})".format(*(_signed(end, digits) for end in found["interval"]))
    text = f"{text} {unit}".strip()
    parts = [] if found["ratio"] is None else [f"× {found['ratio']:.2f}"]
    if found["p"] is not None:
        parts.append(f"p = {found['p']:.4f}" if found["p"] >= 0.0002 else "p ≤ 0.0001")
    if found["hedges_g"] is not None:
        parts.append(f"g = {found['hedges_g']:.1f}")
    lines = [text, ", ".join(parts), textwrap.fill(found["reason"] or "", 40)]
    return "\n".join(line for line in lines if line)
