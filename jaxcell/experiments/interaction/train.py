"""The study's two networks: an autoencoder, then a regressor, trained on one data set."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcell.dataset.source import Opened, dataset_config, open_data
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction.trainings import autoencoder_training, regressor_training
from jaxcell.inference.trained import NETWORKS
from jaxcell.models.build import make_models
from jaxcell.storage.run_folder import history
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit


def train(config: ConfigDict, workdir: Path) -> None:
    """Trains both networks; goes on where a killed run stopped.

    Args:
      config: as `configs/default.py` describes.
      workdir: the run's folder; created, or one of the same run.

    Raises:
      BadPlates, ValueError, FloatingPointError: as `lifecycle.train`.
    """
    lifecycle.train(config, workdir, check=check, open_data=open_data, notes=notes, fit=_fit)


def check(config: ConfigDict) -> None:
    """Finds out, before anything is read, whether data set and networks of a config fit.

    Raises:
      ValueError: they do not.
    """
    dataset_config(config)
    make_models(config)


def notes(opened: Opened) -> dict:
    """What the run's folder says of its data: file -> content."""
    files = opened.image_files.items()
    return {
        "dataset.json": opened.dataset,
        "findings.json": [list(finding) for finding in opened.findings],
        "images.json": [[*place, views] for place, views in files],
    }


def steps_taken(workdir: Path) -> dict[str, int]:
    """The content of trained.json: how many steps each network was trained."""
    return {name: history(workdir, name)[-1]["step"] for name in NETWORKS}


def _fit(config: ConfigDict, workdir: Path, opened: Opened) -> dict[str, int]:
    models = make_models(config, opened.dataset)
    training = autoencoder_training(config, models, opened.examples)
    fit(**training._asdict(), folder=workdir, name="autoencoder")
    autoencoder = best_params(workdir / "autoencoder" / "checkpoints")
    training = regressor_training(config, models, opened.examples, autoencoder)
    fit(**training._asdict(), folder=workdir, name="regressor")
    return steps_taken(workdir)
