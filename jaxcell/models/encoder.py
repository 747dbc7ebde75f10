"""Encoders: patches to codes."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxcell.compute.pooling import space_to_depth
from jaxcell.models.blocks import Conv, Convolution, Residual, require_divisible


class Encoder(nn.Module):
    """The reference study's encoder: convolutions with pooling, then a strided convolution.

    Attributes:
      features: channels of each convolution; each halves the side.
      code_features: channels of the spatial code.
      latent_dim: size of a dense bottleneck after it; 0 keeps the spatial code.
      activation: `prelu` or `relu`.
      downsampling: how the side is halved: `pool`, 2x2 maximum after the convolution (the
        study), or `stride`, convolutions of stride 2.
    """

    features: Sequence[int] = (64, 32, 32, 32)
    code_features: int = 32
    latent_dim: int = 0
    activation: str = "prelu"
    downsampling: str = "pool"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: Array) -> Array:
        """Image float [B, H, W, 2] -> code [B, h, w, code_features] or [B, latent_dim]."""
        require_divisible(image, 2 ** (len(self.features) + 1))
        x = image.astype(self.dtype)
        if self.downsampling not in ("pool", "stride"):
            raise ValueError(f"downsampling is {self.downsampling!r}: use pool or stride")
        pooled = self.downsampling == "pool"
        shared = {"activation": self.activation, "dtype": self.dtype}
        for features in self.features:
            x = Convolution(features, 1 if pooled else 2, pooled=pooled, **shared)(x)
        x = Convolution(self.code_features, 2, **shared)(x)
        return _bottleneck(x, self.latent_dim, self.dtype)


class ResidualEncoder(nn.Module):
    """The default encoder: pixels moved into channels, then residual stages, each halving the side.

    Most of the arithmetic happens on small images, so it is several times as fast as `Encoder`.

    Attributes, beside those of `Encoder`:
      patch: side of the squares moved into channels first.
      features: channels of each stage; the first works at 1 / `patch` of the side.
      blocks: residual blocks a stage.
    """

    patch: int = 8
    features: Sequence[int] = (48, 96)
    blocks: int = 1
    code_features: int = 8
    latent_dim: int = 0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: Array) -> Array:
        """Image float [B, H, W, 2] -> code [B, h, w, code_features] or [B, latent_dim]."""
        require_divisible(image, self.patch * 2 ** (len(self.features) - 1))
        x = space_to_depth(image.astype(self.dtype), self.patch)
        for stage, features in enumerate(self.features):
            if stage:
                x = space_to_depth(x, 2)
            x = Conv(features, (1, 1), dtype=self.dtype)(x)
            for _ in range(self.blocks):
                x = Residual(self.dtype)(x)
        x = Conv(self.code_features, (1, 1), dtype=self.dtype)(x)
        return _bottleneck(x, self.latent_dim, self.dtype)


def _bottleneck(code: Array, latent_dim: int, dtype: Any) -> Array:
    if not latent_dim:
        return code
    return nn.Dense(latent_dim, dtype=dtype, name="bottleneck")(code.reshape(len(code), -1))
