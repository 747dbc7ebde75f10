"""Pictures of cells: two views mixed to one, galleries of patches, scale bars."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.cells.kinds import LIGHTS, USUAL, Kind, Pair
from jaxcell.measures.catalogue import renamed
from jaxcell.report.common import style

# How two views are mixed -> in words, for captions. Magenta and green are told apart with any kind
# of colour vision; red and green are the study's.
COLOURS = {
    "magenta_green": "dendritic cells magenta, T cells green, both white",
    "red_green": "dendritic cells red, T cells green, both yellow",
}
DEFAULT_COLOURS = "magenta_green"


def colour_words(colours: str, pair: Pair = USUAL.pairs[0]) -> str:
    """How two views are mixed, in words; `colours` is one of `COLOURS`."""
    return renamed(COLOURS[colours], pair)


# A pixel of the reference study's microscope.
MICROMETRES_PER_PIXEL = 0.741
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
    colours: str = DEFAULT_COLOURS,
) -> Figure:
    """Patches in rows of six, each above its caption.

    Args:
      images: float [k, H, W, 2] in [0, 1], T cells and dendritic cells.
      captions: k texts of two lines, such as its well, and its true and predicted overlap.
      micrometres_per_pixel: µm, edge of a pixel of these images.
      colours: as for `colour_image`.

    Returns:
      The figure, a scale bar in its first image.

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
    axes = canvas(WIDTH, -(-len(images) // ACROSS) * (tall + CAPTION))
    for place, (picture, caption) in enumerate(zip(colour_image(images, colours), captions)):
        x, y = cell * (place % ACROSS) + GAP / 2, (tall + CAPTION) * (place // ACROSS)
        draw_image(axes, picture, x, y, side)
        for line, text in enumerate(caption.split("\n")[:2]):
            # Shortened in the middle: a well's name stands at the end.
            axes.text(
                x + side / 2,
                y + tall + 0.03 + 0.145 * line,
                style.shortened(text, LONGEST),
                ha="center",
                va="top",
                size=8,
                color=(style.INK, style.MUTED)[line],
            )
    draw_scale_bar(axes, GAP / 2 + side, tall, width * micrometres_per_pixel, side)
    return axes.figure


def canvas(width: float, height: float) -> Axes:
    """Axes in inches, downwards, over a whole new figure.

    One for all images: dozens of axes take seconds to lay out.
    """
    figure = style.new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(height, 0))
    return axes


def draw_image(axes: Axes, picture: np.ndarray, left: float, top: float, width: float) -> None:
    """A picture [H, W, 3] on a `canvas`, in its own shape; lengths in inches."""
    bottom = top + width * picture.shape[0] / picture.shape[1]
    axes.imshow(picture, extent=(left, left + width, bottom, top), aspect="auto")


def colour_image(image, colours: str = DEFAULT_COLOURS):
    """Two stained views mixed to one picture.

    Args:
      image: float [..., H, W, 2] in [0, 1], T cells and dendritic cells; a NumPy or a JAX array.
      colours: one of `COLOURS`.

    Returns:
      An array of the same kind and type [..., H, W, 3], red, green and blue; what is not finite is
      black.

    Raises:
      ValueError: there are no such colours.
    """
    if colours not in COLOURS:
        raise ValueError(f"evaluation.colours is {colours!r}: use {' or '.join(COLOURS)}")
    arrays = image.__array_namespace__()
    image = arrays.clip(arrays.nan_to_num(image, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
    t_cells, dendritic_cells = image[..., 0], image[..., 1]
    magenta = colours == "magenta_green"
    blue = dendritic_cells if magenta else arrays.zeros_like(dendritic_cells)
    return arrays.stack([dendritic_cells, t_cells, blue], axis=-1)


def lights(kinds: Sequence[Kind], colours: str = DEFAULT_COLOURS) -> list[str]:
    """The colour of the light of each kind of cell in pictures, of `LIGHTS`.

    Args:
      kinds: in the order of their views.
      colours: of two kinds, one of `COLOURS`; what a kind is to be drawn in besides stands.
    """
    usual = [kind.light for kind in USUAL.kinds]
    drawn = [kind.light for kind in kinds]
    return ["green", "red"] if colours == "red_green" and drawn == usual else drawn


def mixed_light(image: np.ndarray, colours: Sequence[str]) -> np.ndarray:
    """Any number of views mixed to one picture.

    Args:
      image: float [..., H, W, K] in [0, 1].
      colours: of each view, of `LIGHTS`.

    Returns:
      Of the same type [..., H, W, 3], red, green and blue.
    """
    weights = np.array([LIGHTS[colour] for colour in colours], image.dtype)
    return np.clip(np.clip(image, 0, 1) @ weights, 0, 1)


def lights_in_words(kinds: Sequence[Kind], colours: Sequence[str]) -> str:
    """Which kind of cell is drawn in which colour, for captions; of two also where both lie."""
    words = [f"{kind.plural} {colour}" for kind, colour in zip(kinds, colours)]
    if len(words) == 2:
        sums = tuple(min(sum(parts), 1) for parts in zip(*(LIGHTS[each] for each in colours)))
        both = {light: colour for colour, light in LIGHTS.items()}[sums]
        words = [*reversed(words), f"both {both}"]
    return ", ".join(words)


def scale_bar(width_um: float) -> float:
    """A round length in µm (1, 2 or 5 times a power of ten), at most 0.4 of the width given."""
    longest = 0.4 * width_um
    power = 10.0 ** math.floor(math.log10(longest))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= longest)


def draw_scale_bar(
    axes: Axes, right: float, bottom: float, width_um: float, width_inches: float
) -> None:
    """A white bar of a round length in the lower right corner of an image.

    Args:
      axes: in inches, downwards.
      right: inches, right edge of the image.
      bottom: inches, lower edge of the image.
      width_um: µm that the image shows across.
      width_inches: inches, width of the image as drawn.
    """
    length_um = scale_bar(width_um)
    end, y = right - 0.05 * width_inches, bottom - 0.07 * width_inches
    start = end - length_um * width_inches / width_um
    axes.plot([start, end], [y, y], color="white", lw=2.5, solid_capstyle="butt")
    axes.text(
        (start + end) / 2,
        y - 0.035 * width_inches,
        f"{length_um:g} µm",
        color="white",
        ha="center",
        va="bottom",
        size=8,
    )
