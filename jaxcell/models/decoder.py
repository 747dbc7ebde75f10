"""Decoders: codes to the logits of patches, the encoders mirrored."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxcell.compute.pooling import depth_to_space
from jaxcell.models.blocks import Conv, Convolution, Residual
from jaxcell.models.nested import SizeAdjustment


class Decoder(nn.Module):
    """The reference study's decoder: convolutions with nearest-neighbour upsampling.

    Attributes:
      window: side of the patches in pixels.
      features: of the encoder; used in reverse.
      code_features: of the encoder; the first convolution's channels.
      nested_sizes: sizes of dense codes that it is called with, if several.
      activation: `prelu` or `relu`.
      dtype: of the arithmetic; parameters stay float32.
    """

    window: int = 192
    features: Sequence[int] = (64, 32, 32, 32)
    code_features: int = 32
    nested_sizes: Sequence[int] = ()
    activation: str = "prelu"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, code: Array, kept: Array | None = None) -> Array:
        """Code [B, h, w, C] or [B, latent_dim] -> logits float32 [B, H, W, 2].

        `kept` int [B] numbers of a dense code are no filling; None: all.
        """
        side = self.window // 2 ** (len(self.features) + 1)
        x = _unfold(code, kept, self, side)
        x = Convolution(self.code_features, activation=self.activation, dtype=self.dtype)(x)
        for features in reversed(self.features):
            x = Convolution(features, upsampled=True, activation=self.activation, dtype=self.dtype)(
                x
            )
        x = Convolution(2, upsampled=True, activation="none", dtype=self.dtype)(x)
        return x.astype(jnp.float32)


class ResidualDecoder(nn.Module):
    """The default decoder, `ResidualEncoder` mirrored; attributes as there and in `Decoder`.

    Attributes:
      patch: side of the squares that the last layer lays out as pixels.
    """

    window: int = 192
    patch: int = 8
    features: Sequence[int] = (48, 96)
    blocks: int = 1
    code_features: int = 8
    nested_sizes: Sequence[int] = ()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, code: Array, kept: Array | None = None) -> Array:
        """As `Decoder`."""
        side = self.window // (self.patch * 2 ** (len(self.features) - 1))
        x = _unfold(code, kept, self, side)
        x = Conv(self.features[-1], (3, 3), dtype=self.dtype)(x)
        for stage, features in enumerate(reversed(self.features)):
            if stage:
                x = depth_to_space(Conv(4 * features, (1, 1), dtype=self.dtype)(x), 2)
            for _ in range(self.blocks):
                x = Residual(self.dtype)(x)
        x = Conv(2 * self.patch**2, (3, 3), dtype=self.dtype)(nn.swish(x))
        return depth_to_space(x, self.patch).astype(jnp.float32)


def _unfold(
    code: Array, kept: Array | None, decoder: Decoder | ResidualDecoder, side: int
) -> Array:
    """A dense code [B, latent_dim] as [B, side, side, code_features]; a spatial one as it is."""
    code = code.astype(decoder.dtype)
    if code.ndim == 4:
        return code
    units = side * side * decoder.code_features
    x = nn.Dense(units, dtype=decoder.dtype, name="unfold")(code)
    if decoder.nested_sizes:
        x = SizeAdjustment(decoder.nested_sizes)(x, kept)
    return x.reshape(len(x), side, side, decoder.code_features)
