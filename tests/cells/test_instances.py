"""Cells to maps and back: nothing is lost, touching cells come apart, bad maps are refused."""

import numpy as np
import pytest
from scipy import ndimage

from jaxcell.cells.instances import Separation, distance_map, separate_cells


def _discs(*circles, size=64):
    labels = np.zeros((size, size), np.int32)
    y, x = np.mgrid[:size, :size]
    for number, (row, column, radius) in enumerate(circles, start=1):
        labels[((y - row) ** 2 + (x - column) ** 2 <= radius**2) & (labels == 0)] = number
    return labels


def test_distance_is_the_euclidean_one_as_a_share_of_each_cells_deepest():
    labels = _discs((20, 20, 9), (45, 40, 4))
    result = distance_map(labels)
    for number in (1, 2):
        depth = ndimage.distance_transform_edt(labels == number)
        inside = labels == number
        expected = np.ceil(255 * depth / depth.max())
        np.testing.assert_array_equal(result[inside], expected[inside])
    assert (result[labels == 0] == 0).all()


def test_two_cells_that_touch_have_a_valley_between_them():
    labels = _discs((32, 24, 8), (32, 41, 8))
    row = distance_map(labels)[32]
    assert row[24] > 240 and row[41] > 240 and row[30:36].min() < 80


@pytest.mark.parametrize("labels", [
    np.zeros((8, 8), np.int32), np.ones((8, 8), np.int32), np.eye(5, dtype=np.int32),
    np.array([[0, 3], [3, 0]], np.int32), np.full((1, 1), 2, np.int32),
])  # fmt: skip
def test_odd_label_images_have_defined_distances(labels):
    result = distance_map(labels)
    assert ((result > 0) == (labels > 0)).all()
    for number in np.unique(labels[labels > 0]):
        assert result[labels == number].max() == 255


def test_cells_cut_by_the_border_are_deepest_at_it():
    labels = _discs((0, 30, 8))
    assert distance_map(labels)[0, 30] == 255


def test_perfect_maps_give_the_cells_back():
    labels = _discs((20, 20, 7), (20, 35, 7), (31, 27, 6), (50, 50, 9), (3, 60, 6), (55, 10, 3))
    distance = distance_map(labels).astype(np.float32) / 255
    found = separate_cells(
        (labels > 0).astype(np.float32), distance, Separation(0.85), minimum_area=5
    )
    assert found.max() == labels.max()
    for number in range(1, labels.max() + 1):
        own = labels == number
        other = found == np.bincount(found[own]).argmax()
        assert (own & other).sum() / (own | other).sum() > 0.85


def test_a_low_hill_is_a_cell_too():
    area = _discs((20, 20, 6), (44, 44, 6)) > 0
    found = separate_cells(area.astype(float), 0.1 * area, Separation(0.85), minimum_area=5)
    assert found.max() == 2 and ((found > 0) == area).all()


def test_nothing_inside_is_no_cell():
    zeros = np.zeros((16, 16))
    assert not separate_cells(zeros, zeros, Separation(0.85), minimum_area=1).any()


def test_maps_that_are_not_finite_are_refused():
    maps = np.zeros((8, 8))
    maps[3, 3] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        separate_cells(maps, np.zeros((8, 8)), Separation(0.85), minimum_area=1)


def test_small_cells_are_dropped():
    area = _discs((20, 20, 6), (44, 44, 1)) > 0
    found = separate_cells(area.astype(float), area.astype(float), Separation(0.85), minimum_area=6)
    assert found.max() == 1 and found[20, 20] == 1 and not found[44, 44]
