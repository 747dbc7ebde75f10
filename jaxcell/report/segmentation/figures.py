"""Figures on segmentation: cells outlined in their images, scores side by side, loss curves."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from jaxcell.cells.kinds import KINDS, kind_called
from jaxcell.report.common import style
from jaxcell.report.common.losses import draw_losses
from jaxcell.report.common.outlines import brightness, draw_outlines, fullest_square

NAMES = {
    "unet": "U-Net",
    "watershed": "threshold + watershed",
    "instrument": "instrument's protocol",
}
MARKS = {
    "unet": style.Mark(style.ORANGE, "o"),
    "watershed": style.Mark(style.SKY, "D"),
    "instrument": style.Mark(style.PURPLE, "s"),
}
SQUARE = 192  # side in pixels of what is shown of a field


class Example(NamedTuple):
    """A field to be shown.

    Attributes:
      name: of the field, for people.
      kinds: of cells.
      image: [H, W, C], raw counts; the view of kind k is k, or the only one.
      labels: `truth` and methods -> int32 [H, W, K].
    """

    name: str
    kinds: tuple[str, ...]
    image: np.ndarray
    labels: Mapping[str, np.ndarray]


@style.legible
def outlines(example: Example) -> Figure:
    """The fullest square of a field, a row a kind of cell: the image, and what each method found.

    Args:
      example: what to show.

    Returns:
      The figure: what a method found by solid lines of its colour, the truth by dotted white ones.
    """
    square = fullest_square((example.labels["truth"] > 0).any(axis=-1), SQUARE)
    image = example.image[square].astype(np.float32)
    labels = {name: array[square] for name, array in example.labels.items()}
    figure = style.new_figure(7.2, len(example.kinds) * (7.2 / max(len(labels), 3) + 0.3) + 0.3)
    figure.suptitle(example.name, size=10.5, weight="bold", x=0.005, ha="left")
    grid = figure.subplots(len(example.kinds), len(labels), squeeze=False)
    for kind, line in enumerate(grid):
        view = image[..., min(kind, image.shape[-1] - 1)]
        light = brightness(view, *np.percentile(view, (1, 99.7)))
        true = labels["truth"][..., kind]
        for axes, (name, array) in zip(line, labels.items()):
            cells, words = (
                array[..., kind],
                NAMES.get(name, kind_called(example.kinds[kind]).plural),
            )
            axes.imshow(light, cmap="gray", vmin=0, vmax=1.2, interpolation="nearest")
            if name != "truth":
                draw_outlines(axes, cells, MARKS[name].colour, width=1.3)
                draw_outlines(axes, true, "white", (0, (1, 1)))
            if true.max() > 1:  # else it is a mask, of which there is nothing to count
                words += f": {len(np.unique(cells[cells > 0]))}{' true' * (name == 'truth')}"
            axes.set_title(words, size=8.5, weight="normal")
            axes.set(xticks=[], yticks=[])
    return figure


@style.legible
def scores(fields: pd.DataFrame) -> Figure:
    """F1 and mean AP of every field, method beside method, for each kind of cell.

    Args:
      fields: one row a field, kind and method: kind, method, f1, mean_ap.

    Returns:
      The figure; a point a field, a line at the median.
    """
    kinds, methods = (list(dict.fromkeys(fields[name])) for name in ("kind", "method"))
    figure = style.new_figure(7.2, 3.2)
    random = np.random.default_rng(0)  # only where points stand beside one another
    for axes, kind in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds):
        for place, score in enumerate(("f1", "mean_ap")):
            for shift, method in enumerate(methods):
                chosen = (fields["kind"] == kind) & (fields["method"] == method)
                values = fields.loc[chosen, score].to_numpy()
                x = place + (shift - (len(methods) - 1) / 2) * 0.3
                beside = x + 0.08 * random.uniform(-1, 1, len(values))
                style.points(axes, beside, values, MARKS[method], s=20, alpha=0.6)
                axes.hlines(np.median(values), x - 0.12, x + 0.12, color=style.INK, linewidth=1.6)
        axes.set_xticks([0, 1], ["F1\nat IoU 0.5", "mean AP\nIoU 0.5 to 0.95"])
        title = f"{kind_called(kind).plural}, {chosen.sum()} fields"
        axes.set(ylim=(0, 1.02), ylabel="score of a field", title=title)
    handles = [style.handle(MARKS[method], NAMES[method]) for method in methods]
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
    shares = {}
    for kind in KINDS:
        both, either = patches[f"{kind}_both"], patches[f"{kind}_either"]
        shares[kind] = (both[either > 0] / either[either > 0]).to_numpy()
    bins = np.linspace(min(0.95, *(share.min(initial=1) for share in shares.values())), 1, 41)
    for (kind, share), line in zip(shares.items(), ("-", "--")):
        label = f"{KINDS[kind].plural}, {len(share):,} patches"
        colour = KINDS[kind].colour
        left.hist(share, bins, histtype="step", color=colour, ls=line, lw=1.6, label=label)
    left.set(xlabel="pixel IoU of a patch", ylabel="patches", yscale="log")
    left.set_ylim(0.7, None)
    left.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    left.legend(loc="upper left")
    high = 1.03 * max(patches[["overlap", "predicted"]].max().max(), 1.0)
    right.plot([0, high], [0, high], color=style.MUTED, lw=1)
    right.scatter(patches["overlap"], patches["predicted"], s=9, color=style.BLUE, alpha=0.4,
                  linewidths=0, rasterized=True)  # fmt: skip
    right.set(xlabel="overlap (IoU) of true masks, %", ylabel="overlap (IoU) of found masks, %",
              xlim=(-0.02 * high, high), ylim=(-0.02 * high, high), aspect="equal")  # fmt: skip
    return figure


@style.legible
def loss_curve(history: Sequence[Mapping]) -> Figure:
    """Training and validation loss against the epoch.

    Args:
      history: rows of metrics.jsonl.

    Returns:
      The figure; values that are missing or not finite are left out.
    """
    if not len(history):
        return style.sentence_figure("No history of the training was found.")
    figure = style.new_figure(7.2, 3.0)
    axes = figure.subplots()
    draw_losses(axes, history)
    axes.set_ylabel("loss that training lowers")
    return figure
