"""Every command that writes, on one tiny plate: started, and what it left."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from tiny_plates import SETTINGS, finish, latest_arrays, start

from jaxcell.simulator.plates import simulate_plates

VIEWS = "t_cell=FITC,dendritic_cell=TexasRed"
# A U-Net that finds cells, as small as one can be.
CELLS = {
    "model.features": (4, 8),
    "training.crop": 32,
    "training.epochs": 1,
    "training.steps_per_epoch": 4,
    "training.batch_size": 4,
    "training.optimizer.warmup_steps": 1,
}
SWEEP = {name: value for name, value in SETTINGS.items() if name != "model.regressor.features"} | {
    "model.autoencoder.patch": 8,
    "model.regressor.hidden": (8, 4),
    "sweep.latent_dim": (4,),
    "sweep.seed": (0, 1),
    "sweep.nested": False,
}


def prepare(home: Path) -> None:
    """Makes what the commands take: plates, trained runs, a table of wells, an answered sheet."""
    simulate_plates(home / "plates", plates=1, rows=3, columns=6, field_size=192)
    for command in ("train", "segmentation", "measure", "label"):
        finish(start_command(command, home, home / f"made-{command}"), 900)
    answers = home / "made-label" / "answers.csv"
    table = pd.read_csv(answers)
    table["overlap_percent"] = np.arange(len(table)) % 7
    table.to_csv(answers, index=False)


def start_command(name: str, home: Path, out: Path) -> subprocess.Popen:
    """Starts a command.

    Args:
      name: one of `COMMANDS`.
      home: of `prepare`.
      out: where it writes to; `evaluate` and `score` write beside what they judge, and do not look
        at it.
    """
    plates, run = str(home / "plates"), str(home / "made-train")
    data = {"machine.folder": home / "data"}
    to = f"--out={out}"
    if name == "train":
        words = (f"--workdir={out}", f"--plates={plates}")
        return start("train", *words, settings=SETTINGS | data)
    if name == "build":
        own = {"machine.folder": out}
        return start("build", f"--plates={plates}", settings=SETTINGS | own, config="default")
    if name == "segmentation":
        words = (f"--workdir={out}", f"--plates={plates}")
        return start("train", *words, settings=CELLS | data, config="segmentation")
    if name == "sweep":
        words = (f"--workdir={out}", f"--plates={plates}")
        return start("train", *words, settings=SWEEP | data, config="latent_sweep")
    if name == "measure":
        own = {"measurement.granularity_steps": 1, "machine.threads": 1}
        return start("measure", plates, to, settings=own, config="measure")
    if name == "screen plates":
        own = {"measurement.granularity_steps": 1, "machine.threads": 1}
        return start("screen", f"--plates={plates}", to, settings=own, config="measure")
    if name == "label":
        own = {"labelling.patches": 12, "labelling.window": 96, "labelling.enlarged": 1}
        return start("label", plates, to, settings=own, config="labelling")
    words = {
        "evaluate": (run,),
        "evaluate plates": (run, plates),
        "predict": (run, plates, to),
        "segment": (f"--run={home / 'made-segmentation'}", f"--images={plates}",
                    f"--views={VIEWS}", to),
        "screen table": (f"--table={home / 'made-measure' / 'wells.csv'}", to),
        "design": ("--compounds=6", "--plate=96", "--conditions=Unstimulated,ConA",
                   "--drawn=2", to),
        "plates": (plates, to),
        "score": (str(home / "made-label"), f"--run={run}"),
    }[name]  # fmt: skip
    return start(name.split()[0], *words)


COMMANDS = (
    "train", "build", "segmentation", "sweep", "measure", "screen plates", "label", "evaluate",
    "evaluate plates", "predict", "segment", "screen table", "design", "plates", "score",
)  # fmt: skip


def result_folder(name: str, home: Path, out: Path) -> Path:
    """Where a command's result lies."""
    return {
        "evaluate": home / "made-train" / "report",
        "evaluate plates": home / "made-train" / "report-plates",
        "score": home / "made-label" / "scores",
    }.get(name, out)


def content(folder: Path) -> dict[str, object]:
    """What a command left that must be the same every time, by path: all but seconds and dates.

    Tables without the columns of seconds, images byte by byte, arrays of the last checkpoints.
    """
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.suffix in (".csv", ".parquet"):
            table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
            found[name] = table[[column for column in table if "seconds" not in column]]
        elif path.suffix in (".tif", ".png") and "report" not in name:
            found[name] = path.read_bytes()
        elif path.name == "checkpoints":
            found[name] = latest_arrays(path.parent.parent, path.parent.name)[1]
    return found


def assert_same(one: dict[str, object], other: dict[str, object]) -> None:
    """Asserts that two results of `content` are equal, bit for bit."""
    assert one and one.keys() == other.keys()
    for name, value in one.items():
        if isinstance(value, pd.DataFrame):
            pd.testing.assert_frame_equal(value, other[name], check_exact=True, obj=name)
        elif isinstance(value, bytes):
            assert value == other[name], name
        else:
            for first, second in zip(value, other[name], strict=True):
                np.testing.assert_array_equal(first, second, err_msg=name)


def leftovers(folder: Path) -> list[str]:
    """What a stopped command left unfinished in and beside a folder."""
    beside = [path for path in folder.parent.iterdir() if path.name.startswith(".jaxcell-")]
    inside = list(folder.rglob(".jaxcell-*")) if folder.is_dir() else []
    lists = (".jaxcell-files.json", ".jaxcell-content.json")
    return [os.fspath(path) for path in (*beside, *inside) if path.name not in lists]
