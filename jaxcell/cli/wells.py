"""Commands that measure and screen wells."""

import argparse
from collections.abc import Callable
from pathlib import Path

from jaxcell.cli import flags


def add_commands(command: Callable) -> None:
    """Adds these commands.

    Args:
      command: of a name, of what is run and of a line of help; gives a parser for its flags.
    """
    add = command(
        "measure", _measure, "measure every well and every cell" + flags.CONFIGURED
    ).add_argument
    add("plates", nargs="?", default="", help="folder of plates; default: simulated ones")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--out", default="", help="folder of the results; default: runs/measured-PLATES")
    add("--config", default="measure", help="name of a config, or its file")
    add("--segmentation", default="", help="run of a U-Net that finds the cells")
    add("--labels-from", default="", help="folder of label images: the cells to measure")
    add("--labels", action="store_true", help="write every field's cells as label images")
    add("--kinds", type=flags.views, default={}, help=flags.KINDS)
    add("--pairs", default="", help=flags.PAIRS)
    add(
        "--views",
        type=flags.views_or_none,
        default={},
        help=flags.VIEWS + "; without a view: not measured",
    )
    add("--condition", help=flags.CONDITION)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)
    flags.add_workers(add)

    add = command("screen", _screen, "screen plates of compounds" + flags.CONFIGURED).add_argument
    add("--table", nargs="+", default=[], help="tables of wells: CSV, Parquet, .xlsx")
    add("--plates", default="", help="folder of plates, measured first")
    add("--layout", nargs="+", default=[], help="layouts; default: those beside each table")
    add("--plate", default="", help="id of the plate, where table and layout do not agree on one")
    add("--measure", default="", help="column to screen; default: overlap_share")
    add(
        "--counts",
        type=flags.views,
        default={},
        help="columns of counts, t_cell=N,dendritic_cell=M",
    )
    add("--out", default="", help="folder of the results; default: runs/screen-NAME")
    add("--uncorrected", action="store_true", help="leave in what wells owe to their place")
    add("--config", default="measure", help="name of a config, or its file, to measure with")
    add("--segmentation", default="", help="run of a U-Net that finds the cells")
    add("--kinds", type=flags.views, default={}, help=flags.KINDS)
    add("--pairs", default="", help=flags.PAIRS)
    add("--views", type=flags.views, default={}, help=flags.VIEWS)
    add("--condition", help=flags.CONDITION)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)
    flags.add_workers(add)


def _measure(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.measurement.measure import measure_plates

    config = flags.configured(options, changes)
    plates = config.plates.folder
    name = Path(plates).resolve().name if plates else "simulated"
    out = Path(options.out or f"runs/measured-{name}")
    return measure_plates(config, out, options.condition, flags.workers(options))


def _screen(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.screening.screen import screen_plates

    if bool(options.table) == bool(options.plates):
        raise ValueError("give tables of wells, --table FILE, or plates, --plates FOLDER")
    # What is in wells that the layout calls empty is looked at, and said.
    changes = {"measurement.empty_wells": "True"} | changes
    config = flags.configured(options, changes)
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
        workers=flags.workers(options),
    )
