"""Biases and group normalisation, against the plain ones, with either way to add up pixels."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.compute import sums
from jaxcell.compute.sharding import make_shardings
from jaxcell.compute.sums import add_bias, pixel_sums
from jaxcell.models.blocks import GroupNorm


@pytest.fixture(params=["cpu", "gpu"], autouse=True)
def backend(request, monkeypatch):
    monkeypatch.setattr(sums.jax, "default_backend", lambda: request.param)


def _normal(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def _both(function, weight, *arguments):
    """Values, and the gradients of their weighted sum by every argument."""
    every = tuple(range(len(arguments)))
    gradients = jax.jit(jax.grad(lambda *given: jnp.sum(weight * function(*given)), every))
    return function(*arguments), gradients(*arguments)


def _assert_close(found, expected):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), found, expected
    )


@pytest.mark.parametrize("height,width", [(4, 5), (1, 48), (22, 13)])
def test_pixels_are_summed_example_by_example(height, width):
    x = _normal(0, 3, height, width, 2)
    np.testing.assert_allclose(pixel_sums(x), x.sum((1, 2)), rtol=1e-5, atol=1e-5)


def test_sums_of_many_pixels_keep_their_digits():
    x = jax.random.uniform(jax.random.key(0), (1, 384, 384, 64))
    exact = np.asarray(x, np.float64).sum((1, 2))
    np.testing.assert_allclose(pixel_sums(x), exact, rtol=1e-6)
    gradient = jax.grad(lambda bias: jnp.sum(x * add_bias(x, bias)))(jnp.zeros(64))
    np.testing.assert_allclose(gradient, exact[0], rtol=1e-6)


def test_bias_is_a_sum_in_values_and_gradients():
    x, bias, weight = _normal(0, 2, 3, 4, 5), _normal(1, 5), _normal(2, 2, 3, 4, 5)

    def plain(x, bias):
        return x + bias[None, None, None]

    _assert_close(_both(add_bias, weight, x, bias), _both(plain, weight, x, bias))


@pytest.mark.parametrize("length", [1, 3])
def test_group_norm_is_group_norm_in_values_and_gradients(length):
    x, weight = 3 + 2 * _normal(0, length, 5, 4, 8), _normal(1, length, 5, 4, 8)
    params = {"scale": 1 + _normal(2, 8), "bias": _normal(3, 8)}

    def of(module):
        return lambda x, params: module.apply({"params": params}, x)

    found = _both(of(GroupNorm(4)), weight, x, params)
    _assert_close(found, _both(of(nn.GroupNorm(4)), weight, x, params))


def test_group_norm_starts_as_flaxs_does():
    x = _normal(0, 1, 2, 2, 4)
    ours, theirs = (module.init(jax.random.key(0), x) for module in (GroupNorm(2), nn.GroupNorm(2)))
    assert jax.tree.map(jnp.shape, ours) == jax.tree.map(jnp.shape, theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_sums_over_a_split_batch_move_nothing_but_the_sum():
    shardings = make_shardings(4)
    assert shardings.batch.mesh.size > 1
    gradient = jax.jit(
        jax.grad(lambda bias, x: jnp.sum(x * add_bias(x, bias))),
        in_shardings=(shardings.replicated, shardings.batch),
        out_shardings=shardings.replicated,
    )
    program = gradient.lower(jnp.zeros(8), jnp.ones((4, 24, 24, 8))).compile().as_text()
    assert program.count("all-reduce(") == 1
    assert not any(f"{kind}(" in program for kind in ("collective-permute", "all-gather"))
