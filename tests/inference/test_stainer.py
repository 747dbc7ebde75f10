"""A label-free network on fields of any size: no seam, chances that add up, counts of a camera."""

import jax
import numpy as np
import pytest

from jaxcell.configs.settings import changed, load_config
from jaxcell.dataset.unstained_fields import scale_inputs
from jaxcell.inference import stainer as module
from jaxcell.inference.stainer import answered, expected_areas, make_network, make_stainer, stained

LEVELS = ((200.0, 2500.0), (150.0, 1800.0))


@pytest.fixture(scope="module")
def stainer():
    config = changed(load_config("label_free"), {"model.features": "(8, 8)"})
    model = make_network(config)
    params = model.init(jax.random.key(0), np.zeros((1, 32, 32, 1), np.float32))["params"]
    return make_stainer(config, LEVELS, params)


def _views(height=200, width=150):
    return np.random.default_rng(0).integers(900, 1700, (height, width, 1)).astype(np.uint16)


def test_answers_are_as_large_as_the_field_and_chances_add_up(stainer):
    answer = stained(stainer, _views())
    assert answer.chances.shape == (200, 150, 4) and answer.stain.shape == (200, 150, 2)
    assert answer.stain.dtype == np.uint16
    np.testing.assert_allclose(answer.chances.sum(axis=-1), 1, atol=1e-5)


def test_tiles_meet_without_a_seam(stainer, monkeypatch):
    image = scale_inputs(_views(), stainer.inputs)
    whole = answered(stainer, image)
    monkeypatch.setattr(module, "TILE", 96)
    tiled = answered(stainer, image)
    np.testing.assert_allclose(tiled.chances, whole.chances, atol=1e-5)


def test_other_pixels_are_brought_to_those_that_were_learnt(stainer):
    answer = stained(stainer, _views(100, 80), pixel_um=2 * stainer.pixel_um)
    assert answer.chances.shape[:2] == (200, 160)


def test_areas_are_what_the_chances_expect():
    chances = np.zeros((2, 3, 4))
    chances[..., 0] = 1
    chances[0, 0], chances[1, 1] = (0, 0.5, 0.25, 0.25), (0, 0, 0, 1)
    np.testing.assert_allclose(expected_areas(chances), [1.75, 1.5, 1.25])
