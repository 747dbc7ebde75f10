"""Windows, labels and scaling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.analysis.scores.reconstruction import entropy_floor
from jaxcell.cells.instrument import PROTOCOLS, protocol_mask
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.masks import BY_IMAGE, Levels, cell_threshold, field_mask
from jaxcell.cells.methods import decoded, field_masks, patch_masks
from jaxcell.dataset.patches import (
    darkest_light,
    faulty_patches,
    label,
    remove_background,
    scale,
    windows,
)
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.patch import measure_patches
from jaxcell.simulator.field import simulate_field


def test_windows_tile_the_field_and_crop_the_border_evenly():
    field = np.random.default_rng(0).integers(0, 4095, (100, 70, 2), np.uint16)
    patches, corners = windows(field, 32, 32)
    assert patches.shape == (3 * 2, 32, 32, 2)
    assert corners.tolist() == [[2, 3], [2, 35], [34, 3], [34, 35], [66, 3], [66, 35]]
    for patch, (y, x) in zip(patches, corners):
        np.testing.assert_array_equal(patch, field[y : y + 32, x : x + 32])


def test_a_real_field_gives_the_studys_hundred_patches():
    patches, corners = windows(np.zeros((2048, 2048, 2), np.uint16), 192, 192)
    assert len(patches) == 100 and corners[0].tolist() == [64, 64]


def test_overlapping_windows():
    patches, corners = windows(np.zeros((64, 64, 1), np.uint16), 32, 16)
    assert len(patches) == 9 and sorted(set(corners[:, 0])) == [0, 16, 32]


def test_a_field_smaller_than_a_window_is_an_error():
    with pytest.raises(ValueError, match="a smaller dataset.window"):
        windows(np.zeros((100, 100, 2), np.uint16), 192, 192)


def _patch(shared: int) -> np.ndarray:
    """A T cell and a dendritic cell of 100 pixels each that share `shared` columns of 10 pixels."""
    patch = np.full((64, 64, 2), 280, np.uint16)
    patch[20:30, 20:30, 0] = 2000
    patch[20:30, 30 - shared : 40 - shared, 1] = 1500
    return patch


def test_labels_by_hand():
    empty = np.full((64, 64, 2), 280, np.uint16)
    labels = label(np.stack([_patch(0), _patch(5), _patch(10), empty]))
    expected = [0, 100 * 50 / 150, 100, 0]
    np.testing.assert_allclose(labels["overlap"], expected, rtol=1e-6)
    np.testing.assert_array_equal(labels["target"], labels["overlap"])


def test_a_patch_is_faulty_where_either_view_is_dark():
    patch = _patch(5)
    dark = np.stack([patch, patch, patch, patch])
    dark[1, ..., 0] = 255
    dark[2, ..., 1] = 255
    dark[3, 0, 0] = 256
    dark[3, 1:] = 100
    darkest = darkest_light(patch, Levels(background=255.0))
    assert faulty_patches(dark, darkest).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    "change", [lambda v: v, lambda v: v * 16, lambda v: v // 16, lambda v: v + 1000]
)
def test_what_is_faulty_depends_on_no_camera(change):
    field = simulate_field(np.random.default_rng(3), 768, 0.1, droplet_share=1.0)
    views = np.ascontiguousarray(np.moveaxis(field.views[:2], 0, -1))
    dark = faulty_patches(windows(views, 192, 192)[0], darkest_light(views))
    assert 0 < dark.sum() < 8  # what is under the droplet
    views = change(views)
    changed = faulty_patches(windows(views, 192, 192)[0], darkest_light(views))
    assert np.count_nonzero(changed != dark) <= (1 if change(np.uint16(160)) == 10 else 0)


def test_all_of_a_blank_field_is_faulty():
    for noise in (0, 0.3, 12):
        blank = np.random.default_rng(0).normal(300, noise, (384, 384, 2))
        blank = np.rint(blank).astype(np.uint16)
        assert faulty_patches(windows(blank, 192, 192)[0], darkest_light(blank)).all()


def test_masks_are_coded_by_cell():
    labels = label(np.stack([_patch(5)]))
    expected = np.zeros((64, 64), np.uint8)
    expected[20:30, 20:30] = 1
    expected[20:30, 25:35] += 2
    assert labels["masks"].dtype == np.uint8
    np.testing.assert_array_equal(labels["masks"][0], expected)
    t_cell, dendritic_cell = decoded(labels["masks"][0])
    assert t_cell.dtype == dendritic_cell.dtype == bool
    np.testing.assert_array_equal(t_cell, (expected == 1) | (expected == 3))
    np.testing.assert_array_equal(dendritic_cell, expected >= 2)


@pytest.mark.parametrize("method", ["two_means", "mean_sd"])
def test_masks_of_patches_are_thresholds(method):
    random = np.random.default_rng(0)
    patches = np.stack([_patch(5), _patch(3)]) + random.integers(0, 40, (2, 64, 64, 2), np.uint16)
    for view, mask in enumerate(decoded(patch_masks(patches, method))):
        image = patches[..., view]
        expected = image > cell_threshold(image, method)[:, None, None]
        assert expected.any()
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("method", ["two_means", "mean_sd", "instrument"])
def test_masks_of_a_field_are_those_of_its_views(method):
    field = np.tile(_patch(5), (4, 4, 1))
    for view, mask in enumerate(decoded(field_masks(field, method, 0.741))):
        image = np.ascontiguousarray(field[..., view])
        if method == "instrument":
            expected = protocol_mask(image, PROTOCOLS[VIEWS[view]])
        else:
            expected = field_mask(image, method, window=None)
        assert mask.shape == (256, 256) and expected.any()
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize("target", sorted(MEASURES))
def test_every_measure_can_be_the_target(target):
    patches = np.stack([_patch(5), _patch(0), np.full((64, 64, 2), 280, np.uint16)])
    labels = label(patches, None, target, 3.0)
    assert labels["target"].dtype == np.float32 and np.isfinite(labels["target"]).all()
    cells = np.stack(decoded(labels["masks"]), axis=-1)
    expected = measure_patches(patches, cells, target, pixel_um=3.0)
    np.testing.assert_allclose(labels["target"], expected, rtol=1e-5)
    np.testing.assert_allclose(labels["overlap"], [100 / 3, 0, 0], rtol=1e-6)


def test_masked_patches_hold_the_cells_and_nothing_else():
    patches = np.stack([_patch(5)])
    masked = remove_background(patches, label(patches)["masks"])
    assert masked.dtype == np.uint16
    np.testing.assert_array_equal(masked, np.where(patches > 280, patches, 0))


STUDY = Levels(background=255.0, minimum_contrast=150.0)


def test_scaling_is_min_max_above_the_background():
    patch = np.array([0, 255, 1255, 2255], np.uint16).reshape(1, 2, 2, 1)
    np.testing.assert_allclose(scale(jnp.asarray(patch), STUDY).ravel(), [0, 0, 0.5, 1], rtol=1e-6)


def test_scaling_is_min_max_above_the_median_of_a_camera_of_any_counts():
    patches = np.stack([_patch(5), _patch(0)])
    patches += np.random.default_rng(0).integers(0, 40, patches.shape, np.uint16)
    scaled = np.asarray(scale(jnp.asarray(patches)))
    for patch, image in zip(patches, scaled):
        for view in (0, 1):
            counts = patch[..., view].astype(float)
            middle = np.median(counts[::4, ::4])
            expected = np.maximum(counts - middle, 0) / (counts.max() - middle)
            np.testing.assert_allclose(image[..., view], expected, atol=1e-6)
    for changed in (patches * 16, patches + 1000):
        np.testing.assert_allclose(scale(jnp.asarray(changed)), scaled, atol=1e-6)
    np.testing.assert_allclose(scale(jnp.asarray(patches // 16)), scaled, atol=0.02)


def test_masked_cells_are_scaled_from_their_darkest_pixel():
    patches = np.stack([_patch(5)])
    masks = label(patches)["masks"]
    patches[0, 22:26, 22:26] = 900  # in the T cell, beside the dendritic cell
    masked = remove_background(patches, masks)
    scaled = np.asarray(scale(jnp.asarray(masked)))
    np.testing.assert_array_equal(scaled[0, 22:26, 22:26, 0], 0)
    assert scaled[..., 0].max() == 1 and np.count_nonzero(scaled[..., 0]) == 84
    more = np.where(masked, masked + np.uint16(1000), masked)
    np.testing.assert_allclose(scale(jnp.asarray(more)), scaled, atol=1e-6)


@pytest.mark.parametrize("levels", [BY_IMAGE, STUDY])
def test_scaling_does_not_blow_up_noise(levels):
    noise = np.random.default_rng(0).normal(290, 8, (3, 64, 64, 2)).astype(np.uint16)
    scaled = scale(jnp.asarray(noise), levels)
    assert scaled.max() < 0.5 and scaled.min() == 0
    assert not scale(jnp.zeros((1, 8, 8, 2), jnp.uint16), levels).any()


def test_scaled_patches_stay_within_0_and_1_however_they_are_compiled():
    """Division by a constant may become a product, and what is above 1 has no entropy."""
    counts = np.random.default_rng(0).integers(255, 4000, (64, 16, 16, 2), dtype=np.uint16)

    @jax.jit
    def scaled_with_entropy(counts):
        image = scale(counts, STUDY)
        return image, entropy_floor(image)

    image, floor = scaled_with_entropy(counts)
    assert image.min() == 0 and image.max() == 1
    assert np.isfinite(floor).all() and (floor > 0).all()
