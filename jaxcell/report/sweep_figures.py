"""Figures on a sweep over latent sizes: quality, cost, both at once, a patch at every size."""

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
from jaxcell.report import figures, style

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
    ticks = members.loc[members["state"] != "waiting", "latent_size"]
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
                axes.plot(item.size * beside[item.kind], mean[f"{criterion.name}_mean"], ls="",
                          marker="o", ms=12, mfc="none", mec=LOOKS[item.kind].colour, mew=1.8)
            if criterion.name == "bce_excess":
                _scale(axes, sizes["bce_excess_mean"], wide=1)
            axes.set_ylim(view)
            _size_axis(axes, ticks, max(2, len(settings)), lowest)
        words = style.with_unit(criterion.label, criterion.unit)
        grid[row][0].set_ylabel(textwrap.fill(words, 24), size=9)
    single = sizes["seeds"].max() < 2
    best = "best size (one seed)" if single else "smallest sufficient size"
    handles = _kind_handles(sizes) + [
        _line(style.MUTED, "none", "o", best, ms=11, mew=1.8),
        _line(style.MUTED, "--", "", f"reference study, {REFERENCE_SIZE:,}"),
        _line(style.INK, "-", "", "a code that holds nothing"),
        *(_line(style.PURPLE, BASELINES[name][1], "", f"{BASELINES[name][0]} ({value:.2f})")
          for name, value in drawn.items()),
    ]  # fmt: skip
    if (members["state"] == "diverged").any():
        handles.append(_line(style.VERMILION, "none", "x", "a training that diverged"))
    _legend(place, handles)
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


def _legend(place: Axes | Figure, handles: Sequence[Line2D]) -> None:
    if isinstance(place, Axes):
        place.set_axis_off()
        place.legend(handles=handles, loc="center left", borderaxespad=0)
    else:
        place.legend(handles=handles, loc="outside lower center", ncols=min(2, len(handles)))


def _line(colour: str, line: object, marker: str, label: str, **look: object) -> Line2D:
    return Line2D([], [], color=colour, ls=line, marker=marker, mfc="none", label=label, lw=1.2,
                  **look)  # fmt: skip


def _beside(sizes: pd.DataFrame) -> dict[str, float]:
    """By what to multiply sizes so that kinds stand side by side: 1 where there is one alone."""
    return SHIFTS if sizes["kind"].nunique() > 1 else dict.fromkeys(SHIFTS, 1.0)


def _kind_handles(sizes: pd.DataFrame) -> list[Line2D]:
    return [Line2D([], [], color=look.colour, marker=look.marker, ms=6, label=NAMES[kind],
                   ls="" if kind == "spatial" else "-")
            for kind, look in LOOKS.items() if kind in set(sizes["kind"])]  # fmt: skip


def _draw_means(axes: Axes, sizes: pd.DataFrame, name: str, beside: Mapping) -> None:
    """Line and error bars of each kind."""
    for kind, look in LOOKS.items():
        rows = sizes[sizes["kind"] == kind]
        mean = rows[f"{name}_mean"]
        reach = np.array([mean - rows[f"{name}_low"], rows[f"{name}_high"] - mean])
        axes.errorbar(rows["latent_size"] * beside[kind], mean, reach, color=look.colour,
                      marker=look.marker, ms=5, lw=1.4, elinewidth=1.1, capsize=2.5)


def _draw_seeds(axes: Axes, members: pd.DataFrame, name: str, beside: Mapping) -> None:
    """A faint dot a member, and a cross above each size of which a member diverged."""
    done = members[members["state"] == "done"]
    for kind, look in LOOKS.items():
        rows = done[done["kind"] == kind]
        axes.scatter(rows["latent_size"] * beside[kind], rows[name], s=9, color=look.colour,
                     alpha=0.5, linewidths=0, zorder=1)
    failed = members.loc[members["state"] == "diverged", "latent_size"].unique()
    axes.scatter(failed, np.full(len(failed), 0.96), s=30, marker="x", color=style.VERMILION,
                 transform=axes.get_xaxis_transform())


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


def _size_axis(axes: Axes, sizes: Iterable[int], across: int, lowest: bool = True) -> None:
    """A log2 axis with a tick at every size, its number where `across` panels leave room."""
    values = sorted(set(sizes))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_minor_locator(NullLocator())
    octaves = max(math.log2(values[-1] / values[0]), 1.0)
    upright = across > 2
    room = (0.13 if upright else 0.3) * octaves * across / 6.3  # inches as octaves
    named = [value for value, above in zip(values, [*values[1:], math.inf])
             if math.log2(above / value) > room]  # fmt: skip
    axes.set_xticks(values, [f"{value:,}" if value in named else "" for value in values],
                    rotation=90 if upright else 0, size=8)
    axes.set_xlim(values[0] * 2 ** (-0.06 * octaves), values[-1] * 2 ** (0.07 * octaves))
    if lowest:
        axes.set_xlabel("numbers in the code", size=9)
    else:
        axes.tick_params(labelbottom=False)


