"""Batches that go through a network a few examples at a time where that is faster: on a CPU.

What the backward pass needs of a whole batch of large images does not fit a processor's cache,
and memory, not arithmetic, then sets the pace: the reference study's autoencoder trains twice as
fast patch by patch. An accelerator wants the whole batch at once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

# Bytes that the backward pass may find in a cache.
CACHE = 2**24

Tree = Any
# (params, batch, key) -> a sum over the batch's examples, float32 scalar
Total = Callable[[Tree, Tree, Array], Array]


def value_and_grad(total: Total, params: Tree, batch: Tree, key: Array) -> tuple[Array, Tree]:
    """Value and gradient of a sum over examples.

    Args:
      total: what is differentiated.
      params: by which.
      batch: arrays [B, ...].
      key: of what is random. Each chunk has one of its own, so that what is drawn depends on how
        many there are.

    Returns:
      The value, and the gradients, like `params`.
    """
    size = chunk_size(lambda params, batch: total(params, batch, key), params, batch)
    if size == _length(batch):
        return jax.value_and_grad(total)(params, batch, key)

    def add(sums: Tree, given: tuple[Array, Tree]) -> tuple[Tree, None]:
        number, chunk = given
        found = jax.value_and_grad(total)(params, chunk, jax.random.fold_in(key, number))
        return jax.tree.map(jnp.add, sums, found), None

    chunks = _split(batch, size)
    nothing = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
    return jax.lax.scan(add, nothing, (jnp.arange(_length(chunks)), chunks))[0]


def apply(function: Callable[[Tree, Tree], Tree], params: Tree, batch: Tree) -> Tree:
    """What a function answers to each example.

    Args:
      function: (params, batch) -> arrays, each with an example a row.
      params: its first argument.
      batch: arrays [B, ...].

    Returns:
      As the function's own, of the whole batch.
    """
    size = chunk_size(function, params, batch)
    if size == _length(batch):
        return function(params, batch)
    found = jax.lax.map(lambda chunk: function(params, chunk), _split(batch, size))
    return jax.tree.map(lambda leaf: leaf.swapaxes(0, 1).reshape(-1, *leaf.shape[2:]), found)


def chunk_size(function: Callable[[Tree, Tree], Tree], params: Tree, batch: Tree) -> int:
    """How many examples go through a function at a time; nothing is computed.

    Args:
      function, params, batch: as for `apply`.

    Returns:
      A divisor of B: B itself on an accelerator, else the largest of those whose backward pass
      needs no more than `CACHE`, and at least one example a device.
    """
    length, devices = _length(batch), jax.local_device_count()
    if jax.default_backend() != "cpu" or length == 1:
        return length

    def kept(examples: int) -> int:
        """Bytes that the backward pass keeps of so many."""
        some = jax.tree.map(lambda leaf: leaf[:examples], batch)
        backward = jax.eval_shape(
            lambda params: jax.vjp(lambda own: function(own, some), params)[1], params
        )
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(backward))

    # Of each example, without what is the same for all, such as parameters.
    needed = kept(2) - kept(1)
    most = devices * max(1, CACHE // max(1, needed))
    return max(size for size in range(1, length + 1) if length % size == 0 and size <= most)


def _length(batch: Tree) -> int:
    return len(jax.tree.leaves(batch)[0])


def _split(batch: Tree, size: int) -> Tree:
    """[B, ...] as [B / size, size, ...]; every chunk has its part of each device's examples."""
    return jax.tree.map(
        lambda leaf: leaf.reshape(size, -1, *leaf.shape[1:]).swapaxes(0, 1), batch
    )
