"""Batches that go through a network a few examples at a time where that is faster: on a CPU.

What the backward pass needs of a whole batch of large images does not fit a processor's cache,
and memory, not arithmetic, then sets the pace: the reference study's autoencoder trains twice as
fast patch by patch. So small a program does not keep several cores busy, so that each core, a
device to JAX (`jaxcell.compute.backend.set_up`), does its own examples of a batch. An accelerator
wants the whole batch at once.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from jaxcell.compute.sharding import Shardings, over_devices

# Bytes that the backward pass may find in a cache.
CACHE = 2**24

Tree = Any
# (params, batch, key) -> a sum over the batch's examples, float32 scalar
Total = Callable[[Tree, Tree, Array], Array]


def value_and_grad(
    total: Total, params: Tree, batch: Tree, key: Array, mesh: Mesh | None = None
) -> tuple[Array, Tree]:
    """Value and gradient, by `params`, of a sum over the examples of a batch, arrays [B, ...].

    Args:
      key: of what is random. Each chunk has one of its own, by its first example, so that what is
        drawn depends on how many examples a chunk has.
      mesh: of one axis, over which the batch is split; None where it lies on one device.
    """
    devices = 1 if mesh is None else mesh.size
    own = _length(batch) // devices
    size = chunk_size(lambda params, batch: total(params, batch, key), params, batch, devices)
    if size == _length(batch):
        return jax.value_and_grad(total)(params, batch, key)

    def part(params: Tree, batch: Tree, key: Array) -> tuple[Array, Tree]:
        """Of a device's examples."""
        before = jax.lax.axis_index(mesh.axis_names[0]) * own if devices > 1 else 0

        def add(sums: Tree, given: tuple[Array, Tree]) -> tuple[Tree, None]:
            first, chunk = given
            found = jax.value_and_grad(total)(params, chunk, jax.random.fold_in(key, first))
            return jax.tree.map(jnp.add, sums, found), None

        nothing = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
        firsts = before + jnp.arange(0, own, size)
        sums = jax.lax.scan(add, nothing, (firsts, _split(batch, size)))[0]
        return jax.lax.psum(sums, mesh.axis_names[0]) if devices > 1 else sums

    if devices > 1:
        part = over_devices(part, mesh, "wsw", PartitionSpec())
    return part(params, batch, key)


def apply(
    function: Callable[[Tree, Tree], Tree], params: Tree, batch: Tree, mesh: Mesh | None = None
) -> Tree:
    """What a function answers to each example: arrays, each with an example a row.

    `batch` and `mesh` are as for `value_and_grad`.
    """
    size = chunk_size(function, params, batch, 1 if mesh is None else mesh.size)
    if size == _length(batch):
        return function(params, batch)

    def part(params: Tree, batch: Tree) -> Tree:
        """Of a device's examples."""
        found = jax.lax.map(lambda chunk: function(params, chunk), _split(batch, size))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), found)

    if mesh is not None and mesh.size > 1:
        part = over_devices(part, mesh, "ws")
    return part(params, batch)


def jitted(function: Callable[[Tree, Tree], Tree], shardings: Shardings) -> Any:
    """`apply` to batches that lie so, or are put so: (params, batch) -> the answers, jitted."""
    replicated, split = shardings
    return jax.jit(
        lambda params, batch: apply(function, params, batch, split.mesh),
        in_shardings=(replicated, split),
        out_shardings=split,
    )


def chunk_size(
    function: Callable[[Tree, Tree], Tree], params: Tree, batch: Tree, devices: int = 1
) -> int:
    """How many examples go through a function at a time; nothing is computed.

    B itself on an accelerator, and where the backward pass of the whole batch needs no more than
    `CACHE`; else the largest divisor of a device's examples that does, and at least 1.
    """
    length = _length(batch)
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
    most = max(1, CACHE // max(1, needed))
    if length <= most:
        return length
    own = length // devices
    return max(size for size in range(1, own + 1) if own % size == 0 and size <= most)


def _length(batch: Tree) -> int:
    return len(jax.tree.leaves(batch)[0])


def _split(batch: Tree, size: int) -> Tree:
    """[B, ...] as [B / size, size, ...]."""
    return jax.tree.map(lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), batch)
