"""Touching cells are separated, irregular ones stay whole, and numbers have no gaps."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from jaxcell.cells.labelling import _squared_distance, label_cells
from jaxcell.simulator.field import simulate_field


def _disc(size: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    rows, columns = np.ogrid[: size[0], : size[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius * radius


def _same_cells(labels: np.ndarray, truth: np.ndarray) -> float:
    """F1 at IoU 0.5 of two label images."""
    joint = np.zeros((labels.max() + 1, truth.max() + 1))
    np.add.at(joint, (labels.ravel(), truth.ravel()), 1)
    union = joint.sum(1, keepdims=True) + joint.sum(0) - joint
    iou = (joint / np.maximum(union, 1))[1:, 1:]
    return 2 * (iou > 0.5).sum() / (labels.max() + len(np.unique(truth)) - 1)


@pytest.mark.parametrize("radius", [4.0, 4.5, 5.5, 8.0, 20.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, 0.8, 1.57])
def test_two_touching_discs_are_two_cells(radius, angle):
    size, apart = (120, 120), 1.7 * radius
    y, x = 50 + apart * np.sin(angle), 50 + apart * np.cos(angle)
    one, other = _disc(size, 50, 50, radius), _disc(size, y, x, radius)
    labels = label_cells(one | other)
    assert labels.max() == 2
    np.testing.assert_array_equal(labels > 0, one | other)
    assert labels[50, 50] != labels[round(y), round(x)]
    areas = np.bincount(labels.ravel())[1:]
    assert min(areas) > 0.65 * max(areas)


def test_a_row_and_a_block_of_round_cells_are_counted():
    mask = np.zeros((60, 60), bool)
    for y in range(10, 50, 9):
        for x in range(10, 50, 9):
            mask |= _disc(mask.shape, y, x, 4.9)
    assert label_cells(mask).max() == 25


def test_single_cells_of_any_size_and_shape_stay_whole():
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:80, :80] - 40
    angle, distance = np.arctan2(rows, columns), np.hypot(rows, columns)
    whole = 0
    for radius in np.repeat([4.5, 7.6, 10.0, 30.0], 50):
        outline = radius * (
            1
            + sum(
                0.085 * rng.normal() / n * np.cos(n * angle + rng.uniform(0, 6)) for n in (2, 3, 4)
            )
        )
        whole += label_cells(distance <= outline).max() == 1
    assert whole >= 198
    assert label_cells((rows / 4) ** 2 + (columns / 12) ** 2 <= 1).max() == 1  # an ellipse
    assert label_cells(np.ones((5, 70), bool)).max() == 1  # a fibre


def test_border_cells_empty_and_full_masks():
    mask = _disc((40, 40), 0, 0, 5) | _disc((40, 40), 39, 20, 5) | _disc((40, 40), 20, 41, 5)
    labels = label_cells(mask)
    assert labels.max() == 3 and labels.dtype == np.int32
    np.testing.assert_array_equal(labels > 0, mask)
    for shape in ((30, 40), (0, 5), (5, 0), (1, 1)):
        empty = label_cells(np.zeros(shape, bool))
        assert empty.shape == shape and empty.dtype == np.int32 and not empty.any()
    np.testing.assert_array_equal(label_cells(np.ones((150, 170), bool)), 1)
    assert label_cells(np.ones((1, 1), bool), 1)[0, 0] == 1


def test_numbers_follow_the_first_pixel_without_gaps():
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(200, 210)), 3) > 0.08
    labels = label_cells(mask, 20)
    numbers, first = np.unique(labels, return_index=True)
    np.testing.assert_array_equal(numbers, np.arange(labels.max() + 1))
    assert (np.diff(first[1:]) > 0).all()
    assert np.bincount(labels.ravel())[1:].min() >= 20
    np.testing.assert_array_equal(labels, label_cells(mask, 20))  # repeatable


def test_each_cell_is_connected_and_only_small_objects_are_dropped():
    rng = np.random.default_rng(1)
    mask = ndimage.gaussian_filter(rng.normal(size=(150, 150)), 2) > 0.1
    corners = np.ones((3, 3), bool)
    objects, _ = ndimage.label(mask, corners)
    area = np.bincount(objects.ravel())
    for minimum in (0, 1, 12, 60):
        labels = label_cells(mask, minimum)
        np.testing.assert_array_equal(labels > 0, mask & (area >= minimum)[objects])
        for number, box in enumerate(ndimage.find_objects(labels), 1):
            assert ndimage.label(labels[box] == number, corners)[1] == 1


def test_distance_is_that_of_scipy():
    mask = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(90, 70)), 4) > 0
    mask = np.pad(mask, 1)
    distance = _squared_distance(np.flatnonzero(mask), mask.shape)
    expected = ndimage.distance_transform_edt(mask)[mask] ** 2
    np.testing.assert_array_equal(distance, np.rint(expected))


def test_like_the_watershed_of_scikit_image_from_the_same_peaks():
    truth = simulate_field(np.random.default_rng(11), 512, 0.1, droplet_share=0.0).labels[0]
    mask = truth > 0
    labels = label_cells(mask)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    peaks = np.zeros_like(labels)
    for number, place in enumerate(
        ndimage.maximum_position(depth, labels, range(1, labels.max() + 1)), 1
    ):
        peaks[place] = number
    reference = watershed(-depth, peaks, mask=mask & (labels > 0), connectivity=2)
    assert np.mean(labels[mask] == reference[mask]) > 0.98
    assert _same_cells(labels, reference) > 0.99


def test_simulated_cells_are_found_again_in_their_true_masks():
    field = simulate_field(np.random.default_rng(12), 768, 0.1, droplet_share=0.0)
    t_cell, dendritic_cell = (labels.astype(int) for labels in field.labels)
    assert _same_cells(label_cells(t_cell > 0), t_cell) > 0.97
    # DCs lie over each other in clumps: a mask alone does not tell all of them apart.
    assert _same_cells(label_cells(dendritic_cell > 0), dendritic_cell) > 0.6


def test_what_is_no_mask_is_refused():
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((2, 4, 4), bool)):
        with pytest.raises(ValueError, match="field > threshold"):
            label_cells(wrong)


def test_peaks_of_any_map_are_separated_by_their_passes():
    mask = np.ones((3, 9), bool)
    height = np.full((3, 9), 0.1, np.float32)
    height[1] = [0.3, 0.8, 1.0, 0.8, 0.5, 0.7, 0.9, 0.7, 0.2]
    # The pass at 0.5 is below 0.6 of the lower peak, 0.54, and above 0.5 of it, 0.45.
    two = label_cells(mask, 3, height=height, neck=0.6)
    assert two.max() == 2 and two[1, 2] == 1 and two[1, 6] == 2
    assert label_cells(mask, 3, height=height, neck=0.5).max() == 1
    with pytest.raises(ValueError, match="finite"):
        label_cells(mask, 3, height=np.where(mask, np.nan, 0), neck=0.6)
