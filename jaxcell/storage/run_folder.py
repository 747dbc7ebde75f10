"""Whose a run folder is: written once, checked ever after, so that no run meets another's files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_collections import FrozenConfigDict

from jaxcell.storage.atomic import UNFINISHED, _as_json, read, write
from jaxcell.storage.owner import LOCKS
from jaxcell.storage.source import FILE as SOURCE

# What a run is, and, last of all that a training writes, how many steps were taken.
IDENTITY, TRAINED = "identity.json", "trained.json"

# What each kind of run makes first.
FIRST_MADE = ("autoencoder", "unet", "wells", "members", "segmented")
CLAIMS = {
    *("config.json", "sweep.json", "dataset.json", "findings.json", "images.json"),
    IDENTITY,
    LOCKS,
    SOURCE,
}


def check_claim(workdir: Path, name: str, content: dict, what: str) -> None:
    """Checks that a run folder is new, or belongs to the same run.

    Args:
      workdir: the run's folder.
      name: of the file in it that says what it belongs to.
      content: what it must belong to.
      what: how another run differs, for the message: "other settings".

    Raises:
      ValueError: the folder belongs to something else.
    """
    path = workdir / name
    if _is_begun(workdir) and not path.exists():
        raise ValueError(
            f"{workdir} belongs to a run of another kind, which has no {name}: choose "
            "another folder"
        )
    if _is_begun(workdir):
        differing = _difference(read(path), json.loads(_as_json(content)))
        if differing:
            raise ValueError(
                f"{workdir} belongs to a run with {what} ({'; '.join(differing)}): "
                "choose another folder, or start with the same settings to go on with it"
            )
    elif workdir.exists():
        names = {path.name for path in workdir.iterdir()}
        if {name for name in names if not name.startswith(UNFINISHED)} - CLAIMS:
            raise ValueError(f"{workdir} is not empty and is not a run: choose another folder")


def claim(workdir: Path, name: str, content: dict, what: str) -> None:
    """Writes what a run folder belongs to, unless it is there; otherwise as `check_claim`."""
    check_claim(workdir, name, content, what)
    if not _is_begun(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        write(workdir / name, content)


def _is_begun(workdir: Path) -> bool:
    """Whether anything was trained or measured in a folder; one in which not is anybody's."""
    return any((workdir / name).exists() for name in FIRST_MADE)


def _difference(old: dict, new: dict, prefix: str = "") -> list[str]:
    """Dotted names whose values differ, with both values."""
    lines = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            lines += _difference(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: there {before!r}, here {after!r}")
    return lines


def load_config(workdir: Path, kind: str) -> FrozenConfigDict:
    """The config of a run that was trained.

    Args:
      workdir: the run's folder.
      kind: what it must be, as `experiment` of a config names it.

    Raises:
      ValueError: the folder is no such run, or its training has not ended.
    """
    if not (workdir / TRAINED).exists():
        raise ValueError(
            f"{workdir} is not a run whose training has ended, it has no {TRAINED}: check the "
            "folder, or train with the same settings again to go on with it"
        )
    config = read(workdir / "config.json")
    if not (isinstance(config, dict) and {"experiment", "plates", "machine"} <= config.keys()):
        raise ValueError(
            f"{workdir} was trained by an earlier version of jaxcell: evaluate it with that, or "
            "train again in another folder"
        )
    if config["experiment"] != kind:
        raise ValueError(f"{workdir} is a run of {config['experiment']}, not of {kind}")
    return FrozenConfigDict(config)


@contextmanager
def notes_of(workdir: Path) -> Iterator[None]:
    """Has what is missing or odd in a run's notes of itself said in a sentence.

    Raises:
      ValueError: they are of another version of the program, or were changed by hand.
    """
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"the notes in {workdir} are not those of this version of jaxcell ({error}): use the "
            "version that trained the run, copy its folder again, or train again in another one"
        ) from error


def history(workdir: Path, name: str) -> list[dict]:
    """The rows of a network's metrics.jsonl, one an epoch."""
    path = workdir / name / "metrics.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): copy the run's folder again") from error
