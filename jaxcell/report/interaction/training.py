"""Figures on the training: images above their reconstructions, and loss curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.measures.catalogue import OVERLAP, TRUTHS, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.images import (
    DEFAULT_COLOURS,
    MICROMETRES_PER_PIXEL,
    canvas,
    colour_image,
    draw_image,
    draw_scale_bar,
)
from jaxcell.report.common.losses import draw_losses, series
from jaxcell.report.common.words import number

# Inches: width of the figure, left margin, gap between images, heading of a condition, labels.
WIDTH, MARGIN, GAP, HEADING, LABELS = 7.2, 0.25, 0.04, 0.27, 0.19


@style.legible
def reconstructions(
    examples: Mapping[str, Sequence[np.ndarray]],
    palette: style.Palette,
    micrometres_per_pixel: float = MICROMETRES_PER_PIXEL,
    target: Quantity = OVERLAP,
    colours: str = DEFAULT_COLOURS,
) -> Figure:
    """For each condition a row of originals above the row of their reconstructions.

    Args:
      examples: condition -> originals and reconstructions float [k, H, W, 2] in [0, 1], and their
        true targets float [k].
      palette: marks of the conditions.
      micrometres_per_pixel: µm, edge of a pixel of these images.
      target: what the labels are.
      colours: as for `colour_image`.

    Returns:
      The figure, a scale bar in its first image.
    """
    examples = {name: item for name, item in examples.items() if len(item[0])}
    if not examples:
        return style.sentence_figure("There are no patches to show.")
    columns = max(2, *(len(item[0]) for item in examples.values()))
    height, width = next(iter(examples.values()))[0].shape[1:3]
    cell = (WIDTH - MARGIN) / columns
    side = (cell - GAP) * height / width
    block = HEADING + LABELS + 2 * (side + GAP)
    axes = canvas(WIDTH, len(examples) * block)
    for place, (name, (originals, outputs, truth)) in enumerate(examples.items()):
        mark, top = palette.get(name, style.KNOWN[style.NO_CONDITION]), place * block
        middle = {"y": top + HEADING / 2, "va": "center"}
        axes.plot(MARGIN + 0.06, middle["y"], marker=mark.marker, color=mark.colour, ms=7)
        axes.text(MARGIN + 0.18, s=style.shortened(name, 60), weight="bold", size=10.5, **middle)
        for column, value in enumerate(truth):
            x = MARGIN + column * cell + (cell - GAP) / 2
            y = top + HEADING + LABELS - 0.035
            text = f"{number(float(value), target.digits - 1)} {target.unit}".strip()
            axes.text(x, y, text, ha="center", va="bottom", size=8.5)
        for line, (images, word) in enumerate(((originals, "original"), (outputs, "rebuilt"))):
            y = top + HEADING + LABELS + line * (side + GAP)
            axes.text(
                MARGIN / 2,
                y + side / 2,
                word,
                rotation=90,
                va="center",
                ha="center",
                color=style.MUTED,
                size=9,
            )
            for column, picture in enumerate(colour_image(images, colours)):
                draw_image(axes, picture, MARGIN + column * cell, y, cell - GAP)
    width_um = width * micrometres_per_pixel
    draw_scale_bar(axes, MARGIN + cell - GAP, HEADING + LABELS + side, width_um, cell - GAP)
    return axes.figure


@style.legible
def loss_curves(histories: Mapping[str, Sequence[Mapping]], target: Quantity = OVERLAP) -> Figure:
    """Training and validation loss of each model against the epoch.

    Args:
      histories: model name (`autoencoder`, `regressor`) -> rows of its metrics.jsonl, each with
        `epoch` and some of `train_loss`, `validation_loss`, `learning_rate`.
      target: what the regressor learns.

    Returns:
      The figure, one panel a model; steps of the learning rate are marked.
    """
    histories = {name: rows for name, rows in histories.items() if len(rows)}
    if not histories:
        return style.sentence_figure("No history of the training was found.")
    figure = style.new_figure(7.2, 3.1)
    for axes, (name, rows) in zip(np.ravel(figure.subplots(1, len(histories))), histories.items()):
        draw_losses(axes, rows)
        _mark_learning_rate_steps(axes, rows)
        unit = target.difference_unit
        squared = unit and (f"({unit})²" if {" ", "²"} & set(unit) else f"{unit}²")
        regression = style.with_unit("squared error", squared)
        if target.name in TRUTHS:
            regression = "loss of pixels, centres and target"
        loss = "cross-entropy, nats" if name == "autoencoder" else regression
        axes.set(title=name.capitalize(), ylabel=loss)
    return figure


def _mark_learning_rate_steps(axes: Axes, rows: Sequence[Mapping]) -> None:
    """A dotted line, with the new rate, before each epoch that has another learning rate."""
    rates = series(rows, "learning_rate")
    epochs, rates = rates.index.to_numpy(), rates.to_numpy()
    # A schedule that changes at every epoch is a curve, not steps.
    if 2 * len(set(rates)) > len(rates):
        return
    for before, epoch, old, new in zip(epochs, epochs[1:], rates, rates[1:]):
        if new != old:
            x = (before + epoch) / 2
            axes.axvline(x, color=style.MUTED, ls=":", lw=1)
            # Below the legend.
            axes.text(
                x,
                0.66,
                f"learning rate {new:.2g}",
                transform=axes.get_xaxis_transform(),
                rotation=90,
                va="top",
                ha="right",
                size=7.5,
                color=style.MUTED,
            )
