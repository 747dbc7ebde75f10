"""The network that estimates the truth of a patch: what pixels show, and what each T cell does.

It is shown counts of any camera: neither their offset nor their gain reaches it.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from jaxcell.compute.convolutions import upsampled_convolution
from jaxcell.compute.pooling import depth_to_space, space_to_depth
from jaxcell.models.blocks import Conv, require_divisible

# Side of the squares of pixels that are moved into channels, where the arithmetic is done.
SQUARE = 4
# What a pixel shows: nothing, a T cell, a dendritic cell, both. And what a square may hold the
# centre of: a T cell, one in contact, one that is bound.
CLASSES, CENTRES = 4, 3
# Amounts of a patch: pixels of T cells, of dendritic cells and of both; T cells, those in contact
# with a dendritic cell, and those bound to one.
AMOUNTS = (
    "t_cell_pixels",
    "dendritic_cell_pixels",
    "shared_pixels",
    "t_cells",
    "t_cells_in_contact",
    "bound_t_cells",
)
# What follows from areas, and all that it answers.
OF_AREAS = ("true_iou", "true_overlap_share")
TARGETS = (*OF_AREAS, "true_contact_share", "bound_share")
# What most pixels show, where training starts from.
USUAL = (2.0, 0.0, 0.0, -2.0)


class InteractionUNet(nn.Module):
    """Estimates the masks of both kinds of cells, where T cells are, and how they interact.

    Each pixel is given the probabilities of showing nothing, a T cell, a dendritic cell or both,
    each square of 4 x 4 pixels those of holding the centre of a T cell, of one in contact and of
    one that is bound. Their sums are the amounts expected of the patch, and its measures are
    shares of these.

    Attributes:
      target: what it answers with, of `TARGETS`.
      features: channels of each stage; the first works on squares of 4 pixels, each next at half
        the side before.
      dtype: of the arithmetic; parameters and sums stay float32.

    Source: Ronneberger et al. 2015, with pixels moved into channels at both ends as in Shi et al.
    2016, and features scaled and shifted by what is seen of the whole patch (Perez et al. 2018).
    """

    target: str = "true_iou"
    features: Sequence[int] = (32, 48)
    dtype: Any = jnp.float32
    sees = "counts"  # what of a batch it is shown

    def __call__(self, counts: Array, train: bool = False) -> Array:
        """Counts [B, H, W, 2] -> the target in percent, float32 [B], by a single look."""
        del train
        return share(expected_amounts(*self.logits(counts)), self.target)

    def amounts(self, counts: Array) -> tuple[Array, Array]:
        """Counts [B, H, W, 2], H equal to W -> amounts that are expected, float32 [B, 6], as
        `AMOUNTS`, and how unsure of them the pixels are, `doubt`, float32 [B].

        Means of two looks, at the patch and at its mirror image, whose errors differ.
        """
        looks = [self.logits(seen) for seen in (counts, mirrored(counts))]
        amounts = [expected_amounts(*look) for look in looks]
        doubts = [doubt(pixels) for pixels, _ in looks]
        return (amounts[0] + amounts[1]) / 2, (doubts[0] + doubts[1]) / 2

    def labels(self, counts: Array) -> Array:
        """Counts [B, H, W, 2], H equal to W -> what each pixel most probably shows by both looks,
        uint8 [B, H, W]: 0 nothing, 1 a T cell, 2 a dendritic cell, 3 both."""
        chances = self._chances(counts) + mirrored(self._chances(mirrored(counts)))
        return jnp.argmax(chances, axis=-1).astype(jnp.uint8)

    def _chances(self, counts: Array) -> Array:
        """Counts [B, H, W, 2] -> probability of each class by one look, float32 [B, H, W, 4]."""
        pixels, _ = self.logits(counts)
        chances = jnp.swapaxes(jax.nn.softmax(pixels, axis=-2), -1, -2)
        return depth_to_space(chances.reshape(*chances.shape[:3], -1), SQUARE)

    @nn.compact
    def logits(self, counts: Array) -> tuple[Array, Array]:
        """Counts [B, H, W, 2] -> logits of what pixels show, float32 [B, h, w, 4, 16], h and w a
        quarter of H and W, a square's pixels last; and of centres, float32 [B, h, w, 3]."""
        require_divisible(counts, SQUARE * 2 ** (len(self.features) - 1))
        x = space_to_depth(relative(counts).astype(self.dtype), SQUARE)
        first, rest = nn.initializers.he_normal(), nn.initializers.variance_scaling(
            0.5, "fan_in", "normal"
        )  # fmt: skip
        skips = []
        for stage, features in enumerate(self.features):
            if stage:
                skips.append(x)
                x = space_to_depth(x, 2)
            side = 1 if stage else 3
            x = Conv(features, (side, side), first, self.dtype)(x)
            x = x + Conv(features, (3, 3), rest, self.dtype)(nn.relu(x))
        # How blurred, how noisy and how crossed the light is, only the patch as a whole tells.
        whole = jnp.mean(nn.relu(x), axis=(1, 2), keepdims=True, dtype=jnp.float32)
        whole = nn.relu(Conv(features, (1, 1), first, self.dtype)(whole.astype(self.dtype)))
        slope, shift = jnp.split(Conv(2 * features, (1, 1), rest, self.dtype)(whole), 2, axis=-1)
        x = x * (1 + slope) + shift
        for stage, skip in reversed(list(enumerate(skips))):
            features = skip.shape[-1]
            kernel = self.param(f"up_{stage}", rest, (3, 3, x.shape[-1], features))
            x = skip + upsampled_convolution(nn.relu(x), kernel.astype(self.dtype))
            x = x + Conv(features, (3, 3), rest, self.dtype)(nn.relu(x))
        pixels = CLASSES * SQUARE**2
        x = Conv(pixels + CENTRES, (1, 1), rest, self.dtype)(nn.relu(x)).astype(jnp.float32)
        shown = x[..., :pixels].reshape(*x.shape[:3], CLASSES, SQUARE**2)
        return shown + jnp.array(USUAL)[None, None, None, :, None], x[..., pixels:] - 3.0


