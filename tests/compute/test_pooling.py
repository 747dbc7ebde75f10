"""Fast forms of known operations, against the plain ones."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.compute.pooling import depth_to_space, max_pool, prelu, prelu_pool, space_to_depth
from jaxcell.compute.sums import add_bias


def _normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


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


def test_pooled_prelu_is_bias_prelu_then_max_pool():
    x, weight = _normal(0, 2, 6, 8, 5), _normal(1, 2, 3, 4, 5)
    bias = jnp.array([0.3, -1.0, 0.0, 0.5, -0.2])[None, None, None]
    slope = jnp.array([-0.5, 0.0, 0.1, 0.9, 1.5])  # of zero: four equal maxima here and there
    assert jnp.any(max_pool(x + bias)[..., 1] < 0)

    def both(function):
        total = jax.grad(lambda *given: jnp.sum(weight * function(*given)), (0, 1, 2))
        gradients = jax.jit(total)(x, bias, slope)
        return function(x, bias, slope), gradients

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        both(lambda x, bias, slope: prelu_pool(x, bias.reshape(-1), slope)),
        both(lambda x, bias, slope: max_pool(prelu(x + bias, slope))),
    )


def test_prelu_is_prelu_in_values_and_gradients():
    x, weight, slope = _normal(0, 2, 6, 8, 5), _normal(1, 2, 6, 8, 5), _normal(2, 5)

    def plain(x, slope):
        return jnp.maximum(x, 0) + slope[None, None, None] * jnp.minimum(x, 0)

    def both(function):
        total = jax.grad(lambda *given: jnp.sum(weight * function(*given)), (0, 1))
        return function(x, slope), jax.jit(total)(x, slope)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        both(prelu),
        both(plain),
    )


@pytest.mark.parametrize("pooled", [False, True])
def test_gradients_in_bfloat16_are_those_in_float32(pooled):
    """Sums over 96 x 96 pixels, which would stop growing if they were taken in bfloat16."""
    x, slope, bias = _normal(0, 1, 96, 96, 3) - 0.5, jnp.full(3, 0.25), jnp.full(3, 0.125)
    x = x.astype(jnp.bfloat16)  # the same numbers for both

    def gradients(dtype):
        def total(x, bias, slope):
            own = prelu_pool if pooled else lambda x, bias, slope: prelu(add_bias(x, bias), slope)
            return jnp.sum(own(*(a.astype(dtype) for a in (x, bias, slope))).astype(jnp.float32))

        return jax.jit(jax.grad(total, (1, 2)))(x, bias, slope)

    for found, exact in zip(gradients(jnp.bfloat16), gradients(jnp.float32)):
        np.testing.assert_allclose(found, exact, rtol=0.02)
