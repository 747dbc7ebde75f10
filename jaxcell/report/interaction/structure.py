"""Figures on structure: patches on a plane, and how well conditions are told apart."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxcell.analysis.conditions import condition_names
from jaxcell.analysis.projection import Projection
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style

# Area in points^2 of a marker at no overlap and for each percent of it; other targets are drawn as
# if their least value were no overlap and their largest `LARGEST` percent. With more patches than
# `CROWD` in a panel all are smaller.
MARKER_AREA, MARKER_AREA_PER_PERCENT, LARGEST, CROWD = 4.0, 2.0, 40.0, 1000
READERS = {"probe": ("linear classifier", "o", 0.14), "neighbours": ("neighbours", "s", -0.14)}


@style.legible
def projections(
    by_source: Mapping[str, Mapping[str, Projection | str]],
    patches: pd.DataFrame,
    palette: style.Palette,
    target: Quantity = OVERLAP,
) -> Figure:
    """Patches on a plane, one row of panels a source, one column a method.

    Args:
      by_source: what was projected (`codes`, `raw pixels`) -> method -> the projection, or a
        sentence why there is none.
      patches: condition, target, faulty, one row a patch.
      palette: marks of the conditions.
      target: what the marks' sizes show.

    Returns:
      The figure: condition by colour and marker, target by size, faulty patches as crosses; the
      trustworthiness of each panel below its title.
    """
    methods = list(dict.fromkeys(name for items in by_source.values() for name in items))
    if not methods or not len(patches):
        return style.sentence_figure("There are no projections to show.")
    figure = style.new_figure(7.2, 0.9 + 2.75 * len(by_source))
    grid = figure.subplots(len(by_source), len(methods), squeeze=False)
    areas, shown = _areas(patches["target"].to_numpy(float), target)
    # Lines kept free below a title for the trustworthiness and, where there is one, a note.
    noted = any(getattr(item, "note", "") for row in by_source.values() for item in row.values())
    for line, (source, items) in zip(grid, by_source.items()):
        for axes, method in zip(line, methods):
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{method} of {source}" + "\n" * (1 + noted), size=9.5)
            item = items.get(method, "Not asked for.")
            if isinstance(item, str):
                _write(axes, item)
            else:
                _draw_patches(axes, item, patches, areas, palette)
    _draw_legends(figure, patches, palette, shown, target)
    return figure


def _draw_patches(
    axes: Axes, item: Projection, patches: pd.DataFrame, areas: np.ndarray, palette: style.Palette
) -> None:
    """One panel; what is not finite is not drawn."""
    names = condition_names(patches).to_numpy()
    faulty = patches["faulty"].to_numpy(bool)
    drawn = np.flatnonzero(np.isfinite(item.coordinates).all(axis=1))
    order = np.random.default_rng(0).permutation(drawn)
    # In batches of mixed conditions: drawn one after the other, the last would hide the first.
    for batch in np.array_split(order, min(12, max(1, len(order) // 20))):
        for name, mark in palette.items():
            rows = batch[(names[batch] == name) & ~faulty[batch]]
            axes.scatter(
                *item.coordinates[rows].T,
                s=areas[rows],
                c=mark.colour,
                marker=mark.marker,
                alpha=0.6,
                linewidths=0.2,
                edgecolors="white",
                rasterized=True,
            )
    crosses = drawn[faulty[drawn]]
    axes.scatter(
        *item.coordinates[crosses].T, s=9, c=style.INK, marker="x", linewidths=0.6, rasterized=True
    )
    lines = [item.note, f"trustworthiness {item.trustworthiness:.2f}"]
    axes.text(
        0,
        1.02,
        "\n".join(filter(None, reversed(lines))),
        transform=axes.transAxes,
        size=7.5,
        color=style.MUTED,
        va="bottom",
    )
    across, up = (textwrap.fill(words, 36) for words in item.axes)
    axes.set_xlabel(across, size=7.5)
    axes.set_ylabel(up, size=7.5)


def _write(axes: Axes, sentence: str) -> None:
    """A sentence in the middle of a panel that could not be drawn."""
    axes.text(
        0.5,
        0.5,
        textwrap.fill(sentence, 26),
        transform=axes.transAxes,
        ha="center",
        va="center",
        size=8.5,
        color=style.MUTED,
    )
    for spine in axes.spines.values():
        spine.set_color(style.FAINT)


def _draw_legends(
    figure: Figure,
    patches: pd.DataFrame,
    palette: style.Palette,
    shown: Mapping[str, float],
    target: Quantity,
) -> None:
    """Below the panels: conditions on the left, sizes on the right."""
    present = set(condition_names(patches))
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=mark.marker,
            ms=6,
            color=mark.colour,
            label=style.shortened(name, 24),
        )
        for name, mark in palette.items()
        if name in present
    ]
    if patches["faulty"].any():
        handles.append(Line2D([], [], ls="", marker="x", ms=5, color=style.INK, label="faulty"))
    figure.legend(
        handles=handles, loc="outside lower left", ncols=2, title="condition", alignment="left"
    )
    circles = [
        Line2D([], [], ls="", marker="o", ms=area**0.5, color=style.MUTED, label=label)
        for label, area in shown.items()
    ]
    figure.legend(
        handles=circles,
        loc="outside lower right",
        ncols=2,
        alignment="left",
        title=textwrap.fill(target.label, 28),
        columnspacing=1.2,
    )


def _areas(values: np.ndarray, target: Quantity) -> tuple[np.ndarray, dict[str, float]]:
    """Marker area of each value in points^2, and those of a legend by their text."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if target == OVERLAP:
        shown = {f"{size} %": float(size) for size in (0, 5, 20, 50) if size <= max(high, 0.0)}
        percent = values
    else:
        scale = LARGEST / (high - low) if high > low else 0.0
        digits, unit = target.digits - 1, target.unit
        shown = {
            f"{value:.{digits}f} {unit}".strip().replace("-", "−"): scale * (value - low)
            for value in np.unique([low, (low + high) / 2, high])
        }
        percent = scale * (values - low)
    smaller = float(np.clip((CROWD / max(len(values), 1)) ** 0.5, 0.2, 1.0))

    def area(value: np.ndarray | float) -> np.ndarray:
        value = np.clip(np.nan_to_num(value), 0, 100)
        return smaller * (MARKER_AREA + MARKER_AREA_PER_PERCENT * value)

    return area(percent), {label: float(area(value)) for label, value in shown.items()}


