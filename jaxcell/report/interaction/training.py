"""Figures on the training: images above their reconstructions, and loss curves."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.images import MICROMETRES_PER_PIXEL, colour_image, draw_scale_bar

# Height of the line of labels above a row of images.
LABEL_INCHES = 0.19


@style.legible
def reconstructions(
    examples: Mapping[str, Sequence[np.ndarray]],
    palette: style.Palette,
    micrometres_per_pixel: float = MICROMETRES_PER_PIXEL,
    target: Quantity = OVERLAP,
) -> Figure:
    """For each condition a row of originals above the row of their reconstructions.

    Args:
      examples: condition -> originals float [k, H, W, 2] and reconstructions float [k, H, W, 2] in
        [0, 1] and, where wanted as labels, true targets float [k].
      palette: marks of the conditions.
      micrometres_per_pixel: µm, edge of a pixel of these images.
      target: what the labels are.

    Returns:
      The figure, a scale bar in its first image.
    """
    examples = {name: item for name, item in examples.items() if len(item[0])}
    if not examples:
        return style.sentence_figure("There are no patches to show.")
    columns = max(2, *(len(item[0]) for item in examples.values()))
    height, width = next(iter(examples.values()))[0].shape[1:3]
    # One set of axes in inches for all images: dozens of axes take seconds to lay out.
    across, margin, gap = 7.2, 0.25, 0.04
    cell = (across - margin) / columns
    side = (cell - gap) * height / width
    heading = 0.27
    figure = style.new_figure(
        across, sum(_block_height(item, side, gap, heading) for item in examples.values())
    )
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    top = 0.0
    for name, (originals, outputs, *truth) in examples.items():
        mark = palette.get(name) or style.KNOWN[style.NO_CONDITION]
        axes.plot(
            margin + 0.06, top + heading / 2, ls="", marker=mark.marker, color=mark.colour, ms=7
        )
        axes.text(margin + 0.18, top + heading / 2, name, va="center", weight="bold", size=10.5)
        start = top + heading + (LABEL_INCHES if truth else 0.0)
        for line, (images, word) in enumerate(((originals, "original"), (outputs, "rebuilt"))):
            y = start + line * (side + gap)
            axes.text(
                margin / 2,
                y + side / 2,
                word,
                rotation=90,
                va="center",
                ha="center",
                color=style.MUTED,
                size=9,
            )
            for place, picture in enumerate(colour_image(images)):
                x = margin + place * cell
                axes.imshow(picture, extent=(x, x + cell - gap, y + side, y))
                if truth and line == 0:
                    axes.text(
                        x + (cell - gap) / 2,
                        y - 0.035,
                        ha="center",
                        va="bottom",
                        size=8.5,
                        s=_value(truth[0][place], target, long=True),
                    )
        if top == 0.0:
            right, bottom = margin + cell - gap, start + side
            draw_scale_bar(axes, right, bottom, width * micrometres_per_pixel, cell - gap)
        top = start + 2 * (side + gap)
    axes.set(xlim=(0, across), ylim=(top, 0), aspect="auto")
    return figure


def _value(value: float, target: Quantity, long: bool = False) -> str:
    """`5.3 %`; with `long`, what it is of too, where that is a short word."""
    text = f"{value:.{target.digits - 1}f} {target.unit}".strip()
    return f"{text} {target.label}" if long and len(target.label) < 9 else text


def _block_height(item: Sequence[np.ndarray], side: float, gap: float, heading: float) -> float:
    """Inches of one condition: heading, labels where there are any, two rows of images."""
    return heading + (LABEL_INCHES if len(item) > 2 else 0.0) + 2 * (side + gap)


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
        lines = {key: _series(rows, key) for key in ("train_loss", "validation_loss")}
        for (key, (epochs, values)), colour in zip(lines.items(), (style.BLUE, style.VERMILION)):
            if len(epochs):
                axes.plot(
                    epochs,
                    values,
                    color=colour,
                    label=key.split("_")[0],
                    marker="o" if len(epochs) < 25 else None,
                    ms=3,
                )
        values = np.concatenate([line[1] for line in lines.values()])
        _mark_learning_rate_steps(axes, rows)
        # A log scale shows a loss that falls by factors, and needs positive numbers.
        if len(values) and values.min() > 0 and values.max() > 20 * values.min():
            axes.set_yscale("log")
        unit = "cross-entropy, nats"
        if name != "autoencoder":
            unit = target.difference_unit
            squared = unit and (f"({unit})²" if "²" in unit else f"{unit}²")
            unit = style.with_unit("squared error", squared)
        axes.set(title=name.capitalize(), xlabel="epoch", ylabel=unit)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper right")
    return figure


def _series(rows: Sequence[Mapping], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and finite values of one key, float64 [n] each, in order of epoch."""
    pairs = sorted(
        (float(row["epoch"]), float(row[key]))
        for row in rows
        if row.get("epoch") is not None and row.get(key) is not None
    )
    table = np.array([pair for pair in pairs if np.isfinite(pair).all()]).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _mark_learning_rate_steps(axes: Axes, rows: Sequence[Mapping]) -> None:
    """A dotted line, with the new rate, before each epoch that has another learning rate."""
    epochs, rates = _series(rows, "learning_rate")
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
