"""Figures on label-free work: stains drawn beside the real ones, wells, and wells to be stained."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcell.cells.kinds import VIEWS, kind_called
from jaxcell.report.common import style
from jaxcell.report.common.losses import draw_losses
from jaxcell.report.common.outlines import fullest_square

SQUARE = 224  # side in pixels of what is shown of a field


class Example(NamedTuple):
    """A field to be shown.

    Attributes:
      name: of the field, for people.
      image: float [H, W], the first view that the network was shown, scaled.
      stain: uint16 [H, W, 2], the real stains.
      drawn: uint16 [H, W, 2], the drawn ones.
    """

    name: str
    image: np.ndarray
    stain: np.ndarray
    drawn: np.ndarray


@style.legible
def stains(example: Example) -> Figure:
    """The fullest square of a field: the view without stain, and each stain real and drawn."""
    bright = np.percentile(example.stain, 99, axis=(0, 1))
    square = fullest_square((example.stain > bright).any(axis=-1), SQUARE)
    figure = style.new_figure(9.6, 2.5)
    figure.suptitle(example.name, size=10.5, weight="bold", x=0.005, ha="left")
    panels = figure.subplots(1, 1 + 2 * len(VIEWS))
    panels[0].imshow(example.image[square], cmap="gray", vmin=-1.5, vmax=1.5)
    panels[0].set_title("shown to the network", size=8.5, weight="normal")
    for number, kind in enumerate(VIEWS):
        low, high = np.percentile(example.stain[..., number], (1, 99.8))
        pairs = (("real", example.stain), ("drawn", example.drawn))
        for place, (word, counts) in enumerate(pairs):
            axes = panels[1 + 2 * number + place]
            light = np.clip((counts[square][..., number] - low) / max(high - low, 1.0), 0, 1)
            axes.imshow(np.sqrt(light), cmap="gray", vmin=0, vmax=1)
            words = f"{kind_called(kind).plural}, {word}"
            axes.set_title(words, size=8.5, weight="normal")
    for axes in panels:
        axes.set(xticks=[], yticks=[])
    return figure


@style.legible
def wells(table: pd.DataFrame, label: str) -> Figure:
    """What the network says of wells, and what the stains say, against the truth."""
    figure = style.new_figure(7.6, 3.7)
    panels = style.panels(figure, 2, sharex=True, sharey=True)
    palette = style.palette(table["condition"])
    most = float(table[["truth", "network", "stained"]].max().max()) * 1.05
    for axes, (column, title) in zip(
        panels, (("network", "Without stain"), ("stained", "By the stains’ masks"))
    ):
        axes.plot([0, most], [0, most], color="0.6", linewidth=1, zorder=0)
        for _, mark, rows in style.by_condition(table, palette):
            style.points(axes, rows["truth"], rows[column], mark)
        axes.set(title=title, xlabel=f"{label}, %", ylabel="estimate, %")
    groups = style.by_condition(table, palette)
    panels[0].legend(handles=style.handles(groups, counted=True), loc="upper left")
    return figure


@style.legible
def stained_wells(rows: Sequence[Mapping], coverage: float) -> Figure:
    """How well the rest of a plate is predicted, by the number of wells that are stained."""
    table = pd.DataFrame(rows)
    figure = style.new_figure(7.6, 3.2)
    errors, shares = style.panels(figure, 2)
    errors.plot(table["stained"], table["rmse"], "o-", color=style.ORANGE, label="the network")
    errors.plot(
        table["stained"], table["rmse_of_mean"], "s--", color="0.45", label="mean of those stained"
    )
    errors.set(xlabel="stained wells of a plate", ylabel="RMSE / SD of the others", ylim=(0, None))
    errors.legend()
    shares.axhline(coverage, color="0.6", linewidth=1)
    shares.plot(table["stained"], table["hold"], "o-", color=style.ORANGE, label="in the interval")
    shares.plot(
        table["stained"], table["said"], "s--", color=style.PURPLE, label="narrower than the mean’s"
    )
    shares.set(xlabel="stained wells of a plate", ylabel="share of the others", ylim=(0, 1.03))
    shares.legend(loc="center right")
    for axes in (errors, shares):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@style.legible
def loss_curve(rows: Sequence[Mapping]) -> Figure:
    """Training and validation loss by epoch."""
    figure = style.new_figure(4.6, 3.0)
    draw_losses(figure.subplots(), rows)
    return figure
