"""Convolutions and pooling as plain functions, in the form that the backend runs fastest.

Each has the values and gradients of its plain form, which the tests compare it with.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

# Pixels of zeros before and after the rows, and before and after the columns.
Padding = tuple[tuple[int, int], tuple[int, int]]
# Numbers a pixel up to which, on a CPU, shifted copies of an image are laid side by side.
FEW = 32
# Weights a tap up to which, on a CPU, two columns are convolved at a time.
FEW_WEIGHTS = 128


def upsampled_convolution(x: Array, kernel: Array) -> Array:
    """Nearest-neighbour upsampling by 2, then a 3x3 convolution, without the upsampled image.

    Each output pixel sees only 2x2 different pixels, so that the kernel folds into four 2x2 kernels
    on the small image, one for each output parity: 4/9 of the arithmetic, the same function.

    Args:
      x: float [B, H, W, C].
      kernel: float [3, 3, C, F].

    Returns:
      float [B, 2 H, 2 W, F].
    """
    if jax.default_backend() == "cpu" and 16 * kernel.shape[-1] <= FEW:
        return _upsampled_to_few(x, kernel)
    outputs = []
    for row in (0, 1):
        for column in (0, 1):
            padding = ((1 - row, row), (1 - column, column))
            outputs.append(convolve(x, _fold(_fold(kernel, 0, row), 1, column), padding))
    return depth_to_space(jnp.concatenate(outputs, axis=-1), 2)


def _upsampled_to_few(x: Array, kernel: Array) -> Array:
    """`upsampled_convolution` to few channels: one matrix product, then shifted sums of it.

    A convolution to one or two channels leaves most of a vector unit idle; all taps of all output
    parities side by side fill it.
    """
    folded = [_fold(_fold(kernel, 0, row), 1, column) for row in (0, 1) for column in (0, 1)]
    # [C, parity, tap, F]
    return _sum_of_taps(x, jnp.moveaxis(jnp.stack(folded).reshape(4, 4, *kernel.shape[2:]), 2, 0))


@jax.custom_vjp
def _sum_of_taps(x: Array, taps: Array) -> Array:
    """[B, H, W, C] by taps [C, 4, 4, F] -> [B, 2 H, 2 W, F]."""
    height, width = x.shape[1:3]
    product = jnp.einsum("bhwc,cptf->bhwptf", x, taps)
    padded = jnp.pad(product, ((0, 0), (1, 1), (1, 1), *[(0, 0)] * 3))
    outputs = [
        sum(
            padded[:, row:row + height, column:column + width, parity, tap]
            for tap, (row, column) in enumerate(_places(parity))
        )
        for parity in range(4)
    ]
    return depth_to_space(jnp.concatenate(outputs, axis=-1), 2)


def _places(parity: int) -> list[tuple[int, int]]:
    """Where the four taps of an output parity lie in the image padded by one."""
    row, column = divmod(parity, 2)
    return [(row + i, column + j) for i in (0, 1) for j in (0, 1)]


def _taps_forward(x: Array, taps: Array) -> tuple[Array, tuple[Array, Array]]:
    return _sum_of_taps(x, taps), (x, taps)


def _taps_backward(seen: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    """Gradients by image and taps: two matrix products with the gradient of every tap's product."""
    x, taps = seen
    batch, height, width, channels = x.shape
    deep = space_to_depth(gradient, 2).reshape(batch, height, width, 4, -1)
    padded = jnp.pad(deep, ((0, 0), (1, 1), (1, 1), (0, 0), (0, 0)))
    arriving = jnp.concatenate(
        [
            padded[:, 2 - row:2 - row + height, 2 - column:2 - column + width, parity]
            for parity in range(4)
            for row, column in _places(parity)
        ],
        axis=-1,
    )
    flat = arriving.reshape(-1, arriving.shape[-1])
    by_image = flat @ taps.reshape(channels, -1).T
    return by_image.reshape(x.shape), (x.reshape(-1, channels).T @ flat).reshape(taps.shape)


_sum_of_taps.defvjp(_taps_forward, _taps_backward)


def _fold(kernel: Array, axis: int, parity: int) -> Array:
    """Adds the two of three taps on `axis` that fall on the same pixel before upsampling."""
    first, middle, last = jnp.moveaxis(kernel, axis, 0)
    taps = (first, middle + last) if parity == 0 else (first + middle, last)
    return jnp.stack(taps, axis=axis)


