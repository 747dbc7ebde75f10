"""What all trainings have in common: a folder claimed, data opened, networks trained, once.

A run's identity is its data set, its model and its training. Where files lie, memory, evaluation
and figures may change between two calls, so that a run can be gone on with on another machine.
"""

import importlib
import json
import platform
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jaxcell.compute import processes
from jaxcell.configs import ranges
from jaxcell.configs.settings import nearest
from jaxcell.storage.atomic import read, write
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import check_free, owned, replacing
from jaxcell.storage.run_folder import IDENTITY, TRAINED, check_claim, claim

# Sections of a config that a run is; of `plates` only what decides what a pixel means.
SECTIONS = ("experiment", "dataset", "model", "training")


class Outcome(NamedTuple):
    """What an evaluation came to: lines of the closing table, and the page of its report."""

    lines: Mapping[str, str]
    page: Path


def run(config: ConfigDict, workdir: Path) -> str:
    """Trains what a config describes, evaluates it and writes its report.

    Args:
      config: of any kind; the folder in `experiments` that `config.experiment` names, or the
        package of that name if it has a dot, has a module
        `train` with `train(config, workdir)`, which returns None or what ends the command, and a
        module `evaluate` with `evaluate(workdir, **options)`, which returns an `Outcome`.
      workdir: the run's folder.

    Returns:
      What to tell the person who started it. Several processes train together; then the first
      goes on alone, and the others have nothing to say.

    Raises:
      ValueError: a setting is out of its range, or whatever the kind says.
    """
    began = time.monotonic()
    ranges.check(config)
    said = _module(config.experiment, "train").train(config, workdir)
    if not processes.first_goes_on_alone():
        return ""
    return said or evaluate(workdir, began=began)


def evaluate(workdir: Path, *, began: float | None = None, **options: Any) -> str:
    """Evaluates a run and writes its report.

    Args:
      workdir: the run's folder.
      began: when the command began, of `time.monotonic`; None: now.
      **options: of the run's kind.

    Returns:
      The closing table.

    Raises:
      ValueError: the folder is not a run.
    """
    began = time.monotonic() if began is None else began
    kind = _kind_of(workdir)
    plates = options.get("plates")
    report = f"report-{Path(plates).resolve().name}" if plates else "report"
    require_place(workdir, what="the report")
    with replacing(workdir / report, "evaluating it"):
        outcome = _module(kind, "evaluate").evaluate(workdir, **options)
    # Drawing takes seconds to import, and a training that fails needs none of it.
    from jaxcell.report.common.terminal import closing_table

    return closing_table(outcome.lines, outcome.page, time.monotonic() - began)


def predict(workdir: Path, *given: Any, **options: Any) -> str:
    """Predicts a folder of plates with a run of any kind that can.

    Args:
      workdir: the run's folder.
      *given, **options: for `predict_folder` of the module `predict` of the run's kind.

    Returns:
      The closing table.

    Raises:
      ValueError: the folder is not a run, or one of a kind that predicts nothing.
    """
    kind = _kind_of(workdir)
    try:
        module = _module(kind, "predict")
    except ValueError:
        raise ValueError(
            f"{workdir} is a run of {kind}, which predicts no plates: `jaxcell segment` finds "
            "cells with a run of segmentation, `jaxcell evaluate` judges any"
        ) from None
    return module.predict_folder(workdir, *given, **options)


def refuse(options: Mapping[str, Any], what: str) -> None:
    """Raises ValueError where options are given to a kind of run that has none.

    Args:
      options: name -> value; what is empty or False counts as not given.
      what: the run in a word, and what to do instead.
    """
    given = sorted(name for name, value in options.items() if value)
    if given:
        raise ValueError(f"{' and '.join(given)} cannot be given: {what}")


