"""Convolutions as plain functions, in the form that the backend runs fastest.

Each has the values and gradients of its plain form, which the tests compare it with.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxcell.compute.pooling import depth_to_space, space_to_depth

# Pixels of zeros before and after the rows, and before and after the columns.
Padding = tuple[tuple[int, int], tuple[int, int]]
# Numbers a pixel up to which, on a CPU, shifted copies of an image are laid side by side.
FEW = 32


def upsampled_convolution(x: Array, kernel: Array) -> Array:
    """Nearest-neighbour upsampling by 2, then a 3x3 convolution, without the upsampled image.

    Each output pixel sees only 2x2 different pixels, so that the kernel folds into four 2x2 kernels
    on the small image, one for each output parity: 4/9 of the arithmetic, the same function.
    x [B, H, W, C] and kernel [3, 3, C, F] -> [B, 2 H, 2 W, F].
    """
    if jax.default_backend() == "cpu" and 16 * kernel.shape[-1] <= FEW:
        return _upsampled_to_few(x, kernel)

    def answers(row: int, column: int) -> Array:
        """Of one parity, [B, H, W, F]."""
        padding = ((1 - row, row), (1 - column, column))
        return convolve(x, _fold(_fold(kernel, 0, row), 1, column), padding)

    pairs = [jnp.stack([answers(row, 0), answers(row, 1)], axis=3) for row in (0, 1)]
    batch, height, width, _ = x.shape
    return jnp.stack(pairs, axis=2).reshape(batch, 2 * height, 2 * width, -1)


def _upsampled_to_few(x: Array, kernel: Array) -> Array:
    """`upsampled_convolution` to few channels: one product of all taps fills a vector unit."""
    folded = [_fold(_fold(kernel, 0, row), 1, column) for row in (0, 1) for column in (0, 1)]
    # [C, parity, tap, F]
    return _sum_of_taps(x, jnp.moveaxis(jnp.stack(folded).reshape(4, 4, *kernel.shape[2:]), 2, 0))


@jax.custom_vjp
def _sum_of_taps(x: Array, taps: Array) -> Array:
    """[B, H, W, C] by taps [C, 4, 4, F] -> [B, 2 H, 2 W, F]."""
    height, width = x.shape[1:3]
    product = jnp.einsum("bhwc,cptf->bhwptf", x, taps, preferred_element_type=jnp.float32)
    padded = jnp.pad(product, ((0, 0), (1, 1), (1, 1), *[(0, 0)] * 3))
    outputs = [
        sum(
            padded[:, row : row + height, column : column + width, parity, tap]
            for tap, (row, column) in enumerate(_places(parity))
        )
        for parity in range(4)
    ]
    return depth_to_space(jnp.concatenate(outputs, axis=-1), 2).astype(x.dtype)


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
            padded[:, 2 - row : 2 - row + height, 2 - column : 2 - column + width, parity]
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

    x [B, H, W, C] and kernel [h, w, C, F] -> [B, H + padding - h + 1, W + padding - w + 1, F].
    """
    if jax.default_backend() == "cpu":
        return _with_own_gradient(x, kernel, padding)
    return _convolve(x, kernel, padding)


def _convolve_on_cpu(x: Array, kernel: Array, padding: Padding) -> Array:
    """`_convolve`, of few channels by several columns at a time, which fill a vector unit.

    A kernel beside its copies moved right by one column each, in a convolution of as long strides,
    answers for as many columns at each step. Some of it is zeros: for two columns a third more
    arithmetic, at up to twice the speed.
    """
    columns, channels, features = kernel.shape[1:]
    width = x.shape[2] + sum(padding[1]) - columns + 1
    at_once = _columns_at_once(channels, features)
    while width % at_once:
        at_once //= 2
    if columns == 1 or at_once == 1:
        return _convolve(x, kernel, padding)
    copies = [
        jnp.pad(kernel, ((0, 0), (before, at_once - 1 - before), (0, 0), (0, 0)))
        for before in range(at_once)
    ]
    found = _convolve(x, jnp.concatenate(copies, axis=-1), padding, (1, at_once))
    return found.reshape(*found.shape[:2], width, features)


def _columns_at_once(channels: int, features: int) -> int:
    """How many columns to convolve at a time, as measured."""
    if features <= 4:
        return 4
    return 2 if features < 16 or channels <= 8 else 1


def convolve_in_strides(x: Array, kernel: Array, stride: int) -> Array:
    """Convolution [B, H, W, C] by [h, w, C, F] -> [B, H / stride, W / stride, F]."""
    return _convolve(x, kernel, "SAME", (stride, stride))


def _convolve(x: Array, kernel: Array, padding: Any, strides: tuple[int, int] = (1, 1)) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=layout)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _with_own_gradient(x: Array, kernel: Array, padding: Padding) -> Array:
    return _convolve_on_cpu(x, kernel, padding)


def _convolve_forward(
    x: Array, kernel: Array, padding: Padding
) -> tuple[Array, tuple[Array, Array]]:
    return _convolve_on_cpu(x, kernel, padding), (x, kernel)


def _convolve_backward(
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
    """Kernel gradient of a padded image and the gradient [B, H, W, F] that arrives."""
    height, width = gradient.shape[1:3]
    # Channels first: what is copied then lies in long pieces.
    planes = padded.transpose(3, 0, 1, 2)
    shifted = [
        planes[:, :, row : row + height, column : column + width]
        for row in range(rows)
        for column in range(columns)
    ]
    flat = gradient.reshape(-1, gradient.shape[-1])
    by_kernel = jnp.stack(shifted).reshape(-1, len(flat)) @ flat
    return by_kernel.reshape(rows, columns, padded.shape[-1], -1)


def _by_rows_and_columns(padded: Array, gradient: Array, rows: int, columns: int) -> Array:
    """The same."""
    height, width = padded.shape[1], gradient.shape[2]
    images = [padded[:, :, column : column + width] for column in range(columns)]
    # Where the image moves down by a row, the gradient may as well move up.
    tall = jnp.pad(gradient, ((0, 0), (rows - 1, rows - 1), (0, 0), (0, 0)))
    gradients = [tall[:, rows - 1 - row : rows - 1 - row + height] for row in range(rows)]
    left, right = jnp.stack(images, axis=-2), jnp.stack(gradients, axis=-2)
    pixels = left.shape[0] * left.shape[1] * left.shape[2]
    by_kernel = left.reshape(pixels, -1).T @ right.reshape(pixels, -1)
    shape = (columns, padded.shape[-1], rows, gradient.shape[-1])
    return by_kernel.reshape(shape).transpose(2, 0, 1, 3)


_with_own_gradient.defvjp(_convolve_forward, _convolve_backward)
