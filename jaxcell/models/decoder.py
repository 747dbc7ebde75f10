"""Decoders: codes to the logits of patches, the encoders mirrored."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxcell.models.blocks import Convolution, Residual, SameConvolution, depth_to_space


class Decoder(nn.Module):
    """The reference study's decoder: convolutions with nearest-neighbour upsampling.

    Attributes:
      window: side of the patches in pixels.
      features: of the encoder; used in reverse.
      code_features: of the encoder; the first convolution's channels.
      activation: `prelu` or `relu`.
      dtype: of the arithmetic; parameters stay float32.
    """

    window: int = 192
    features: Sequence[int] = (64, 32, 32, 32)
    code_features: int = 32
    activation: str = "prelu"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, code: Array) -> Array:
        """Code [B, h, w, C] or [B, latent_dim] -> logits float32 [B, H, W, 2]."""
        side = self.window // 2 ** (len(self.features) + 1)
        x = _spatial(code, side, self.code_features, self.dtype)
        x = Convolution(self.code_features, activation=self.activation, dtype=self.dtype)(x)
        for features in reversed(self.features):
            x = Convolution(
                features, upsampled=True, activation=self.activation, dtype=self.dtype
            )(x)
        x = Convolution(2, upsampled=True, activation="none", dtype=self.dtype)(x)
        return x.astype(jnp.float32)


class ResidualDecoder(nn.Module):
    """The default decoder, `ResidualEncoder` mirrored; attributes as there.

    Attributes:
      window: side of the patches in pixels.
      patch: side of the squares that the last layer lays out as pixels.
      features: of the encoder; used in reverse.
      blocks: residual blocks a stage.
      code_features: of the encoder.
      dtype: of the arithmetic; parameters stay float32.
    """

    window: int = 192
    patch: int = 8
    features: Sequence[int] = (48, 96)
    blocks: int = 1
    code_features: int = 8
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, code: Array) -> Array:
        """Code [B, h, w, C] or [B, latent_dim] -> logits float32 [B, H, W, 2]."""
        side = self.window // (self.patch * 2 ** (len(self.features) - 1))
        x = _spatial(code, side, self.code_features, self.dtype)
        x = SameConvolution(self.features[-1], (3, 3), dtype=self.dtype)(x)
        for stage, features in enumerate(reversed(self.features)):
            if stage:
                x = depth_to_space(SameConvolution(4 * features, (1, 1), dtype=self.dtype)(x), 2)
            for _ in range(self.blocks):
                x = Residual(self.dtype)(x)
        x = SameConvolution(2 * self.patch**2, (3, 3), dtype=self.dtype)(nn.swish(x))
        return depth_to_space(x, self.patch).astype(jnp.float32)


def _spatial(code: Array, side: int, features: int, dtype: Any) -> Array:
    """A dense code [B, latent_dim] as [B, side, side, features]; a spatial one as it is."""
    if code.ndim == 4:
        return code.astype(dtype)
    x = nn.Dense(side * side * features, dtype=dtype, name="unfold")(code.astype(dtype))
    return x.reshape(len(x), side, side, features)
