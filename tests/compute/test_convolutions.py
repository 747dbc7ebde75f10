"""Fast forms of convolutions, against the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.compute.convolutions import convolve, upsampled_convolution


def _normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def _plain_upsampled(x: jax.Array, kernel: jax.Array) -> jax.Array:
    big = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(big, kernel, (1, 1), "SAME", dimension_numbers=layout)


@pytest.mark.parametrize("height,width", [(4, 6), (1, 3)])
@pytest.mark.parametrize("features", [2, 5])  # few channels go another way
def test_upsampled_convolution_is_upsampling_then_convolution(height, width, features):
    x, kernel = _normal(0, 2, height, width, 3), _normal(1, 3, 3, 3, features)
    weight = _normal(2, 2, 2 * height, 2 * width, features)

    def both(function):
        value = jax.jit(function)(x, kernel)
        total = jax.grad(lambda *args: jnp.sum(weight * function(*args)), (0, 1))
        gradients = jax.jit(total)(x, kernel)
        return value, gradients

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        both(upsampled_convolution),
        both(_plain_upsampled),
    )


@pytest.mark.parametrize(
    "side,padding", [(3, ((1, 1), (1, 1))), (2, ((1, 0), (0, 1))), (1, ((0, 0), (0, 0)))]
)
@pytest.mark.parametrize("channels", [3, 9, 40])
@pytest.mark.parametrize("features", [4, 9, 40])  # few go four or two columns at a time
@pytest.mark.parametrize("width", [7, 8])
def test_convolve_is_convolution_in_values_and_gradients(side, padding, channels, features, width):
    x, kernel = _normal(0, 2, 5, width, channels), _normal(1, side, side, channels, features)

    def plain(x, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=layout)

    def both(function):
        weight = _normal(2, *plain(x, kernel).shape)
        total = jax.grad(lambda *args: jnp.sum(weight * function(*args)), (0, 1))
        gradients = jax.jit(total)(x, kernel)
        return jax.jit(function)(x, kernel), gradients

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        both(lambda x, kernel: convolve(x, kernel, padding)),
        both(plain),
    )
