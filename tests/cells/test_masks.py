"""Masks are the exact optimum of 2-means, and of nothing there is none."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.cluster import KMeans

from jaxcell.cells.masks import (
    Levels,
    cell_threshold,
    field_mask,
    split_counts,
)
from jaxcell.dataset.patches import windows


def _cells(rng: np.random.Generator, count: int = 12, size: int = 96) -> np.ndarray:
    """A noisy background with `count` bright discs of radius 5 px, uint16 [1, size, size]."""
    image = rng.normal(300, 12, (size, size))
    y, x = np.mgrid[:size, :size]
    for cy, cx in rng.uniform(8, size - 8, (count, 2)):
        image[(y - cy) ** 2 + (x - cx) ** 2 <= 25] = rng.uniform(900, 2500)
    return np.clip(image, 0, 4095).astype(np.uint16)[None]


def _within_class_variance(image: np.ndarray, threshold: float) -> float:
    above = image > threshold
    parts = (image[above], image[~above])
    return sum(part.var() * part.size for part in parts if part.size) / image.size


def test_threshold_is_the_global_minimum_of_two_means():
    for seed in range(5):
        image = _cells(np.random.default_rng(seed))
        threshold = split_counts(image)[0].threshold
        best = min(_within_class_variance(image, t) for t in np.unique(image))
        assert _within_class_variance(image, threshold) == pytest.approx(best, rel=1e-9)


def test_never_worse_than_scikit_learn_k_means():
    image = _cells(np.random.default_rng(1))
    fitted = KMeans(2, n_init=10, random_state=0).fit(image.reshape(-1, 1).astype(float))
    threshold = split_counts(image)[0].threshold
    ours = _within_class_variance(image.astype(float), threshold)
    assert ours <= fitted.inertia_ / image.size * (1 + 1e-9)


def test_mask_finds_the_cells_and_only_them():
    rng = np.random.default_rng(3)
    image = np.full((1, 64, 64), 400, np.uint16) + rng.integers(0, 20, (1, 64, 64), np.uint16)
    image[0, 10:20, 10:20] = 2000
    mask = image > cell_threshold(image)[:, None, None]
    assert mask.sum() == 100 and mask[0, 10:20, 10:20].all()


def test_a_patch_without_cells_has_an_empty_mask():
    rng = np.random.default_rng(0)
    size = (96, 96)
    ramp = np.linspace(300, 900, 96)[None].repeat(96, 0)
    patches = {
        "noise": rng.normal(600, 30, size),
        "uneven illumination": ramp + rng.normal(0, 10, size),
        "constant": np.full(size, 700.0),
        "below the background": rng.normal(120, 40, size),
        "a few noisy pixels above the background": np.full(size, 250) + rng.normal(0, 3, size),
    }
    images = np.stack(list(patches.values())).clip(0, 4095).astype(np.uint16)
    empty = (images <= cell_threshold(images)[:, None, None]).all(axis=(1, 2))
    assert dict(zip(patches, empty)) == dict.fromkeys(patches, True)


def test_the_rim_of_a_droplet_is_not_a_cell():
    rng = np.random.default_rng(0)
    image = np.where(np.arange(96)[None] < 40, 100, 560) + rng.normal(0, 12, (96, 96))
    image[30:40, 60:70] = 2000  # a cell in the bright part
    image = image.clip(0).astype(np.uint16)[None]
    mask = image > cell_threshold(image)[:, None, None]
    assert mask.sum() == 100 and mask[0, 30:40, 60:70].all()


def test_no_mask_reaches_below_a_fixed_background():
    image = np.full((1, 32, 32), 100, np.uint16)
    image[0, 4:9, 4:9] = 255
    image[0, 20:25, 20:25] = 300
    image[0, 28:30, 20:25] = 410
    mask = image > cell_threshold(image, levels=Levels(255.0, 150.0))[:, None, None]
    assert mask.sum() == 10 and mask[0, 28:30, 20:25].all()
    # And with less than the least contrast there is none.
    assert not (image > cell_threshold(image, levels=Levels(255.0, 156.0))[:, None, None]).any()
    assert (image > cell_threshold(image)[:, None, None]).sum() > 10


@pytest.mark.parametrize("method", ["two_means", "mean_sd"])
def test_gain_offset_and_direction_change_no_pixel(method):
    images = np.concatenate([_cells(np.random.default_rng(seed)) for seed in range(4)])
    mask = images > cell_threshold(images, method)[:, None, None]
    assert mask.any(axis=(1, 2)).all()
    for changed in (images * 16, images + 1000):
        again = changed > cell_threshold(changed, method)[:, None, None]
        np.testing.assert_array_equal(again, mask)
    turned = np.ascontiguousarray(images.swapaxes(1, 2))
    again = turned > cell_threshold(turned, method)[:, None, None]
    np.testing.assert_array_equal(again, mask.swapaxes(1, 2))


@pytest.mark.parametrize("method", ["two_means", "mean_sd"])
def test_eight_bits_find_the_same_cells(method):
    images = np.concatenate([_cells(np.random.default_rng(seed)) for seed in range(4)])
    mask = images > cell_threshold(images, method)[:, None, None]
    coarse = images // 16
    again = coarse > cell_threshold(coarse, method)[:, None, None]
    assert (again & mask).sum() > 0.98 * (again | mask).sum()


@pytest.mark.parametrize("method", ["two_means", "mean_sd"])
@pytest.mark.parametrize("blur", [(0, 0), (1, 1), (3, 0), (0, 3)])
@pytest.mark.parametrize("step", [1, 16])
def test_noise_alone_is_no_cell(method, blur, step):
    noise = ndimage.gaussian_filter(
        np.random.default_rng(0).normal(0, 40, (3, 192, 192)), (0, *blur)
    )
    images = (np.rint((600 + noise) / step) * step).astype(np.uint16)
    assert (cell_threshold(images, method) == 65535).all()


def test_thresholds_do_not_depend_on_the_batch():
    images = np.concatenate([_cells(np.random.default_rng(seed)) for seed in range(4)])
    together = cell_threshold(images)
    alone = np.concatenate([cell_threshold(image[None]) for image in images])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, cell_threshold(images))  # repeatable


def test_two_grey_values_and_no_images():
    image = np.array([[[3, 3], [3, 9]]], np.uint16)
    assert split_counts(image) == [(3, 6, 0)]
    assert split_counts(np.zeros((0, 4, 4), np.uint16)) == []


def test_mean_sd_is_the_study_s_comparison():
    images = np.concatenate([_cells(np.random.default_rng(seed)) for seed in range(4)])
    for image, (limit, apart, wide) in zip(images, split_counts(images, "mean_sd")):
        mask = image > image.mean() + image.std()
        np.testing.assert_array_equal(image > limit, mask)
        assert apart == pytest.approx(image[mask].mean() - image[~mask].mean(), rel=1e-6)
        assert wide == pytest.approx(image[~mask].std(), rel=1e-4)


def test_mean_sd_of_two_equal_halves_has_no_brighter_class():
    # Mean + SD is the brighter value itself; a rounding error below it would mask half the image.
    for low, high in ((0, 3), (1000, 1001), (255, 65535)):
        image = np.array([[[low, high], [high, low]]], np.uint16)
        assert split_counts(image, "mean_sd")[0][:2] == (high, 0)


@pytest.mark.parametrize("method", ["two_means", "mean_sd"])
@pytest.mark.parametrize("value", [0, 700, 4095, 65535])
def test_a_constant_or_saturated_view_is_empty(method, value):
    images = np.full((2, 40, 40), value, np.uint16)
    assert not (images > cell_threshold(images, method)[:, None, None]).any()
    assert not field_mask(images[0], method, window=16).any()
    assert not field_mask(images[0], method, window=None).any()


def test_mean_sd_finds_cells_and_nothing_in_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(600, 30, (1, 96, 96)).astype(np.uint16)
    assert cell_threshold(noise, "mean_sd")[0] == 65535
    cells = noise.copy()
    cells[0, 20:30, 20:30] = 2000
    mask = cells > cell_threshold(cells, "mean_sd")[:, None, None]
    assert mask.sum() == 100 and mask[0, 20:30, 20:30].all()


@pytest.mark.parametrize("shape", [(192, 192), (100, 131), (40, 200)])
def test_each_window_of_a_field_has_the_threshold_of_its_patch(shape):
    rng = np.random.default_rng(1)
    field = _cells(rng, 60, 200)[0][: shape[0], : shape[1]]
    field = (field * np.linspace(0.8, 1.6, shape[1])).astype(np.uint16)
    mask = field_mask(field, window=32)
    patches, corners = windows(field[..., None], 32, 32)
    thresholds = cell_threshold(patches[..., 0])
    centres = corners + 16
    for y in range(0, shape[0], 7):
        for x in range(0, shape[1], 3):
            nearest = np.argmin(((centres - (y + 0.5, x + 0.5)) ** 2).sum(1))
            assert mask[y, x] == (field[y, x] > thresholds[nearest])


def test_one_threshold_for_a_field_and_one_window_for_a_small_field():
    field = _cells(np.random.default_rng(2))[0]
    whole = field > cell_threshold(field[None])[0]
    np.testing.assert_array_equal(field_mask(field, window=None), whole)
    np.testing.assert_array_equal(field_mask(field, window=192), whole)


def test_what_is_not_raw_counts_is_refused_with_the_cure():
    field = _cells(np.random.default_rng(2))[0]
    broken = field.astype(np.float32)
    broken[3, 3] = np.nan
    for call in (split_counts, cell_threshold):
        with pytest.raises(ValueError, match="replace NaN"):
            call(broken[None])
        with pytest.raises(ValueError, match="no pixels"):
            call(np.zeros((2, 0, 4), np.uint16))
    with pytest.raises(ValueError, match="replace NaN"):
        field_mask(broken)
    with pytest.raises(ValueError, match="holds pixels"):
        field_mask(np.zeros((0, 9), np.uint16))
    with pytest.raises(ValueError, match="two_means, mean_sd"):
        cell_threshold(field[None], "otsu")
    with pytest.raises(ValueError, match="two_means, mean_sd"):
        split_counts(field[None], "otsu")
    with pytest.raises(ValueError, match="one view"):
        field_mask(field[..., None])
