"""The U-Net looks as far as it says and no further: tiles of a field meet without a seam."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.inference.tiling import apply_in_tiles, place_tiles
from jaxcell.models.unet import UNet

MODEL = UNet(outputs=2, features=(4, 6, 8), patch=2)


@pytest.fixture(scope="module")
def apply():
    params = jax.jit(MODEL.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 1)))
    # Biases and scales drawn too: zeros would hide what a border does.
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    leaves = [x + 0.3 * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys, strict=True)]
    return jax.jit(lambda image: MODEL.apply(jax.tree.unflatten(tree, leaves), image))


def test_answers_have_the_size_of_the_image(apply):
    answer = apply(jnp.zeros((2, 32, 48, 1)))
    assert answer.shape == (2, 32, 48, 2)
    assert answer.dtype == jnp.float32


def test_every_parameter_receives_a_gradient():
    image = jax.random.uniform(jax.random.key(2), (2, 32, 32, 2))
    params = jax.jit(MODEL.init)(jax.random.key(0), image)
    gradients = jax.jit(jax.grad(lambda p: jnp.sum(jnp.sin(MODEL.apply(p, image)))))(params)
    still = [
        jax.tree_util.keystr(path)
        for path, gradient in jax.tree_util.tree_leaves_with_path(gradients)
        if not jnp.any(gradient != 0)
    ]
    assert not still


def test_bfloat16_answers_in_float32():
    model = UNet(outputs=1, features=(4, 6), dtype=jnp.bfloat16)
    image = jnp.ones((1, 16, 16, 1))
    params = jax.eval_shape(model.init, jax.random.key(0), image)
    assert jax.eval_shape(model.apply, params, image).dtype == jnp.float32
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(params))


def test_sides_that_do_not_divide_are_refused(apply):
    with pytest.raises(ValueError, match="multiple of 8"):
        apply(jnp.zeros((1, 36, 32, 1)))


def test_a_pixel_has_no_say_beyond_the_reach(apply):
    image = np.random.default_rng(0).random((1, 160, 160, 1)).astype(np.float32)
    before, farthest = apply(image), 0
    for place in range(80, 80 + MODEL.multiple):
        changed = image.copy()
        changed[0, place, place] += 5
        rows = np.flatnonzero((apply(changed) != before).any(axis=(0, 2, 3)))
        farthest = max(farthest, place - rows[0], rows[-1] - place)
    assert MODEL.reach - 2 * MODEL.multiple < farthest <= MODEL.reach


@pytest.mark.parametrize("shape", [(200, 152), (61, 250)])
def test_tiles_equal_the_field_in_one_piece(apply, shape):
    image = np.random.default_rng(1).random((*shape, 1)).astype(np.float32)
    options = {"reach": MODEL.reach, "multiple": MODEL.multiple}
    whole = apply_in_tiles(apply, image, limit=512, **options)
    tiled = apply_in_tiles(apply, image, limit=2 * MODEL.reach + 24, **options)
    assert tiled.shape == (*shape, 2)
    # Convolutions of another size sum in another order; answers here reach 40.
    np.testing.assert_allclose(tiled, whole, atol=2e-3)


@pytest.mark.parametrize("length", [64, 160, 512, 1000, 2048])
@pytest.mark.parametrize("limit", [104, 256, 1152])
def test_tiles_cover_a_side_with_the_reach_to_spare(length, limit):
    tile, starts = place_tiles(length, limit, reach=40, multiple=8)
    assert tile <= max(limit, tile if len(starts) == 1 else 0)
    assert starts[0] == 0 and starts[-1] + tile == length
    assert all(start % 8 == 0 for start in starts)
    for first, second in zip(starts, starts[1:]):
        assert second + 40 <= first + tile - 40


def test_tiles_too_small_for_the_reach_are_refused():
    with pytest.raises(ValueError, match="at least 88"):
        place_tiles(512, 80, reach=40, multiple=8)
