"""The instrument's protocol is a top-hat, a threshold and a sieve, and finds simulated cells."""

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from jaxcell.cells.instrument import (
    NOISES_AT_SENSITIVITY_ONE,
    PROTOCOLS,
    Protocol,
    _white_top_hat,
    bright_level,
    protocol_mask,
)
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.noise import pixel_noise
from jaxcell.simulator.field import simulate_field

T_CELL, DENDRITIC_CELL = PROTOCOLS.values()


def _discs(radius: float, size: int = 120, level: int = 300, noise: float = 10.0) -> np.ndarray:
    """Nine bright discs on an even background, uint16 [size, size]."""
    image = np.random.default_rng(0).normal(level, noise, (size, size))
    y, x = np.mgrid[:size, :size] % 40 - 20
    image[y * y + x * x <= radius * radius] += 1000
    return image.clip(0).astype(np.uint16)


@pytest.mark.parametrize("radius", [1, 5, 15])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_top_hat_is_that_of_scipy(radius, dtype):
    field = np.random.default_rng(radius).integers(0, 256, (50, 41)).astype(dtype)
    expected = ndimage.white_tophat(field, size=2 * radius + 1, mode="nearest")
    result = _white_top_hat(field, radius)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected)


def test_kernel_five_is_a_radius():
    field = _discs(radius=5)  # a T cell of 11 pixels
    mask = protocol_mask(field, T_CELL)
    expected = _discs(radius=5, level=0, noise=0) > 500
    assert np.mean(mask == expected) > 0.998
    as_diameter = protocol_mask(field, T_CELL._replace(kernel=2))
    assert as_diameter[expected].mean() < 0.5


def test_higher_sensitivity_finds_more_and_the_sieve_removes_up_to_its_area():
    field = _discs(radius=3.2)
    area = int((_discs(radius=3.2, level=0, noise=0) > 500).sum() / 9)
    assert protocol_mask(field, Protocol(5, 17.0, area - 1)).sum() == 9 * area
    assert not protocol_mask(field, Protocol(5, 17.0, area)).any()
    faint = _discs(radius=5) // 8 + np.random.default_rng(1).integers(240, 300, (120, 120))
    faint = faint.astype(np.uint16)
    found = [protocol_mask(faint, Protocol(5, s, 40)).sum() for s in (5.0, 40.0, 90.0)]
    assert found[0] <= found[1] <= found[2] and found[0] < found[2]


def test_threshold_is_noise_over_sensitivity():
    field = np.random.default_rng(0).normal(300, 10, (200, 200)).clip(0).astype(np.uint16)
    threshold = NOISES_AT_SENSITIVITY_ONE / 17 * pixel_noise(field)  # no cells: noise decides
    level = int(np.median(field))
    for above, seen in ((0.7, False), (1.3, True)):
        square = field.copy()
        square[100:109, 100:109] = level + int(above * threshold)
        assert protocol_mask(square, T_CELL)[102:107, 102:107].all() == seen


@pytest.mark.parametrize("protocol", [T_CELL, DENDRITIC_CELL])
def test_fields_without_cells_are_empty(protocol):
    rng = np.random.default_rng(0)
    ramp = np.linspace(300, 1200, 200)[None] + rng.normal(0, 12, (200, 200))
    fields = [np.full((64, 64), value) for value in (0, 700, 4095, 65535)]
    fields += [rng.normal(280, 10, (200, 200)), ramp, np.zeros((1, 1)), np.zeros((0, 5))]
    for field in fields:
        mask = protocol_mask(field.clip(0).astype(np.uint16), protocol)
        assert mask.dtype == bool and mask.shape == field.shape and not mask.any()
    assert not protocol_mask(np.full((64, 64), 255, np.uint8), protocol).any()


def test_cells_on_a_background_without_noise_are_found():
    field = np.full((60, 60), 300, np.uint16)
    field[20:29, 20:29] = 900
    assert protocol_mask(field, T_CELL).sum() == 81


def test_bright_level_is_the_square_of_the_mean_root_of_the_brighter_class():
    image = np.array([[0, 1, 1, 4, 400, 441, 484]], np.uint16)
    assert bright_level(image) == pytest.approx(21.0**2)
    assert bright_level(np.array([[4, 4, 16]], np.uint8)) == 16
    assert bright_level(np.full((5, 5), 7, np.uint16)) == 0


