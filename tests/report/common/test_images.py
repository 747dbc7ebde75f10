"""A gallery shows each patch above its own caption, at the scale that it names."""

from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from colour_vision import VISIONS, difference
from drawing import pixel_at

from jaxcell.report.common.images import COLOURS, colour_image, gallery

# CIEDE2000 between any two of T cell, dendritic cell, both and background, in full light.
TOLD_APART = 25


def pictures(count: int, height: int = 12, width: int = 12) -> np.ndarray:
    """Patches whose T-cell view is as bright as their number."""
    images = np.zeros((count, height, width, 2))
    images[..., 0] = np.arange(count)[:, None, None] / max(count, 1)
    return images


def test_each_patch_stands_above_its_own_caption():
    captions = [f"P1 B{number:02d}\n{number}.0 → 0.1 %" for number in range(8)]
    (axes,) = gallery(pictures(8), captions).axes
    assert len(axes.images) == 8 and axes.yaxis_inverted()
    for number, image in enumerate(axes.images):
        assert image.get_array()[0, 0, 1] == pytest.approx(number / 8)
        left, right, bottom, _ = image.get_extent()
        below = [
            text
            for text in axes.texts
            if left < text.get_position()[0] < right and 0 <= text.get_position()[1] - bottom < 0.3
        ]
        assert [text.get_text() for text in below] == captions[number].split("\n")


def test_patches_do_not_overlap_and_keep_their_shape():
    figure = gallery(pictures(13, 10, 20), ["a\nb"] * 13)
    (axes,) = figure.axes
    extents = [image.get_extent() for image in axes.images]
    for left, right, bottom, top in extents:
        assert (right - left) / (bottom - top) == pytest.approx(2)
        assert 0 <= left < right <= axes.get_xlim()[1] and bottom <= axes.get_ylim()[0]
    rows = sorted({round(extent[3], 6) for extent in extents})
    assert [sum(round(extent[3], 6) == row for extent in extents) for row in rows] == [6, 6, 1]
    first = sorted(extent[:2] for extent in extents if round(extent[3], 6) == rows[0])
    assert all(one[1] < other[0] for one, other in zip(first, first[1:]))


def test_scale_bar_has_the_length_it_names():
    (axes,) = gallery(pictures(2, 192, 192), ["a\nb"] * 2, 0.741).axes
    left, right, _, _ = axes.images[0].get_extent()
    (bar,) = axes.lines
    assert np.ptp(bar.get_xdata()) / (right - left) * 192 * 0.741 == pytest.approx(50)
    assert "50 µm" in [text.get_text() for text in axes.texts]


def test_a_long_caption_keeps_its_end():
    (axes,) = gallery(pictures(1), ["a plate with a very long name B07\n1.0 → 2.0 %"]).axes
    (line,) = [text.get_text() for text in axes.texts if "plate" in text.get_text()]
    assert len(line) <= 19 and line.endswith("B07")


def test_poor_input_is_told():
    figure = gallery(pictures(0), [])
    assert figure.texts[0].get_text() == "There are no patches to show."
    with pytest.raises(ValueError, match="1 captions for 2 images"):
        gallery(pictures(2), ["a\nb"])
    bad = gallery(np.full((1, 4, 4, 2), np.nan), ["a\nb"]).axes[0].images[0].get_array()
    assert not np.asarray(bad).any()


@pytest.fixture(scope="module")
def drawn():
    """What a pixel shows -> its colour in a gallery, float [3]."""
    kinds = {"T cell": (1, 0), "dendritic cell": (0, 1), "both": (1, 1), "background": (0, 0)}
    images = np.ones((4, 24, 24, 2)) * np.array(list(kinds.values()))[:, None, None]
    (axes,) = gallery(images, ["a\nb"] * 4).axes
    centres = [np.reshape(image.get_extent(), (2, 2)).mean(axis=1) for image in axes.images]
    return {kind: pixel_at(axes, *centre) for kind, centre in zip(kinds, centres, strict=True)}


@pytest.mark.parametrize("vision", VISIONS)
def test_kinds_of_cells_are_told_apart_with_any_colour_vision(drawn, vision):
    for first, second in combinations(drawn, 2):
        assert difference(drawn[first], drawn[second], vision) > TOLD_APART, (first, second)


def test_red_and_green_are_not_which_is_why_they_are_not_the_default():
    t_cell, both = (colour_image(np.array(pixel, float), "red_green") for pixel in ((1, 0), (1, 1)))
    assert difference(t_cell, both, "protanopia") < 5


def test_colours_of_the_two_views():
    image = np.zeros((2, 3, 2), np.float32)
    image[0, 0] = [1.0, 0.25]
    image[1, 1] = [np.nan, 7.0]
    for colours, third in (("magenta_green", 1), ("red_green", 0)):
        picture = colour_image(image, colours)
        np.testing.assert_allclose(picture[0, 0], [0.25, 1.0, 0.25 * third])
        np.testing.assert_allclose(picture[1, 1], [1.0, 0.0, third])
        assert picture.dtype == np.float32
        assert third == (", both white" in COLOURS[colours])
        mixed = jax.jit(lambda image, colours=colours: colour_image(image, colours))
        np.testing.assert_array_equal(mixed(jnp.asarray(image)), picture)
    with pytest.raises(ValueError, match="use magenta_green or red_green"):
        colour_image(image, "blue")