def mirrored(image: Array) -> Array:
    """Images [B, H, W, C] at their second diagonal, [B, W, H, C]; its own inverse."""
    return jnp.swapaxes(image[:, ::-1, ::-1], 1, 2)


def relative(counts: Array) -> Array:
    """Counts relative to the background and the contrast of their own view of a patch.

    Counts [B, H, W, V] of any offset and gain -> float32 [B, H, W, V], 0 at the middle of the
    background, its variation about 1, and bright cells, whose square root is taken, about 5.
    """
    counts = counts.astype(jnp.float32)
    batch, height, width, views = counts.shape
    # Means of squares of 8 pixels, smaller than a cell: camera noise is gone, and few are sorted.
    means = counts.reshape(batch, height // 8, 8, width // 8, 8, views).mean((2, 4))
    means = jnp.sort(means.reshape(batch, -1, views), axis=1)
    last = means.shape[1] - 1
    low, middle, high = (
        means[:, round(share * last)][:, None, None] for share in (0.10, 0.45, 0.995)
    )
    # Where a camera is so coarse that the background is one grey, a part of the cells' light.
    variation = jnp.maximum(2 * (middle - low), (high - low) / 100)
    z = (counts - middle) / jnp.maximum(variation, 1e-6)
    return jnp.sign(z) * (jnp.sqrt(1 + jnp.abs(z)) - 1)


def expected_amounts(pixels: Array, centres: Array) -> Array:
    """Amounts that logits stand for, float32 [B, 6] as `AMOUNTS`."""
    _, t_cell, dendritic_cell, both = jnp.moveaxis(
        jnp.sum(jax.nn.softmax(pixels, axis=-2), axis=(1, 2, 4)), -1, 0
    )
    areas = jnp.stack([t_cell + both, dendritic_cell + both, both], axis=-1)
    return jnp.concatenate([areas, jnp.sum(jax.nn.sigmoid(centres), axis=(1, 2))], axis=-1)


def doubt(pixels: Array) -> Array:
    """How unsure the logits of pixels are of what both kinds share, in percent, float32 [B].

    The variance of the number of shared pixels, were each pixel right or wrong by itself, over the
    expected pixels of cells: errors grow with it, in which units is for a calibration to say.
    """
    chances = jax.nn.softmax(pixels, axis=-2)
    both = chances[..., 3, :]
    cells = jnp.sum(1 - chances[..., 0, :], axis=(1, 2, 3))
    return 100 * jnp.sum(both * (1 - both), axis=(1, 2, 3)) / jnp.maximum(cells, 1.0)


def share(amounts: Array, target: str) -> Array:
    """A target of `TARGETS` in percent, float32 [...], of amounts float32 [..., 6]."""
    t_cell, dendritic_cell, both, cells, in_contact, bound = jnp.moveaxis(amounts, -1, 0)
    # Less than a pixel and half a cell are nothing, and a share of nothing is 0.
    part, whole = {
        "true_iou": (both, jnp.maximum(t_cell + dendritic_cell - both, 1.0)),
        "true_overlap_share": (both, jnp.maximum(t_cell, 1.0)),
        "true_contact_share": (in_contact, jnp.maximum(cells, 0.5)),
        "bound_share": (bound, jnp.maximum(cells, 0.5)),
    }[target]
    return 100 * part / whole


def code(amounts: Array) -> Array:
    """What is estimated of a patch as a code, float32 [..., 10] of amounts float32 [..., 6]:
    logarithms of 1 + the amounts and of 1 + the shares of `TARGETS` in percent, so that small and
    large ones count alike."""
    shares = [share(amounts, target) for target in TARGETS]
    return jnp.log1p(jnp.concatenate([amounts, jnp.stack(shares, axis=-1)], axis=-1))
