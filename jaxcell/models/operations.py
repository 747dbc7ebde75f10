"""Activation and pooling in the form that the backend runs fastest, and squares as channels.

Each has the values and gradients of its plain form, which the tests compare it with.
"""

import jax
import jax.numpy as jnp
from jax import Array


def prelu(x: Array, slope: Array) -> Array:
    """x [B, H, W, C] where it is positive, `slope` [C] times x elsewhere."""
    return jnp.where(x > 0, x, slope[None, None, None] * x)


def prelu_pool(x: Array, slope: Array) -> Array:
    """`max_pool` of `prelu`; on a CPU with a gradient that visits each pixel once.

    Args:
      x: float [B, H, W, C], H and W even.
      slope: float [C]; zeros for ReLU.

    Returns:
      float [B, H / 2, W / 2, C].
    """
    if jax.default_backend() == "cpu":
        return _pooled_once(x, slope)
    return max_pool(prelu(x, slope))


@jax.custom_vjp
def _pooled_once(x: Array, slope: Array) -> Array:
    return max_pool(prelu(x, slope))


def _pooled_forward(x: Array, slope: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    pooled = _pooled_once(x, slope)
    return pooled, (x, slope, pooled)


def _pooled_backward(
    seen: tuple[Array, Array, Array], gradient: Array
) -> tuple[Array, Array]:
    """Gradients by image and slope; the gradient of a maximum is shared by all that reach it."""
    x, slope, pooled = seen
    squares = _squares(prelu(x, slope)) == pooled[:, :, None, :, None]
    reach = sum(squares[:, :, i, :, j].astype(x.dtype) for i in (0, 1) for j in (0, 1))
    part = (gradient / reach)[:, :, None, :, None]
    arriving = jnp.where(squares, part, jnp.zeros_like(part)).reshape(x.shape)
    by_slope = jnp.sum(jnp.where(x > 0, jnp.zeros_like(x), arriving * x), (0, 1, 2))
    return jnp.where(x > 0, arriving, slope[None, None, None] * arriving), by_slope


_pooled_once.defvjp(_pooled_forward, _pooled_backward)


def _squares(x: Array) -> Array:
    """[B, H, W, C] as [B, H / 2, 2, W / 2, 2, C]."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels)


def max_pool(x: Array) -> Array:
    """2x2 maximum, of four slices: `reduce_window`'s gradient is slow on CPU.

    Args:
      x: float [B, H, W, C], H and W even.

    Returns:
      float [B, H / 2, W / 2, C].
    """
    x = _squares(x)
    upper = jnp.maximum(x[:, :, 0, :, 0], x[:, :, 0, :, 1])
    return jnp.maximum(upper, jnp.maximum(x[:, :, 1, :, 0], x[:, :, 1, :, 1]))


def space_to_depth(x: Array, block: int) -> Array:
    """Moves each `block` x `block` square into channels: [B, H, W, C] to [B, H/b, W/b, b b C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // block, block, width // block, block, channels)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // block, width // block, -1)


def depth_to_space(x: Array, block: int) -> Array:
    """The inverse of `space_to_depth`: [B, H, W, b b C] to [B, b H, b W, C]."""
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height, width, block, block, channels // block**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * block, width * block, -1)
