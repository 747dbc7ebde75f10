"""Commands of networks: train, build, evaluate, predict, segment."""

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
        "train", _train, "train a run from plates to report" + flags.CONFIGURED
    ).add_argument
    add("--config", default="demo", help="name of a config, or its file")
    add("--workdir", default="", help="the run's folder; default: runs/CONFIG")
    add("--plates", default="", help="folder of plates; default: simulated ones")
    add("--views", type=flags.views, default={}, help=flags.VIEWS)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)
    add("--processes", default="", metavar="N|slurm", help=flags.PROCESSES)
    add("--process", default="", metavar="I", help="which of them this one is, from 0")
    add("--coordinator", default="", metavar="HOST:PORT", help=flags.COORDINATOR)

    add = command(
        "build", _build, "build the data set that a training would" + flags.CONFIGURED
    ).add_argument
    add("--config", default="demo", help="name of a config, or its file")
    add("--plates", default="", help="folder of plates; default: simulated ones")
    add("--views", type=flags.views, default={}, help=flags.VIEWS)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)
    flags.add_workers(add)

    add = command("evaluate", _evaluate, "evaluate a run on wells it never saw").add_argument
    flags.add_run(add)
    add("plates", nargs="?", default="", help="folder of plates; default: the run's own wells")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--views", type=flags.views, default={}, help=flags.VIEWS)
    add("--condition", help=flags.CONDITION)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)
    add("--pixel-um", type=float, default=0.0, help=flags.PIXEL)
    add("--standardise", action="store_true", help="standardise codes on control wells first")
    add("--data", default="", help="folder that keeps data sets; of other plates: RUN/data")

    add = command("predict", _predict, "predict every well of any plates").add_argument
    flags.add_run(add)
    add("plates", nargs="?", default="", help="folder of plates")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--out", default="", help="folder of the tables; default: RUN/predictions-PLATES")
    add("--pixel-um", type=float, default=0.0, help=flags.PIXEL)
    add("--views", type=flags.views, default={}, help=flags.VIEWS)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)
    flags.add_workers(add)

    add = command(
        "segment", _segment, "find the cells of any images by a trained segmentation"
    ).add_argument
    add("--run", dest="run_flag", default="", help="the run's folder")
    add("--images", default="", help="folder of images, or of plates")
    add("--out", default="", help="folder of the results; default: runs/segmented-IMAGES")
    add("--pixel-um", type=float, default=0.0, help=flags.PIXEL)
    add(
        "--views", type=flags.views, default={}, help="of plates: view that shows each kind of cell"
    )
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)


def _train(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.compute import processes

    with processes.together(options.processes, options.process, options.coordinator):
        from jaxcell.experiments import lifecycle

        config = flags.configured(options, changes)
        name = Path(options.config.partition(":")[0]).stem
        return lifecycle.run(config, Path(options.workdir or f"runs/{name}"))


def _build(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments.building.build import build_data_sets

    return build_data_sets(flags.configured(options, changes), flags.workers(options))


def _evaluate(options: argparse.Namespace, changes: dict[str, str]) -> str:
    from jaxcell.experiments import lifecycle

    del changes
    return lifecycle.evaluate(
        flags.run_of(options),
        plates=flags.plates_of(options),
        views=options.views,
        condition=options.condition,
        skip=options.skip,
        standardise=options.standardise,
        pixel_um=options.pixel_um,
        data=options.data,
    )


def _predict(options: argparse.Namespace, changes: dict[str, str]) -> str:
    del changes
    run, plates = flags.run_of(options), flags.plates_of(options)
    if not plates:
        raise ValueError("name a folder of plates: jaxcell predict RUN PLATES")
    from jaxcell.experiments.lifecycle import predict

    out = Path(options.out or run / f"predictions-{Path(plates).resolve().name}")
    return predict(
        *(run, plates, out, options.views, options.skip, options.pixel_um),
        workers=flags.workers(options),
    )


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
