"""Trains the members of one group together, each in a run folder of its own."""

import json
from pathlib import Path

from jaxcell import experiment
from jaxcell.experiment import Opened
from jaxcell.networks import Models
from jaxcell.run_folder import write
from jaxcell.sweep.members import Member
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import fit
from jaxcell.training.together import Lane, fit_together
from jaxcell.trainings import autoencoder_training, regressor_training

# What a member that diverged leaves, beside what was sound until then.
DIVERGED = "diverged.json"


def train_group(members: list[Member], folder: Path, opened: Opened) -> None:
    """Trains all networks of members that differ in their seed alone; goes on where it was cut off.

    Args:
      members: of one of `groups`, or some of one.
      folder: in which each has a folder of its name.
      opened: their data set.

    Raises:
      ValueError: a folder belongs to another config, or to plates that have changed since.
    """
    models = {
        member.name: experiment.begin(member.config, folder / member.name, opened)
        for member in members
    }
    sound = [member for member in members if reason(folder / member.name) is None]
    if not sound:
        return
    trainings = [
        autoencoder_training(member.config, models[member.name], opened.examples)
        for member in sound
    ]
    lanes = [
        Lane(folder / member.name, member.seed, training.train_batches)
        for member, training in zip(sound, trainings, strict=True)
    ]
    shared = trainings[0]._asdict()
    del shared["train_batches"], shared["init_params"]
    failures = fit_together(**shared, lanes=lanes, name="autoencoder")
    for member, failure in zip(sound, failures, strict=True):
        if failure:
            _note(folder / member.name, failure)
        else:
            _train_regressor(member, folder / member.name, models[member.name], opened)


def reason(folder: Path) -> str | None:
    """Why a member diverged; None unless it did."""
    path = folder / DIVERGED
    return json.loads(path.read_text())["reason"] if path.exists() else None


def _train_regressor(
    member: Member, folder: Path, models: Models, opened: Opened
) -> None:
    autoencoder = best_params(folder / "autoencoder" / "checkpoints")
    training = regressor_training(member.config, models, opened.examples, autoencoder)
    try:
        fit(**training._asdict(), folder=folder, name="regressor")
    except FloatingPointError as error:
        _note(folder, str(error))
    else:
        experiment.end(folder)


def _note(folder: Path, failure: str) -> None:
    write(folder / DIVERGED, {"reason": failure})
