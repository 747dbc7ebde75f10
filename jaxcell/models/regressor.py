"""Regressors: patches to a measure of how their cells interact."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array


class DenseRegressor(nn.Module):
    """The reference study's regressor: dense layers on the code of a trained encoder.

    Attributes:
      encoder: its parameters start from the trained autoencoder's.
      hidden: units of the two dense layers; the first has ReLU.
      dropout: share of units dropped after the first dense layer in training.
      mean: what is added to the network's answer, in the unit of the target. The target's mean, so
        that correlations and hundreds of micrometres train alike; 0 as in the study.
      sd: what the network's answer is multiplied by first. The target's SD; 1 as in the study.
      dtype: of the arithmetic; parameters stay float32.
    """

    encoder: nn.Module
    hidden: Sequence[int] = (128, 64)
    dropout: float = 0.15
    mean: float = 0.0
    sd: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: Array, train: bool = False) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> float32 [B], in the unit of `mean` and `sd`."""
        code = self.encoder(image)
        x = code.reshape(len(code), -1)
        x = nn.relu(nn.Dense(self.hidden[0], dtype=self.dtype)(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = nn.Dense(self.hidden[1], dtype=self.dtype)(x).astype(jnp.float32)
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (self.hidden[1], 1))
        bias = self.param("bias", nn.initializers.zeros, (1,))
        # Non-negative in use, free underneath: the straight-through gradient lets a weight at zero
        # come back, as Keras's projection after each update does.
        kernel = kernel + jax.lax.stop_gradient(nn.relu(kernel) - kernel)
        return self.mean + self.sd * (jnp.matmul(x, kernel) + bias[None])[:, 0]


# Bins of the histogram that `SoftOverlapRegressor` sees.
BINS = 64
# What it can answer: the measures that follow from two masks alone, pixel by pixel.
SOFT_TARGETS = ("iou", "overlap_share")


class SoftOverlapRegressor(nn.Module):
    """Predicts two soft masks and answers with their overlap, in percent.

    Overlap is a property of two masks, so the network is made to predict masks: per view a
    threshold and a sharpness from what the whole patch looks like (its cumulative histogram), if
    asked for refined by what surrounds each pixel. It is shown overlaps, never a mask.

    Attributes:
      hidden: units of the dense layers between histogram and threshold.
      refine: channels of the 3x3 convolutions that refine the masks' logits; 0 for none.
      target: what the shared area is divided by: for `iou` the union of the masks, for
        `overlap_share` the T cells.
      dtype: of the convolutions' arithmetic; parameters stay float32.
    """

    hidden: Sequence[int] = (128, 128)
    refine: int = 0
    target: str = "iou"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, image: Array, train: bool = False) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> overlap in percent, float32 [B]."""
        del train
        masks = nn.sigmoid(self._logits(image))
        intersection = jnp.prod(masks, axis=-1).sum(axis=(1, 2))
        if self.target == "overlap_share":
            whole = masks[..., 0].sum(axis=(1, 2))
        else:
            whole = masks.sum(axis=(1, 2, 3)) - intersection
        return 100 * intersection / (whole + 1)

    def _logits(self, image: Array) -> Array:
        above = jnp.flip(jnp.cumsum(jnp.flip(histogram(image, BINS), axis=1), axis=1), axis=1)
        # Cells cover a few percent of a patch: a logarithm spreads the small shares.
        x = jnp.log(above.reshape(len(image), -1) + 1e-4)
        for features in self.hidden:
            x = nn.swish(nn.Dense(features)(x))
        threshold = nn.sigmoid(nn.Dense(2)(x) - 1)[:, None, None]
        sharpness = nn.softplus(nn.Dense(2)(x) + 30)[:, None, None]
        logits = sharpness * (image - threshold)
        if self.refine:
            y = nn.relu(nn.Conv(self.refine, (3, 3), dtype=self.dtype)(image.astype(self.dtype)))
            y = nn.Conv(2, (3, 3), dtype=self.dtype, kernel_init=nn.initializers.zeros)(y)
            logits += y.astype(jnp.float32)
        return logits


def histogram(image: Array, bins: int) -> Array:
    """Share of a patch's pixels in each bin of grey value, view by view.

    Args:
      image: float [B, H, W, C] in [0, 1].
      bins: number of bins; bin k begins at (k / bins) ** 1.5, so that they are denser where the
        background is.

    Returns:
      float32 [B, bins, C]; no gradient flows to the image.
    """
    batch, height, width, views = image.shape
    position = jnp.floor(bins * jax.lax.stop_gradient(image) ** (1 / 1.5)).astype(jnp.int32)
    position = jnp.clip(position, 0, bins - 1)
    # One scatter over all patches; comparing every pixel to every edge is 15 times slower.
    row = jnp.arange(batch)[:, None, None, None] * bins + position
    column = jnp.broadcast_to(jnp.arange(views)[None, None, None], row.shape)
    counts = jnp.zeros((batch * bins, views), jnp.float32).at[row, column].add(1.0)
    return counts.reshape(batch, bins, views) / (height * width)
