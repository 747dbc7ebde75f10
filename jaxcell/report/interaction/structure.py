"""Figures on structure: patches on a plane, and how well conditions are told apart."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from jaxcell.analysis.projection import Projection
from jaxcell.analysis.structure.answer import AVERAGED, CODES
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.words import number, p_value

# Area in points^2 of a marker at no overlap and for each percent of it; other targets are drawn as
# if their least value were no overlap and their largest `LARGEST` percent. With more patches than
# `CROWD` in a panel all are smaller.
MARKER_AREA, MARKER_AREA_PER_PERCENT, LARGEST, CROWD = 4.0, 2.0, 40.0, 1000
# Words, marker and shift of the two classifiers.
READERS = {"probe": ("linear classifier", "o", 0.14), "neighbours": ("neighbours", "s", -0.14)}
FAULTY = style.Mark(style.INK, "x")


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
    areas, legend = _areas(patches["target"].to_numpy(float), target)
    # Lines kept free below a title for the trustworthiness and, where there is one, a note.
    noted = any(getattr(item, "note", "") for row in by_source.values() for item in row.values())
    patches = patches.assign(area=areas).reset_index(drop=True)
    for line, (source, items) in zip(grid, by_source.items()):
        for axes, method in zip(line, methods):
            axes.set(xticks=[], yticks=[])
            axes.set_title(f"{method} of {source}" + "\n" * (1 + noted), size=9.5)
            item = items.get(method, "Not asked for.")
            if isinstance(item, str):
                _write(axes, item)
            else:
                _draw_patches(axes, item, patches, palette)
    handles = style.handles(style.by_condition(patches, palette))
    handles += [style.handle(FAULTY, "faulty", ms=5)] if patches["faulty"].any() else []
    below = {"ncols": 2, "alignment": "left", "columnspacing": 1.2}
    figure.legend(handles=handles, loc="outside lower left", title="condition", **below)
    grey = style.Mark(style.MUTED, "o")
    sizes = [style.handle(grey, label, ms=area**0.5) for label, area in legend.items()]
    title = textwrap.fill(target.label, 28)
    figure.legend(handles=sizes, loc="outside lower right", title=title, **below)
    return figure


def _draw_patches(
    axes: Axes, item: Projection, patches: pd.DataFrame, palette: style.Palette
) -> None:
    """One panel; what is not finite is not drawn."""
    patches = patches.assign(x=item.coordinates[:, 0], y=item.coordinates[:, 1])
    drawn = style.finite(patches, "x", "y")
    faulty = drawn["faulty"].astype(bool)
    sound = drawn[~faulty].sample(frac=1, random_state=0)
    # In batches of mixed conditions: drawn one after the other, the last would hide the first.
    size = max(20, -(-len(sound) // 12))
    for start in range(0, len(sound), size):
        for _, mark, rows in style.by_condition(sound.iloc[start : start + size], palette):
            look = {"alpha": 0.6, "linewidths": 0.2, "edgecolors": "white", "rasterized": True}
            style.points(axes, rows["x"], rows["y"], mark, s=rows["area"], **look)
    crosses = drawn[faulty]
    style.points(axes, crosses["x"], crosses["y"], FAULTY, s=9, linewidths=0.6, rasterized=True)
    lines = [f"trustworthiness {item.trustworthiness:.2f}", item.note]
    text = "\n".join(filter(None, lines))
    style.note(axes, 0, 1.02, text, size=8, va="bottom")
    across, up = (textwrap.fill(words, 36) for words in item.axes)
    axes.set_xlabel(across, size=8)
    axes.set_ylabel(up, size=8)


def _write(axes: Axes, sentence: str) -> None:
    """A sentence in the middle of a panel that could not be drawn."""
    style.note(axes, 0.5, 0.5, textwrap.fill(sentence, 26), ha="center", va="center")
    axes.spines[:].set_color(style.FAINT)


def _areas(values: np.ndarray, target: Quantity) -> tuple[np.ndarray, dict[str, float]]:
    """Marker area of each value in points^2, and those of a legend by their text."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if target.name == OVERLAP.name:
        low, scale, digits = 0.0, 1.0, 0
        ends = [size for size in (0, 5, 20, 50) if size <= max(high, 0)]
    else:
        scale, digits = (LARGEST / (high - low) if high > low else 0.0), target.digits - 1
        ends = np.unique([low, (low + high) / 2, high]).tolist()
    smaller = float(np.clip((CROWD / max(len(values), 1)) ** 0.5, 0.2, 1.0))

    def area(value: np.ndarray | float) -> np.ndarray:
        percent = np.clip(np.nan_to_num(scale * (value - low)), 0, 100)
        return smaller * (MARKER_AREA + MARKER_AREA_PER_PERCENT * percent)

    words = [f"{number(end, digits)} {target.unit}".strip() for end in ends]
    return area(values), dict(zip(words, map(float, map(area, ends))))


