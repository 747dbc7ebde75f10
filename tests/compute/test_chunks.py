"""Batches taken a few examples at a time: the same sums, the same order, and only where it pays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.compute import chunks
from jaxcell.compute.sharding import make_shardings

BATCH = {
    "image": jax.random.normal(jax.random.key(0), (24, 6)),
    "index": jnp.arange(24),
    "order": jnp.arange(24.0),
}
PARAMS = {"weight": jax.random.normal(jax.random.key(1), (6, 5))}


def total(params, batch, key):
    del key
    return jnp.sum(jnp.tanh(batch["image"] @ params["weight"]) ** 2)


def answers(params, batch):
    return {"index": batch["index"], "value": jnp.tanh(batch["image"] @ params["weight"])}


@pytest.fixture(params=[1, 4], ids="{} devices".format)
def mesh(request):
    return make_shardings(24, jax.local_devices()[: request.param]).batch.mesh


@pytest.fixture
def one_at_a_time(monkeypatch):
    """No example fits the cache."""
    monkeypatch.setattr(chunks, "CACHE", 1)


def _sum_of(function, mesh, key):
    """Value and gradient, of chunks, on the devices of a mesh."""
    whole, split = make_shardings(24, mesh.devices.flat)
    step = jax.jit(
        lambda *given: chunks.value_and_grad(function, *given, mesh),
        in_shardings=(whole, split, whole),
    )
    return step(PARAMS, BATCH, key)


@pytest.mark.parametrize("cache", [1, chunks.CACHE])
def test_sums_of_chunks_are_sums_of_the_batch(monkeypatch, mesh, cache):
    monkeypatch.setattr(chunks, "CACHE", cache)
    key = jax.random.key(0)
    value, gradient = _sum_of(total, mesh, key)
    expected = jax.value_and_grad(total)(PARAMS, BATCH, key)
    np.testing.assert_allclose(value, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradient["weight"], expected[1]["weight"], rtol=1e-4, atol=1e-5)
    assert gradient["weight"].sharding.is_fully_replicated


def test_what_is_drawn_hangs_on_the_chunk_and_not_on_the_devices(one_at_a_time, mesh):
    def drawn(params, batch, key):
        normal = jax.random.normal(key, batch["index"].shape)
        return jnp.sum(jnp.tanh(params["weight"][0, 0] * normal * batch["order"]))

    found = [_sum_of(drawn, mesh, jax.random.key(seed))[0] for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    own = [jax.random.normal(jax.random.fold_in(jax.random.key(0), i), (1,))[0] for i in range(24)]
    expected = jnp.sum(jnp.tanh(PARAMS["weight"][0, 0] * jnp.stack(own) * BATCH["order"]))
    np.testing.assert_allclose(found[0], expected, rtol=1e-4)


def test_answers_come_in_the_order_of_the_batch(one_at_a_time, mesh):
    shardings = make_shardings(24, mesh.devices.flat)
    found = chunks.jitted(answers, shardings)(PARAMS, BATCH)
    np.testing.assert_array_equal(found["index"], np.arange(24))
    np.testing.assert_allclose(found["value"], answers(PARAMS, BATCH)["value"], rtol=1e-5)
    assert found["value"].sharding == shardings.batch


@pytest.mark.parametrize("examples,size", [(0.5, 1), (2, 2), (5.5, 4), (1000, 24)])
def test_the_largest_chunk_that_fits_is_taken(monkeypatch, examples, size):
    one = 4 * 6  # bytes: the image, for the weights' gradient
    monkeypatch.setattr(chunks, "CACHE", int(examples * one))

    def values(params, batch):
        return batch["image"] @ params["weight"]

    assert chunks.chunk_size(values, PARAMS, BATCH) == size
