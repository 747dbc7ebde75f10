"""The command `jaxcell`: its sub-commands, their flags, and every error as a sentence.

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
from typing import Any, NoReturn

from jaxcell.compute.stopping import stopping
from jaxcell.configs import settings
from jaxcell.distributed.workers import Workers
from jaxcell.storage import faults

# A setting given as a flag, --config.SECTION.FIELD=VALUE.
SETTING = "--config."
PIXEL_UM = "plates.pixel_um"
# What is said to the person who started a command; anything else is a fault of this program.
SAID = (ValueError, FileExistsError, FloatingPointError)
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
            changes = _changes(options, unknown)
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

    configured = "; any setting is a flag, --config.SECTION.FIELD=VALUE"
    add = command("train", _train, "train a run from plates to report" + configured).add_argument
    add("--config", default="demo", help="name of a config, or its file")
    add("--workdir", default="", help="the run's folder; default: runs/CONFIG")
    add("--plates", default="", help="folder of plates; default: simulated ones")
    add("--views", type=_views, default={}, help=VIEWS)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)
    add("--processes", default="", metavar="N|slurm", help=PROCESSES)
    add("--process", default="", metavar="I", help="which of them this one is, from 0")
    add("--coordinator", default="", metavar="HOST:PORT", help=COORDINATOR)

    add = command(
        "build", _build, "build the data set that a training would" + configured
    ).add_argument
    add("--config", default="demo", help="name of a config, or its file")
    add("--plates", default="", help="folder of plates; default: simulated ones")
    add("--views", type=_views, default={}, help=VIEWS)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)
    _add_workers(add)

    add = command("evaluate", _evaluate, "evaluate a run on wells it never saw").add_argument
    _add_run(add)
    add("plates", nargs="?", default="", help="folder of plates; default: the run's own wells")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--views", type=_views, default={}, help=VIEWS)
    add("--condition", help=CONDITION)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)
    add("--pixel-um", type=float, default=0.0, help=PIXEL)
    add("--standardise", action="store_true", help="standardise codes on control wells first")
    add("--data", default="", help="folder that keeps data sets; of other plates: RUN/data")

    add = command("predict", _predict, "predict every well of any plates").add_argument
    _add_run(add)
    add("plates", nargs="?", default="", help="folder of plates")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--out", default="", help="folder of the tables; default: RUN/predictions-PLATES")
    add("--pixel-um", type=float, default=0.0, help=PIXEL)
    add("--views", type=_views, default={}, help=VIEWS)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)
    _add_workers(add)

    add = command(
        "measure", _measure, "measure every well and every cell" + configured
    ).add_argument
    add("plates", nargs="?", default="", help="folder of plates; default: simulated ones")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--out", default="", help="folder of the results; default: runs/measured-PLATES")
    add("--config", default="measure", help="name of a config, or its file")
    add("--segmentation", default="", help="run of a U-Net that finds the cells")
    add("--labels-from", default="", help="folder of label images: the cells to measure")
    add("--labels", action="store_true", help="write every field's cells as label images")
    add("--kinds", type=_views, default={}, help=KINDS)
    add("--pairs", default="", help=PAIRS)
    add("--views", type=_views_or_none, default={}, help=VIEWS + "; without a view: not measured")
    add("--condition", help=CONDITION)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)
    _add_workers(add)

    add = command(
        "segment", _segment, "find the cells of any images by a trained segmentation"
    ).add_argument
    add("--run", dest="run_flag", default="", help="the run's folder")
    add("--images", default="", help="folder of images, or of plates")
    add("--out", default="", help="folder of the results; default: runs/segmented-IMAGES")
    add("--pixel-um", type=float, default=0.0, help=PIXEL)
    add("--views", type=_views, default={}, help="of plates: view that shows each kind of cell")
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)

    add = command("screen", _screen, "screen plates of compounds" + configured).add_argument
    add("--table", nargs="+", default=[], help="tables of wells: CSV, Parquet, .xlsx")
    add("--plates", default="", help="folder of plates, measured first")
    add("--layout", nargs="+", default=[], help="layouts; default: those beside each table")
    add("--plate", default="", help="id of the plate, where table and layout do not agree on one")
    add("--measure", default="", help="column to screen; default: overlap_share")
    add("--counts", type=_views, default={}, help="columns of counts, t_cell=N,dendritic_cell=M")
    add("--out", default="", help="folder of the results; default: runs/screen-NAME")
    add("--uncorrected", action="store_true", help="leave in what wells owe to their place")
    add("--config", default="measure", help="name of a config, or its file, to measure with")
    add("--segmentation", default="", help="run of a U-Net that finds the cells")
    add("--kinds", type=_views, default={}, help=KINDS)
    add("--pairs", default="", help=PAIRS)
    add("--views", type=_views, default={}, help=VIEWS)
    add("--condition", help=CONDITION)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)
    _add_workers(add)

    add = command(
        "design", _design, "lay a screen out on plates, before the experiment"
    ).add_argument
    add("--compounds", type=int, default=0, help="how many")
    add("--replicates", type=int, default=2, help="wells of each at a dose in a condition")
    add("--plate", type=int, default=384, help="wells of a plate: 24, 96 or 384")
    add("--conditions", default="Unstimulated,OVA,ConA", help="stimulations, by commas")
    add("--doses", default="10", help="of every compound, by commas, in uM or with their units")
    add("--rim", choices=("leave", "use"), default="leave", help="what of the outermost wells")
    add("--names", default="", help="of the plates, by commas; default: P1, P2 ...")
    add("--seed", type=int, default=0, help="of the lot: another seed, another layout")
    add("--previous", default="", help="table of an earlier plate, for its variances")
    add("--measure", default="", help="its column; default: overlap_share")
    add("--drawn", type=int, default=40, help="compounds an effect in the power table; 0: none")
    add("--out", default="runs/design", help="folder of the layout and its page")

    add = command(
        "label", _label, "draw patches for a person to annotate" + configured
    ).add_argument
    add("plates", nargs="?", default="", help="folder of plates; default: simulated plates")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--patches", default="", help="how many; default: the config's, 120")
    add("--out", default="", help="folder of the sheet; default: runs/sheet-PLATES")
    add("--config", default="labelling", help="name of a config, or its file")
    add("--views", type=_views, default={}, help=VIEWS)
    add("--condition", help=CONDITION)
    add("--skip", action="store_true", help=SKIP)
    add("--reread", action="store_true", help=REREAD)

    add = command("score", _score, "score estimators on an annotated sheet").add_argument
    add("sheet", nargs="?", default="", help="folder of the sheet")
    add("--run", dest="run_flag", nargs="+", default=[], help="trained runs to score too")
    add("--plates", dest="plates_flag", default="", help="where the sheet's plates lie now")

    add = command("plates", _plates_seen, "say what lies in a folder of images").add_argument
    add("folder", nargs="?", default="", help="folder of images of any instrument")
    add("--out", default="", help="folder to write the two tables into, images.csv and wells.csv")
    add("--z", default="", help="plane of stacks of focus, from 1, or max, their maximum")
    add("--time", default="", help="time of series, from 1")
    add("--condition", default="", help=CONDITION)

    add = command("settings", _settings, "list all settings of a config").add_argument
    add("--config", default="default", help="name of a config, or its file")
    return parser


def _add_run(add: Callable) -> None:
    add("run_folder", nargs="?", default="", metavar="run", help="the run's folder")
    add("--workdir", default="", help="the same")


def _add_workers(add: Callable) -> None:
    add("--scheduler", default="", metavar="ADDRESS", help=SCHEDULER)
    add("--scheduler-file", default="", metavar="FILE", help=SCHEDULER_FILE)
    add("--shard", default="", metavar="I/N", help=SHARD)


def _workers(options: argparse.Namespace) -> Workers:
    return Workers(options.scheduler, options.scheduler_file, options.shard)


def _version() -> str:
    try:
        return f"jaxcell {metadata.version('jaxcell')}"
    except metadata.PackageNotFoundError:
        return "jaxcell, not installed"


def _set_up() -> None:
    logging.getLogger("absl").setLevel(logging.ERROR)
    from jaxcell.compute import backend

    backend.set_up()


def _train(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.compute import processes

    with processes.together(options.processes, options.process, options.coordinator):
        from jaxcell.experiments import lifecycle

        config = _config(options, changes)
        name = Path(options.config.partition(":")[0]).stem
        return lifecycle.run(config, Path(options.workdir or f"runs/{name}"))


def _build(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.building.build import build_data_sets

    return build_data_sets(_config(options, changes), _workers(options))


def _evaluate(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments import lifecycle

    del changes
    return lifecycle.evaluate(
        _run(options),
        plates=_plates(options),
        views=options.views,
        condition=options.condition,
        skip=options.skip,
        standardise=options.standardise,
        pixel_um=options.pixel_um,
        data=options.data,
    )


def _predict(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    run, plates = _run(options), _plates(options)
    if not plates:
        raise ValueError("name a folder of plates: jaxcell predict RUN PLATES")
    from jaxcell.experiments.interaction.predict import predict_folder

    out = Path(options.out or run / f"predictions-{Path(plates).resolve().name}")
    return predict_folder(
        *(run, plates, out, options.views, options.skip, options.pixel_um),
        workers=_workers(options),
    )


def _measure(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.measurement.measure import measure_plates

    config = _config(options, changes)
    plates = config.plates.folder
    name = Path(plates).resolve().name if plates else "simulated"
    out = Path(options.out or f"runs/measured-{name}")
    return measure_plates(config, out, options.condition, _workers(options))


def _segment(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    if not (options.run_flag and options.images):
        raise ValueError("name a run and a folder: jaxcell segment --run RUN --images FOLDER")
    if options.pixel_um < 0:
        raise ValueError(f"--pixel-um is {options.pixel_um}: use the edge of a pixel in um")
    from jaxcell.experiments.segmentation.segment import segment_folder

    folder = Path(options.images)
    return segment_folder(
        Path(options.run_flag),
        folder,
        Path(options.out or f"runs/segmented-{folder.resolve().name}"),
        pixel_um=options.pixel_um,
        views=options.views,
        skip=options.skip,
    )


def _screen(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.screening.screen import screen_plates

    if bool(options.table) == bool(options.plates):
        raise ValueError("give tables of wells, --table FILE, or plates, --plates FOLDER")
    # What is in wells that the layout calls empty is looked at, and said.
    changes = {"measurement.empty_wells": "True"} | changes
    config = _config(options, changes)
    name = Path(options.plates or options.table[0]).resolve()
    return screen_plates(
        Path(options.out or f"runs/screen-{name.name if options.plates else name.stem}"),
        tables=[Path(path) for path in options.table],
        config=config,
        layouts=[Path(path) for path in options.layout],
        plate=options.plate,
        measure=options.measure,
        views=config.plates.views.to_dict(),
        counts=options.counts,
        correct=not options.uncorrected,
        condition=options.condition,
        workers=_workers(options),
    )


def _design(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    if not options.compounds:
        raise ValueError("say how many compounds: jaxcell design --compounds N")
    from jaxcell.experiments.design.design import design_plates

    return design_plates(
        Path(options.out),
        compounds=options.compounds,
        replicates=options.replicates,
        wells=options.plate,
        conditions=options.conditions,
        doses=options.doses,
        rim=options.rim == "use",
        names=options.names,
        seed=options.seed,
        previous=Path(options.previous) if options.previous else None,
        measure=options.measure,
        drawn=options.drawn,
    )


def _label(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.labelling.draw import draw_sheet

    config = _config(options, changes)
    plates = config.plates.folder
    name = Path(plates).resolve().name if plates else "simulated"
    return draw_sheet(config, Path(options.out or f"runs/sheet-{name}"), options.condition)


def _score(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    if not options.sheet:
        raise ValueError("name the sheet's folder: jaxcell score SHEET")
    from jaxcell.experiments.labelling.score import score_sheet

    return score_sheet(Path(options.sheet), options.plates_flag, list(map(Path, options.run_flag)))


def _plates_seen(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    if not options.folder:
        raise ValueError("name a folder of images: jaxcell plates FOLDER")
    from jaxcell.experiments.plates.describe import describe_plates

    return describe_plates(options.folder, options.out, options.z, options.time, options.condition)


def _settings(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    rows = settings.described(options.config)
    width = max(len(f"{row.name}={row.value}") for row in rows)
    return "\n".join(
        f"{f'{row.name}={row.value}':<{width}}  {row.meaning}".rstrip() for row in rows
    )


def _config(options: argparse.Namespace, changes: dict[str, str]) -> Any:
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


def _run(options: argparse.Namespace) -> Path:
    run = options.run_folder or options.workdir
    if not run:
        raise ValueError(f"name the run's folder: jaxcell {options.command} RUN")
    return Path(run)


def _plates(options: argparse.Namespace) -> str:
    return options.plates or options.plates_flag


def _views(text: str) -> dict[str, str]:
    """`t_cell=GFP,dendritic_cell=Cy5` as a dict."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(kind.strip() and sign and view.strip() for kind, sign, view in pairs):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not of the form t_cell=GFP,dendritic_cell=Cy5"
        )
    return {kind.strip(): view.strip() for kind, _, view in pairs}


def _views_or_none(text: str) -> dict[str, str]:
    """The same, where `dendritic_cell=` says that there is no such view."""
    empty = [part.partition("=")[0].strip() for part in text.split(",") if part.endswith("=")]
    rest = ",".join(part for part in text.split(",") if not part.endswith("="))
    return (_views(rest) if rest else {}) | dict.fromkeys(filter(None, empty), "")


def _changes(options: argparse.Namespace, unknown: Sequence[str]) -> dict[str, str]:
    """Settings to change, by dotted name, from the flags of a command that has a config."""
    changes: dict[str, str] = {}
    words = iter(unknown)
    for word in words:
        if not word.startswith(SETTING) or not hasattr(options, "config"):
            raise ValueError(_unknown(word, options))
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


def _unknown(word: str, options: argparse.Namespace) -> str:
    """What to say of a word that a command does not know."""
    flags = sorted(
        f"--{name.replace('_flag', '').replace('_', '-')}"
        for name in vars(options)
        if name not in ("command", "run", "run_folder")
    )
    what = "flag" if word.startswith("-") else "argument"
    name = word.partition("=")[0]
    return f"jaxcell {options.command} has no {what} {name}{settings.nearest(name, flags)}"


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


if __name__ == "__main__":
    main()
