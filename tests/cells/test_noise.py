"""The noise of an image is that of its background, whatever lies on it."""

import numpy as np
import pytest
from scipy import ndimage

from jaxcell.cells.noise import pixel_noise


@pytest.mark.parametrize("step", [1, 16])
def test_noise_is_that_of_the_background(step):
    # A step of 16: an 8-bit image stored in 16 bits, whose noise is about one grey value.
    rng = np.random.default_rng(0)
    field = rng.normal(600, 12, (400, 400)) + np.linspace(0, 250, 400)
    field[::7, ::9] += 1500
    field = (np.rint(field / step) * step).astype(np.uint16)
    assert pixel_noise(field) == pytest.approx(np.hypot(12, step / 12**0.5), rel=0.15)


@pytest.mark.parametrize("blur", [(0.7, 0.7), (1.5, 1.5), (2, 0), (0, 2)])
def test_noise_of_neighbours_that_are_alike_is_seen(blur):
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 100, (600, 600)), blur)
    true = image.std()
    found = pixel_noise((image + 1000).astype(np.uint16))
    # Differences of neighbours give half of it and less.
    assert 0.85 < found / true < 1.15


def test_noise_scales_with_gain_and_knows_no_offset_or_direction():
    image = np.random.default_rng(1).normal(500, 9, (200, 300)).astype(np.uint16)
    noise = pixel_noise(image)
    assert pixel_noise(image * 16) == 16 * noise
    assert pixel_noise(image + 1000) == noise
    assert pixel_noise(np.ascontiguousarray(image.T)) == noise


def test_what_a_camera_rounds_away_counts_as_noise():
    dark = np.zeros((100, 100), np.uint16)
    assert pixel_noise(dark) == 0
    dark[48, 50:52] = 1, 7
    assert pixel_noise(dark) == pytest.approx(1 / 12**0.5)
    dark[48, 50:52] = 48, 160  # multiples of 16
    assert pixel_noise(dark + np.uint16(5)) == pytest.approx(16 / 12**0.5)
    assert pixel_noise(np.zeros((1, 1), np.uint8)) == 0
