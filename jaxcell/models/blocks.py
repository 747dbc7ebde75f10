"""The pieces that encoder, decoder and regressor share."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array


class Convolution(nn.Module):
    """3x3 convolution with zero padding, then PReLU (one slope a channel, as in Keras) or ReLU.

    Attributes:
      features: output channels.
      stride: 1 or 2.
      parametric: PReLU where true, ReLU where false.
      dtype: of the arithmetic; parameters stay float32.
    """

    features: int
    stride: int = 1
    parametric: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.Conv(self.features, (3, 3), (self.stride, self.stride), dtype=self.dtype)(x)
        if not self.parametric:
            return nn.relu(x)
        slope = self.param("slope", nn.initializers.zeros, (self.features,))
        return jnp.maximum(x, 0) + slope.astype(x.dtype)[None, None, None] * jnp.minimum(x, 0)


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
            y = nn.swish(nn.GroupNorm(self.groups, dtype=self.dtype)(y))
            # The branch starts at zero, so that a deep net starts as a shallow one.
            kernel_init = nn.initializers.zeros if last else nn.initializers.he_normal()
            y = nn.Conv(features, (3, 3), dtype=self.dtype, kernel_init=kernel_init)(y)
        return x + y


def max_pool(x: Array) -> Array:
    """2x2 maximum over reshaped slices; `reduce_window`'s gradient is slow on CPU.

    Args:
      x: float [B, H, W, C], H and W even.

    Returns:
      float [B, H / 2, W / 2, C].
    """
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def upsample(x: Array) -> Array:
    """Nearest-neighbour upsampling by 2: float [B, H, W, C] to [B, 2 H, 2 W, C]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


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
