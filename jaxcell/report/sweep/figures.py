"""Figures on a sweep over latent sizes: quality and cost, and how both are drawn."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from jaxcell.analysis import ablation
from jaxcell.report.common import style

LOOKS = {
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
SHIFTS = {"separate": 2**-0.12, "nested": 2**0.12, "spatial": 2**0.3}
REFERENCE_SIZE = 1152
WIDTH = 7.2
# Nested codes this close to separate ones count as close.
NEAR = 0.05
# Settings side by side in one figure; more are for another one.
MOST_COLUMNS = 3
NOTHING = "No member of this sweep was trained to the end."
# A range of values is drawn on a log axis where its ends differ by more than this factor.
WIDE = 4
COSTS = {
    "parameters": ("parameters, thousands", 1e3),
    "flops": ("million operations a patch", 1e6),
    "train_seconds": ("training, s", 1),
    "code_bytes": ("bytes a code", 1),
}
BASELINES = {"auroc_of_position": ("plate position alone", ":"),
             "auroc_of_overlap": ("overlap alone", (0, (3, 1, 1, 1)))}  # fmt: skip


@style.legible
def quality_figure(
    sizes: pd.DataFrame, members: pd.DataFrame, baselines: Mapping[str, float] | None = None
) -> Figure:
    """Every criterion against the latent size.

    Args:
      sizes: of `ablation.by_size`, at most `MOST_COLUMNS` settings.
      members: as `ablation.by_size` takes; single seeds are drawn, and sizes that diverged.
      baselines: names of `BASELINES` -> AUROC without any code.

    Returns:
      The figure: means with their intervals, a column a setting where there are several.
    """
    if sizes.empty:
        return style.sentence_figure(NOTHING)
    settings = list(dict.fromkeys(sizes["setting"]))
    figure, grid, place = _grid(settings, len(ablation.CRITERIA))
    beside = _beside(sizes)
    # A size of which every member diverged has its place too.
    ticks = members.loc[members["state"] != "waiting", "latent_size"].dropna().astype(int)
    drawn = {name: (baselines or {}).get(name) for name in BASELINES}
    drawn = {name: value for name, value in drawn.items() if value is not None}
    for row, criterion in enumerate(ablation.CRITERIA):
        lowest = len(settings) == 1 or row == len(grid) - 1
        enough = ablation.smallest_sufficient(sizes, criterion)
        levels = [] if criterion.useless is None else [criterion.useless]
        lines = drawn if criterion.name == "auroc" else {}
        view = _view(criterion, sizes, members, [*levels, *lines.values()])
        for setting, axes in zip(settings, grid[row]):
            own, some = sizes[sizes["setting"] == setting], members[members["setting"] == setting]
            axes.axvline(REFERENCE_SIZE, color=style.MUTED, ls="--", lw=0.9, zorder=0)
            for level in levels:
                axes.axhline(level, color=style.INK, lw=0.9, zorder=0)
            for name, value in lines.items():
                axes.axhline(value, color=style.PURPLE, ls=BASELINES[name][1], lw=1.3, zorder=0)
            _draw_means(axes, own, criterion.name, beside)
            _draw_seeds(axes, some, criterion.name, beside)
            for item in (item for item in enough if item.setting == setting):
                mean = own[(own["kind"] == item.kind) & (own["latent_size"] == item.size)]
                axes.plot(
                    item.size * beside[item.kind],
                    mean[f"{criterion.name}_mean"],
                    ls="",
                    marker="o",
                    ms=12,
                    mfc="none",
                    mec=LOOKS[item.kind].colour,
                    mew=1.8,
                )
            if criterion.name == "bce_excess":
                set_scale(axes, sizes["bce_excess_mean"], wide=1)
            axes.set_ylim(view)
            set_size_axis(axes, ticks, max(2, len(settings)), lowest)
        words = style.with_unit(criterion.label, criterion.unit)
        grid[row][0].set_ylabel(textwrap.fill(words, 24), size=9)
    single = sizes["seeds"].max() < 2
    best = "best size (one seed)" if single else "smallest sufficient size"
    handles = kind_handles(sizes) + [
        line_handle(style.MUTED, "none", "o", best, ms=11, mew=1.8),
        line_handle(style.MUTED, "--", "", f"reference study, {REFERENCE_SIZE:,}"),
        line_handle(style.INK, "-", "", "a code that holds nothing"),
        *(line_handle(style.PURPLE, BASELINES[name][1], "", f"{BASELINES[name][0]} ({value:.2f})")
          for name, value in drawn.items()),
    ]  # fmt: skip
    if (members["state"] == "diverged").any():
        handles.append(line_handle(style.VERMILION, "none", "x", "a training that diverged"))
    draw_legend(place, handles)
    return figure


def _grid(settings: Sequence[str], rows: int, height: float = 2.15) -> tuple:
    """Panels for so many rows: [row][setting], and where the legend goes.

    One setting fills two columns; several have a column each, and share the scale of a row.
    """
    if len(settings) == 1:
        lines = -(-rows // 2)
        figure = style.new_figure(WIDTH, height * lines + (0 if rows % 2 else 0.5))
        flat = list(figure.subplots(lines, 2, squeeze=False).flat)
        # An odd number leaves a place for the legend.
        return figure, [[axes] for axes in flat[:rows]], flat[-1] if rows % 2 else figure
    figure = style.new_figure(WIDTH, height * 0.85 * rows + 1.2)
    grid = figure.subplots(rows, len(settings), sharey="row", squeeze=False)
    for axes, setting in zip(grid[0], settings):
        axes.set_title(textwrap.fill(setting, 66 // len(settings)), size=9.5)
    return figure, [list(line) for line in grid], figure


def draw_legend(place: Axes | Figure, handles: Sequence[Line2D]) -> None:
    if isinstance(place, Axes):
        place.set_axis_off()
        place.legend(handles=handles, loc="center left", borderaxespad=0)
    else:
        place.legend(handles=handles, loc="outside lower center", ncols=min(2, len(handles)))


def line_handle(colour: str, line: object, marker: str, label: str, **look: object) -> Line2D:
    return Line2D([], [], color=colour, ls=line, marker=marker, mfc="none", label=label, lw=1.2,
                  **look)  # fmt: skip


def _beside(sizes: pd.DataFrame) -> dict[str, float]:
    """By what to multiply sizes so that kinds stand side by side: 1 where there is one alone."""
    return SHIFTS if sizes["kind"].nunique() > 1 else dict.fromkeys(SHIFTS, 1.0)


def kind_handles(sizes: pd.DataFrame) -> list[Line2D]:
    return [Line2D([], [], color=look.colour, marker=look.marker, ms=6, label=NAMES[kind],
                   ls="" if kind == "spatial" else "-")
            for kind, look in LOOKS.items() if kind in set(sizes["kind"])]  # fmt: skip


def _draw_means(axes: Axes, sizes: pd.DataFrame, name: str, beside: Mapping) -> None:
    """Line and error bars of each kind."""
    for kind, look in LOOKS.items():
        rows = sizes[sizes["kind"] == kind]
        mean = rows[f"{name}_mean"]
        reach = np.array([mean - rows[f"{name}_low"], rows[f"{name}_high"] - mean])
        axes.errorbar(
            rows["latent_size"] * beside[kind],
            mean,
            reach,
            color=look.colour,
            marker=look.marker,
            ms=5,
            lw=1.4,
            elinewidth=1.1,
            capsize=2.5,
        )


def _draw_seeds(axes: Axes, members: pd.DataFrame, name: str, beside: Mapping) -> None:
    """A faint dot a member, and a cross above each size of which a member diverged."""
    done = members[members["state"] == "done"]
    for kind, look in LOOKS.items():
        rows = done[done["kind"] == kind]
        axes.scatter(
            rows["latent_size"] * beside[kind],
            rows[name],
            s=9,
            color=look.colour,
            alpha=0.5,
            linewidths=0,
            zorder=1,
        )
    failed = members.loc[members["state"] == "diverged", "latent_size"].unique()
    axes.scatter(
        failed,
        np.full(len(failed), 0.96),
        s=30,
        marker="x",
        color=style.VERMILION,
        transform=axes.get_xaxis_transform(),
    )


def _view(
    criterion: ablation.Criterion, sizes: pd.DataFrame, members: pd.DataFrame, levels: Sequence
) -> tuple[float, float]:
    """Ends of the axis: all seeds and levels, and intervals as far as they leave these legible."""
    log = criterion.name == "bce_excess"
    values = members.loc[members["state"] == "done", criterion.name].to_numpy(np.float64)
    values = np.append(values, np.asarray(levels, np.float64))
    values = values[np.isfinite(values) & ((values > 0) if log else True)]
    if not len(values):
        return (1e-3, 1) if log else (0, 1)
    ends = sizes[[f"{criterion.name}_low", f"{criterion.name}_high"]].to_numpy(np.float64)
    low, high = values.min(), values.max()
    if log:
        ends = np.log(np.where(ends > 0, ends, low))
        low, high = np.log(low), np.log(high)
    span = max(high - low, 0.02 * abs(high), 1e-6)
    low = max(low - 0.5 * span, np.nanmin(np.append(ends, low))) - 0.08 * span
    high = min(high + 0.5 * span, np.nanmax(np.append(ends, high))) + 0.12 * span
    return (math.exp(low), math.exp(high)) if log else (low, high)


def set_size_axis(axes: Axes, sizes: Iterable[int], across: int, lowest: bool = True) -> None:
    """A log2 axis with a tick at every size, its number where `across` panels leave room."""
    values = sorted(set(sizes))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    octaves = max(math.log2(values[-1] / values[0]), 1.0)
    upright = across > 2
    room = (0.13 if upright else 0.3) * octaves * across / 6.3  # inches as octaves
    named = [value for value, above in zip(values, [*values[1:], math.inf])
             if math.log2(above / value) > room]  # fmt: skip
    axes.set_xticks(
        values,
        [f"{value:,}" if value in named else "" for value in values],
        rotation=90 if upright else 0,
        size=8,
    )
    axes.set_xlim(values[0] * 2 ** (-0.06 * octaves), values[-1] * 2 ** (0.07 * octaves))
    if lowest:
        axes.set_xlabel("numbers in the code", size=9)
    else:
        axes.tick_params(labelbottom=False)


def set_scale(axes: Axes, values: pd.Series, which: str = "y", wide: float = WIDE) -> None:
    """A log axis where values differ by a factor, with plain numbers; else one from 0."""
    low, high = values.min(), values.max()
    if not (low > 0 and high > wide * low):
        getattr(axes, f"set_{which}lim")(0, 1.15 * high if high > 0 else 1)
        return
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    axis = getattr(axes, f"{which}axis")
    few, some, many = (1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)
    ticks = few if high > 100 * low else some if high > 4 * low else many
    axis.set_major_locator(LogLocator(subs=ticks))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


@style.legible
def cost_figure(sizes: pd.DataFrame) -> Figure:
    """What a code of each size costs: parameters, operations, training time, bytes.

    Args:
      sizes: of `ablation.by_size`, at most `MOST_COLUMNS` settings.

    Returns:
      The figure; the time of a nested network is that of its whole run, the same at every size.
    """
    if sizes.empty:
        return style.sentence_figure(NOTHING)
    settings = list(dict.fromkeys(sizes["setting"]))
    figure, grid, place = _grid(settings, len(COSTS))
    beside = _beside(sizes)
    for row, (name, (label, unit)) in enumerate(COSTS.items()):
        lowest = len(settings) == 1 or row == len(grid) - 1
        values = sizes[f"{name}_mean"].dropna() / unit
        for setting, axes in zip(settings, grid[row]):
            for kind, look in LOOKS.items():
                rows = sizes[(sizes["setting"] == setting) & (sizes["kind"] == kind)]
                axes.plot(
                    rows["latent_size"] * beside[kind],
                    rows[f"{name}_mean"] / unit,
                    color=look.colour,
                    marker=look.marker,
                    ms=5.5,
                    lw=1.4,
                )
            set_scale(axes, values)
            set_size_axis(axes, sizes["latent_size"], max(2, len(settings)), lowest)
        grid[row][0].set_ylabel(label, size=9)
    draw_legend(place, kind_handles(sizes))
    return figure
