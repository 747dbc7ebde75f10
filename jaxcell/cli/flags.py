"""What commands share: their flags, and what these say of config, run and plates."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jaxcell.configs import settings
from jaxcell.distributed.workers import Workers

# A setting given as a flag, --config.SECTION.FIELD=VALUE.
SETTING = "--config."
PIXEL_UM = "plates.pixel_um"
SKIP = "leave bad images out and list them, instead of stopping"
VIEWS = "view that shows each kind of cell, such as t_cell=GFP,dendritic_cell=Cy5"
KINDS = "kinds of cells to measure, each with its view: b_cell=GFP,macrophage=Cy5"
PAIRS = "whose interaction is asked, b_cell:macrophage,...; default: every two kinds"
PIXEL = "edge of a pixel of these images in um, where the files do not say it or err"
SCHEDULER = "address of a Dask scheduler whose workers do the work"
SCHEDULER_FILE = "the file that dask scheduler --scheduler-file wrote, in place of it"
SHARD = "i/n: do the i-th of n shares; n calls on a shared disk, then one without, which collects"
PROCESSES = "how many train together, each started by this command, or slurm: as srun says"
COORDINATOR = "where process 0 can be reached: a free port of its machine"
REREAD = "read every image again, also those whose size and times are unchanged"
CONDITION = "condition of wells that no layout describes"
CONFIGURED = "; any setting is a flag, --config.SECTION.FIELD=VALUE"


def add_run(add: Callable) -> None:
    """Adds the run that a command is of."""
    add("run_folder", nargs="?", default="", metavar="run", help="the run's folder")
    add("--workdir", default="", help="the same")


def add_workers(add: Callable) -> None:
    """Adds by whose hands the work is done."""
    add("--scheduler", default="", metavar="ADDRESS", help=SCHEDULER)
    add("--scheduler-file", default="", metavar="FILE", help=SCHEDULER_FILE)
    add("--shard", default="", metavar="I/N", help=SHARD)


def workers(options: argparse.Namespace) -> Workers:
    """By whose hands the work is done."""
    return Workers(options.scheduler, options.scheduler_file, options.shard)


def configured(options: argparse.Namespace, changes: dict[str, str]) -> Any:
    """The config of a command, with the pixels of its plates as their files say them."""
    config = settings.load_config(options.config)
    if kinds := getattr(options, "kinds", {}):
        if "kinds" not in config.get("measurement", {}):
            raise ValueError(
                f"--kinds: the config {options.config} has no kinds of cells to choose"
            )
        from jaxcell.configs.kinds import with_kinds

        config = with_kinds(config, kinds)
    if hasattr(options, "kinds"):
        known = config.plates.views.to_dict()
        for kind in (kind for kind in options.views if kind not in known):
            raise ValueError(
                f"--views names {kind}, which is not measured{settings.nearest(kind, known)}; "
                f"--kinds {kind}=VIEW,... says which kinds of cells are"
            )
    config = settings.changed(config, changes)
    if not config.get("plates", {}).get("folder"):
        return config
    from jaxcell.experiments.plates.pixels import with_own_pixels

    return with_own_pixels(config, given=PIXEL_UM in changes)


def run_of(options: argparse.Namespace) -> Path:
    """The run's folder; ValueError where nobody names one."""
    run = options.run_folder or options.workdir
    if not run:
        raise ValueError(f"name the run's folder: jaxcell {options.command} RUN")
    return Path(run)


def plates_of(options: argparse.Namespace) -> str:
    """The folder of plates, '' for none."""
    return options.plates or options.plates_flag


def views(text: str) -> dict[str, str]:
    """`t_cell=GFP,dendritic_cell=Cy5` as a dict."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(kind.strip() and sign and view.strip() for kind, sign, view in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form t_cell=GFP,dendritic_cell=Cy5"
        )
    return {kind.strip(): view.strip() for kind, _, view in pairs}


def views_or_none(text: str) -> dict[str, str]:
    """The same, where `dendritic_cell=` says that there is no such view."""
    empty = [part.partition("=")[0].strip() for part in text.split(",") if part.endswith("=")]
    rest = ",".join(part for part in text.split(",") if not part.endswith("="))
    return (views(rest) if rest else {}) | dict.fromkeys(filter(None, empty), "")


def changes_of(options: argparse.Namespace, unknown: Sequence[str]) -> dict[str, str]:
    """Settings to change, by dotted name, from the flags of a command that has a config."""
    changes: dict[str, str] = {}
    words = iter(unknown)
    for word in words:
        if not word.startswith(SETTING) or not hasattr(options, "config"):
            raise ValueError(unknown_word(word, options))
        name, sign, value = word.removeprefix(SETTING).partition("=")
        changes[name] = value if sign else next(words, "")
    if hasattr(options, "config") and hasattr(options, "skip"):
        changes |= {f"plates.views.{kind}": view for kind, view in options.views.items()}
        if plates := options.plates or getattr(options, "plates_flag", ""):
            changes["plates.folder"] = plates
        if options.skip:
            changes["plates.on_bad_image"] = "skip"
        if getattr(options, "segmentation", ""):
            changes["measurement.segmentation"] = options.segmentation
        if getattr(options, "labels_from", ""):
            changes["measurement.labels_from"] = options.labels_from
        if pairs := getattr(options, "pairs", ""):
            changes["measurement.pairs"] = repr(tuple(pairs.split(",")))
        if getattr(options, "labels", False):
            changes["measurement.labels"] = "True"
        if getattr(options, "patches", ""):
            changes["labelling.patches"] = options.patches
    return changes


def unknown_word(word: str, options: argparse.Namespace) -> str:
    """What to say of a word that a command does not know."""
    flags = sorted(
        f"--{name.replace('_flag', '').replace('_', '-')}"
        for name in vars(options)
        if name not in ("command", "run", "run_folder")
    )
    what = "flag" if word.startswith("-") else "argument"
    name = word.partition("=")[0]
    return f"jaxcell {options.command} has no {what} {name}{settings.nearest(name, flags)}"
