"""Regressors: patches to a measure of how their cells interact."""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxcell.models.nested import SizeAdjustment, first_numbers


class DenseRegressor(nn.Module):
    """The reference study's regressor: dense layers on the code of a trained encoder.

    Attributes:
      encoder: its parameters start from the trained autoencoder's.
      hidden: units of the two dense layers; the first has ReLU.
      dropout: share of units dropped after the first dense layer in training.
      mean: what is added to the network's answer, in the unit of the target. The target's mean, so
        that correlations and hundreds of micrometres train alike; 0 as in the study.
      sd: what the network's answer is multiplied by first. The target's SD; 1 as in the study.
      nested_sizes: sizes of codes that it is called with, if several.
    """

    encoder: nn.Module
    hidden: Sequence[int] = (128, 64)
    dropout: float = 0.15
    mean: float = 0.0
    sd: float = 1.0
    nested_sizes: Sequence[int] = ()
    dtype: Any = jnp.float32
    sees = "image"  # what of a batch it is shown

    @nn.compact
    def __call__(self, image: Array, train: bool = False, kept: Array | None = None) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> float32 [B], in the unit of `mean` and `sd`.

        The first `kept` int [B] numbers of each code are looked at; None: all.
        """
        code = self.encoder(image)
        x = code.reshape(len(code), -1)
        x = x if kept is None else first_numbers(x, kept)
        x = nn.Dense(self.hidden[0], dtype=self.dtype)(x)
        if self.nested_sizes:
            x = SizeAdjustment(self.nested_sizes)(x, kept)
        x = nn.relu(x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = nn.Dense(self.hidden[1], dtype=self.dtype)(x).astype(jnp.float32)
        kernel = self.param("kernel", nn.initializers.glorot_uniform(), (self.hidden[1], 1))
        bias = self.param("bias", nn.initializers.zeros, (1,))
        # Non-negative in use, free underneath: the straight-through gradient lets a weight at zero
        # come back, as Keras's projection after each update does.
        kernel = kernel + jax.lax.stop_gradient(nn.relu(kernel) - kernel)
        return self.mean + self.sd * (jnp.matmul(x, kernel) + bias[None])[:, 0]


# Bins of the histogram that `SoftOverlapRegressor` sees, a side.
BINS = 128
# What it can answer: the measures that follow from two masks alone, pixel by pixel.
SOFT_TARGETS = ("iou", "overlap_share")
# Units between what a view looks like at its threshold and whether it holds cells at all.
PRESENCE_UNITS = 16


class SoftOverlapRegressor(nn.Module):
    """Predicts two soft masks and answers with their overlap, in percent.

    Overlap is a property of two masks, so the network is made to predict masks. In each view it
    scores every grey value as a threshold by what lies below and above it, with one small network
    for all of them; a pixel's soft mask is the probability that the threshold lies below it. It
    then judges from what lies on either side whether the view holds cells at all. It is shown
    overlaps, never a mask or a threshold.

    All of this needs no more of a patch than how often each pair of grey values occurs, so turned
    and mirrored patches have the same answer and pixels are visited once.

    Attributes:
      hidden: units of the layers that score a threshold.
      target: what the shared area is divided by: for `iou` the union of the masks, for
        `overlap_share` the T cells.

    Source: choosing among candidates by a softmax is the pointer of Vinyals, Fortunato and Jaitly
    2015; the statistics of the two sides are those of Otsu 1979.
    """

    hidden: Sequence[int] = (32, 32)
    target: str = "iou"
    dtype: Any = jnp.float32
    sees = "image"

    @nn.compact
    def __call__(self, image: Array, train: bool = False) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> overlap in percent, float32 [B]."""
        del train
        joint = joint_histogram(image, BINS)
        views = jnp.stack([joint.sum(axis=2), joint.sum(axis=1)], axis=1)
        masks, present = self._masks(views)
        shared = jnp.einsum("bi,bij,bj->b", masks[:, 0], joint, masks[:, 1])
        areas = jnp.sum(masks * views, axis=-1)
        whole = areas[:, 0] if self.target == "overlap_share" else areas.sum(axis=1) - shared
        pixels = image.shape[1] * image.shape[2]
        return 100 * shared / jnp.maximum(whole, 1 / pixels) * jnp.prod(present, axis=1)

    def _masks(self, views: Array) -> tuple[Array, Array]:
        """Histograms [B, 2, K] -> soft masks by bin, alike, and chance of cells [B, 2]."""
        sides = threshold_features(views)
        which = jnp.broadcast_to(jnp.eye(2)[None, :, None], (*sides.shape[:3], 2))
        given = x = jnp.concatenate([sides, which], axis=-1)
        for features in self.hidden:
            x = nn.swish(nn.Dense(features, dtype=self.dtype)(x))
        # With the statistics themselves beside the layers, Otsu's criterion is one linear step.
        seen = jnp.concatenate([x.astype(jnp.float32), given], axis=-1)
        score = nn.Dense(1, use_bias=False)(seen)[..., 0]
        sharpness = jnp.exp(self.param("log_sharpness", nn.initializers.zeros, ()))
        # Something lies below it and something above; a constant view has no threshold at all.
        possible = jnp.min(sides[..., :2], axis=-1) > _logarithm(1e-6)
        chosen = nn.softmax(jnp.where(possible, sharpness * score, -1e9), axis=-1)
        chosen = jnp.where(possible, chosen, 0.0)
        masks = jnp.pad(jnp.cumsum(chosen, axis=-1), ((0, 0), (0, 0), (1, 0)))
        at_threshold = jnp.sum(chosen[..., None] * seen, axis=2)
        y = nn.swish(nn.Dense(PRESENCE_UNITS, dtype=self.dtype)(at_threshold))
        y = nn.Dense(1, kernel_init=nn.initializers.zeros)(y.astype(jnp.float32))[..., 0]
        return masks, nn.sigmoid(y + 3)  # most views hold cells: training starts from there


