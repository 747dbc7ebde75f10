"""The pieces that encoder, decoder and regressor share."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxcell.compute.convolutions import convolve, convolve_in_strides, upsampled_convolution
from jaxcell.compute.pooling import prelu, prelu_pool
from jaxcell.compute.sums import add_bias, group_norm


class Convolution(nn.Module):
    """3x3 convolution with zero padding, PReLU (one slope a channel) or ReLU, pooling if wanted.

    Attributes:
      stride: 1 or 2.
      upsampled: whether the image is doubled by nearest neighbour first.
      pooled: whether the 2x2 maximum is taken last.
      activation: `prelu`, `relu` or `none`.
      dtype: of the arithmetic; parameters stay float32.
    """

    features: int
    stride: int = 1
    upsampled: bool = False
    pooled: bool = False
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
            x = convolve_in_strides(x, kernel, self.stride)
        if self.activation == "none":
            return add_bias(x, bias)
        slope = jnp.zeros(self.features, self.dtype)
        if self.activation == "prelu":
            slope = self.param("slope", nn.initializers.zeros, slope.shape).astype(self.dtype)
        if self.pooled:
            return prelu_pool(x, bias, slope)
        return prelu(add_bias(x, bias), slope)


class Conv(nn.Module):
    """Convolution of stride 1 with zero padding to the image's own size, as `nn.Conv`."""

    features: int
    kernel_size: tuple[int, int]
    kernel_init: Any = nn.initializers.lecun_normal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        x, kernel, bias = (array.astype(self.dtype) for array in (x, kernel, bias))
        rows, columns = (side // 2 for side in self.kernel_size)
        return add_bias(convolve(x, kernel, ((rows, rows), (columns, columns))), bias)


class GroupNorm(nn.Module):
    """`group_norm` with its scale and bias, as `nn.GroupNorm`; the statistics are float32."""

    groups: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        return group_norm(x.astype(jnp.float32), scale, bias, self.groups)


class Residual(nn.Module):
    """Pre-activated residual block of two 3x3 convolutions with group normalisation.

    Source: He et al. 2016 (identity mappings); Wu and He 2018 (group normalisation).
    """

    dtype: Any = jnp.float32
    groups: int = 8

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features = x.shape[-1]
        y = x
        for last in (False, True):
            y = GroupNorm(self.groups)(y).astype(self.dtype)
            y = nn.swish(y)
            # The branch starts at zero, so that a deep net starts as a shallow one.
            kernel_init = nn.initializers.zeros if last else nn.initializers.he_normal()
            y = Conv(features, (3, 3), dtype=self.dtype, kernel_init=kernel_init)(y)
        return x + y


def require_divisible(x: Array, factor: int) -> None:
    """Raises ValueError unless both sides of x [B, H, W, C] are multiples of `factor`."""
    height, width = x.shape[1:3]
    if height % factor or width % factor:
        raise ValueError(
            f"windows of {height} x {width} pixels are not a multiple of {factor}, by which this "
            "network shrinks them: change dataset.window or the model's depth"
        )
