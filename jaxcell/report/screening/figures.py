"""Figures of a screen: what acts, how surely, beside the cells, and the controls."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.analysis.conditions import shown_conditions
from jaxcell.analysis.screening.counts import LEAST_DROP
from jaxcell.analysis.screening.hits import (
    ENHANCER,
    FALSE_DISCOVERIES,
    INHIBITOR,
    NO_EFFECT,
    from_controls,
)
from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.screening.sentences import has_doses, named

# How each call is drawn, told apart in grey too.
CALLS = {
    INHIBITOR: style.Mark(style.BLUE, "v"),
    ENHANCER: style.Mark(style.ORANGE, "^"),
    NO_EFFECT: style.Mark(style.MUTED, "o"),
}
# Names of compounds that a panel has room for, and compounds beside each other with names.
NAMES, NAMES_ABREAST = 14, 48
# Height of a line of small type over that of a panel, and the least p that is drawn.
LINE_OF_PANEL, LEAST_P = 0.055, 1e-12
# What stands for a well in the figure of controls, in order.
KINDS_OF_WELLS = {
    "vehicle": style.Mark(style.INK, "s"),
    "untreated": style.Mark(style.GREEN, "D"),
    "sample": style.Mark(style.MUTED, "o"),
}


@style.legible
def volcano(effects: pd.DataFrame, measure: Quantity) -> Figure:
    """Effect and p of each compound, a panel a condition, hits by name.

    Args:
      effects: as `Screened.effects`.
      measure: what was screened.

    Returns:
      The figure; the dashed line is the largest p of a hit.
    """
    names, doses = shown_conditions(effects), has_doses(effects)
    effects = effects.assign(height=-np.log10(np.maximum(effects["p"], LEAST_P)))
    figure = style.new_figure(7.2, 1.1 + 3.0 * style.grid_shape(len(names))[0])
    grid = style.panels(figure, len(names), sharey=True)
    for axes, name in zip(grid, names):
        own = effects[effects["condition"] == name]
        for call, mark in CALLS.items():
            for toxic, face in ((False, mark.colour), (True, "none")):
                rows = own[(own["call"] == call) & (own["toxic"] == toxic)]
                look = {"ls": "", "mec": mark.colour, "mfc": face, "ms": 5}
                axes.plot(rows["difference"], rows["height"], mark.marker, **look)
        hits = own[own["q"] <= FALSE_DISCOVERIES]
        if len(hits):
            axes.axhline(hits["height"].min(), color=style.MUTED, ls="--", lw=0.8)
        axes.axvline(0, color=style.FAINT, lw=0.8, zorder=0)
        axes.set_title(f"{style.shortened(name, 20)} (n = {len(own)})")
        axes.margins(x=0.12, y=0.12)
    for axes, name in zip(grid, names):  # when the shared axis has its ends
        hits = effects[(effects["condition"] == name) & (effects["q"] <= FALSE_DISCOVERIES)]
        gap = 0.02 * np.ptp(axes.get_xlim())
        for side in (-1, 1):  # Inside the V there is room: surer points lie further out.
            own = hits[np.sign(hits["difference"]) == side].sort_values("p")
            own = own.drop_duplicates("compound").head(NAMES // 2)
            words = [named(row, doses) for row in own.to_dict("records")]
            _write_names(axes, words, own[["difference", "height"]].to_numpy(), side * gap, side)
    label = style.with_unit("difference from the controls", measure.difference_unit)
    figure.supxlabel(label, size=10)
    figure.axes[0].set_ylabel("−log₁₀ p")
    handles = [style.handle(mark, call) for call, mark in CALLS.items()]
    if effects["toxic"].any():
        handles.append(style.handle(CALLS[INHIBITOR], "hollow: fewer cells too", mfc="none"))
    figure.legend(handles=handles, loc="outside upper left", ncols=4)
    return figure


def _write_names(
    axes: Axes, names: Sequence[str], points: np.ndarray, column: float, side: int
) -> None:
    """Names in a column, in the order of their points and led to them: no two overlap.

    Args:
      points: float [N, 2].
      column: x at which names begin (`side` 1) or end (`side` -1).
    """
    low, high = axes.get_ylim()
    room, at = LINE_OF_PANEL * (high - low), -np.inf
    for place in np.argsort(points[:, 1], kind="stable"):
        at = max(points[place, 1], at + room)
        axes.annotate(
            style.shortened(names[place], 18), points[place], (column, at), size=7.5,
            color=style.INK, va="center", ha="left" if side > 0 else "right",
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": style.MUTED, "shrinkA": 1,
                        "shrinkB": 3, "relpos": (float(points[place, 0] > column), 0.5)},
        )  # fmt: skip
    axes.set_ylim(low, max(high, at + room))


@style.legible
def ranks(effects: pd.DataFrame, measure: Quantity) -> Figure:
    """Compounds of each condition in order of their effect, with 95 % intervals.

    Args:
      effects: as `Screened.effects`.
      measure: what was screened.
    """
    names, doses = shown_conditions(effects), has_doses(effects)
    figure = style.new_figure(7.2, 0.7 + 2.5 * len(names))
    grid = np.ravel(figure.subplots(len(names), 1, squeeze=False))
    for axes, name in zip(grid, names):
        own = effects[effects["condition"] == name].sort_values("difference")
        own = own.reset_index(drop=True)
        axes.axhline(0, color=style.FAINT, lw=0.8, zorder=0)
        for call, mark in CALLS.items():
            rows = own[own["call"] == call]
            ends = rows[["low", "high"]].to_numpy().T
            axes.vlines(rows.index, *ends, color=mark.colour, lw=1, alpha=0.8)
            axes.plot(rows.index, rows["difference"], mark.marker, color=mark.colour, ms=4.5)
        for call, side in ((INHIBITOR, "high"), (ENHANCER, "low")):
            rows = own[own["call"] == call]
            for place, row in _with_room(rows, 0 if doses else 2 * NAMES, len(own)).iterrows():
                down = call == ENHANCER
                axes.text(
                    place, row[side], f" {named(row, doses)} ", rotation=90, size=7.5,
                    ha="center", va="top" if down else "bottom", color=style.INK,
                )  # fmt: skip
        what = "compounds and doses" if doses else "compounds"
        axes.set_title(f"{style.shortened(name, 40)}: {len(own)} {what}")
        axes.set_xticks([])
        axes.margins(x=0.02, y=0.16)
    words = style.with_unit("difference", measure.difference_unit)
    for axes in grid:
        axes.set_ylabel(textwrap.fill(words, 24))
    grid[-1].set_xlabel("compounds, from the strongest decrease to the strongest increase")
    handles = [style.handle(mark, call) for call, mark in CALLS.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure


def _with_room(rows: pd.DataFrame, most: int, of: int) -> pd.DataFrame:
    """The surest rows whose index lies far enough from that of surer ones to write a name at."""
    chosen: list[int] = []
    for place in rows.sort_values("p").index:
        if len(chosen) < most and all(abs(place - other) * NAMES_ABREAST >= of for other in chosen):
            chosen.append(place)
    return rows.loc[chosen]


@style.legible
def replicates(wells: pd.DataFrame, scale: object, measure: Quantity, palette: Mapping) -> Figure:
    """The first well of each compound against its second.

    Args:
      wells: as `Hits.wells`.
      scale: that `corrected` is on.
      measure: what was screened.
      palette: marks of the conditions.
    """
    # Plates moved to where their controls agree.
    apart = from_controls(wells)
    level = (wells["corrected"] - apart).groupby(wells["condition"]).transform("mean")
    samples = wells.assign(moved=apart + level)
    samples = samples[(samples["role"] == "sample") & (samples["compound"] != "")]
    samples = samples[samples["moved"].notna()].sort_values(["plate", "well"])
    place = samples.groupby("group").cumcount()
    pairs = samples[place == 0].merge(samples[place == 1], on="group", suffixes=("", "_2"))
    if pairs.empty:
        return style.sentence_figure("No compound has two wells.")
    figure = style.new_figure(7.2, 4.3)
    axes = figure.subplots()
    x, y = (scale.backward(pairs[name]) for name in ("moved", "moved_2"))
    ends = np.min([x, y]), np.max([x, y])
    axes.plot(ends, ends, color=style.FAINT, lw=1, zorder=0)
    for name, mark in palette.items():
        rows = (pairs["condition"] == name).to_numpy()
        if rows.any():
            style.points(
                axes,
                x[rows],
                y[rows],
                mark,
                s=22,
                alpha=0.8,
                label=f"{style.shortened(name, style.LONGEST_NAME)} ({rows.sum()})",
            )
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    words = textwrap.fill(style.with_unit(measure.label, measure.unit), 36)
    axes.set(xlabel=f"{words}\nfirst well", ylabel=f"second well\n{words}", aspect="equal")
    return figure


@style.legible
def controls(wells: pd.DataFrame, measure: Quantity) -> Figure:
    """Values of control wells, and of the others, by condition.

    Args:
      wells: condition, role, the measure; one row a well.
      measure: what was screened.
    """
    names = shown_conditions(wells[wells["role"] != "empty"])
    figure = style.new_figure(7.2, 3.4)
    axes = figure.subplots()
    random, ticks = np.random.default_rng(0), []
    for at, name in enumerate(names):
        here = wells[wells["condition"] == name]
        for shift, (role, mark) in zip((-0.27, 0.0, 0.27), KINDS_OF_WELLS.items()):
            values = here.loc[here["role"] == role, measure.name].dropna().to_numpy(float)
            if not len(values):
                continue
            x = at + shift + 0.08 * random.uniform(-1, 1, len(values))
            axes.plot(x, values, mark.marker, color=mark.colour, ms=3.6, alpha=0.7, mew=0)
            axes.hlines(
                np.median(values), at + shift - 0.11, at + shift + 0.11, color=style.INK, lw=2
            )
            ticks.append((at + shift, f"{'other' if role == 'sample' else role}\n{len(values)}"))
    axes.set_xticks(*zip(*ticks), size=7.5)
    for at, name in enumerate(names):
        axes.text(at, 1.01, name, transform=axes.get_xaxis_transform(), ha="center", weight="bold")
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(textwrap.fill(style.with_unit(measure.label, measure.unit), 30))
    axes.set_xlim(-0.55, len(names) - 0.45)
    return figure


@style.legible
def cells(
    effects: pd.DataFrame,
    counts: Sequence[str],
    measure: Quantity,
    kinds: Sequence[Kind] = USUAL.kinds,
) -> Figure:
    """Effect on the measure against what happens to the number of cells, a panel a kind.

    Args:
      effects: as `Screened.effects`.
      counts: columns of counts that were compared.
      measure: what was screened.
      kinds: of cells that were counted.
    """
    figure = style.new_figure(7.2, 3.6)
    names = {kind.counts: kind.plural for kind in kinds}
    doses = has_doses(effects)
    for axes, name in zip(np.ravel(figure.subplots(1, len(counts), sharey=True, squeeze=False)),
                          counts):  # fmt: skip
        ratio = effects[f"{name}_ratio"]
        for call, mark in CALLS.items():
            rows = effects["call"] == call
            axes.plot(ratio[rows], effects["difference"][rows], mark.marker, color=mark.colour,
                      ms=4.5, alpha=0.8, mew=0)  # fmt: skip
        axes.axvline(1, color=style.FAINT, lw=0.8, zorder=0)
        axes.axhline(0, color=style.FAINT, lw=0.8, zorder=0)
        style.set_scale(axes, ratio.dropna(), "x", wide=1)
        fallen = effects[f"{name}_q"].le(FALSE_DISCOVERIES) & ratio.le(LEAST_DROP)
        toxic = effects[fallen & (effects["q"] <= FALSE_DISCOVERIES)].nsmallest(NAMES // 2, "p")
        if len(toxic):  # They stand at the left, where room is made for their names.
            low, high = ratio.min(), ratio.max()
            axes.set_xlim(left=low * (low / max(high, 1.2 * low)) ** 0.6)
            words = [f"{named(row, doses)}, {row['condition']}" for row in toxic.to_dict("records")]
            points = toxic[[f"{name}_ratio", "difference"]].to_numpy()
            _write_names(axes, words, points, axes.get_xlim()[0] * 1.02, 1)
        axes.set_xlabel(f"number of {names[name]},\ntimes that of the controls")
    label = style.with_unit(f"difference in {measure.label}", measure.difference_unit)
    figure.axes[0].set_ylabel(textwrap.fill(label, 34))
    handles = [style.handle(mark, call) for call, mark in CALLS.items()]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure
