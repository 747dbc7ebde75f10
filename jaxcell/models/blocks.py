"""The pieces that encoder, decoder and regressor share."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax


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
            outputs.append(_convolve(x, _fold(_fold(kernel, 0, row), 1, column), padding))
    y = jnp.stack(outputs, axis=-2).reshape(batch, height, width, 2, 2, -1)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, -1)


def _fold(kernel: Array, axis: int, parity: int) -> Array:
    """Adds the two of three taps on `axis` that fall on the same pixel before upsampling."""
    first, middle, last = jnp.moveaxis(kernel, axis, 0)
    taps = (first, middle + last) if parity == 0 else (first + middle, last)
    return jnp.stack(taps, axis=axis)


def _convolve(x: Array, kernel: Array, padding: Any, stride: int = 1) -> Array:
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=layout)


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
            y = nn.Conv(features, (3, 3), dtype=self.dtype, kernel_init=kernel_init)(y)
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