@style.legible
def structure(result: Mapping) -> Figure:
    """How well each representation tells conditions apart in wells it had not seen.

    Args:
      result: as `jaxcell.analysis.structure.structure` gives.

    Returns:
      The figure: AUROC and balanced accuracy of two ways of reading each representation, with
      95 % intervals over wells; what the answer is about emphasised, guessing dashed. Below, the
      share of single patches recognised, beside what it seems to be when patches of one well are
      both learnt from and tested on.
    """
    scores = result.get("scores") or {}
    if not scores:
        return style.sentence_figure(result.get("why") or "Structure could not be looked for.")
    names = list(scores)[::-1]
    patch_row = -1.25
    figure = style.new_figure(7.2, 1.9 + 0.46 * (len(names) + 1))
    left, right = figure.subplots(1, 2, sharey=True)
    for row, name in enumerate(names):
        if scores[name]["reason"]:
            left.text(
                0.02,
                row,
                textwrap.fill(f"not tested: {scores[name]['reason']}", 52),
                transform=left.get_yaxis_transform(),
                size=7.5,
                color=style.MUTED,
                va="center",
                bbox={"fc": "white", "ec": "none", "pad": 1},
            )
            continue
        for reader, (_, marker, up) in READERS.items():
            score = scores[name][reader]
            colour = style.BLUE if name == result["answered"] else style.MUTED
            _draw_score(left, score, "auroc", "auroc_interval", row + up, marker, colour)
            _draw_score(right, score, "balanced_accuracy", "interval", row + up, marker, colour)
            if score["p"] is not None:
                left.text(
                    1.02,
                    row + up,
                    _p(score["p"], result["permutations"]),
                    va="center",
                    size=7,
                    color=colour,
                    transform=left.get_yaxis_transform(),
                )
    _draw_leak(right, result, patch_row)
    for axes, chance, label in (
        (left, 0.5, "AUROC (1 is perfect)"),
        (right, result["chance"], "balanced accuracy (1 is perfect)"),
    ):
        axes.axvline(chance, color=style.MUTED, lw=1, ls="--", zorder=0)
        axes.axhline(-0.62, color=style.FAINT, lw=1)
        axes.set(xlabel=label, ylim=(patch_row - 0.5, len(names) - 0.4))
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, chance - 0.1), max(high, 1.02))
    left.set_title("Wells ranked (p: by shuffling wells)", size=9.5)
    right.set_title("Wells recognised", size=9.5)
    left.set_yticks(
        [patch_row, *range(len(names))],
        [_single(result), *(textwrap.fill(name, 20) for name in names)],
    )
    for label, name in zip(left.get_yticklabels()[1:], names):
        label.set_fontweight("bold" if name == result["answered"] else "normal")
    figure.legend(handles=_structure_handles(), loc="outside lower left", ncols=2)
    return figure


