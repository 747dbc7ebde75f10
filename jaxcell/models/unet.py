"""The U-Net: an image to maps of the same size, alike wherever in the field a cell lies."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from jaxcell.compute.convolutions import upsampled_convolution
from jaxcell.compute.pooling import depth_to_space, space_to_depth
from jaxcell.models.blocks import Conv, require_divisible


class UNet(nn.Module):
    """Encoder and decoder with skips between stages of the same size.

    Nothing in it looks at the whole image (its normalisation works within each pixel), so that
    a field cut into tiles that overlap by `reach` gives the same maps as the field in one piece.

    Attributes:
      outputs: channels of the answer.
      features: channels of each stage; the first works at 1 / `patch` of the side, each next at
        half the side before.
      patch: side of the squares moved into channels first; 2 saves three quarters of the
        arithmetic.

    Source: Ronneberger et al. 2015; layer normalisation in place of batch normalisation.
    """

    outputs: int
    features: Sequence[int] = (24, 48, 64, 96)
    patch: int = 2
    dtype: Any = jnp.float32

    @property
    def multiple(self) -> int:
        """Sides of images must be a multiple of this."""
        return self.patch * 2 ** (len(self.features) - 1)

    @property
    def reach(self) -> int:
        """Pixels beyond which a pixel has no say in another's answer; a multiple of `multiple`."""
        # At each stage's side: two convolutions on the way down, the upsampling one and two more
        # on the way up; at the last only two. Then two at full resolution, and what shares a
        # square of the last stage.
        sides = [self.patch * 2**stage for stage in range(len(self.features))]
        pixels = 5 * sum(sides[:-1]) + 2 * sides[-1] + 2 + sides[-1]
        return -(-pixels // self.multiple) * self.multiple

    @nn.compact
    def __call__(self, image: Array) -> Array:
        """Image float [B, H, W, C] -> float32 [B, H, W, outputs], logits."""
        require_divisible(image, self.multiple)
        x = space_to_depth(image.astype(self.dtype), self.patch)
        skips = []
        for stage, features in enumerate(self.features):
            if stage:
                skips.append(x)
                x = space_to_depth(x, 2)
            x = Conv(features, (1, 1), dtype=self.dtype)(x)
            x = _Branch(features, self.dtype)(x) + x
        for stage, skip in reversed(list(enumerate(skips))):
            features = skip.shape[-1]
            shape = (3, 3, x.shape[-1], features)
            kernel = self.param(f"up_{stage}", nn.initializers.he_normal(), shape)
            x = skip + upsampled_convolution(x, kernel.astype(self.dtype))
            x = _Branch(features, self.dtype)(x) + x
        full = Conv(8 * self.patch**2, (1, 1), dtype=self.dtype)(x)
        full = depth_to_space(full, self.patch)
        full = jnp.concatenate([full, image.astype(self.dtype)], axis=-1)
        full = nn.swish(Conv(8, (3, 3), dtype=self.dtype)(full))
        return Conv(self.outputs, (3, 3), dtype=self.dtype)(full).astype(jnp.float32)


class _Branch(nn.Module):
    """Normalisation, swish and a 3x3 convolution, twice."""

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for _ in range(2):
            # Its statistics are float32 whatever `dtype`; strict promotion wants that said.
            x = nn.LayerNorm()(x.astype(jnp.float32)).astype(self.dtype)
            x = Conv(self.features, (3, 3), dtype=self.dtype)(nn.swish(x))
        return x
