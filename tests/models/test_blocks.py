"""Fast forms of known operations, against the plain ones."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.models.blocks import (
    Convolution,
    Residual,
    SameConvolution,
    convolve,
    depth_to_space,
    max_pool,
    require_divisible,
    space_to_depth,
    upsampled_convolution,
)


def _normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def _plain_upsampled(x: jax.Array, kernel: jax.Array) -> jax.Array:
    big = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(big, kernel, (1, 1), "SAME", dimension_numbers=layout)


@pytest.mark.parametrize("height,width", [(4, 6), (1, 3)])
def test_upsampled_convolution_is_upsampling_then_convolution(height, width):
    x, kernel = _normal(0, 2, height, width, 3), _normal(1, 3, 3, 3, 5)
    weight = _normal(2, 2, 2 * height, 2 * width, 5)

    def both(function):
        value = function(x, kernel)
        gradients = jax.grad(lambda *args: jnp.sum(weight * function(*args)), (0, 1))(x, kernel)
        return value, gradients

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        both(upsampled_convolution),
        both(_plain_upsampled),
    )


@pytest.mark.parametrize(
    "side,padding", [(3, ((1, 1), (1, 1))), (2, ((1, 0), (0, 1))), (1, ((0, 0), (0, 0)))]
)
def test_convolve_is_convolution_in_values_and_gradients(side, padding):
    x, kernel = _normal(0, 2, 5, 6, 3), _normal(1, side, side, 3, 4)

    def plain(x, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=layout)

    def both(function):
        weight = _normal(2, *plain(x, kernel).shape)
        gradients = jax.grad(lambda *args: jnp.sum(weight * function(*args)), (0, 1))(x, kernel)
        return function(x, kernel), gradients

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        both(lambda x, kernel: convolve(x, kernel, padding)),
        both(plain),
    )


def test_same_convolution_is_flax_convolution():
    x, module = _normal(0, 2, 6, 5, 3), nn.Conv(4, (3, 3))
    variables = module.init(jax.random.key(1), x)
    ours = SameConvolution(4, (3, 3))
    assert jax.tree.structure(ours.init(jax.random.key(1), x)) == jax.tree.structure(variables)
    np.testing.assert_allclose(ours.apply(variables, x), module.apply(variables, x), atol=1e-5)
    with pytest.raises(ValueError, match="strides"):
        SameConvolution(4, (3, 3), strides=2).init(jax.random.key(1), x)


def test_max_pool_is_max_pool():
    x, weight = _normal(0, 2, 6, 8, 3), _normal(1, 2, 3, 4, 3)  # no ties among random numbers

    def both(function):
        return function(x), jax.grad(lambda x: jnp.sum(weight * function(x)))(x)

    expected = both(lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    jax.tree.map(np.testing.assert_array_equal, both(max_pool), expected)


@pytest.mark.parametrize("block", [1, 2, 4])
def test_depth_and_space_are_inverse(block):
    x = _normal(0, 2, 8, 12, 3)
    deep = space_to_depth(x, block)
    assert deep.shape == (2, 8 // block, 12 // block, 3 * block**2)
    np.testing.assert_array_equal(depth_to_space(deep, block), x)
    square = x[1, block : 2 * block, :block]
    np.testing.assert_array_equal(deep[1, 1, 0], square.reshape(-1))


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
    with pytest.raises(ValueError, match=r"64 x 90 pixels .* 32.*--config.data.window"):
        require_divisible(jnp.zeros((1, 64, 90, 2)), 32)
