"""Fast forms of known operations, against the plain ones."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.models.operations import depth_to_space, max_pool, prelu, prelu_pool, space_to_depth


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


def test_pooled_prelu_is_prelu_then_max_pool():
    x, weight = _normal(0, 2, 6, 8, 5), _normal(1, 2, 3, 4, 5)
    slope = jnp.array([-0.5, 0.0, 0.1, 0.9, 1.5])  # of zero: four equal maxima here and there
    assert jnp.any(max_pool(x)[..., 1] < 0)

    def both(function):
        total = jax.grad(lambda *given: jnp.sum(weight * function(*given)), (0, 1))
        gradients = jax.jit(total)(x, slope)
        return function(x, slope), gradients

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        both(prelu_pool),
        both(lambda x, slope: max_pool(prelu(x, slope))),
    )
