"""The networks that a config names, proved to fit its windows and its target."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jaxcell.models.autoencoder import Autoencoder, plain_autoencoder, residual_autoencoder
from jaxcell.models.interaction_unet import TARGETS, InteractionUNet
from jaxcell.models.regressor import SOFT_TARGETS, DenseRegressor, SoftOverlapRegressor

# Name -> (window, latent_dim, nested_sizes, **model.autoencoder, dtype) -> an autoencoder with
# `encoder`, and name -> a regressor: a new network is one entry.
ARCHITECTURES = {"plain": plain_autoencoder, "residual": residual_autoencoder}
REGRESSORS = {
    "interaction_unet": InteractionUNet,
    "dense": DenseRegressor,
    "soft_overlap": SoftOverlapRegressor,
}
# The targets of those that cannot answer any.
ANSWERED = {"interaction_unet": TARGETS, "soft_overlap": SOFT_TARGETS}


class Models(NamedTuple):
    """The two networks of a run."""

    autoencoder: Autoencoder
    regressor: InteractionUNet | DenseRegressor | SoftOverlapRegressor


def make_models(config: ConfigDict, dataset: dict | None = None) -> Models:
    """The networks of a config, proved to fit its windows.

    Args:
      dataset: of the run, as in `Run`, where it is known: `DenseRegressor` answers any target but
        `iou`, which the study answers as it is, from the mean and in the SD of the training
        patches.

    Raises:
      ValueError: an architecture, a kind of regression or a dtype that does not exist, fields that
        belong to another, a target that the regression cannot answer, nested sizes that a code does
        not have, or windows that the networks cannot shrink.
    """
    model, window = config.model, config.dataset.window
    nested = tuple(sorted(model.nested_sizes))
    if nested and nested[-1] > model.latent_dim:
        raise ValueError(
            f"model.nested_sizes {nested} are sizes of a dense code, and "
            f"model.latent_dim is {model.latent_dim}: set it to the largest of them"
        )
    _require(model, "architecture", ARCHITECTURES)
    _require(model, "regression", REGRESSORS)
    _require(model, "dtype", ("float32", "bfloat16"))
    shared = {"dtype": model.dtype}
    answered = ANSWERED.get(model.regression)
    if answered and config.dataset.target not in answered:
        raise ValueError(
            f"model.regression {model.regression} answers {', '.join(answered)}, not the "
            f"dataset.target {config.dataset.target!r}: start from the config dense"
        )
    try:
        autoencoder = ARCHITECTURES[model.architecture](
            window, model.latent_dim, nested, **model.autoencoder.to_dict(), **shared
        )
        if model.regression == "dense":
            shared |= {"encoder": autoencoder.encoder, "nested_sizes": nested}
            if dataset and config.dataset.target != "iou":
                # A target that never varies has no SD: its mean is then all there is to answer.
                sd = dataset["training_sd"] or 1.0
                shared |= {"mean": dataset["training_mean"], "sd": sd}
        else:
            shared["target"] = config.dataset.target
        regressor = REGRESSORS[model.regression](**model.regressor.to_dict(), **shared)
        models = Models(autoencoder, regressor)
    except TypeError as error:
        raise ValueError(
            f"model.autoencoder or model.regressor has a field that {model.architecture} or "
            f"{model.regression} does not know ({error}): start from the config dissertation for "
            "plain and dense, from default for residual and soft_overlap"
        ) from error
    parameters_of(autoencoder, window, 2)
    return models


def parameters_of(model: nn.Module, side: int, channels: int) -> Any:
    """What parameters a network has, as shapes; nothing is computed.

    Args:
      model: of images.
      side: of an image, pixels.
      channels: of an image.
    """
    image = jax.ShapeDtypeStruct((1, side, side, channels), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), image)["params"]


def learns_truth(config: ConfigDict) -> bool:
    """Whether the regressor of a config is shown what each pixel truly shows."""
    return config.model.regression == "interaction_unet"


def _require(settings: ConfigDict, name: str, known: Iterable[str]) -> None:
    if settings[name] not in known:
        raise ValueError(f"model.{name} is {settings[name]!r}: use {' or '.join(known)}")
