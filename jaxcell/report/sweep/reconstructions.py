"""Patches as codes of every size give them back."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from jaxcell.analysis import ablation
from jaxcell.report.common import style
from jaxcell.report.common.images import (
    DEFAULT_COLOURS,
    MICROMETRES_PER_PIXEL,
    canvas,
    colour_image,
    draw_image,
    draw_scale_bar,
)
from jaxcell.report.sweep.figures import MARKS


@style.legible
def reconstructions_figure(
    pictures: Mapping,
    pixel_um: float = MICROMETRES_PER_PIXEL,
    colours: str = DEFAULT_COLOURS,
) -> Figure:
    """Each patch as it is and as codes of every size give it back, in a row for each kind.

    Args:
      pictures: `original` float32 [P, H, W, 2] in [0, 1]; kind -> size -> float32 [P, H, W, 2].
        Spatial codes, of one size, stand at the end of the first row of a patch.
      pixel_um: µm, edge of a pixel.
      colours: as `colour_image` takes.

    Returns:
      The figure, a scale bar in its first image.
    """
    originals = pictures.get("original", ())
    rows = [kind for kind in ablation.SIZED if pictures.get(kind)]
    ends = [("spatial", size) for size in sorted(pictures.get("spatial") or ())]
    if not len(originals) or not (rows or ends):
        return style.sentence_figure("There are no patches to show.")
    listed = sorted({size for kind in rows for size in pictures[kind]})
    rows = rows or ["spatial"]
    columns = [(None, 0), *((None, size) for size in listed), *ends]
    margin, gap, heading = 0.28, 0.04, 0.42
    across = max(7.2, 0.88 * len(columns) + margin)
    cell = min((across - margin) / len(columns), 1.6)
    height, width = originals.shape[1:3]
    side = (cell - gap) * height / width
    block = len(rows) * (side + gap) + 0.12
    axes = canvas(across, heading + len(originals) * block)
    for place, (kind, size) in enumerate(columns):
        words = f"{size:,}" + ("\nspatial" if kind else "") if place else "original"
        axes.text(margin + place * cell + (cell - gap) / 2, heading - 0.06, words, size=9,
                  ha="center", va="bottom",
                  color=MARKS[kind].colour if kind else style.INK)  # fmt: skip
    for patch, original in enumerate(originals):
        for line, row in enumerate(rows):
            y = heading + patch * block + line * (side + gap)
            axes.text(margin / 2, y + side / 2, row, rotation=90, va="center", ha="center", size=9,
                      weight="bold", color=MARKS[row].colour)  # fmt: skip
            for place, (kind, size) in enumerate(columns):
                found = pictures.get(kind or row, {}).get(size) if place else originals
                if found is None or (line and (not place or kind)):
                    continue
                image = colour_image(found[patch] if place else original, colours)
                draw_image(axes, image, margin + place * cell, y, cell - gap)
    # Away from the corner: the words are wider than the bar in so small an image.
    right = margin + cell - gap - 0.08
    draw_scale_bar(axes, right, heading + side, width * pixel_um, cell - gap)
    return axes.figure
