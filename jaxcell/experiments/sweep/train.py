"""A sweep from its config to its report: who trains what, what is done, what all of it says."""

import itertools
import json
import time
from contextlib import ExitStack
from pathlib import Path

import jax
from ml_collections import ConfigDict

from jaxcell.dataset.source import Opened, open_data
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction import train as interaction
from jaxcell.experiments.interaction.trainings import (
    Training,
    autoencoder_training,
    regressor_training,
)
from jaxcell.experiments.sweep.measure import measure
from jaxcell.experiments.sweep.members import Member, grid, groups, identity, share
from jaxcell.experiments.sweep.plan import count_groups, make_plan, plan_text
from jaxcell.experiments.sweep.results import (
    DIVERGED,
    MEASURED,
    is_finished,
    members_table,
    reason,
    report,
    status,
)
from jaxcell.inference.trained import load
from jaxcell.models.build import make_models
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.sweep.page import summary_lines
from jaxcell.storage.atomic import clear_unfinished, write
from jaxcell.storage.owner import lock_beside, locked, say_freed, tidy
from jaxcell.storage.run_folder import TRAINED, check_claim, claim
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import Lane, fit_together


def train(config: ConfigDict, workdir: Path) -> str:
    """Trains, measures and reports what a config's grid asks for and is not there yet.

    Args:
      config: as `configs/latent_sweep.py` describes.
      workdir: the sweep's folder; created, or one that belongs to the same config. Other calls of
        the same sweep may be at work in it.

    Returns:
      What to tell the person who started it.

    Raises:
      BadPlates: an image or a layout is bad; lists all that are.
      ValueError: the grid is wrong, or the folder belongs to another sweep.
    """
    members, folder = grid(config), workdir / "members"
    own = share(members, config.sweep.shard)
    for group in groups(members):
        interaction.check(group[0].config)
    if jax.process_count() > 1:
        raise ValueError(
            "the members of a sweep are trained by one process each: start it on each machine "
            "without --processes, with --config.sweep.shard=i/n"
        )
    check_claim(workdir, "sweep.json", identity(config), "other settings")
    if not own:
        return f"No member of the sweep falls to share {config.sweep.shard}."
    if config.sweep.plan:
        return plan_text(make_plan(own, _finished(own, folder)))
    count_groups(own)  # stops now what would stop when half is trained
    locks = workdir / "locks"
    with locked(locks / "sweep.lock", wait=True):
        for name in ("sweep.json", "config.json"):
            tidy(workdir / name)
        claim(workdir, "sweep.json", identity(config), "other settings")
        write(workdir / "config.json", config.to_dict())
    began = time.monotonic()
    for _ in range(2):  # once more for what another call had, and perhaps was killed over
        for _, some in itertools.groupby(groups(own), lambda group: _data_set(group[0])):
            _train(list(some), own, folder, began)
    _print_status(own, folder, set(), began)
    table = members_table(members, folder)
    waiting = table.loc[table["state"] == "waiting", "member"].nunique()
    if config.sweep.shard != "1/1":
        return f"Share {config.sweep.shard} is done. " + (
            f"{waiting} of all {len(members)} members are not there yet."
            if waiting
            else "All members are there: start once more without sweep.shard to report."
        )
    with locked(lock_beside(workdir / "report"), wait=True, doing="writing its report"):
        tidy(workdir / "report")
        metrics = report(config, workdir, members, table)
    lines = summary_lines(metrics, table, folder)
    page = workdir / "report" / "index.html"
    return closing_table(lines, page, time.monotonic() - began)


def _train(hands: list[list[Member]], own: list[Member], folder: Path, began: float) -> None:
    """Trains and measures groups of one data set, but for members that other calls are at.

    A group whose first member another call has is that call's. Finished members stand by while the
    others of their group are trained: a program of fewer members rounds otherwise, and a sweep that
    was killed would end with other numbers.
    """
    opened = None
    for group in hands:
        with ExitStack() as stack:
            mine = _locked(group, folder.parent / "locks", stack)
            for member in mine:
                say_freed(clear_unfinished(folder / member.name), folder)
            left = [member for member in mine if not is_finished(folder / member.name)]
            if not left:
                continue
            _print_status(own, folder, {member.name for member in left}, began)
            opened = opened or open_data(group[0].config)
            train_group(mine, folder, opened)
            for member in left:
                if reason(folder / member.name) is None:
                    _, trained = load(folder / member.name)
                    rows = measure(member, trained, opened.examples)
                    write(folder / member.name / MEASURED, rows)


def _locked(group: list[Member], locks: Path, stack: ExitStack) -> list[Member]:
    """The members of a group that are ours until the stack closes; none without the first."""
    mine: list[Member] = []
    for member in group:
        if stack.enter_context(locked(locks / f"{member.name}.lock")):
            mine.append(member)
        elif not mine:
            break
    return mine


def _print_status(own: list[Member], folder: Path, running: set[str], began: float) -> None:
    print(status(members_table(own, folder), running, time.monotonic() - began), flush=True)


def _data_set(member: Member) -> str:
    settings = (member.config.dataset.to_dict(), member.config.plates.to_dict())
    return json.dumps(settings, default=list)


def _finished(members: list[Member], folder: Path) -> dict[str, float]:
    """Finished members and the seconds their training took, NaN of those that diverged."""
    table = members_table(members, folder).drop_duplicates("member").set_index("member")
    return table.loc[table["state"] != "waiting", "train_seconds"].to_dict()


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
        lifecycle.begin(member.config, folder / member.name, interaction.notes(opened))
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
        write(folder / member.name / TRAINED, interaction.steps_taken(folder / member.name))


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
