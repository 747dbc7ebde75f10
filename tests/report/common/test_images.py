"""A gallery shows each patch above its own caption, at the scale that it names."""

import numpy as np
import pytest

from jaxcell.report.common.images import gallery


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
