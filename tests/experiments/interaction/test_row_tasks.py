"""Rows predicted by other hands: the tables of one process, whoever predicted."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest
from local_cluster import cluster, once
from tiny_plates import make_config

from jaxcell.compute import backend
from jaxcell.distributed.certificate import CERTIFICATE
from jaxcell.distributed.workers import HERE, Workers
from jaxcell.experiments.interaction import row_tasks, train
from jaxcell.experiments.interaction.predict import predict_folder
from jaxcell.simulator.plates import simulate_plates


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rows") / "plates"
    simulate_plates(folder, plates=1, rows=3, columns=6, field_size=192, seed=1)
    return folder


@pytest.fixture(scope="module")
def workdir(folder) -> Path:
    """A trained run, whose batches no row fills evenly."""
    config = make_config(folder.parent, plates__folder=str(folder), evaluation__batch_size=10)
    config.training.autoencoder.epochs = config.training.regressor.epochs = 1
    train.train(config, folder.parent / "run")
    return folder.parent / "run"


@pytest.fixture(scope="module")
def alone(workdir, folder) -> Path:
    """Predicted in one pass."""
    _predict(workdir, folder, folder.parent / "alone")
    return folder.parent / "alone"


def _predict(workdir, folder, out, workers=HERE):
    return predict_folder(workdir, str(folder), out, {}, False, workers=workers)


def _same(one, other):
    """The same tables, bit by bit."""
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(out / "patches.parquet") for out in (one, other)), check_exact=True
    )
    assert (one / "wells.csv").read_bytes() == (other / "wells.csv").read_bytes()
    first, second = (json.loads((out / CERTIFICATE).read_text()) for out in (one, other))
    assert first["hash"] == second["hash"]
    return second


def test_shares_are_collected_by_a_call_without(workdir, folder, alone, tmp_path):
    out = tmp_path / "out"
    said = _predict(workdir, folder, out, Workers(shard="1/2"))
    assert "Share 1/2 is done, 2 rows. 1 of all 3 rows are not there yet." in said
    assert not out.exists()
    _predict(workdir, folder, out)  # of the other share, what is missing
    found = _same(alone, out)
    assert [(call["by"], call["found"]) for call in found["calls"]] == [
        ("share 1/2", 0),
        ("one process", 2),
    ]
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["out"]


def _prepare(settings):
    """Workers that say when they open the run; the first is killed at its first row."""
    rows = Path(settings.rows)
    once(rows / "locks" / f"opened-{os.getpid()}")
    backend.set_up = lambda: None  # it is as in the process of the tests: other flags, other bits
    work = row_tasks.prepare(settings)

    def predict_row(row):
        if once(rows / "locks" / "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        return work(row)

    return predict_row


@pytest.mark.slow
def test_a_cluster_gives_the_same_tables_though_a_worker_is_killed(
    workdir, folder, alone, tmp_path, monkeypatch
):
    monkeypatch.setattr(row_tasks, "prepare", _prepare)
    monkeypatch.chdir(folder.parent)
    with cluster(1) as one:
        workers = Workers(scheduler=one.scheduler_address)
        said = _predict(Path("run"), "plates", tmp_path / "out", workers)
    found = _same(alone, tmp_path / "out")
    assert found["hash"][:16] in said and found["tasks"] == 3
    assert found["lost_workers"] == 1 and found["retries"] >= 1
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["out"]
