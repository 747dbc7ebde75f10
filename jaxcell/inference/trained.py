"""Trained runs, opened."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxcell.dataset.source import Place
from jaxcell.models.build import Models, make_models
from jaxcell.plates.findings import Finding
from jaxcell.training.checkpoint import best_params

NETWORKS = ("autoencoder", "regressor")


class Run(NamedTuple):
    """A trained run.

    Attributes:
      models: the networks.
      params: best parameters, of `autoencoder` and `regressor`.
      histories: the rows of each network's metrics.jsonl, one an epoch.
      dataset: the content of dataset.json: `name` of the data set, `training_mean` and
        `training_sd` of the target over its training patches, in the target's unit.
      findings: about its plates.
      image_files: as `image_files` gives, of its plates.
    """

    models: Models
    params: dict[str, Any]
    histories: dict[str, list[dict]]
    dataset: dict
    findings: list[Finding]
    image_files: dict[Place, dict[str, str]]


def _history(workdir: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (workdir / name / "metrics.jsonl").open()]


def load(workdir: Path) -> tuple[ConfigDict, Run]:
    """Opens a run that was trained.

    Args:
      workdir: the run's folder.

    Returns:
      Its config, and the run.

    Raises:
      ValueError: the folder is not a run, or its training has not ended.
    """
    if not (workdir / "trained.json").exists():
        raise ValueError(
            f"{workdir} is not a run whose training has ended, it has no trained.json: check "
            "--workdir, or start train.py with the same command again to go on with it"
        )
    config = ConfigDict(json.loads((workdir / "config.json").read_text()))
    if not (workdir / "images.json").exists() or "coverage" not in config.evaluation:
        raise ValueError(
            f"{workdir} was trained by an earlier version of jaxcell: evaluate it with that, or "
            "train again in another --workdir"
        )
    histories = {name: _history(workdir, name) for name in NETWORKS}
    params = {name: best_params(workdir / name / "checkpoints") for name in NETWORKS}
    dataset = json.loads((workdir / "dataset.json").read_text())
    findings = [Finding(*entry) for entry in json.loads((workdir / "findings.json").read_text())]
    files = json.loads((workdir / "images.json").read_text())
    images = {tuple(place): views for *place, views in files}
    return config, Run(make_models(config, dataset), params, histories, dataset, findings, images)
