"""Trained runs, opened."""

from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from ml_collections import FrozenConfigDict

from jaxcell.configs.ranges import check_of_run
from jaxcell.dataset.source import Place
from jaxcell.models.build import Models, make_models, parameters_of
from jaxcell.models.interaction_unet import (
    AMOUNTS,
    OF_AREAS,
    InteractionUNet,
    share,
)
from jaxcell.plates.findings import Finding
from jaxcell.storage.atomic import read
from jaxcell.storage.run_folder import history, load_config, notes_of
from jaxcell.training.checkpoint import best_params, require_fit

NETWORKS = ("autoencoder", "regressor")
# What dataset.json says of every run.
NOTED = ("name", "training_mean", "training_sd", "simulated")


class Run(NamedTuple):
    """A trained run.

    Attributes:
      models: the networks.
      params: best parameters, of `autoencoder` and `regressor`.
      histories: the rows of each network's metrics.jsonl, one an epoch.
      dataset: the content of dataset.json: `name` of the data set, `training_mean` and
        `training_sd` of the target over its training patches, in the target's unit, and whether
        its plates were `simulated`.
      findings: about its plates.
      image_files: as `image_files` gives, of its plates.
    """

    models: Models
    params: dict[str, Any]
    histories: dict[str, list[dict]]
    dataset: dict
    findings: list[Finding]
    image_files: dict[Place, dict[str, str]]


def load(workdir: Path) -> tuple[FrozenConfigDict, Run]:
    """Opens a run that was trained.

    Args:
      workdir: the run's folder.

    Returns:
      Its config, and the run.

    Raises:
      ValueError: the folder is not a run, its training has not ended, it is damaged, or another
        version of the program made it.
    """
    config = load_config(workdir, "interaction")
    check_of_run(config, workdir)
    with notes_of(workdir):
        histories = {name: history(workdir, name) for name in NETWORKS}
        dataset, findings, files = (
            read(workdir / f"{name}.json") for name in ("dataset", "findings", "images")
        )
        images = {tuple(place): {**views} for *place, views in files}
        findings = [Finding(*entry) for entry in findings]
        for name in NOTED:
            dataset[name]  # a run of an earlier version lacks some
        models = make_models(config, dataset)
    params = {name: best_params(workdir / name / "checkpoints") for name in NETWORKS}
    for name, model in models._asdict().items():
        made = parameters_of(model, config.dataset.window, channels=2)
        require_fit(params[name], made, workdir / name)
    return config, Run(models, params, histories, dataset, findings, images)


def estimates(regressor: Any, params: Any, batch: dict[str, Array]) -> dict[str, Array]:
    """What a regressor says of patches, inside a compiled function.

    Args:
      regressor, params: of a run.
      batch: `image` float32 [B, H, W, 2] in [0, 1] and `counts` uint16 or float32 [B, H, W, 2].

    Returns:
      `predicted` float32 [B], in the unit of the run's target; and of a network that learns the
      truth `doubt`, in percent, and the amounts of `AMOUNTS`.
    """
    variables, seen = {"params": params}, batch[regressor.sees]
    if not isinstance(regressor, InteractionUNet):
        return {"predicted": regressor.apply(variables, seen)}
    amounts, doubt = regressor.apply(variables, seen, method="amounts")
    predicted = share(amounts, regressor.target)
    named = dict(zip(AMOUNTS, jnp.moveaxis(amounts, -1, 0)))
    return {"predicted": predicted, "doubt": doubt, **named}


def by_own_masks(regressor: Any, params: Any, batch: dict[str, Array]) -> dict[str, Array]:
    """The target by what each pixel most probably shows, `by_own_masks` float32 [B] in percent, of
    a network that learns a truth of areas; nothing of others. Arguments as for `estimates`."""
    if not isinstance(regressor, InteractionUNet) or regressor.target not in OF_AREAS:
        return {}
    labels = regressor.apply({"params": params}, batch["counts"], method="labels")
    t_cell, dendritic_cell, both = (
        jnp.sum(found, axis=(1, 2), dtype=jnp.float32)
        for found in (labels & jnp.uint8(1) > 0, labels >= 2, labels == 3)
    )
    amounts = jnp.stack([t_cell, dendritic_cell, both, both, both, both], axis=-1)
    return {"by_own_masks": share(amounts, regressor.target)}
