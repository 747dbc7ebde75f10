"""Figures on the codes of one setting of a sweep: quality against size, and against cost."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from jaxcell.analysis import ablation
from jaxcell.report.common import style

MARKS = {
    "separate": style.Mark(style.BLUE, "o"),
    "nested": style.Mark(style.ORANGE, "s"),
    "spatial": style.Mark(style.GREEN, "^"),
}
NAMES = {
    "separate": "separate: a network for each size",
    "nested": "nested: one network for all sizes",
    "spatial": "spatial: a code that keeps places",
}
# Points of one size stand beside one another, on the log axis by these factors.
SHIFTS = {"separate": 1.0, "nested": 2**0.24, "spatial": 2**0.42}
REFERENCE_SIZE = 1152
RING = {"ms": 12, "mfc": "none", "mew": 1.8}  # round the smallest sufficient size
# AUROC without any code: name -> words and line style.
BASELINES = {
    "auroc_of_position": ("plate position alone", ":"),
    "auroc_of_overlap": ("overlap alone", (0, (3, 1, 1, 1))),
}
# Nested codes this close to separate ones count as close.
NEAR = 0.05


@style.legible
def quality_figure(
    sizes: pd.DataFrame, members: pd.DataFrame, baselines: Mapping[str, float | None]
) -> Figure:
    """Every criterion against the latent size.

    Args:
      sizes: of `ablation.by_size`, of one setting.
      members: as `ablation.by_size` takes; single seeds are drawn, and sizes that diverged.
      baselines: names of `BASELINES` -> AUROC without any code.

    Returns:
      The figure: means with their intervals, a panel a criterion.
    """
    lines = [(*BASELINES[name], value) for name, value in baselines.items()
             if name in BASELINES and value is not None]  # fmt: skip
    # A size of which every member diverged has its place too.
    ticks = members.loc[members["state"] != "waiting", "latent_size"].dropna().astype(int)
    figure = style.new_figure(7.2, 6.7)
    figure.suptitle(sizes["setting"].iloc[0], size=10.5, weight="bold")
    *panels, corner = figure.subplots(3, 2).flat
    for axes, criterion in zip(panels, ablation.CRITERIA):
        levels = [] if criterion.useless is None else [criterion.useless]
        axes.axvline(REFERENCE_SIZE, color=style.MUTED, ls="--", lw=0.9, zorder=0)
        for level in levels:
            axes.axhline(level, color=style.INK, lw=0.9, zorder=0)
        for _, line, value in lines if criterion.name == "auroc" else ():
            axes.axhline(value, color=style.PURPLE, ls=line, lw=1.3, zorder=0)
            levels.append(value)
        _draw_seeds(axes, sizes, members, criterion.name)
        for item in ablation.smallest_sufficient(sizes, criterion):
            mean = sizes.set_index(["kind", "latent_size"]).loc[(item.kind, item.size)]
            place = item.size * SHIFTS[item.kind], mean[f"{criterion.name}_mean"]
            axes.plot(*place, "o", mec=MARKS[item.kind].colour, **RING)
        _set_view(axes, criterion.name, sizes, members, levels)
        set_size_axis(axes, ticks)
        label = style.with_unit(criterion.label, criterion.unit)
        axes.set_ylabel(textwrap.fill(label, 24), size=9)
    single = sizes["seeds"].max() < 2
    best = "best size (one seed)" if single else "smallest sufficient size"
    handles = [
        *kind_handles(sizes),
        style.handle(style.Mark(style.MUTED, "o"), best, **RING),
        _line_handle(style.MUTED, "--", f"reference study, {REFERENCE_SIZE:,}"),
        _line_handle(style.INK, "-", "a code that holds nothing"),
        *(
            _line_handle(style.PURPLE, line, f"{words} ({value:.2f})")
            for words, line, value in lines
        ),
    ]
    if (members["state"] == "diverged").any():
        handles.append(style.handle(style.Mark(style.VERMILION, "x"), "a training that diverged"))
    corner.set_axis_off()
    corner.legend(handles=handles, loc="center left", borderaxespad=0)
    return figure


def _draw_seeds(axes: Axes, sizes: pd.DataFrame, members: pd.DataFrame, name: str) -> None:
    """Means with their intervals, a faint dot a seed, a cross above sizes that diverged."""
    done = members[members["state"] == "done"]
    for kind, (colour, marker) in MARKS.items():
        rows, seeds = (table[table["kind"] == kind] for table in (sizes, done))
        mean = rows[f"{name}_mean"]
        reach = np.array([mean - rows[f"{name}_low"], rows[f"{name}_high"] - mean])
        axes.errorbar(rows["latent_size"] * SHIFTS[kind], mean, reach, color=colour,
                      marker=marker, ms=5, lw=1.4, elinewidth=1.1, capsize=2.5)  # fmt: skip
        axes.scatter(seeds["latent_size"] * SHIFTS[kind], seeds[name], s=9, color=colour,
                     alpha=0.5, linewidths=0, zorder=1)  # fmt: skip
    failed = members.loc[members["state"] == "diverged", "latent_size"].unique()
    axes.scatter(failed, np.full(len(failed), 0.96), s=30, marker="x", color=style.VERMILION,
                 transform=axes.get_xaxis_transform())  # fmt: skip


def _set_view(
    axes: Axes, name: str, sizes: pd.DataFrame, members: pd.DataFrame, levels: Sequence[float]
) -> None:
    """Shows all seeds and levels, and intervals as far as they leave these legible."""
    log = name == "bce_excess"
    values = [*members.loc[members["state"] == "done", name], *levels]
    values, ends = (np.array(some, np.float64) for some in (
        values, sizes[[f"{name}_low", f"{name}_high"]].to_numpy().ravel()))  # fmt: skip
    values, ends = (some[np.isfinite(some) & ((some > 0) | (not log))] for some in (values, ends))
    if log:
        style.set_scale(axes, pd.Series(values), wide=1)
        values, ends = np.log(values), np.log(ends)
    if len(values):
        low, high = values.min(), values.max()
        span = max(high - low, 0.02 * abs(high), 1e-6)
        low = max(low - 0.5 * span, ends.min(initial=low)) - 0.08 * span
        high = min(high + 0.5 * span, ends.max(initial=high)) + 0.12 * span
        axes.set_ylim(*(np.exp((low, high)) if log else (low, high)))


def set_size_axis(axes: Axes, sizes: Iterable[int]) -> None:
    """A log2 axis with a tick at every size, its number where it does not touch the next."""
    values = sorted(set(sizes))
    octaves = max(math.log2(values[-1] / values[0]), 1.0)
    words = [f"{value:,}" if math.log2(above / value) > 0.09 * octaves else ""
             for value, above in zip(values, [*values[1:], math.inf])]  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(values, words, size=8)
    axes.set_xlim(values[0] * 2 ** (-0.06 * octaves), values[-1] * 2 ** (0.1 * octaves))
    axes.set_xlabel("numbers in the code", size=9)


def _line_handle(colour: str, line: object, label: str) -> Line2D:
    return style.handle(style.Mark(colour, ""), label, ls=line, lw=1.2)


def kind_handles(sizes: pd.DataFrame) -> list[Line2D]:
    """An entry for each kind of code in a table."""
    return [style.handle(MARKS[kind], NAMES[kind]) for kind in MARKS if kind in set(sizes["kind"])]


@style.legible
def pareto_figure(sizes: pd.DataFrame) -> Figure:
    """Cross-entropy over its floor against bytes a code and against training time.

    Args:
      sizes: of `ablation.by_size`, of one setting.

    Returns:
      The figure; filled where no other row is as good in both axes of the panel.
    """
    sizes = sizes[sizes["bce_excess_mean"] > 0]
    if sizes.empty:
        return style.sentence_figure("No cross-entropy over its floor is known.")
    figure = style.new_figure(7.2, 3.7)
    figure.suptitle(sizes["setting"].iloc[0], size=10.5, weight="bold")
    left, right = figure.subplots(1, 2, sharey=True)
    costs = {"code_bytes": (left, "size of a code, bytes"),
             "train_seconds": (right, "training time, s")}  # fmt: skip
    for cost, (axes, label) in costs.items():
        known = sizes.dropna(subset=f"{cost}_mean")
        front = ablation.pareto(known, (cost, "bce_excess"))
        x, y = known[f"{cost}_mean"], known["bce_excess_mean"]
        steps = x[front].sort_values()
        axes.step(steps, y[steps.index], where="post", color=style.FAINT, lw=3, zorder=0)
        for kind, (colour, marker) in MARKS.items():
            for filled, face in ((True, colour), (False, "white")):
                some = (known["kind"] == kind) & (front == filled)
                axes.plot(x[some], y[some], ls="", marker=marker, ms=6.5, mec=colour, mfc=face)
        style.set_scale(axes, x, "x")
        axes.set_xlabel(label)
    style.set_scale(left, sizes["bce_excess_mean"], wide=1)
    left.margins(y=0.1)
    left.set_ylabel("cross-entropy over its floor, nats", size=9)
    # Bytes set sizes apart: one label a size, at its worst point, where the curve leaves room.
    for row in sizes.loc[sizes.groupby("latent_size")["bce_excess_mean"].idxmax()].itertuples():
        point = (row.code_bytes_mean, row.bce_excess_mean)
        left.annotate(f"{row.latent_size:,}", point, (6, 6), textcoords="offset points", size=7.5)
    hollow = "hollow: another is as good or better in both"
    handles = [*kind_handles(sizes), style.handle(style.Mark(style.MUTED, "o"), hollow, mfc="none")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


@style.legible
def nested_figure(gap: pd.DataFrame) -> Figure:
    """How much worse codes cut from one nested network are than those trained for their size.

    Args:
      gap: of `ablation.nested_gap`, of one setting.

    Returns:
      The figure, in percent, with a band of `NEAR` to each side.
    """
    figure = style.new_figure(7.2, 2.9)
    axes = figure.subplots()
    setting, gap = gap["setting"].iloc[0], gap.set_index("latent_size")
    gap, low, high = (100 * gap[name] for name in ("gap", "low", "high"))
    narrow = 1.25 * max(8.0, gap.abs().max())
    end = np.clip(1.05 * np.nanmax(np.abs([gap, low, high])), narrow, 5 * narrow)
    near = 100 * NEAR
    axes.axhspan(-near, near, color=style.FAINT, alpha=0.6, lw=0, label=f"within {near:.0f} %")
    axes.axhline(0, color=style.INK, lw=0.9)
    axes.errorbar(gap.index, gap, [gap - low, high - gap], color=style.ORANGE, marker="s",
                  ms=5.5, lw=1.4, elinewidth=1.2, capsize=3)  # fmt: skip
    axes.set(ylim=(-end, end), title=setting)
    axes.set_ylabel("cross-entropy over its floor,\nnested more than separate, %", size=9)
    axes.legend(loc="lower right")
    set_size_axis(axes, gap.index)
    return figure
