"""Figures on segmentation: cells outlined in their images, scores side by side, loss curves."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter
from skimage.segmentation import find_boundaries

from jaxcell.cells.kinds import kind_called
from jaxcell.report.common import style

NAMES = {
    "truth": "truth",
    "unet": "U-Net",
    "watershed": "threshold + watershed",
    "instrument": "instrument's protocol",
}
COLOURS = {
    "truth": style.SKY,
    "unet": style.ORANGE,
    "watershed": style.VERMILION,
    "instrument": style.GREEN,
}
MARKERS = {"unet": "o", "watershed": "D", "instrument": "s"}
ENLARGED = 2  # labels, before they are outlined


class Example(NamedTuple):
    """A square of a field to be shown.

    Attributes:
      name: of the field, for people.
      kinds: of cells.
      image: [h, w, C], raw counts; the view of kind k is k, or the only one.
      labels: `truth` and methods -> int32 [h, w, K].
    """

    name: str
    kinds: tuple[str, ...]
    image: np.ndarray
    labels: Mapping[str, np.ndarray]


@style.legible
def outlines(examples: Sequence[Example]) -> Figure:
    """Each example as a row for each kind of cell: the image, then the cells of truth and methods.

    Args:
      examples: at least one.

    Returns:
      The figure; outlines in one colour a method, the same as in `scores`.
    """
    columns = ["image", *examples[0].labels]
    rows = [(example, kind) for example in examples for kind in range(len(example.kinds))]
    side = 7.2 / len(columns)
    # A row has a line of text above it, the first of an example one more.
    figure = style.new_figure(7.2, len(rows) * (side + 0.22) + 0.3 * len(examples))
    blocks = figure.subfigures(len(examples), 1, squeeze=False).ravel()
    for block, example in zip(blocks, examples):
        block.suptitle(example.name, size=10.5, weight="bold", x=0.005, ha="left")
        grid = block.subplots(len(example.kinds), len(columns), squeeze=False)
        for kind, line in enumerate(grid):
            _draw_kind(line, example, kind, columns)
    return figure


def _draw_kind(line: Sequence[Axes], example: Example, kind: int, columns: Sequence[str]) -> None:
    """The view of one kind of cell in every panel, outlined in all but the first."""
    view = example.image[..., min(kind, example.image.shape[-1] - 1)].astype(np.float32)
    low, high = np.percentile(view, (1, 99.7))
    grey = np.clip((view - low) / max(high - low, 1), 0, 1) ** 0.6
    extent = (0, view.shape[1], view.shape[0], 0)
    for axes, name in zip(line, columns):
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1.2, interpolation="nearest", extent=extent)
        axes.set(xticks=[], yticks=[])
        title = kind_called(example.kinds[kind]).singular
        if name != "image":
            labels = example.labels[name][..., kind]
            _outline(axes, labels, COLOURS[name], extent)
            cells = len(np.unique(labels[labels > 0]))
            title = NAMES[name] + (f"\n{cells} cells" if cells > 1 else "")
        axes.set_title(title, size=8.5, weight="normal")


def _outline(axes: Axes, labels: np.ndarray, colour: str, extent: tuple) -> None:
    # Enlarged, so that an outline of two pixels is one pixel of the image.
    large = labels.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)
    overlay = np.zeros((*large.shape, 4), np.float32)
    overlay[find_boundaries(large, mode="thick")] = to_rgba(colour)
    axes.imshow(overlay, interpolation="nearest", extent=extent)


@style.legible
def scores(fields: pd.DataFrame) -> Figure:
    """F1 and mean AP of every field, method beside method, for each kind of cell.

    Args:
      fields: one row a field, kind and method: kind, method, f1, mean_ap.

    Returns:
      The figure; a point a field, a line at the median.
    """
    kinds = list(dict.fromkeys(fields["kind"]))
    methods = list(dict.fromkeys(fields["method"]))
    figure = style.new_figure(7.2, 3.2)
    random = np.random.default_rng(0)  # only where points stand beside one another
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds):
        for place, score in enumerate(("f1", "mean_ap")):
            for shift, method in enumerate(methods):
                chosen = (fields["kind"] == kind) & (fields["method"] == method)
                values = fields.loc[chosen, score].to_numpy()
                x = place + (shift - (len(methods) - 1) / 2) * 0.3
                axes.scatter(
                    x + 0.08 * random.uniform(-1, 1, len(values)), values, s=20, alpha=0.6,
                    color=COLOURS[method], marker=MARKERS[method], edgecolors="none",
                )  # fmt: skip
                axes.hlines(np.median(values), x - 0.12, x + 0.12, color=style.INK, linewidth=1.6)
        axes.set_xticks([0, 1], ["F1\nat IoU 0.5", "mean AP\nIoU 0.5 to 0.95"])
        title = kind_called(kind).singular
        axes.set(ylim=(0, 1.02), ylabel="score of a field", title=title)
    handles = [
        Line2D([], [], ls="", marker=MARKERS[method], color=COLOURS[method], label=NAMES[method])
        for method in methods
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


@style.legible
def mask_scores(patches: pd.DataFrame) -> Figure:
    """How closely the masks of each patch agree, and the overlap that follows from them.

    Args:
      patches: for each kind the pixels `KIND_both` and `KIND_either`; overlap and predicted, both
        in percent.

    Returns:
      The figure: histograms of the pixel IoU of patches with a mask, and predicted against true
      overlap.
    """
    figure = style.new_figure(7.2, 3.2)
    left, right = figure.subplots(1, 2)
    kinds = [name.removesuffix("_both") for name in patches if name.endswith("_both")]
    shares = {}
    for kind in kinds:
        both, either = patches[f"{kind}_both"], patches[f"{kind}_either"]
        shares[kind] = (both[either > 0] / either[either > 0]).to_numpy()
    lowest = min((share.min() for share in shares.values() if len(share)), default=0.0)
    bins = np.linspace(min(lowest, 0.95), 1, 41)
    looks = ((style.GREEN, "-"), (style.VERMILION, "--"))
    for (kind, share), (colour, line) in zip(shares.items(), looks):
        left.hist(
            share,
            bins,
            histtype="step",
            color=colour,
            ls=line,
            lw=1.6,
            label=kind_called(kind).plural,
        )
    left.set(xlabel="pixel IoU of a patch", ylabel="patches", yscale="log", ylim=(0.7, None))
    left.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    left.legend(loc="upper left")
    high = 1.03 * max(patches[["overlap", "predicted"]].max().max(), 1.0)
    right.plot([0, high], [0, high], color=style.MUTED, lw=1)
    right.scatter(
        patches["overlap"],
        patches["predicted"],
        s=9,
        color=style.BLUE,
        alpha=0.4,
        linewidths=0,
        rasterized=True,
    )
    right.set(
        xlabel="overlap of the true masks, %",
        ylabel="overlap of the predicted masks, %",
        xlim=(-0.02 * high, high),
        ylim=(-0.02 * high, high),
        aspect="equal",
    )
    return figure


@style.legible
def loss_curve(history: Sequence[Mapping]) -> Figure:
    """Training and validation loss against the epoch.

    Args:
      history: rows of metrics.jsonl.

    Returns:
      The figure; values that are missing or not finite are left out.
    """
    series = {}
    for name in ("train", "validation"):
        rows = [row for row in history if row.get(f"{name}_loss") is not None]
        rows = [
            (row["epoch"], row[f"{name}_loss"]) for row in rows if np.isfinite(row[f"{name}_loss"])
        ]
        series |= {name: np.array(rows, float)} if rows else {}
    if not series:
        return style.sentence_figure("No history of the training was found.")
    figure = style.new_figure(7.2, 3.0)
    axes = figure.subplots()
    for (name, rows), (colour, line) in zip(
        series.items(), ((style.BLUE, "-"), (style.VERMILION, "--"))
    ):
        axes.plot(
            *rows.T,
            color=colour,
            ls=line,
            label={"train": "training"}.get(name, name),
            marker="o" if len(rows) < 25 else None,
            ms=3,
        )
    if min(rows[:, 1].min() for rows in series.values()) > 0:
        axes.set_yscale("log")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure
