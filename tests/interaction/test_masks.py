"""Masks are the exact optimum of 2-means, and of nothing there is none."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from jaxcell.interaction.masks import BACKGROUND, cell_threshold, two_means_threshold
from jaxcell.interaction.overlap import iou


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
        threshold = int(two_means_threshold(image)[0][0])
        best = min(_within_class_variance(image, t) for t in np.unique(image))
        assert _within_class_variance(image, threshold) == pytest.approx(best, rel=1e-9)


def test_never_worse_than_scikit_learn_k_means():
    image = _cells(np.random.default_rng(1))
    fitted = KMeans(2, n_init=10, random_state=0).fit(image.reshape(-1, 1).astype(float))
    threshold = two_means_threshold(image)[0][0]
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


def test_no_mask_reaches_below_the_background():
    image = np.full((1, 32, 32), 100, np.uint16)
    image[0, 4:9, 4:9] = BACKGROUND
    image[0, 20:25, 20:25] = 3000
    mask = image > cell_threshold(image)[:, None, None]
    assert mask.sum() == 25 and mask[0, 20:25, 20:25].all()


def test_thresholds_do_not_depend_on_the_batch():
    images = np.concatenate([_cells(np.random.default_rng(seed)) for seed in range(4)])
    together = cell_threshold(images)
    alone = np.concatenate([cell_threshold(image[None]) for image in images])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, cell_threshold(images))  # repeatable


def test_two_grey_values_and_no_images():
    image = np.array([[[3, 3], [3, 9]]], np.uint16)
    threshold, contrast, spread = two_means_threshold(image)
    assert (threshold[0], contrast[0], spread[0]) == (3, 6, 0)
    assert len(two_means_threshold(np.zeros((0, 4, 4), np.uint16))[0]) == 0


def test_overlap_by_hand():
    t_cell, dendritic_cell = np.zeros((2, 3, 10, 10), bool)
    t_cell[0, :4, :5], dendritic_cell[0, 2:6, :5] = True, True  # 10 shared of 30
    t_cell[1, :4] = True  # the other is empty; patch 2: both are
    np.testing.assert_allclose(iou(t_cell, dendritic_cell), [1 / 3, 0, 0], rtol=1e-6)
    assert iou(t_cell, dendritic_cell).dtype == np.float32
