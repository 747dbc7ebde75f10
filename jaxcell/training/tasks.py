"""What is trained, as a value: a pair of pure functions, so that every task shares one loop."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import Array

from jaxcell.compute.pooling import space_to_depth
from jaxcell.models.interaction_unet import (
    CLASSES,
    SQUARE,
    InteractionUNet,
    expected_amounts,
    share,
)

Params = Any
Batch = dict[str, Array]

RECONSTRUCTION_LOSSES = ("cross_entropy", "squared_error")


class Task(NamedTuple):
    """What is trained.

    Attributes:
      init: (typed key, batch) -> params, all float32.
      loss: (params, batch, key) -> (per-example loss float32 [B], per-example metrics, each
        float32 [B]). A key of None means evaluation: no dropout.
    """

    init: Callable[[Array, Batch], Params]
    loss: Callable[[Params, Batch, Array | None], tuple[Array, dict[str, Array]]]


def autoencoder_task(
    model: nn.Module, loss: str = "cross_entropy", nested_sizes: Sequence[int] = ()
) -> Task:
    """Reconstruction of images.

    Args:
      model: linen module, float [B, H, W, C] in [0, 1] -> logits of the same shape; with
        `nested_sizes` called with `kept`, as `Autoencoder` is.
      loss: `cross_entropy`, binary, in nats (the study), or `squared_error`; a mean over pixels
        and channels.
      nested_sizes: sizes k whose first k numbers of a code shall be a code. In training each
        patch is reconstructed from a code of one of them, drawn at random; in evaluation from
        a code of one of them, always the same, by its index. Empty: from the whole code.

    Returns:
      A Task; its metric `squared_error` is the mean squared difference of image and
      reconstruction.

    Raises:
      ValueError: a loss that does not exist.

    Source: the reconstruction loss of the reference study; nested dropout, Rippel, Gelbart and
    Adams 2014, over a few sizes as in Kusupati et al. 2022.
    """
    if loss not in RECONSTRUCTION_LOSSES:
        raise ValueError(f"autoencoder.loss is {loss!r}: use {' or '.join(RECONSTRUCTION_LOSSES)}")

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"])["params"]

    def of_codes(params: Params, image: Array, kept: Array | None) -> tuple[Array, dict]:
        # A model in mixed precision may answer in bfloat16; the loss must not be computed in it.
        given = (image,) if kept is None else (image, kept)
        logits = model.apply({"params": params}, *given).astype(jnp.float32)
        pixels = tuple(range(1, image.ndim))
        squared_error = jnp.mean(jnp.square(jax.nn.sigmoid(logits) - image), pixels)
        if loss == "squared_error":
            return squared_error, {"squared_error": squared_error}
        cross_entropy = jnp.mean(binary_cross_entropy(logits, image), pixels)
        return cross_entropy, {"squared_error": squared_error}

    def task_loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict]:
        of_size = functools.partial(of_codes, params, batch["image"])
        return of_size(_sizes(nested_sizes, batch, key))

    return Task(init, task_loss)


# How much centres count beside pixels, and the overlap in units of so many percent.
CENTRE_WEIGHT, OVERLAP_WEIGHT, OVERLAP_UNIT = 0.5, 0.3, 5.0


def truth_task(model: InteractionUNet) -> Task:
    """What each pixel truly shows, where T cells are, and the measure that follows.

    Returns:
      A Task on batches with `counts` float32 [B, H, W, 2], `truth` uint8 [B, H, W], a map as in
      `measures.truth`, and `target` float32 [B] in percent. Its loss is the cross-entropy of
      pixels, in nats, plus that of centres and the squared error of the target, weighted; its
      metrics are `pixels` (that cross-entropy), `absolute_error` and `predicted`, in percent.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["counts"])["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        del key  # nothing in it is random
        logits = model.apply({"params": params}, batch["counts"], method="logits")
        pixels, centres = (map_of.astype(jnp.float32) for map_of in logits)
        truth = space_to_depth(batch["truth"][..., None], SQUARE)
        shown = jax.nn.one_hot(truth & jnp.uint8(3), CLASSES, axis=-2)
        cross_entropy = jnp.mean(jax.nn.logsumexp(pixels, axis=-2), (1, 2, 3)) - jnp.mean(
            jnp.sum(pixels * shown, axis=-2), (1, 2, 3)
        )
        bits = jnp.stack(
            [jnp.max(truth >> jnp.uint8(bit) & jnp.uint8(1), axis=-1) for bit in (2, 3, 4)], axis=-1
        )
        of_centres = jnp.mean(
            binary_cross_entropy(centres, bits.astype(jnp.float32)), axis=(1, 2, 3)
        )
        predicted = share(expected_amounts(pixels, centres), model.target)
        error = predicted - batch["target"]
        total = (
            cross_entropy
            + CENTRE_WEIGHT * of_centres
            + OVERLAP_WEIGHT * jnp.square(error / OVERLAP_UNIT)
        )
        metrics = {
            "pixels": cross_entropy,
            "absolute_error": jnp.abs(error),
            "predicted": predicted,
        }
        return total, metrics

    return Task(init, loss)


def regressor_task(model: nn.Module, nested_sizes: Sequence[int] = ()) -> Task:
    """Prediction of a measure of interaction from an image, judged by squared error.

    Args:
      model: linen module, (float [B, H, W, C] in [0, 1], train: bool) -> float [B], in the unit of
        the batch's `target`; with `nested_sizes` called with `kept`, as `DenseRegressor` is.
      nested_sizes: as for `autoencoder_task`: it answers from the first k numbers of a code.

    Returns:
      A Task; its loss is in that unit squared, its metrics are `absolute_error` and `predicted`,
      both in it.

    Source: the mean squared error of the reference study.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"], train=False)["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        rngs = None if key is None else {"dropout": key}

        def of_codes(kept: Array | None) -> tuple[Array, dict[str, Array]]:
            given = {} if kept is None else {"kept": kept}
            predicted = model.apply(
                {"params": params}, batch["image"], train=key is not None, rngs=rngs, **given
            ).astype(jnp.float32)
            error = predicted - batch["target"]
            return jnp.square(error), {"absolute_error": jnp.abs(error), "predicted": predicted}

        return of_codes(_sizes(nested_sizes, batch, key))

    return Task(init, loss)


def binary_cross_entropy(logits: Array, truth: Array) -> Array:
    """Of each pixel, in nats: logits and truth in [0, 1], float32 of one shape.

    optax's takes two logarithms, each of a form that XLA does not vectorise on a CPU: it was an
    eighth of the default network's training step there.
    """
    return jnp.maximum(logits, 0) - logits * truth + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def _sizes(sizes: Sequence[int], batch: Batch, key: Array | None) -> Array | None:
    """The size of each example's code, int32 [B]: drawn in training, in evaluation the sizes in
    turn, so that a set of examples costs no more than one of one size. None if there are none."""
    if not sizes:
        return None
    which = batch["index"] % len(sizes)
    if key is not None:
        # The key itself goes to dropout.
        which = jax.random.choice(jax.random.fold_in(key, 0), len(sizes), which.shape)
    return jnp.array(sizes, jnp.int32)[which]


# How much the distance counts beside the area of the cells.
DISTANCE_WEIGHT = 4.0


def instance_task(model: nn.Module) -> Task:
    """Cells as an area and, inside it, the distance to the cell's edge; one pair a kind of cell.

    Args:
      model: linen module, float [B, H, W, C] -> logits [B, H, W, 2 K]: K areas, K distances.

    Returns:
      A Task on batches with `image` and `distance` float32 [B, H, W, K] in [0, 1], 0 outside
      cells. Its loss is the cross-entropy of the area plus `DISTANCE_WEIGHT` times the absolute
      error of the distance, both means over pixels and kinds; its metrics are the two terms.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"])["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        del key  # what is random about a crop was drawn with it
        distance = batch["distance"]
        logits = model.apply({"params": params}, batch["image"]).astype(jnp.float32)
        area, depth = jnp.split(logits, 2, axis=-1)
        inside = (distance > 0).astype(jnp.float32)
        pixels = (1, 2, 3)
        cross_entropy = jnp.mean(binary_cross_entropy(area, inside), pixels)
        error = jnp.mean(jnp.abs(jax.nn.sigmoid(depth) - distance), pixels)
        return cross_entropy + DISTANCE_WEIGHT * error, {"area": cross_entropy, "distance": error}

    return Task(init, loss)


# How much the error of the drawn stains counts beside what pixels show.
STAIN_WEIGHT = 5.0


def stain_task(model: nn.Module) -> Task:
    """What the stains would show, and which cells each pixel shows.

    Args:
      model: linen module, float [B, H, W, V] -> float32 [B, H, W, 4 + S]: logits of `CLASSES`,
        then S stains.

    Returns:
      A Task on batches with `image`, `stain` float32 [B, H, W, S] and `shown` uint8 [B, H, W, 1],
      0 to 3. Its loss is the cross-entropy of pixels in nats plus `STAIN_WEIGHT` times the mean
      squared error of the stains; its metrics are the two terms, `pixels` and `stain`.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"])["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        del key  # what is random about a crop was drawn with it
        answer = model.apply({"params": params}, batch["image"]).astype(jnp.float32)
        logits, stain = answer[..., :CLASSES], answer[..., CLASSES:]
        shown = jax.nn.one_hot(batch["shown"][..., 0], CLASSES)
        pixels = jnp.mean(
            jax.nn.logsumexp(logits, axis=-1) - jnp.sum(logits * shown, axis=-1), (1, 2)
        )
        error = jnp.mean(jnp.square(stain - batch["stain"]), (1, 2, 3))
        return pixels + STAIN_WEIGHT * error, {"pixels": pixels, "stain": error}

    return Task(init, loss)


def mask_task(model: nn.Module) -> Task:
    """The masks of T cells and dendritic cells, judged by binary cross-entropy.

    Args:
      model: linen module, float [B, H, W, 2] in [0, 1] -> logits of the same shape.

    Returns:
      A Task on batches with `image` and `masks`, float32 [B, H, W, 2]. Its loss is the mean over
      pixels and views in nats; its metric `pixel_iou` the intersection over union of predicted and
      given masks, both views together, 1 where both are empty.

    Source: the reference study's U-Net, trained on masks by 2-means.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"])["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        del key  # nothing in it is random
        masks = batch["masks"]
        logits = model.apply({"params": params}, batch["image"]).astype(jnp.float32)
        pixels = (1, 2, 3)
        cross_entropy = jnp.mean(binary_cross_entropy(logits, masks), pixels)
        inside = logits > 0
        both = jnp.sum(inside & (masks > 0), pixels).astype(jnp.float32)
        either = jnp.sum(inside | (masks > 0), pixels).astype(jnp.float32)
        iou = jnp.where(either > 0, both / jnp.maximum(either, 1.0), 1.0)
        return cross_entropy, {"pixel_iou": iou}

    return Task(init, loss)
