"""Batches taken a few examples at a time: the same sums, the same order, and only where it pays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jaxcell.training import chunks

BATCH = {
    "image": jax.random.normal(jax.random.key(0), (24, 6)),
    "index": jnp.arange(24),
}
PARAMS = {"weight": jax.random.normal(jax.random.key(1), (6, 5))}


def total(params, batch, key):
    del key
    return jnp.sum(jnp.tanh(batch["image"] @ params["weight"]) ** 2)


def answers(params, batch):
    return {"index": batch["index"], "value": jnp.tanh(batch["image"] @ params["weight"])}


@pytest.fixture
def one_a_device(monkeypatch):
    """No example fits the cache."""
    monkeypatch.setattr(chunks, "CACHE", 1)


def test_sums_of_chunks_are_sums_of_the_batch(one_a_device):
    assert chunks.chunk_size(answers, PARAMS, BATCH) == jax.local_device_count() < 24
    key = jax.random.key(0)
    value, gradient = jax.jit(lambda *given: chunks.value_and_grad(total, *given))(
        PARAMS, BATCH, key
    )
    expected = jax.value_and_grad(total)(PARAMS, BATCH, key)
    np.testing.assert_allclose(value, expected[0], rtol=1e-5)
    np.testing.assert_allclose(gradient["weight"], expected[1]["weight"], rtol=1e-4, atol=1e-5)


def test_every_chunk_draws_anew(one_a_device):
    def drawn(params, batch, key):
        return params["weight"][0, 0] * jnp.sum(jax.random.normal(key, batch["index"].shape))

    def value(key):
        return chunks.value_and_grad(drawn, PARAMS, BATCH, key)[0]

    one, other = (value(jax.random.key(seed)) for seed in (0, 1))
    assert one != other and one == value(jax.random.key(0))
    length = jax.local_device_count()
    repeated = drawn(PARAMS, {"index": jnp.arange(length)}, jax.random.key(0)) * 24 / length
    assert abs(one - repeated) > 1e-3


def test_answers_come_in_the_order_of_the_batch(one_a_device):
    found = jax.jit(lambda *given: chunks.apply(answers, *given))(PARAMS, BATCH)
    np.testing.assert_array_equal(found["index"], np.arange(24))
    np.testing.assert_allclose(found["value"], answers(PARAMS, BATCH)["value"], rtol=1e-5)


def test_a_chunk_takes_its_part_of_every_devices_examples():
    devices = jax.make_mesh((4,), ("batch",), (jax.sharding.AxisType.Auto,))
    rows = NamedSharding(devices, PartitionSpec("batch"))
    parts = jax.jit(lambda index: chunks._split({"index": index}, 4)["index"])(
        jax.device_put(jnp.arange(24), rows)
    )
    # Six of the 24 lie on each of the four devices.
    assert [sorted(np.asarray(part) // 6) for part in parts] == [[0, 1, 2, 3]] * 6


@pytest.mark.parametrize("examples,size", [(0.5, 1), (2, 2), (5.5, 4), (1000, 24)])
def test_the_largest_chunk_that_fits_is_taken(monkeypatch, examples, size):
    monkeypatch.setattr(jax, "local_device_count", lambda: 1)
    one = 4 * 6  # bytes: the image, for the weights' gradient
    monkeypatch.setattr(chunks, "CACHE", int(examples * one))

    def values(params, batch):
        return batch["image"] @ params["weight"]

    assert chunks.chunk_size(values, PARAMS, BATCH) == size
