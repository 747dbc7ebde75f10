"""Biases and group normalisation, whose gradients are sums over pixels, fast on a CPU too.

XLA adds up pixels there one number at a time, in strides; added part by part, whole rows of a
vector unit at once, the same sums take a fraction of the time.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array, lax

# flax's, added to variances.
EPSILON = 1e-6
# Parts of an image that are added at a time, on a CPU.
AT_ONCE = 8


def pixel_sums(x: Array) -> Array:
    """Sums over rows and columns, in float32 whatever comes in: [B, H, W, C] -> float32 [B, C]."""
    x = x.astype(jnp.float32)
    if jax.default_backend() != "cpu":
        return jnp.sum(x, (1, 2))
    return _added_up(_added_up(x, 1), 2)[:, 0, 0]


def _added_up(x: Array, axis: int) -> Array:
    """The sum over an axis, which stays with length 1: its equal parts, some at a time."""
    while (length := x.shape[axis]) > 1:
        usual, more = range(AT_ONCE, 1, -1), range(AT_ONCE + 1, length + 1)
        parts = next(n for n in (*usual, *more) if length % n == 0)
        x = sum(jnp.split(x, parts, axis))
    return x


@jax.custom_vjp
def add_bias(x: Array, bias: Array) -> Array:
    """x [B, H, W, C] and in every pixel bias [C]."""
    return x + bias[None, None, None]


def _bias_forward(x: Array, bias: Array) -> tuple[Array, None]:
    return add_bias(x, bias), None


def _bias_backward(_: None, gradient: Array) -> tuple[Array, Array]:
    return gradient, jnp.sum(pixel_sums(gradient), 0).astype(gradient.dtype)


add_bias.defvjp(_bias_forward, _bias_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def group_norm(x: Array, scale: Array, bias: Array, groups: int) -> Array:
    """Normalises groups of channels of x float32 [B, H, W, C] over pixels, then scales and shifts.

    `groups` divide C; scale and bias are float32 [C].

    Source: Wu and He 2018; the variance as the mean of squares less the square of the mean, as in
    flax.
    """
    return _norm_forward(x, scale, bias, groups)[0]


def _norm_forward(
    x: Array, scale: Array, bias: Array, groups: int
) -> tuple[Array, tuple[Array, ...]]:
    mean, square = (_group_means(pixel_sums(y), x, groups) for y in (x, x * x))
    inverse = lax.rsqrt(jnp.maximum(square - mean * mean, 0) + EPSILON)
    slope = inverse * scale[None]
    shift = bias[None] - mean * slope
    return _everywhere(slope) * x + _everywhere(shift), (x, scale, mean, inverse)


def _norm_backward(
    groups: int, seen: tuple[Array, ...], gradient: Array
) -> tuple[Array, Array, Array]:
    """By image, scale and bias.

    With y the normalised image, g the gradient and s the scale, that by image is
    inverse * (s g - mean(s g) - y mean(s g y)), the means over each group.
    """
    x, scale, mean, inverse = seen
    arriving = pixel_sums(gradient)
    along = (pixel_sums(gradient * x) - mean * arriving) * inverse  # sums of g y
    level = _group_means(scale[None] * arriving, x, groups)
    tilt = inverse * _group_means(scale[None] * along, x, groups)
    by_image = (
        _everywhere(inverse * scale[None]) * gradient
        - _everywhere(inverse * tilt) * x
        + _everywhere(inverse * (mean * tilt - level))
    )
    return by_image, jnp.sum(along, 0), jnp.sum(arriving, 0)


group_norm.defvjp(_norm_forward, _norm_backward)


def _group_means(sums: Array, x: Array, groups: int) -> Array:
    """Sums over pixels [B, C] -> means over pixels and channels of a group, for each channel."""
    length, height, width, channels = x.shape
    each = channels // groups
    means = sums.reshape(length, groups, each).sum(-1) / (height * width * each)
    return jnp.repeat(means, each, axis=1)


def _everywhere(values: Array) -> Array:
    """[B, C] as [B, 1, 1, C]."""
    return values[:, None, None]