def corrected_p(result: Mapping, name: str, reader: str) -> float | None:
    """The p of a representation as the answer uses it.

    Args:
      result: as `jaxcell.analysis.structure.structure` gives.
      name: of the representation.
      reader: `probe` or `neighbours`.

    Returns:
      From 0 to 1; that of the probe on codes times the forms of the codes that were asked.
    """
    p = result["scores"][name][reader]["p"]
    scored = {form for form, item in result["scores"].items() if not item["reason"]}
    forms = scored & {CODES, AVERAGED}
    return min(1.0, len(forms) * p) if p and reader == "probe" and name in forms else p


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
    beside = left.get_yaxis_transform()
    for row, name in enumerate(names):
        if scores[name]["reason"]:
            text = textwrap.fill(f"not tested: {scores[name]['reason']}", 52)
            box = {"fc": "white", "ec": "none", "pad": 1}
            style.note(left, 0.02, row, text, transform=beside, va="center", bbox=box)
            continue
        colour = style.BLUE if name == result["answered"] else style.MUTED
        for reader, (_, marker, up) in READERS.items():
            score, y, look = scores[name][reader], row + up, {"marker": marker, "color": colour}
            _draw_score(left, score["auroc"], score["auroc_interval"], y, **look)
            _draw_score(right, score["balanced_accuracy"], score["interval"], y, **look)
            if score["p"] is not None:
                text = p_value(corrected_p(result, name, reader), "p")
                left.text(1.02, y, text, va="center", size=8, color=colour, transform=beside)
    _draw_leak(right, result, patch_row)
    labels = {
        left: ("AUROC (1 is perfect)", 0.5),
        right: ("balanced accuracy (1 is perfect)", result["chance"]),
    }
    for axes, (label, chance) in labels.items():
        axes.axvline(chance, color=style.MUTED, lw=1, ls="--", zorder=0)
        axes.axhline(-0.62, color=style.FAINT, lw=1)
        axes.set(xlabel=label, ylim=(patch_row - 0.5, len(names) - 0.4))
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, chance - 0.1), max(high, 1.02))
    best = (result.get("ceiling") or {}).get("association")
    if best is not None:
        left.axvline(best, color=style.VERMILION, lw=1, ls=":", zorder=0)
    left.set_title("Wells ranked (p: by shuffling wells)", size=9.5)
    right.set_title("Wells recognised", size=9.5)
    single = f"{result['answered']}, single patches" if result["leaky"] else ""
    ticks = [textwrap.fill(name, 20) for name in (single, *names)]
    left.set_yticks([patch_row, *range(len(names))], ticks)
    for label, name in zip(left.get_yticklabels()[1:], names):
        label.set_fontweight("bold" if name == result["answered"] else "normal")
    handles = _structure_handles()
    if best is not None:
        words = "best possible by the true association"
        handles.append(Line2D([], [], color=style.VERMILION, lw=1, ls=":", label=words))
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def _draw_score(axes: Axes, value: float, interval: Sequence | None, y: float, **look: str) -> None:
    """A mark and its interval, if there is one."""
    if interval is not None:
        axes.plot(interval, [y, y], color=look["color"], lw=1.6)
    axes.plot(value, y, ms=5.5, mec="white", mew=0.6, **look)


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


def _structure_handles() -> list[Line2D]:
    """Legend of `structure`."""
    readers = [
        style.handle(style.Mark(style.MUTED, marker), f"{words}, 95 % interval", ls="-", lw=1.6)
        for words, marker, _ in READERS.values()
    ]
    guessing = Line2D([], [], color=style.MUTED, lw=1, ls="--", label="guessing")
    words = "same, with patches of one well on both sides (leak)"
    leak = style.handle(style.Mark(style.VERMILION, "o"), words, mfc="white", lw=1, ls=":")
    return [*readers, guessing, leak]
