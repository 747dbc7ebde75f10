"""Cells outlined in images: the square that is shown, its light, and the lines."""

import numpy as np
from matplotlib.figure import Figure

from jaxcell.report.common.outlines import brightness, draw_outlines, fullest_square


def test_the_fullest_square():
    mask = np.zeros((30, 40), bool)
    mask[12:17, 25:33] = True
    mask[2, 2] = True
    assert mask[fullest_square(mask, 10)].sum() == 40
    assert mask[:8, :4][fullest_square(mask[:8, :4], 10)].shape == (8, 4)
    assert fullest_square(np.zeros((10, 10), bool), 10) == (slice(0, 10), slice(0, 10))


def test_light_rises_from_black_to_full():
    light = brightness(np.array([0, 100, 600, 1100, 4095], np.uint16), 100, 1100)
    np.testing.assert_allclose(light, [0, 0, 0.5**0.6, 1, 1], rtol=1e-6)
    assert np.isfinite(brightness(np.full(3, 7), 7, 7)).all()


def test_every_cell_has_its_own_line_where_it_lies():
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 10:15], labels[6:9, 10:15] = 3, 7  # numbers with gaps, and cells that touch
    labels[15:, 25:] = 8  # at the border
    axes = Figure().subplots()
    draw_outlines(axes, labels, "white", "--", 2.0)
    (lines,) = axes.collections
    ends = [path.get_extents().extents.tolist() for path in lines.get_paths()]
    assert ends == [[9.5, 1.5, 14.5, 5.5], [9.5, 5.5, 14.5, 8.5], [24.5, 14.5, 29.5, 19.5]]