def joint_histogram(image: Array, bins: int) -> Array:
    """Share of a patch's pixels in each pair of grey values of its two views.

    float32 [B, bins, bins], the first view's bins first; no gradient flows to the image. Bin k
    begins at (k / bins) ** 2, so that they are denser where the background is.
    """
    batch, height, width, _ = image.shape
    position = jnp.floor(bins * jnp.sqrt(jax.lax.stop_gradient(image))).astype(jnp.int32)
    position = jnp.clip(position, 0, bins - 1)
    patch = jnp.arange(batch, dtype=jnp.int32)[:, None, None]
    cell = (patch * bins + position[..., 0]) * bins + position[..., 1]
    # One scatter over all patches: comparing every pixel to every edge is far slower.
    counts = jnp.zeros(batch * bins * bins, jnp.float32).at[cell.ravel()].add(1.0)
    return counts.reshape(batch, bins, bins) / (height * width)


def threshold_features(views: Array) -> Array:
    """What lies on either side of every threshold between two bins of `joint_histogram`.

    Views float32 [B, V, K] -> float32 [B, V, K - 1, 9], of the threshold above each bin but the
    last: logarithms of the shares below and above, of the distance of the two mean greys, of the
    standard deviations below and above; the two means; the brightest grey and the logarithm of
    the standard deviation of the whole view.

    Source: Otsu 1979, whose variance between the classes, share below x share above x squared
    distance of the means, is a sum in logarithms.
    """
    bins = views.shape[-1]
    # The darkest grey is 0 exactly, in many pixels: counts below the background are raised to it.
    grey = jnp.square((jnp.arange(bins, dtype=jnp.float32) + 0.5) / bins).at[0].set(0.0)[None, None]
    share, first, second = (
        jnp.cumsum(moment, axis=-1) for moment in (views, views * grey, views * grey**2)
    )
    below = [moment[..., :-1] for moment in (share, first, second)]
    above = [moment[..., -1:] - part for moment, part in zip((share, first, second), below)]
    (dark, dark_sd), (bright, bright_sd) = _mean_and_sd(*below), _mean_and_sd(*above)
    of_view = (
        jnp.max(jnp.where(views > 0, grey, 0.0), axis=-1, keepdims=True),
        _logarithm(_mean_and_sd(share[..., -1:], first[..., -1:], second[..., -1:])[1]),
    )
    features = [
        *(_logarithm(part) for part in (below[0], above[0], bright - dark, dark_sd, bright_sd)),
        dark,
        bright,
        *(jnp.broadcast_to(value, dark.shape) for value in of_view),
    ]
    return jnp.stack(features, axis=-1)


def _mean_and_sd(share: Array, first: Array, second: Array) -> tuple[Array, Array]:
    share = jnp.maximum(share, 1e-6)
    mean = first / share
    return mean, jnp.sqrt(jnp.maximum(second / share - mean**2, 0.0))


def _logarithm(value: Array | float) -> Array:
    # A pixel of 192 x 192 is a share of 3e-5, and greys are told apart by about as much.
    return jnp.log(jnp.maximum(value, 0.0) + 1e-4)
