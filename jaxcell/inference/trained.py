"""Trained runs, opened."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import FrozenConfigDict

from jaxcell.dataset.source import Place
from jaxcell.models.build import Models, make_models
from jaxcell.plates.findings import Finding
from jaxcell.storage.run_folder import history, load_config
from jaxcell.training.checkpoint import best_params

NETWORKS = ("autoencoder", "regressor")


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
      ValueError: the folder is not a run, or its training has not ended.
    """
    config = load_config(workdir, "interaction")
    histories = {name: history(workdir, name) for name in NETWORKS}
    params = {name: best_params(workdir / name / "checkpoints") for name in NETWORKS}
    dataset, findings, files = (
        json.loads((workdir / f"{name}.json").read_text())
        for name in ("dataset", "findings", "images")
    )
    images = {tuple(place): views for *place, views in files}
    findings = [Finding(*entry) for entry in findings]
    return config, Run(make_models(config, dataset), params, histories, dataset, findings, images)