def _simulated(seed: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """A field's two views and its labels, [2, H, W] each."""
    field = simulate_field(np.random.default_rng(seed), 384, 0.1, droplet_share=0.0)
    return field.views[:2], field.labels


@pytest.mark.parametrize("change", [lambda view: view * 8, lambda view: view + 1000, np.transpose])
def test_gain_offset_and_the_direction_of_reading_change_no_pixel(change):
    for view, protocol in zip(_simulated()[0], PROTOCOLS.values()):
        mask = protocol_mask(np.ascontiguousarray(change(view)), protocol)
        expected = protocol_mask(view, protocol)
        expected = expected.T if change is np.transpose else expected
        assert expected.any()
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda view: view // 16,  # 8 bits: noise of two thirds of a count
        lambda view: ndimage.gaussian_filter(view, 0.7),
        lambda view: ndimage.median_filter(view, 3),
        lambda view: ndimage.uniform_filter1d(view, 3, axis=0),  # noise alike along columns
        lambda view: ndimage.uniform_filter1d(view, 3, axis=1),  # and along rows
    ],
)
def test_masks_do_not_grow_where_noise_is_rounded_or_denoised(change):
    for view, protocol in zip(_simulated()[0], PROTOCOLS.values()):
        area = np.count_nonzero(protocol_mask(view, protocol))
        changed = np.count_nonzero(protocol_mask(change(view), protocol))
        # By the noise alone they grew by a fifth to nine tenths.
        assert changed == pytest.approx(area, rel=0.12)


@pytest.mark.parametrize("protocol", PROTOCOLS.values())
@pytest.mark.parametrize("blur", [(0, 0), (1, 1), (2, 2), (3, 0), (0, 3)])
@pytest.mark.parametrize("step", [1, 16])
def test_noise_alone_is_no_cell_however_it_is_correlated(protocol, blur, step):
    noise = np.random.default_rng(0).normal(0, 40, (500, 500))
    noise = 600 + ndimage.gaussian_filter(noise, blur)
    field = (np.rint(noise / step) * step).astype(np.uint16)
    assert not protocol_mask(field, protocol).any()


def test_bad_input_is_refused_with_the_cure():
    field = np.full((20, 20), np.nan, np.float32)
    with pytest.raises(ValueError, match="replace NaN"):
        protocol_mask(field, T_CELL)
    with pytest.raises(ValueError, match="one view"):
        protocol_mask(np.zeros((20, 20, 2), np.uint16), T_CELL)
    for broken in ({"kernel": 0}, {"sensitivity": 0.0}, {"minimum_area": -1}):
        with pytest.raises(ValueError, match="sensitivity above 0"):
            protocol_mask(np.zeros((20, 20), np.uint16), T_CELL._replace(**broken))


def test_counts_and_areas_of_simulated_cells():
    field = simulate_field(np.random.default_rng(10), 768, 0.1, droplet_share=0.0)
    count = [
        label_cells(protocol_mask(view, protocol)).max()
        for view, protocol in zip(field.views, (T_CELL, DENDRITIC_CELL))
    ]
    area = [
        protocol_mask(view, protocol).sum()
        for view, protocol in zip(field.views, (T_CELL, DENDRITIC_CELL))
    ]
    true_area = [np.count_nonzero(labels) for labels in field.labels]
    assert count[0] == pytest.approx(len(np.unique(field.labels[0])) - 1, rel=0.08)
    # Masks of DCs in clumps show no neck, so that fewer are counted.
    assert 0.5 < count[1] / (len(np.unique(field.labels[1])) - 1) < 1.0
    assert area[0] == pytest.approx(1.27 * true_area[0], rel=0.1)
    assert area[1] == pytest.approx(0.97 * true_area[1], rel=0.1)


def test_a_real_field_has_cells_of_the_size_that_the_instrument_reports(shared_data):
    for view, protocol, areas in (
        ("FITC", T_CELL, (70, 110)),
        ("TexasRed", DENDRITIC_CELL, (110, 185)),
    ):
        (path,) = (shared_data / "real_well").glob(f"*{view}).tif")
        labels = label_cells(protocol_mask(tifffile.imread(path), protocol))
        assert 1000 < labels.max() < 3000
        assert areas[0] < np.median(np.bincount(labels.ravel())[1:]) < areas[1]
