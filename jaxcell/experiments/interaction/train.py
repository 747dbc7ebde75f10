"""A run: its folder claimed, its plates read, its data set built, its two networks trained."""

from pathlib import Path

from ml_collections import ConfigDict

from jaxcell.dataset.source import Opened, dataset_config, open_data
from jaxcell.experiments.interaction.trainings import autoencoder_training, regressor_training
from jaxcell.inference.trained import NETWORKS, Run, _history, load
from jaxcell.models.build import Models, make_models
from jaxcell.storage.atomic import write
from jaxcell.storage.run_folder import check_claim, claim
from jaxcell.training.loop import fit


def train(config: ConfigDict, workdir: Path) -> Run:
    """Trains the autoencoder, then the regressor; goes on where a killed run stopped.

    Args:
      config: as `configs/default.py` describes.
      workdir: the run's folder; created, or one that belongs to the same config.

    Returns:
      The trained run.

    Raises:
      BadPlates: an image or a layout is bad; lists all that are.
      ValueError: the folder belongs to another config, or to plates that have changed since.
      FloatingPointError: a loss is not finite.
    """
    check_claim(workdir, "config.json", config.to_dict(), "config")
    require_sound(config)
    opened = open_data(config)
    models = begin(config, workdir, opened)
    training = autoencoder_training(config, models, opened.examples)
    autoencoder = fit(**training._asdict(), folder=workdir, name="autoencoder").best_params
    training = regressor_training(config, models, opened.examples, autoencoder)
    fit(**training._asdict(), folder=workdir, name="regressor")
    end(workdir)
    return load(workdir)[1]


def require_sound(config: ConfigDict) -> None:
    """Finds out, before anything is read, whether data set and networks of a config fit.

    Raises:
      ValueError: they do not.
    """
    dataset_config(config)
    make_models(config)




def begin(config: ConfigDict, workdir: Path, opened: Opened) -> Models:
    """Claims the folder of a run, and notes there what it belongs to.

    It comes after all that may stop on a bad plate or setting, so that no folder is left in the way
    of the next try.

    Returns:
      The networks of the run.

    Raises:
      ValueError: the folder belongs to another config, or to plates that have changed since.
    """
    claim(workdir, "config.json", config.to_dict(), "config")
    claim(workdir, "dataset.json", opened.dataset, "content of its plates")
    write(workdir / "findings.json", [list(finding) for finding in opened.findings])
    files = opened.image_files.items()
    write(workdir / "images.json", [[*place, views] for place, views in files])
    return make_models(config, opened.dataset)


def end(workdir: Path) -> None:
    """Notes that both networks of a run are trained, and after how many steps."""
    write(
        workdir / "trained.json", {name: _history(workdir, name)[-1]["step"] for name in NETWORKS}
    )