def _scale(axes: Axes, values: pd.Series, which: str = "y", wide: float = WIDE) -> None:
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
                axes.plot(rows["latent_size"] * beside[kind], rows[f"{name}_mean"] / unit,
                          color=look.colour, marker=look.marker, ms=5.5, lw=1.4)
            _scale(axes, values)
            _size_axis(axes, sizes["latent_size"], max(2, len(settings)), lowest)
        grid[row][0].set_ylabel(label, size=9)
    _legend(place, _kind_handles(sizes))
    return figure


@style.legible
def pareto_figure(sizes: pd.DataFrame) -> Figure:
    """Cross-entropy over its floor against bytes a code and against training time.

    Args:
      sizes: of `ablation.by_size`, at most `MOST_COLUMNS` settings.

    Returns:
      The figure, a row a setting; filled where no other row is as good in both axes of the panel.
    """
    sizes = sizes[sizes["bce_excess_mean"] > 0]
    if sizes.empty:
        return style.sentence_figure(NOTHING)
    settings = list(dict.fromkeys(sizes["setting"]))
    figure = style.new_figure(WIDTH, 3.0 * len(settings) + 0.7)
    grid = figure.subplots(len(settings), 2, sharey="row", squeeze=False)
    for (left, right), setting in zip(grid, settings):
        own = sizes[sizes["setting"] == setting]
        for axes, name in ((left, "code_bytes"), (right, "train_seconds")):
            _draw_front(axes, own.dropna(subset=f"{name}_mean"), name)
            axes.set_xlabel(COSTS[name][0])
        left.set_ylabel("cross-entropy over its floor, nats", size=9)
        left.set_title(setting)
    handles = _kind_handles(sizes) + [
        _line(style.MUTED, "none", "o", "hollow: another is as good or better in both"),
    ]
    for handle in handles:
        handle.set_linestyle("none")
    _legend(figure, handles)
    return figure


def _draw_front(axes: Axes, sizes: pd.DataFrame, cost: str) -> None:
    """Points of one panel, the front as a line of steps, and the size beside each point."""
    front = ablation.pareto(sizes, (cost, "bce_excess"))
    x, y = sizes[f"{cost}_mean"], sizes["bce_excess_mean"]
    steps = x[front].sort_values()
    axes.step(steps, y[steps.index], where="post", color=style.FAINT, lw=3, zorder=0)
    for kind, look in LOOKS.items():
        for filled in (True, False):
            some = (sizes["kind"] == kind) & (front == filled)
            axes.plot(x[some], y[some], ls="", marker=look.marker, ms=6.5, mec=look.colour,
                      mfc=look.colour if filled else "white")
    if cost == "code_bytes":
        # Bytes set sizes apart: one label a size, at its worst point, where the curve leaves room.
        for row in sizes.groupby("latent_size")["bce_excess_mean"].idxmax():
            _label_size(axes, sizes, row, x, (6, 6), "left")
    else:
        # Times hardly do: a column of labels a kind, pushed apart.
        for kind, rows in sizes.groupby("kind"):
            order = y[rows.index].sort_values().index
            # In points, of a panel about two inches high.
            points = np.log(y[order] / y.min()).to_numpy()
            points *= 150 / max(np.log(y.max() / y.min()), 0.1)
            for row, move in zip(order, _apart(points, 10) - points):
                left = kind == "separate"
                _label_size(axes, sizes, row, x, (-16 if left else 16, move - 3),
                            "right" if left else "left")
    _scale(axes, y, wide=1)
    _scale(axes, x, "x")
    axes.margins(y=0.1)


