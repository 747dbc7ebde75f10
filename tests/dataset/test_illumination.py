"""A known illumination is recovered from fields with cells, and divided out."""

import numpy as np
import pytest

from jaxcell.dataset.illumination import DARK, correct_field, estimate_flat_field

SIZE = 640


def _illumination(height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """A tilted bowl of mean 1, brightest near the middle, float64 [height, width]."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    light = 1 + 0.1 * x - 0.06 * y - 0.1 * (x * x + y * y)
    return light / light.mean()


def _field(seed: int, illumination: np.ndarray, cells: int = 110) -> np.ndarray:
    """Bright discs on a glow that differs from field to field, under a lamp, uint16."""
    rng = np.random.default_rng(seed)
    height, width = illumination.shape
    light = np.full((height, width), 230 * np.exp(0.3 * rng.standard_normal()))
    y, x = np.mgrid[-7:8, -7:8]
    disc = y * y + x * x < 49
    for top, left in rng.integers(0, (height - 15, width - 15), (cells, 2)):
        light[top : top + 15, left : left + 15][disc] += rng.lognormal(7, 0.5)
    light *= illumination
    noisy = light + rng.normal(0, np.sqrt(0.3 * light + 16))
    return np.clip(np.rint(noisy + DARK), 0, 4095).astype(np.uint16)


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (500, 637)])
def test_a_known_illumination_is_recovered(shape):
    truth = _illumination(*shape)
    flat = estimate_flat_field(_field(seed, truth) for seed in range(12))
    assert flat.dtype == np.float32 and flat.shape == shape
    assert flat.mean() == pytest.approx(1, abs=1e-5) and flat.min() > 0
    assert np.abs(flat / truth - 1).max() < 0.02
    assert np.std(flat / truth) < 0.005


def test_even_fields_stay_even():
    even = np.ones((SIZE, SIZE))
    flat = estimate_flat_field(np.stack([_field(seed, even) for seed in range(8)]))
    assert np.abs(flat - 1).max() < 0.015
    exact = estimate_flat_field(np.full((8, 40, 40), 700, np.uint16))
    np.testing.assert_array_equal(exact, 1)


def test_correction_evens_the_background_and_keeps_the_dark_level():
    truth = _illumination()
    flat = estimate_flat_field(_field(seed, truth) for seed in range(12))
    field = _field(99, truth, cells=0)

    def unevenness(image):
        """Range of the means of blocks, as a share of their mean."""
        blocks = image.reshape(8, SIZE // 8, 8, SIZE // 8).mean((1, 3)) - DARK
        return np.ptp(blocks) / blocks.mean()

    even = correct_field(field, flat)
    assert even.dtype == np.uint16
    assert unevenness(field) > 0.25 and unevenness(even) < 0.03
    dark = np.full(flat.shape, DARK, np.uint16)
    np.testing.assert_array_equal(correct_field(dark, flat), dark)


def test_droplets_in_a_few_fields_and_wells_without_light_do_not_matter():
    truth = _illumination()
    fields = [_field(seed, truth) for seed in range(12)]
    clean = estimate_flat_field(fields)
    fields[3][40:160, 40:160] = 50
    fields[7][100:300, 20:200] = 60
    fields.append(np.zeros_like(fields[0]))
    assert np.abs(estimate_flat_field(fields) / clean - 1).max() < 0.02


def test_correction_rounds_and_clips():
    flat = np.array([[0.5, 2.0, 1.0]], np.float32)
    field = np.array([[65535, 0, 77]], np.uint16)
    np.testing.assert_array_equal(correct_field(field, flat, dark=10), [[65535, 5, 77]])


def test_too_few_dark_or_differing_fields_are_refused_with_the_cure():
    fields = np.full((8, 32, 32), 500, np.uint16)
    with pytest.raises(ValueError, match="7 of 7 fields.*give more fields"):
        estimate_flat_field(fields[:7])
    with pytest.raises(ValueError, match="0 of 0"):
        estimate_flat_field([])
    with pytest.raises(ValueError, match="0 of 8 fields.*dark level"):
        estimate_flat_field(fields, dark=500)
    with pytest.raises(ValueError, match="field 9 has 32 x 31"):
        estimate_flat_field([*fields, fields[0][:, 1:]])
    with pytest.raises(ValueError, match="replace NaN"):
        estimate_flat_field(fields.astype(np.float32))
    with pytest.raises(ValueError, match="of this size"):
        correct_field(fields[0], np.ones((32, 31), np.float32))
    for bad in (0, -1, np.nan):
        flat = np.ones((32, 32), np.float32)
        flat[3, 3] = bad
        with pytest.raises(ValueError, match="positive"):
            correct_field(fields[0], flat)


@pytest.mark.parametrize("shape", [(1, 1), (7, 40), (16, 16)])
def test_fields_smaller_than_a_block(shape):
    fields = np.full((8, *shape), 300, np.uint16)
    np.testing.assert_allclose(estimate_flat_field(fields), np.ones(shape), rtol=1e-6)