def _draw_score(
    axes: Axes, score: Mapping, key: str, interval: str, y: float, marker: str, colour: str
) -> None:
    """A mark and its interval; nothing where the score is not defined."""
    if score[key] is None:
        return
    if score[interval] is not None:
        axes.plot(score[interval], [y, y], color=colour, lw=1.6, solid_capstyle="butt")
    axes.plot(score[key], y, marker=marker, ms=5.5, color=colour, mec="white", mew=0.6)


def _draw_leak(axes: Axes, result: Mapping, y: float) -> None:
    """Patches recognised honestly, and under a split that mixes patches of one well."""
    if not result["leaky"]:
        return
    for reader, (_, marker, up) in READERS.items():
        honest = result["scores"][result["answered"]][reader]["patch_balanced_accuracy"]
        leaky = result["leaky"][reader]["patch_balanced_accuracy"]
        axes.plot([honest, leaky], [y + up, y + up], color=style.VERMILION, lw=1, ls=":")
        axes.plot(honest, y + up, marker=marker, ms=5.5, color=style.BLUE, mec="white", mew=0.6)
        axes.plot(leaky, y + up, marker=marker, ms=5.5, color=style.VERMILION, mfc="white")


def _single(result: Mapping) -> str:
    """Label of the row of single patches."""
    return textwrap.fill(f"{result['answered']}, single patches", 20) if result["leaky"] else ""


def _p(p: float, permutations: int) -> str:
    """`p = 0.03`; `p < 0.001` where no shuffle, or hardly one, did as well."""
    least = max(0.001, 1 / (permutations + 1))
    return f"p = {p:.2g}" if p >= least else "p < 0.001"


def _structure_handles() -> list[Line2D]:
    """Legend of `structure`."""
    readers = [
        Line2D(
            [],
            [],
            color=style.MUTED,
            marker=marker,
            ms=5.5,
            lw=1.6,
            label=f"{words}, 95 % interval over wells",
        )
        for words, marker, _ in READERS.values()
    ]
    return [
        *readers,
        Line2D([], [], color=style.MUTED, lw=1, ls="--", label="guessing"),
        Line2D(
            [],
            [],
            color=style.VERMILION,
            marker="o",
            mfc="white",
            ms=5.5,
            lw=1,
            ls=":",
            label="same, patches of one well on both sides (leak)",
        ),
    ]