def convolve(x: Array, kernel: Array, padding: Padding) -> Array:
    """Convolution of stride 1; on a CPU with a gradient that is several times as fast as XLA's.

    Args:
      x: float [B, H, W, C].
      kernel: float [h, w, C, F].
      padding: zeros around the image.

    Returns:
      float [B, H + padding - h + 1, W + padding - w + 1, F].
    """
    if jax.default_backend() == "cpu":
        return _with_sliced_gradient(x, kernel, padding)
    return _convolve(x, kernel, padding)


def _convolve_on_cpu(x: Array, kernel: Array, padding: Padding) -> Array:
    """`_convolve`, of few channels by two columns at a time, whose channels fill a vector unit.

    Half of the larger kernel is zeros: twice the arithmetic, at more than twice the speed.
    """
    rows, columns, channels, features = kernel.shape
    batch, height, width, _ = x.shape
    same = columns == 3 and padding == ((1, 1), (1, 1))
    if not same or width % 2 or channels * features > FEW_WEIGHTS:
        return _convolve(x, kernel, padding)
    # [row, pair before, own, after; left or right column of it; channel; output column; feature]
    pairs = jnp.stack(
        [jnp.pad(kernel, ((0, 0), (1 + side, 2 - side), (0, 0), (0, 0))) for side in (0, 1)], 3
    ).reshape(rows, 3, 2 * channels, 2 * features)
    doubled = _convolve(x.reshape(batch, height, width // 2, -1), pairs, padding)
    return doubled.reshape(batch, height, width, features)


def convolve_in_strides(x: Array, kernel: Array, stride: int) -> Array:
    """Convolution [B, H, W, C] by [h, w, C, F] -> [B, H / stride, W / stride, F]."""
    return _convolve(x, kernel, "SAME", stride)


def _convolve(x: Array, kernel: Array, padding: Any, stride: int = 1) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=layout)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _with_sliced_gradient(x: Array, kernel: Array, padding: Padding) -> Array:
    return _convolve_on_cpu(x, kernel, padding)


def _forward(x: Array, kernel: Array, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return _convolve_on_cpu(x, kernel, padding), (x, kernel)


def _backward(
    padding: Padding, seen: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    """Gradients by image and kernel.

    XLA's own kernel gradient is a convolution by an image-sized kernel, which is slow on a CPU and
    ten times as slow inside a loop. A product of matrices does the same arithmetic: of images
    shifted by columns with gradients shifted by rows, which copies each three times for nine taps;
    or of images shifted by all taps, where these are few numbers.
    """
    x, kernel = seen
    rows, columns = kernel.shape[:2]
    mirrored = tuple(
        (side - 1 - before, side - 1 - after)
        for side, (before, after) in zip((rows, columns), padding)
    )
    by_image = _convolve_on_cpu(gradient, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), mirrored)
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    if rows * columns * x.shape[-1] <= FEW:
        by_kernel = _by_taps(padded, gradient, rows, columns)
    else:
        by_kernel = _by_rows_and_columns(padded, gradient, rows, columns)
    return by_image, by_kernel


def _by_taps(padded: Array, gradient: Array, rows: int, columns: int) -> Array:
    """Kernel gradient [h, w, C, F] of a padded image [B, H + h - 1, W + w - 1, C] and the gradient
    [B, H, W, F] that arrives."""
    height, width = gradient.shape[1:3]
    shifted = [
        padded[:, row:row + height, column:column + width]
        for row in range(rows)
        for column in range(columns)
    ]
    by_kernel = _inner(jnp.concatenate(shifted, axis=-1), gradient)
    return by_kernel.reshape(rows, columns, padded.shape[-1], -1)


def _by_rows_and_columns(padded: Array, gradient: Array, rows: int, columns: int) -> Array:
    """The same."""
    height, width = padded.shape[1], gradient.shape[2]
    images = [padded[:, :, column:column + width] for column in range(columns)]
    # Where the image moves down by a row, the gradient may as well move up.
    tall = jnp.pad(gradient, ((0, 0), (rows - 1, rows - 1), (0, 0), (0, 0)))
    gradients = [tall[:, rows - 1 - row:rows - 1 - row + height] for row in range(rows)]
    by_kernel = _inner(jnp.stack(images, axis=-2), jnp.stack(gradients, axis=-2))
    shape = (columns, padded.shape[-1], rows, gradient.shape[-1])
    return by_kernel.reshape(shape).transpose(2, 0, 1, 3)


def _inner(left: Array, right: Array) -> Array:
    """Sums over batch, rows and columns of products of all that a pixel holds: [M, N]."""
    pixels = left.shape[0] * left.shape[1] * left.shape[2]
    return left.reshape(pixels, -1).T @ right.reshape(pixels, -1)


_with_sliced_gradient.defvjp(_forward, _backward)


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
