"""Nested codes: the first k numbers of a code are a code of size k."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jax import Array


def first_numbers(code: Array, kept: Array) -> Array:
    """The first `kept` int [B] numbers of codes float [B, K]; zeros in place of the others."""
    places = jnp.arange(code.shape[-1], dtype=kept.dtype)
    return jnp.where(places[None] < kept[:, None], code, jnp.zeros_like(code))


class SizeAdjustment(nn.Module):
    """Scales and shifts what a dense layer made of a code, each size of code in its own way.

    The layer's weights are shared by all `sizes` (ascending). With a short code much of the sum
    that it learned with the long one is missing: a gain and an offset a unit make up for that.
    """

    sizes: Sequence[int]

    @nn.compact
    def __call__(self, x: Array, kept: Array | None) -> Array:
        """Answers of a layer float [B, N], numbers kept int [B] (None: all) -> float [B, N]."""
        shape = (len(self.sizes), x.shape[-1])
        scale = self.param("scale", nn.initializers.ones, shape).astype(x.dtype)
        shift = self.param("shift", nn.initializers.zeros, shape).astype(x.dtype)
        if kept is None:
            return x * scale[-1:] + shift[-1:]
        # One in between goes the way of the next larger.
        which = jnp.searchsorted(jnp.array(self.sizes, kept.dtype), kept)
        return x * scale[which] + shift[which]
