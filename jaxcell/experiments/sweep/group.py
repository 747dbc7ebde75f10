"""Trains the members of one group together, each in a run folder of its own."""

from pathlib import Path

from jaxcell.dataset.source import Opened
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction import train
from jaxcell.experiments.interaction.trainings import (
    Training,
    autoencoder_training,
    regressor_training,
)
from jaxcell.experiments.sweep.members import Member
from jaxcell.experiments.sweep.results import DIVERGED, reason
from jaxcell.models.build import make_models
from jaxcell.storage.atomic import write
from jaxcell.storage.run_folder import TRAINED
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import Lane, fit_together


def train_group(members: list[Member], folder: Path, opened: Opened) -> None:
    """Trains all networks of members that differ in their seed alone; goes on where it was cut off.

    Args:
      members: of one of `groups`, or some of one.
      folder: in which each has a folder of its name.
      opened: their data set.

    Raises:
      ValueError: a folder belongs to another config, or to plates that have changed since.
    """
    for member in members:
        lifecycle.begin(member.config, folder / member.name, train.notes(opened))
    models = {member.name: make_models(member.config, opened.dataset) for member in members}
    sound = [member for member in members if reason(folder / member.name) is None]
    trainings = [
        autoencoder_training(member.config, models[member.name], opened.examples)
        for member in sound
    ]
    sound = _fit(sound, folder, "autoencoder", trainings)
    trainings = [
        regressor_training(
            member.config,
            models[member.name],
            opened.examples,
            best_params(folder / member.name / "autoencoder" / "checkpoints"),
        )
        for member in sound
    ]
    for member in _fit(sound, folder, "regressor", trainings):
        write(folder / member.name / TRAINED, train.steps_taken(folder / member.name))


def _fit(members: list[Member], folder: Path, name: str, trainings: list[Training]) -> list[Member]:
    """Trains one network of each member, and gives back those that did not diverge."""
    if not members:
        return []
    lanes = [
        Lane(folder / member.name, member.seed, training.train_batches, training.init_params)
        for member, training in zip(members, trainings, strict=True)
    ]
    shared = trainings[0]._asdict()
    del shared["train_batches"], shared["init_params"]
    results = fit_together(**shared, lanes=lanes, name=name)
    for member, result in zip(members, results, strict=True):
        if result.failure:
            write(folder / member.name / DIVERGED, {"reason": result.failure})
    return [member for member, result in zip(members, results) if not result.failure]
