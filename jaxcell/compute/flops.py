"""Arithmetic counted, not timed."""

from collections.abc import Callable
from typing import Any

import jax


def operations(apply: Callable, *given: Any) -> float:
    """Floating-point operations of a function as XLA counts them; nothing is computed.

    `given` are its arguments, or `jax.ShapeDtypeStruct`s in their place. A multiplication and an
    addition are two.
    """
    # Backends that are plugins, such as CUDA's, count nothing.
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), given)
        return float(jax.jit(apply).lower(*shapes).cost_analysis()["flops"])