def _label_size(
    axes: Axes, sizes: pd.DataFrame, row: int, x: pd.Series, place: tuple, side: str
) -> None:
    """The size beside a point, `place` points away from it, with a thin line where that is far."""
    line = {"arrowstyle": "-", "color": style.FAINT, "lw": 0.8, "shrinkB": 4}
    axes.annotate(f"{sizes['latent_size'][row]:,}", (x[row], sizes["bce_excess_mean"][row]), place,
                  textcoords="offset points", size=7.5, ha=side, color=style.MUTED,
                  arrowprops=line if abs(place[0]) > 10 else None)


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Rising float [n] moved upwards as little as keeps each `gap` above the one before."""
    moved = np.array(places, np.float64)
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + gap)
    return moved


@style.legible
def nested_figure(gap: pd.DataFrame) -> Figure:
    """How much worse codes cut from one nested network are than those trained for their size.

    Args:
      gap: of `ablation.nested_gap`, any number of settings.

    Returns:
      The figure, a panel a setting, in percent, with a band of 5 % to each side.
    """
    if gap.empty:
        return style.sentence_figure("No size has both a nested and a separate network.")
    settings = list(dict.fromkeys(gap["setting"]))
    rows, columns = style.grid_shape(len(settings))
    figure = style.new_figure(WIDTH, 2.9 * rows)
    extent = 1.25 * max(8.0, 100 * float(gap["gap"].abs().max()))
    most = min(5 * extent, 105 * float(np.nanmax(np.abs(gap[["gap", "low", "high"]]))))
    for axes, setting in zip(style.panels(figure, len(settings), sharey=True), settings):
        own = gap[gap["setting"] == setting]
        axes.axhspan(-100 * NEAR, 100 * NEAR, color=style.FAINT, alpha=0.6, lw=0,
                     label=f"within {100 * NEAR:.0f} %")
        axes.axhline(0, color=style.INK, lw=0.9)
        reach = 100 * np.array([own["gap"] - own["low"], own["high"] - own["gap"]])
        axes.errorbar(own["latent_size"], 100 * own["gap"], reach, color=style.ORANGE, marker="s",
                      ms=5.5, lw=1.4, elinewidth=1.2, capsize=3)
        end = max(extent, most)
        axes.set(title=textwrap.fill(setting, 66 // columns), ylim=(-end, end))
        _size_axis(axes, gap["latent_size"], columns)
    figure.axes[0].set_ylabel("nested over separate, %\n(above 0: nested is worse)", size=9)
    figure.axes[0].legend(loc="lower right")
    return figure


@style.legible
def reconstructions_figure(
    pictures: Mapping, pixel_um: float = figures.MICROMETRES_PER_PIXEL
) -> Figure:
    """Each patch as it is and as codes of every size give it back, in a row for each kind.

    Args:
      pictures: `original` float32 [P, H, W, 2] in [0, 1]; kind -> size -> float32 [P, H, W, 2].
        Spatial codes, of one size, stand at the end of the first row of a patch.
      pixel_um: µm, edge of a pixel.

    Returns:
      The figure, dendritic cells red and T cells green, a scale bar in its first image.
    """
    originals = pictures.get("original", ())
    rows = [kind for kind in ablation.SIZED if pictures.get(kind)]
    ends = [("spatial", size) for size in sorted(pictures.get("spatial") or ())]
    if not len(originals) or not (rows or ends):
        return style.sentence_figure("There are no patches to show.")
    rows = rows or ["spatial"]
    listed = sorted({size for kind in rows if kind != "spatial" for size in pictures[kind]})
    columns = [(None, 0), *((None, size) for size in listed), *ends]
    # One set of axes in inches for all images: dozens of axes take seconds to lay out.
    margin, gap, heading = 0.28, 0.04, 0.42
    across = max(WIDTH, 0.88 * len(columns) + margin)
    cell = min((across - margin) / len(columns), 1.6)
    height, width = originals.shape[1:3]
    side = (cell - gap) * height / width
    block = len(rows) * (side + gap) + 0.12
    figure = style.new_figure(across, heading + len(originals) * block)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for place, (kind, size) in enumerate(columns):
        words = f"{size:,}" + ("\nspatial" if kind else "") if place else "original"
        axes.text(margin + place * cell + (cell - gap) / 2, heading - 0.06, words, size=9,
                  ha="center", va="bottom", color=LOOKS[kind].colour if kind else style.INK)
    for patch, original in enumerate(originals):
        for line, row in enumerate(rows):
            y = heading + patch * block + line * (side + gap)
            axes.text(margin / 2, y + side / 2, row, rotation=90, va="center", ha="center", size=9,
                      weight="bold", color=LOOKS[row].colour)
            for place, (kind, size) in enumerate(columns):
                found = pictures.get(kind or row, {}).get(size) if place else originals
                if found is None or (line and (not place or kind)):
                    continue
                x = margin + place * cell
                image = figures.colour_image(found[patch] if place else original)
                axes.imshow(image, extent=(x, x + cell - gap, y + side, y))
    # Away from the corner: the words are wider than the bar in so small an image.
    right = margin + cell - gap - 0.08
    figures.draw_scale_bar(axes, right, heading + side, width * pixel_um, cell - gap)
    axes.set(xlim=(0, across), ylim=(heading + len(originals) * block, 0), aspect="auto")
    return figure