def _kind_of(workdir: Path) -> str:
    """The kind of a run by its config; a package is not loaded because a folder names it.

    Raises:
      ValueError: the folder is not a run, its config says no kind, or a package that nobody here
        has loaded.
    """
    path = workdir / "config.json"
    if not path.exists():
        raise ValueError(f"{workdir} is not a run, it has no {path.name}")
    config = read(path)
    kind = config.get("experiment", "interaction") if isinstance(config, dict) else None
    if not isinstance(kind, str):
        raise ValueError(f"{path} is not the config of a run: it says no kind of experiment")
    if "." in kind and kind not in sys.modules:
        raise ValueError(
            f"{workdir} was made by the package {kind}, which is not loaded because a run's "
            "folder names it: give the command that trained it again, with your own --config, or "
            "import the package and call jaxcell.experiments.lifecycle.evaluate"
        )
    return kind


def _module(kind: str, part: str) -> ModuleType:
    if "." in kind:  # a package of somebody else's
        try:
            return importlib.import_module(f"{kind}.{part}")
        except ModuleNotFoundError as error:
            if error.name and not f"{kind}.{part}".startswith(error.name):
                raise  # of the package's own
            raise ValueError(f"experiment is {kind!r}: there is no module {error.name}") from error
    here = Path(__file__).parent
    kinds = sorted(path.parent.name for path in here.glob(f"*/{part}.py"))
    if kind not in kinds:
        raise ValueError(f"experiment is {kind!r}{nearest(kind, kinds)}")
    return importlib.import_module(f"jaxcell.experiments.{kind}.{part}")


def identity(config: ConfigDict) -> dict:
    """What of a config a run is, apart from the content of its data set."""
    settings = config.to_dict()
    return {name: settings[name] for name in SECTIONS} | {"pixel_um": config.plates.pixel_um}


def train(
    config: ConfigDict,
    workdir: Path,
    *,
    check: Callable[[ConfigDict], None],
    open_data: Callable[[ConfigDict], Any],
    notes: Callable[[Any], dict[str, Any]],
    fit: Callable[[ConfigDict, Path, Any], dict],
) -> None:
    """Trains a run, or goes on where it was cut off; does nothing where it has ended.

    Of several processes the first one makes the data set and owns the folder.

    Args:
      config: of the run.
      workdir: the run's folder; created, or one of the same run.
      check: raises ValueError for settings that do not fit, before anything is read.
      open_data: what the run is trained on.
      notes: file -> content, of the opened data; as for `begin`.
      fit: trains in the folder and returns the content of `TRAINED`.

    Raises:
      BadPlates: an image or a layout is bad; lists all that are.
      ValueError: a setting does not fit, or the folder belongs to another run.
      FloatingPointError: a loss is not finite.
    """
    with processes.first_before_others():
        if first := processes.is_first():
            require_place(workdir, what="the run")
            check_claim(workdir, IDENTITY, identity(config), "other settings")
            check_free(workdir)
        check(config)
        data = open_data(config)
    with owned(workdir, "training it") if first else nullcontext():
        if first:
            begin(config, workdir, notes(data))
        processes.wait()
        settings = json.dumps(identity(config), sort_keys=True, default=list).encode()
        processes.require_same(zlib.crc32(settings), "other settings: start all by one command")
        if not (workdir / IDENTITY).exists():
            raise ValueError(
                f"{platform.node()} does not see {workdir}, where the first process has begun: "
                "give a folder on a disk that all share"
            )
        if not (workdir / TRAINED).exists():
            trained = fit(config, workdir, data)
            if first:
                write(workdir / TRAINED, trained)


def begin(config: ConfigDict, workdir: Path, notes: dict[str, Any]) -> None:
    """Claims the folder of a run, and notes there what it belongs to.

    It comes after all that may stop on a bad plate or setting, so that no folder is left in the way
    of the next try.

    Args:
      config: of the run; the newest one of a run is kept.
      workdir: the run's folder.
      notes: file -> content; `dataset.json`, which tells the content of the data, must stay as it
        was.

    Raises:
      ValueError: the folder belongs to another run, or to plates that have changed since.
    """
    claim(workdir, IDENTITY, identity(config), "other settings")
    claim(workdir, "dataset.json", notes["dataset.json"], "plates of other content")
    for name, content in {**notes, "config.json": config.to_dict()}.items():
        write(workdir / name, content)
