"""Galleries of single patches: the worst predicted, the most unusual."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from jaxcell.report import style
from jaxcell.report.figures import MICROMETRES_PER_PIXEL, colour_image, draw_scale_bar

ACROSS = 6
# Inches: width of the figure, a gap between images, two lines of words below one.
WIDTH, GAP, CAPTION = 7.2, 0.06, 0.36
# Characters of a caption's line that fit below an image.
LONGEST = 17


@style.legible
def gallery(
    images: np.ndarray,
    captions: Sequence[str],
    micrometres_per_pixel: float = MICROMETRES_PER_PIXEL,
) -> Figure:
    """Patches in rows of six, each above its caption.

    Args:
      images: float [k, H, W, 2] in [0, 1], channel 0 T cell, channel 1 dendritic cell.
      captions: k texts of two lines, such as its well, and its true and predicted overlap.
      micrometres_per_pixel: µm, edge of a pixel of these images.

    Returns:
      The figure: dendritic cells red, T cells green; a scale bar in the first image.

    Raises:
      ValueError: not as many captions as images.
    """
    if len(images) != len(captions):
        raise ValueError(f"{len(captions)} captions for {len(images)} images")
    if not len(images):
        return style.sentence_figure("There are no patches to show.")
    height, width = images.shape[1:3]
    cell = WIDTH / ACROSS
    side = cell - GAP
    tall = side * height / width
    block = tall + CAPTION
    total = -(-len(images) // ACROSS) * block
    figure = style.new_figure(WIDTH, total)
    # One set of axes in inches for all images: dozens of axes take seconds to lay out.
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for place, (picture, caption) in enumerate(zip(colour_image(images), captions)):
        x, y = cell * (place % ACROSS) + GAP / 2, block * (place // ACROSS)
        axes.imshow(picture, extent=(x, x + side, y + tall, y), interpolation="nearest")
        for line, text in enumerate(caption.split("\n")[:2]):
            # Shortened in the middle: a well's name stands at the end.
            axes.text(x + side / 2, y + tall + 0.03 + 0.145 * line, style.shortened(text, LONGEST),
                      ha="center", va="top", size=8, color=(style.INK, style.MUTED)[line])
    draw_scale_bar(axes, GAP / 2 + side, tall, width * micrometres_per_pixel, side)
    axes.set(xlim=(0, WIDTH), ylim=(total, 0), aspect="auto")
    return figure
