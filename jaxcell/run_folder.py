"""Whose a run folder is: written once, checked ever after, so that no run meets another's files."""

import json
import os
from pathlib import Path


def check_claim(workdir: Path, name: str, content: dict, what: str) -> None:
    """Checks that a run folder is new, or belongs to the same run.

    Args:
      workdir: the run's folder.
      name: of the file in it that says what it belongs to.
      content: what it must belong to.
      what: the content in a word, for the message.

    Raises:
      ValueError: the folder belongs to something else.
    """
    path = workdir / name
    if path.exists():
        differing = _difference(json.loads(path.read_text()), json.loads(_as_json(content)))
        if differing:
            raise ValueError(
                f"{workdir} belongs to a run with another {what} ({'; '.join(differing)}): "
                "choose another --workdir, or start with the same settings to go on with it"
            )
    elif name == "config.json" and _foreign_files(workdir):
        raise ValueError(f"{workdir} is not empty and is not a run: choose another --workdir")


def claim(workdir: Path, name: str, content: dict, what: str) -> None:
    """Writes what a run folder belongs to, unless it is there; otherwise as `check_claim`."""
    check_claim(workdir, name, content, what)
    path = workdir / name
    if not path.exists():
        workdir.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp")
        partial.write_text(_as_json(content))
        os.replace(partial, path)


def _as_json(content: dict) -> str:
    return json.dumps(content, indent=2, sort_keys=True, default=list)


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


def _foreign_files(workdir: Path) -> bool:
    """Whether a folder holds anything but what a claim that was cut off left."""
    return workdir.exists() and any(path.suffix != ".tmp" for path in workdir.iterdir())
