"""The command `jaxcell`: its sub-commands, a file a group, and every error as a sentence.

Modules are imported when a command needs them: data sets, plotting and projections take seconds.
"""

import argparse
import logging
import re
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import NoReturn

from jaxcell.cli import networks, planning, wells
from jaxcell.cli.flags import SETTING, changes_of
from jaxcell.compute.stopping import stopping
from jaxcell.configs import settings
from jaxcell.storage import faults

# What is said to the person who started a command; anything else is a fault of this program.
SAID = (ValueError, FileExistsError, FloatingPointError)


class _Parser(argparse.ArgumentParser):
    """Errors in one sentence, without the usage of every flag."""

    def error(self, message: str) -> NoReturn:
        sys.exit(f"{self.prog}: {message}; {self.prog} --help lists what it takes")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; ends the process with a sentence where something is wrong.

    Args:
      arguments: after the program's name; None: those of the process.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    options, unknown = parser.parse_known_args(given)
    try:
        with stopping(lambda number: _stopped(number, options)):
            changes = changes_of(options, unknown)
            if options.command != "settings":
                _set_up()
            if getattr(options, "reread", False):
                from jaxcell.storage import content

                content.forget()
            if said := options.run(options, changes):
                print(said)
    except Exception as error:
        said = faults.sentence(error, _written_to(options))
        if said is None and not isinstance(error, SAID):
            raise
        sys.exit(f"\n{said or f'{error}{_as_flags(str(error), options)}'}")


def _written_to(options: argparse.Namespace) -> list[Path]:
    """Folders that a command writes to, as far as its flags say."""
    named = (getattr(options, name, "") for name in ("workdir", "run_folder", "out"))
    return [*(Path(name) for name in named if name), Path()]


def _stopped(number: int, options: argparse.Namespace) -> str:
    """What to say when a signal ends a command."""
    why = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    kept = {
        "train": "what was trained up to the last checkpoint is kept; the same command goes on",
        "build": "files of a data set that other hands made are kept; the same command goes on",
        "measure": "the wells that were measured are kept; the same command goes on",
        "design": "a layout that was written is kept; the same command draws its power anew",
        "segment": "the images that were segmented are kept; the same command goes on",
        "screen": "wells that were measured are kept; the same command goes on",
    }
    done = kept.get(options.command, "earlier results stay as they were; start the command again")
    return f"stopped by {why}: {done}"


def train(arguments: Sequence[str] | None = None) -> None:
    """`jaxcell train`, for train.py."""
    main(["train", *(sys.argv[1:] if arguments is None else arguments)])


def evaluate(arguments: Sequence[str] | None = None) -> None:
    """`jaxcell evaluate`, for evaluate.py."""
    main(["evaluate", *(sys.argv[1:] if arguments is None else arguments)])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="jaxcell", description="Learning from images of interacting immune cells")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)

    def command(name: str, run: Callable, help: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
        added.set_defaults(run=run)
        return added

    for group in (networks, wells, planning):
        group.add_commands(command)
    return parser


def _version() -> str:
    try:
        return f"jaxcell {metadata.version('jaxcell')}"
    except metadata.PackageNotFoundError:
        return "jaxcell, not installed"


def _set_up() -> None:
    logging.getLogger("absl").setLevel(logging.ERROR)
    from jaxcell.compute import backend

    backend.set_up()


def _as_flags(message: str, options: argparse.Namespace) -> str:
    """How the settings that a message names are given, for commands that take settings."""
    if not hasattr(options, "config"):
        return ""
    try:
        rows = settings.described(options.config)
    except SAID:
        return ""
    named = [
        row.name for row in rows if re.search(rf"(?<![\w.]){re.escape(row.name)}(?!\w)", message)
    ]
    return f" ({SETTING}{named[-1]}=VALUE sets it)" if named else ""
