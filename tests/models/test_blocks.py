"""The modules that networks are made of, by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.models.blocks import Conv, Convolution, Residual, require_divisible


def _normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


@pytest.mark.parametrize("size", [(3, 3), (1, 1)])
def test_convolution_of_stride_1_is_flaxs(size):
    x, module, ours = _normal(0, 2, 6, 5, 3), nn.Conv(4, size), Conv(4, size)
    variables = module.init(jax.random.key(1), x)
    jax.tree.map(np.testing.assert_array_equal, ours.init(jax.random.key(1), x), variables)
    np.testing.assert_allclose(ours.apply(variables, x), module.apply(variables, x), atol=1e-5)


def test_convolution_with_prelu_by_hand():
    x = _normal(0, 1, 4, 4, 2)
    module = Convolution(3)
    params = {"kernel": _normal(1, 3, 3, 2, 3), "bias": jnp.ones(3), "slope": jnp.full(3, 0.25)}
    linear = Convolution(3, activation="none")
    bare = {name: params[name] for name in ("kernel", "bias")}
    y = linear.apply({"params": bare}, x)
    assert (y < 0).any() and (y > 0).any()
    np.testing.assert_array_equal(module.apply({"params": params}, x), np.where(y > 0, y, 0.25 * y))
    np.testing.assert_array_equal(
        Convolution(3, activation="relu").apply({"params": bare}, x), np.maximum(y, 0)
    )


def test_a_residual_block_starts_as_the_identity():
    x = _normal(0, 1, 4, 4, 8)
    y, _ = Residual().init_with_output(jax.random.key(0), x)
    np.testing.assert_array_equal(y, x)


def test_a_window_that_cannot_be_halved_is_an_error():
    require_divisible(jnp.zeros((1, 64, 96, 2)), 32)
    with pytest.raises(ValueError, match=r"64 x 90 pixels .* 32.*change dataset.window"):
        require_divisible(jnp.zeros((1, 64, 90, 2)), 32)
