"""The pieces that encoder, decoder and regressor share."""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

# Pixels of zeros before and after the rows, and before and after the columns.
Padding = tuple[tuple[int, int], tuple[int, int]]


class Convolution(nn.Module):
    """3x3 convolution with zero padding, then PReLU (one slope a channel) or ReLU.

    Attributes:
      features: output channels.
      stride: 1 or 2.
      upsampled: whether the image is doubled by nearest neighbour first.
      activation: `prelu`, `relu` or `none`.
      dtype: of the arithmetic; parameters stay float32.
    """

    features: int
    stride: int = 1
    upsampled: bool = False
    activation: str = "prelu"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = (array.astype(self.dtype) for array in (x, kernel, bias))
        if self.upsampled:
            x = upsampled_convolution(x, kernel)
        elif self.stride == 1:
            x = convolve(x, kernel, ((1, 1), (1, 1)))
        else:
            x = _convolve(x, kernel, "SAME", self.stride)
        x = x + bias[None, None, None]
        if self.activation == "none":
            return x
        if self.activation == "relu":
            return nn.relu(x)
        slope = self.param("slope", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        return jnp.where(x > 0, x, slope[None, None, None] * x)


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
    batch, height, width, _ = x.shape
    outputs = []
    for row in (0, 1):
        for column in (0, 1):
            padding = ((1 - row, row), (1 - column, column))
            outputs.append(convolve(x, _fold(_fold(kernel, 0, row), 1, column), padding))
    y = jnp.stack(outputs, axis=-2).reshape(batch, height, width, 2, 2, -1)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, -1)


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


def same_convolve(
    x: Array, kernel: Array, strides: tuple[int, ...], padding: str, **layout: Any
) -> Array:
    """`convolve` as `nn.Conv` calls it, of an odd side, padded to the image's own size."""
    if tuple(strides) != (1, 1) or padding != "SAME":
        raise ValueError(f"strides {strides} and padding {padding} are not 1 and SAME")
    del layout  # what nn.Conv says of it is the same wherever it is two-dimensional
    rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
    return convolve(x, kernel, ((rows, rows), (columns, columns)))


def _convolve(x: Array, kernel: Array, padding: Any, stride: int = 1) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=layout)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _with_sliced_gradient(x: Array, kernel: Array, padding: Padding) -> Array:
    return _convolve(x, kernel, padding)


def _forward(x: Array, kernel: Array, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return _convolve(x, kernel, padding), (x, kernel)


def _backward(
    padding: Padding, seen: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    """Gradients by image and kernel.

    XLA's own kernel gradient is a convolution by an image-sized kernel, which is slow on a CPU and
    ten times as slow inside a loop; one matrix product a tap does the same arithmetic.
    """
    x, kernel = seen
    rows, columns = kernel.shape[:2]
    mirrored = tuple(
        (side - 1 - before, side - 1 - after)
        for side, (before, after) in zip((rows, columns), padding)
    )
    by_image = _convolve(gradient, jnp.flip(kernel, (0, 1)).swapaxes(2, 3), mirrored)
    height, width = gradient.shape[1:3]
    padded = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    flat = gradient.reshape(-1, gradient.shape[-1])
    taps = [
        padded[:, row:row + height, column:column + width].reshape(-1, x.shape[-1]).T @ flat
        for row in range(rows)
        for column in range(columns)
    ]
    return by_image, jnp.stack(taps).reshape(kernel.shape)


_with_sliced_gradient.defvjp(_forward, _backward)

# `nn.Conv` of stride 1, with parameters of the same names, by `convolve`.
SameConvolution = functools.partial(nn.Conv, conv_general_dilated=same_convolve)


class Residual(nn.Module):
    """Pre-activated residual block of two 3x3 convolutions with group normalisation.

    Attributes:
      dtype: of the arithmetic; parameters stay float32.
      groups: of the normalisation; they divide the channels.

    Source: He et al. 2016 (identity mappings); Wu and He 2018 (group normalisation).
    """

    dtype: Any = jnp.float32
    groups: int = 8

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features = x.shape[-1]
        y = x
        for last in (False, True):
            # Its statistics are float32 whatever `dtype`; strict promotion wants that said.
            y = nn.GroupNorm(self.groups)(y.astype(jnp.float32)).astype(self.dtype)
            y = nn.swish(y)
            # The branch starts at zero, so that a deep net starts as a shallow one.
            kernel_init = nn.initializers.zeros if last else nn.initializers.he_normal()
            y = SameConvolution(features, (3, 3), dtype=self.dtype, kernel_init=kernel_init)(y)
        return x + y


def max_pool(x: Array) -> Array:
    """2x2 maximum, of four slices: `reduce_window`'s gradient is slow on CPU.

    Args:
      x: float [B, H, W, C], H and W even.

    Returns:
      float [B, H / 2, W / 2, C].
    """
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
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


def require_divisible(x: Array, factor: int) -> None:
    """Raises ValueError unless both sides of x [B, H, W, C] are multiples of `factor`."""
    height, width = x.shape[1:3]
    if height % factor or width % factor:
        raise ValueError(
            f"windows of {height} x {width} pixels are not a multiple of {factor}, by which this "
            "network shrinks them: change --config.data.window or the model's depth"
        )
