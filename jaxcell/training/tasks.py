"""What is trained, as a value: a pair of pure functions, so that every task shares one loop."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array

Params = Any
Batch = dict[str, Array]


class Task(NamedTuple):
    """What is trained.

    Attributes:
      init: (typed key, batch) -> params, all float32.
      loss: (params, batch, key) -> (per-example loss float32 [B], per-example metrics, each
        float32 [B]). A key of None means evaluation: no dropout.
    """

    init: Callable[[Array, Batch], Params]
    loss: Callable[[Params, Batch, Array | None], tuple[Array, dict[str, Array]]]


def autoencoder_task(model: nn.Module) -> Task:
    """Reconstruction of images, judged by binary cross-entropy.

    Args:
      model: linen module, float [B, H, W, C] in [0, 1] -> logits of the same shape.

    Returns:
      A Task; its loss is the mean over pixels and channels in nats, its metric `squared_error`
      the mean squared difference of image and reconstruction.

    Source: the reconstruction loss of the reference study.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"])["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        del key  # nothing in an autoencoder is random
        image = batch["image"]
        # A model in mixed precision may answer in bfloat16; the loss must not be computed in it.
        logits = model.apply({"params": params}, image).astype(jnp.float32)
        pixels = tuple(range(1, image.ndim))
        cross_entropy = jnp.mean(optax.sigmoid_binary_cross_entropy(logits, image), pixels)
        squared_error = jnp.mean(jnp.square(jax.nn.sigmoid(logits) - image), pixels)
        return cross_entropy, {"squared_error": squared_error}

    return Task(init, loss)


def regressor_task(model: nn.Module) -> Task:
    """Prediction of the overlap of an image, judged by squared error.

    Args:
      model: linen module, (float [B, H, W, C] in [0, 1], train: bool) -> overlap [B] in percent.

    Returns:
      A Task; its loss is in squared percent, its metrics are `absolute_error` and `predicted`,
      both in percent.

    Source: the mean squared error of the reference study.
    """

    def init(key: Array, batch: Batch) -> Params:
        return model.init(key, batch["image"], train=False)["params"]

    def loss(params: Params, batch: Batch, key: Array | None) -> tuple[Array, dict[str, Array]]:
        rngs = None if key is None else {"dropout": key}
        predicted = model.apply(
            {"params": params}, batch["image"], train=key is not None, rngs=rngs
        ).astype(jnp.float32)
        error = predicted - batch["overlap"]
        return jnp.square(error), {"absolute_error": jnp.abs(error), "predicted": predicted}

    return Task(init, loss)
