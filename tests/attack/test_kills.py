"""Killed at random moments and started again, every command ends as if it had not been."""

import random
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_plates import SETTINGS, finish, latest_arrays, start

from jaxcell.simulator.plates import simulate_plates

pytestmark = pytest.mark.slow
# Kills of each command: with those of tests/test_whole_runs.py more than a hundred.
KILLS = {"train": 40, "measure": 30, "predict": 20, "evaluate": 10}


def _command(name: str, folder: Path, run: Path):
    settings = SETTINGS | {"machine.folder": folder / f"data-{run.name}"}
    words = {
        "train": (f"--workdir={run}",),
        "measure": (str(folder / "plates"), f"--out={run}"),
        "predict": (str(folder / "trained"), str(folder / "plates"), f"--out={run}"),
        "evaluate": (str(folder / "trained"),),
    }[name]
    if name == "train":
        return start("train", *words, settings=settings)
    if name == "measure":
        return start("measure", *words, settings={"machine.threads": 1}, config="measure")
    return start(name, *words)


def _result(name: str, folder: Path, run: Path) -> list:
    """What must be equal, without seconds."""
    if name == "train":
        return [
            array
            for network in ("autoencoder", "regressor")
            for array in latest_arrays(run, network)[1]
        ]
    if name == "measure":
        return [pd.read_csv(run / "wells.csv").drop(columns="seconds"),
                pd.read_parquet(run / "cells.parquet")]  # fmt: skip
    if name == "predict":
        return [pd.read_csv(run / "wells.csv"), pd.read_parquet(run / "patches.parquet")]
    return [pd.read_parquet(folder / "trained" / "report" / "patches.parquet")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kills")
    simulate_plates(folder / "plates", rows=2, columns=6, field_size=192)
    settings = SETTINGS | {"machine.folder": folder / "data"}
    finish(start("train", f"--workdir={folder / 'trained'}", settings=settings), 900)
    return folder


@pytest.mark.parametrize("name", KILLS)
def test_killed_at_random_it_ends_as_if_never_killed(folder, name):
    draw = random.Random(name)
    began = time.monotonic()
    finish(_command(name, folder, folder / f"{name}-whole"), 900)
    seconds, wanted = time.monotonic() - began, _result(name, folder, folder / f"{name}-whole")
    run = folder / f"{name}-killed"
    for _ in range(KILLS[name]):
        process = _command(name, folder, run)
        time.sleep(draw.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert "Traceback" not in errors, errors
    finish(_command(name, folder, run), 900)
    for one, other in zip(_result(name, folder, run), wanted, strict=True):
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
        else:
            np.testing.assert_array_equal(one, other)
    left = [path for path in run.parent.rglob(".jaxcell-*") if "files" not in path.name]
    left = [path for path in left if "content" not in path.name]
    assert not [path for path in left if run in path.parents]
