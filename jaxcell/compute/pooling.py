"""Activation and pooling in the form that the backend runs fastest, and squares as channels.

Each has the values and gradients of its plain form, which the tests compare it with; but equal
maxima share a gradient evenly on a CPU, and elsewhere in pairs.
"""

import jax
import jax.numpy as jnp
from jax import Array

from jaxcell.compute.sums import add_bias, pixel_sums


@jax.custom_vjp
def prelu(x: Array, slope: Array) -> Array:
    """x [B, H, W, C] where it is positive, `slope` [C] times x elsewhere."""
    return jnp.where(x > 0, x, slope[None, None, None] * x)


def _prelu_forward(x: Array, slope: Array) -> tuple[Array, tuple[Array, Array]]:
    return prelu(x, slope), (x, slope)


def _prelu_backward(seen: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, slope = seen
    by_slope = jnp.sum(pixel_sums(jnp.where(x > 0, 0, gradient * x)), 0)
    by_image = jnp.where(x > 0, gradient, slope[None, None, None] * gradient)
    return by_image, by_slope.astype(slope.dtype)


prelu.defvjp(_prelu_forward, _prelu_backward)


def prelu_pool(x: Array, bias: Array, slope: Array) -> Array:
    """`max_pool` of `prelu` of x + bias; on a CPU with a gradient that is much less work.

    x [B, H, W, C], H and W even, bias and slope [C] (zeros for ReLU) -> [B, H / 2, W / 2, C].
    """
    if jax.default_backend() == "cpu":
        return _pooled_once(x, bias, slope)
    return _pooled(x, bias, slope)


def _pooled(x: Array, bias: Array, slope: Array) -> Array:
    return max_pool(prelu(add_bias(x, bias), slope))


_pooled_once = jax.custom_vjp(_pooled)


def _pooled_forward(x: Array, bias: Array, slope: Array) -> tuple[Array, tuple[Array, ...]]:
    pooled = _pooled(x, bias, slope)
    return pooled, (x, bias, slope, pooled)


def _pooled_backward(seen: tuple[Array, ...], gradient: Array) -> tuple[Array, Array, Array]:
    """Gradients by image, bias and slope; that of a maximum is shared by all that reach it.

    Sums over pixels are taken after those over each square, on images of a quarter the size.
    """
    x, bias, slope, pooled = seen
    x = x + bias[None, None, None]
    corners = [(corner > 0, prelu(corner, slope) == pooled, corner) for corner in _corners(x)]
    # At least one is; but a compiler may keep more digits of one side of a comparison.
    count = jnp.maximum(sum(reached.astype(x.dtype) for _, reached, _ in corners), 1)
    part = gradient / count
    steepness = sum(
        jnp.where(reached, jnp.where(above, 1, slope[None, None, None]), 0)
        for above, reached, _ in corners
    )
    below = sum(jnp.where(reached & ~above, corner, 0) for above, reached, corner in corners)
    by_image = jnp.where(
        prelu(x, slope) == _doubled(pooled),
        jnp.where(x > 0, 1, slope[None, None, None]) * _doubled(part),
        0,
    )
    by_bias, by_slope = (
        jnp.sum(pixel_sums(part * share), 0).astype(slope.dtype) for share in (steepness, below)
    )
    return by_image, by_bias, by_slope


_pooled_once.defvjp(_pooled_forward, _pooled_backward)


def _doubled(x: Array) -> Array:
    """Each pixel as a square of four: [B, H, W, C] to [B, 2 H, 2 W, C]."""
    batch, height, width, channels = x.shape
    squares = jnp.broadcast_to(x[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return squares.reshape(batch, 2 * height, 2 * width, channels)


def max_pool(x: Array) -> Array:
    """2x2 maximum, of four slices: `reduce_window`'s gradient is slow on CPU."""
    first, second, third, fourth = _corners(x)
    # In pairs of pairs, so that the gradient of equal maxima is shared evenly.
    return jnp.maximum(jnp.maximum(first, second), jnp.maximum(third, fourth))


def _corners(x: Array) -> list[Array]:
    """The four pixels of all 2x2 squares of [B, H, W, C], each [B, H / 2, W / 2, C]."""
    batch, height, width, channels = x.shape
    squares = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return [squares[:, :, row, :, column] for row in (0, 1) for column in (0, 1)]


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
