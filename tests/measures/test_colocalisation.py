"""Manders and Pearson agree with scikit-image, with published values and with hand counts."""

import numpy as np
import pytest
from skimage import measure
from skimage.io import imread

from jaxcell.measures import colocalisation
from jaxcell.measures.colocalisation import manders, pearson, record_light, record_spread
from jaxcell.measures.field import Field


def field_of(first: np.ndarray, second: np.ndarray, masks: np.ndarray | None = None) -> Field:
    views = np.stack([first, second])
    return Field(views, np.ones(views.shape, bool) if masks is None else masks, None, 1.0)


def manders_of(view: np.ndarray, own: np.ndarray, other: np.ndarray) -> float:
    return manders([record_light(field_of(view, view, np.stack([own, other])), view=0)])


def pearson_of(first: np.ndarray, second: np.ndarray) -> float:
    return pearson([record_spread(field_of(first, second))])


@pytest.fixture
def views():
    """Two fields of two views with their masks: counts uint16 [2, 2, 40, 50], bool likewise."""
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4096, (2, 2, 40, 50), np.uint16)
    counts[1] = (counts[0] // 2 + counts[1] // 2).astype(np.uint16)
    return counts, rng.random(counts.shape) < 0.3


def test_manders_is_scikit_images(views):
    for counts, masks in zip(*(np.swapaxes(each, 0, 1) for each in views)):
        for view in (0, 1):
            expected = 100 * measure.manders_coloc_coeff(
                counts[view].astype(float), masks[1 - view], masks[view]
            )
            found = manders([record_light(field_of(*counts, masks), view=view)])
            assert found == pytest.approx(expected, rel=1e-12)


def test_manders_weighs_by_light_and_is_defined_without_any():
    view = np.array([[1, 3], [9, 9]], np.uint16)
    own, other = np.array([[1, 1], [0, 0]], bool), np.array([[0, 1], [1, 0]], bool)
    assert manders_of(view, own, other) == 75
    assert manders_of(view, np.zeros_like(own), other) == 0
    assert manders_of(view * np.uint16(0), own, other) == 0
    assert manders_of(np.full((2, 2), 65535, np.uint16), own, other) == 50


def test_pearson_is_scikit_images_in_any_type(views):
    for cast in (np.uint16, np.float32, np.float64):
        for first, second in np.swapaxes(views[0], 0, 1).astype(cast):
            expected = measure.pearson_corr_coeff(first, second)[0]
            assert pearson_of(first, second) == pytest.approx(expected, rel=1e-5)


def test_a_large_field_is_summed_in_parts_about_its_own_mean(views, monkeypatch):
    monkeypatch.setattr(colocalisation, "AT_A_TIME", 130)
    for first, second in views[0]:
        lit = first + (40 * np.arange(len(first), dtype=np.uint16))[:, None]  # parts differ
        expected = measure.pearson_corr_coeff(lit, second)[0]
        assert pearson_of(lit, second) == pytest.approx(expected, rel=1e-6)
        assert pearson_of(lit, np.full_like(lit, 700)) == 0


def test_pearson_of_the_benchmark_image(shared_data):
    """Published: 0.68, red against green; all pixels, no background taken off, give 0.6805."""
    image = imread(shared_data / "colocalisation" / "cbs_example1.png")
    assert pearson_of(image[..., 0], image[..., 1]) == pytest.approx(0.6805, abs=2e-4)


def test_pearson_keeps_its_digits_on_a_high_level():
    rng = np.random.default_rng(1)
    first = rng.normal(0, 1, (64, 64))
    second = first + rng.normal(0, 1, (64, 64))
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert pearson_of(first + 1e7, second + 1e7) == pytest.approx(expected, abs=1e-6)
    assert pearson_of(first, -2 * first) == pytest.approx(-1)


def test_pearson_of_nothing_to_compare_is_0(views):
    first = views[0][0, 0]
    for constant in (np.full_like(first, 4095), np.full(first.shape, 0.1)):
        assert pearson_of(first, constant) == pearson_of(constant, constant) == 0
    assert pearson_of(first[:1, :1], first[:1, :1]) == 0


def test_fields_add_up_about_their_own_means(views):
    first, second = views[0].astype(np.float64)
    second[1] += 1e4  # lamps differ from field to field
    together = [record_spread(field_of(*pair)) for pair in zip(first, second)]
    a, b = (v - v.mean(axis=(1, 2), keepdims=True) for v in (first, second))
    assert pearson(together) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_nan_is_refused(views):
    view, mask = views[0][0, 0].astype(np.float32), views[1][0, 0]
    broken = view.copy()
    broken[0, 0] = np.nan
    for action in (
        lambda: pearson_of(broken, broken),
        lambda: pearson_of(view, broken),
        lambda: manders_of(broken, mask, mask),
    ):
        with pytest.raises(ValueError, match="NaN"):
            action()
