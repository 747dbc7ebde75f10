"""Figures that compare the codes of a sweep: quality for cost, nested with separate, in images."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.analysis import ablation
from jaxcell.report.common import style
from jaxcell.report.common.images import MICROMETRES_PER_PIXEL, colour_image, draw_scale_bar
from jaxcell.report.sweep import figures as base


@style.legible
def pareto_figure(sizes: pd.DataFrame) -> Figure:
    """Cross-entropy over its floor against bytes a code and against training time.

    Args:
      sizes: of `ablation.by_size`, at most `sweep_figures.MOST_COLUMNS` settings.

    Returns:
      The figure, a row a setting; filled where no other row is as good in both axes of the panel.
    """
    sizes = sizes[sizes["bce_excess_mean"] > 0]
    if sizes.empty:
        return style.sentence_figure(base.NOTHING)
    settings = list(dict.fromkeys(sizes["setting"]))
    figure = style.new_figure(base.WIDTH, 3.0 * len(settings) + 0.7)
    grid = figure.subplots(len(settings), 2, sharey="row", squeeze=False)
    for (left, right), setting in zip(grid, settings):
        own = sizes[sizes["setting"] == setting]
        for axes, name in ((left, "code_bytes"), (right, "train_seconds")):
            _draw_front(axes, own.dropna(subset=f"{name}_mean"), name)
            axes.set_xlabel(base.COSTS[name][0])
        left.set_ylabel("cross-entropy over its floor, nats", size=9)
        left.set_title(setting)
    handles = base.kind_handles(sizes) + [
        base.line_handle(style.MUTED, "none", "o", "hollow: another is as good or better in both"),
    ]
    for handle in handles:
        handle.set_linestyle("none")
    base.draw_legend(figure, handles)
    return figure


def _draw_front(axes: Axes, sizes: pd.DataFrame, cost: str) -> None:
    """Points of one panel, the front as a line of steps, and the size beside each point."""
    front = ablation.pareto(sizes, (cost, "bce_excess"))
    x, y = sizes[f"{cost}_mean"], sizes["bce_excess_mean"]
    steps = x[front].sort_values()
    axes.step(steps, y[steps.index], where="post", color=style.FAINT, lw=3, zorder=0)
    for kind, look in base.LOOKS.items():
        for filled in (True, False):
            some = (sizes["kind"] == kind) & (front == filled)
            axes.plot(
                x[some],
                y[some],
                ls="",
                marker=look.marker,
                ms=6.5,
                mec=look.colour,
                mfc=look.colour if filled else "white",
            )
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
                _label_size(
                    axes,
                    sizes,
                    row,
                    x,
                    (-16 if left else 16, move - 3),
                    "right" if left else "left",
                )
    base.set_scale(axes, y, wide=1)
    base.set_scale(axes, x, "x")
    axes.margins(y=0.1)


def _label_size(
    axes: Axes, sizes: pd.DataFrame, row: int, x: pd.Series, place: tuple, side: str
) -> None:
    """The size beside a point, `place` points away from it, with a thin line where that is far."""
    line = {"arrowstyle": "-", "color": style.FAINT, "lw": 0.8, "shrinkB": 4}
    axes.annotate(
        f"{sizes['latent_size'][row]:,}",
        (x[row], sizes["bce_excess_mean"][row]),
        place,
        textcoords="offset points",
        size=7.5,
        ha=side,
        color=style.MUTED,
        arrowprops=line if abs(place[0]) > 10 else None,
    )


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
    figure = style.new_figure(base.WIDTH, 2.9 * rows)
    extent = 1.25 * max(8.0, 100 * float(gap["gap"].abs().max()))
    most = min(5 * extent, 105 * float(np.nanmax(np.abs(gap[["gap", "low", "high"]]))))
    for axes, setting in zip(style.panels(figure, len(settings), sharey=True), settings):
        own = gap[gap["setting"] == setting]
        axes.axhspan(
            -100 * base.NEAR,
            100 * base.NEAR,
            color=style.FAINT,
            alpha=0.6,
            lw=0,
            label=f"within {100 * base.NEAR:.0f} %",
        )
        axes.axhline(0, color=style.INK, lw=0.9)
        reach = 100 * np.array([own["gap"] - own["low"], own["high"] - own["gap"]])
        axes.errorbar(
            own["latent_size"],
            100 * own["gap"],
            reach,
            color=style.ORANGE,
            marker="s",
            ms=5.5,
            lw=1.4,
            elinewidth=1.2,
            capsize=3,
        )
        end = max(extent, most)
        axes.set(title=textwrap.fill(setting, 66 // columns), ylim=(-end, end))
        base.set_size_axis(axes, gap["latent_size"], columns)
    figure.axes[0].set_ylabel("nested over separate, %\n(above 0: nested is worse)", size=9)
    figure.axes[0].legend(loc="lower right")
    return figure


@style.legible
def reconstructions_figure(pictures: Mapping, pixel_um: float = MICROMETRES_PER_PIXEL) -> Figure:
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
    across = max(base.WIDTH, 0.88 * len(columns) + margin)
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
        axes.text(
            margin + place * cell + (cell - gap) / 2,
            heading - 0.06,
            words,
            size=9,
            ha="center",
            va="bottom",
            color=base.LOOKS[kind].colour if kind else style.INK,
        )
    for patch, original in enumerate(originals):
        for line, row in enumerate(rows):
            y = heading + patch * block + line * (side + gap)
            axes.text(
                margin / 2,
                y + side / 2,
                row,
                rotation=90,
                va="center",
                ha="center",
                size=9,
                weight="bold",
                color=base.LOOKS[row].colour,
            )
            for place, (kind, size) in enumerate(columns):
                found = pictures.get(kind or row, {}).get(size) if place else originals
                if found is None or (line and (not place or kind)):
                    continue
                x = margin + place * cell
                image = colour_image(found[patch] if place else original)
                axes.imshow(image, extent=(x, x + cell - gap, y + side, y))
    # Away from the corner: the words are wider than the bar in so small an image.
    right = margin + cell - gap - 0.08
    draw_scale_bar(axes, right, heading + side, width * pixel_um, cell - gap)
    axes.set(xlim=(0, across), ylim=(heading + len(originals) * block, 0), aspect="auto")
    return figure
