"""Overlap and correlation agree with scikit-image, with published values and with hand counts."""

import numpy as np
import pytest
from skimage import measure
from skimage.io import imread

from jaxcell.measures.overlap import correlation, iou, joint_spread, manders, overlap_share, pearson


@pytest.fixture
def views():
    """Two patches of two views with their masks: counts uint16 [2, 2, 40, 50], bool likewise."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4096, (2, 2, 40, 50), np.uint16)
    counts[1] = (counts[0] // 2 + counts[1] // 2).astype(np.uint16)
    return counts, rng.random(counts.shape) < 0.3


def test_shares_by_hand():
    t_cell, dendritic_cell = np.zeros((2, 4, 10, 10), bool)
    t_cell[0, :4, :5], dendritic_cell[0, 2:6, :5] = True, True  # 10 shared of 30, T cells 20
    t_cell[1, :4] = True  # the other is empty
    dendritic_cell[2, :4] = True  # the T cells' is empty; patch 3: both are
    np.testing.assert_allclose(iou(t_cell, dendritic_cell), [1 / 3, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(overlap_share(t_cell, dendritic_cell), [0.5, 0, 0, 0])
    np.testing.assert_allclose(overlap_share(dendritic_cell, t_cell), [0.5, 0, 0, 0])
    assert iou(t_cell, dendritic_cell).dtype == np.float32
    assert overlap_share(t_cell, dendritic_cell).dtype == np.float32
    assert iou(t_cell[:0], dendritic_cell[:0]).shape == (0,)


def test_overlap_share_is_scikit_images_overlap(views):
    t_cell, dendritic_cell = views[1]
    expected = [measure.intersection_coeff(*pair) for pair in zip(t_cell, dendritic_cell)]
    np.testing.assert_allclose(overlap_share(t_cell, dendritic_cell), expected, rtol=1e-6)


def test_manders_is_scikit_images(views):
    (t_view, dendritic_view), (t_cell, dendritic_cell) = views
    for view, own, other in (
        (t_view, t_cell, dendritic_cell),
        (dendritic_view, dendritic_cell, t_cell),
    ):
        expected = [
            measure.manders_coloc_coeff(one.astype(float), theirs, mask)
            for one, mask, theirs in zip(view, own, other)
        ]
        np.testing.assert_allclose(manders(view, own, other), expected, rtol=1e-6)


def test_manders_weighs_by_light_and_is_defined_without_any():
    view = np.array([[[1, 3], [9, 9]]], np.uint16)
    own, other = np.array([[[1, 1], [0, 0]]], bool), np.array([[[0, 1], [1, 0]]], bool)
    np.testing.assert_allclose(manders(view, own, other), [0.75])
    np.testing.assert_array_equal(manders(view, ~(own | True), other), [0])
    np.testing.assert_array_equal(manders(view * np.uint16(0), own, other), [0])
    saturated = np.full((1, 2, 2), 65535, np.uint16)
    np.testing.assert_allclose(manders(saturated, own, other), [0.5])


def test_pearson_is_scikit_images_in_any_type_and_mask(views):
    (first, second), (mask, _) = views
    for cast in (np.uint16, np.float32, np.float64):
        a, b = first.astype(cast), second.astype(cast)
        expected = [measure.pearson_corr_coeff(*pair)[0] for pair in zip(a, b)]
        np.testing.assert_allclose(pearson(a, b), expected, rtol=1e-5)
        expected = [measure.pearson_corr_coeff(*each)[0] for each in zip(a, b, mask)]
        np.testing.assert_allclose(pearson(a, b, mask), expected, rtol=1e-5)


def test_pearson_of_the_benchmark_image(shared_data):
    """Published: 0.68, red against green; all pixels, no background taken off, give 0.6805."""
    image = imread(shared_data / "colocalisation" / "cbs_example1.png")
    assert pearson(image[..., 0], image[..., 1]) == pytest.approx(0.6805, abs=2e-4)


def test_pearson_keeps_its_digits_on_a_high_level():
    rng = np.random.default_rng(1)
    first = rng.normal(0, 1, (64, 64))
    second = first + rng.normal(0, 1, (64, 64))
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert pearson(first + 1e7, second + 1e7) == pytest.approx(expected, abs=1e-6)
    assert pearson(first, -2 * first) == pytest.approx(-1)


def test_pearson_of_nothing_to_compare_is_0(views):
    first = views[0][0]
    for constant in (np.full_like(first, 4095), np.full(first.shape, 0.1)):
        np.testing.assert_array_equal(pearson(first, constant), [0, 0])
        np.testing.assert_array_equal(pearson(constant, constant), [0, 0])
    mask = np.zeros(first.shape, bool)
    mask[1, 3, 4] = True
    np.testing.assert_array_equal(pearson(first, first, mask), [0, 0])
    assert pearson(first[:0], first[:0]).shape == (0,)


def test_fields_add_up_about_their_own_means(views):
    first, second = views[0].astype(np.float64)
    second[1] += 1e4  # lamps differ from field to field
    together = sum(np.array(joint_spread(a, b)) for a, b in zip(first, second))
    a, b = (v - v.mean(axis=(1, 2), keepdims=True) for v in (first, second))
    assert correlation(*together) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_nan_is_refused(views):
    view = views[0][0].astype(np.float32)
    mask = views[1][0]
    view[0, 0, 0] = np.nan
    for action in (
        lambda: pearson(view, view),
        lambda: pearson(views[0][0], view),
        lambda: manders(view, mask, mask),
    ):
        with pytest.raises(ValueError, match="NaN"):
            action()
