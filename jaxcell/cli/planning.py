"""Commands for what people do: lay screens out, annotate patches, look at folders, settings."""

import argparse
from collections.abc import Callable
from pathlib import Path

from jaxcell.cli import flags
from jaxcell.configs import settings


def add_commands(command: Callable) -> None:
    """Adds these commands.

    Args:
      command: of a name, of what is run and of a line of help; gives a parser for its flags.
    """
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
        "label", _label, "draw patches for a person to annotate" + flags.CONFIGURED
    ).add_argument
    add("plates", nargs="?", default="", help="folder of plates; default: simulated plates")
    add("--plates", dest="plates_flag", default="", help="the same")
    add("--patches", default="", help="how many; default: the config's, 120")
    add("--out", default="", help="folder of the sheet; default: runs/sheet-PLATES")
    add("--config", default="labelling", help="name of a config, or its file")
    add("--views", type=flags.views, default={}, help=flags.VIEWS)
    add("--condition", help=flags.CONDITION)
    add("--skip", action="store_true", help=flags.SKIP)
    add("--reread", action="store_true", help=flags.REREAD)

    add = command("score", _score, "score estimators on an annotated sheet").add_argument
    add("sheet", nargs="?", default="", help="folder of the sheet")
    add("--run", dest="run_flag", nargs="+", default=[], help="trained runs to score too")
    add("--plates", dest="plates_flag", default="", help="where the sheet's plates lie now")

    add = command("plates", _plates_seen, "say what lies in a folder of images").add_argument
    add("folder", nargs="?", default="", help="folder of images of any instrument")
    add("--out", default="", help="folder to write the two tables into, images.csv and wells.csv")
    add("--z", default="", help="plane of stacks of focus, from 1, or max, their maximum")
    add("--time", default="", help="time of series, from 1")
    add("--condition", default="", help=flags.CONDITION)

    add = command("settings", _settings, "list all settings of a config").add_argument
    add("--config", default="default", help="name of a config, or its file")


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

    config = flags.configured(options, changes)
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
