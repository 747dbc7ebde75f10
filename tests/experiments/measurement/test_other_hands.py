"""Wells measured by other hands: the same tables, whoever measured and whatever was killed."""

import json
import os
import signal
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from local_cluster import cluster, once

from jaxcell.configs import measure
from jaxcell.distributed.certificate import CERTIFICATE
from jaxcell.distributed.workers import Workers
from jaxcell.experiments.measurement import measure as measurement
from jaxcell.experiments.measurement import well_tasks
from jaxcell.experiments.measurement.one_well import measure_one_well
from jaxcell.simulator.plates import simulate_plates
from jaxcell.storage.owner import owned

pytestmark = pytest.mark.usefixtures("without_page")
TABLES = ("fields.csv", "cells.parquet")


@pytest.fixture
def without_page(monkeypatch):
    """No figure is drawn, which takes longer than measuring."""
    monkeypatch.setattr(measurement, "write_measurement_report", lambda folder, **given: folder)


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hands") / "plates"
    simulate_plates(folder, rows=2, columns=3, field_size=128)
    return folder


@pytest.fixture(scope="module")
def two():
    with cluster(2) as started:
        yield started


def _measure(plates, out, workers=measurement.HERE, skip=False):
    config = measure.get_config()
    config.plates.folder, config.measurement.granularity_steps = str(plates), 0
    config.plates.on_bad_image = "skip" if skip else "stop"
    return measurement.measure_plates(config, out, None, workers)


@pytest.fixture(scope="module")
def alone(plates):
    """Measured in one process."""
    out = plates.parent / "alone"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measurement, "write_measurement_report", lambda folder, **given: folder)
        _measure(plates, out)
    return out


def _same(one, other):
    """Tables alike bit by bit, but for the seconds a well took, and one hash."""
    for name in TABLES:
        assert (one / name).read_bytes() == (other / name).read_bytes()
    pd.testing.assert_frame_equal(
        *(pd.read_csv(out / "wells.csv").drop(columns="seconds") for out in (one, other)),
        check_exact=True,
    )
    first, second = (json.loads((out / CERTIFICATE).read_text()) for out in (one, other))
    assert first["hash"] == second["hash"]
    return second


def test_a_cluster_gives_the_same_tables(plates, alone, two, tmp_path, monkeypatch):
    monkeypatch.chdir(plates.parent)  # workers were started elsewhere
    workers = Workers(scheduler=two.scheduler_address)
    said = _measure(Path(plates.name), tmp_path / "out", workers)
    found = _same(alone, tmp_path / "out")
    assert found["tasks"] == 6 and 1 <= found["workers"] <= 2
    assert found["calls"][0]["by"] == "cluster" and found["hash"][:16] in said
    # A second call finds what is done, and what is missing is done.
    (tmp_path / "out" / "wells" / "SIM01 B02.json").unlink()
    _measure(Path(plates.name), tmp_path / "out", workers)
    assert [call["found"] for call in _same(alone, tmp_path / "out")["calls"]] == [0, 5]


def _prepare_to_be_killed(settings):
    """Of wells: the first that is begun is killed in the middle; another fails once."""
    work, folder = well_tasks.prepare(settings), Path(settings.folder)

    def measure_well(fields):
        if once(folder / "locks" / "killed"):
            os.kill(os.getpid(), signal.SIGKILL)
        if fields.iloc[0].well == "C03" and once(folder / "locks" / "failed"):
            raise ValueError("away")
        return work(fields)

    return measure_well


def test_killed_workers_and_wells_that_fail_once_change_nothing(
    plates, alone, two, tmp_path, monkeypatch
):
    monkeypatch.setattr(well_tasks, "prepare", _prepare_to_be_killed)
    _measure(plates, tmp_path / "out", Workers(scheduler=two.scheduler_address))
    found = _same(alone, tmp_path / "out")
    assert found["lost_workers"] == 1 and found["retries"] >= 2 and found["failed"] == 0


def test_shares_are_collected_by_a_call_without(plates, alone, tmp_path):
    out = tmp_path / "out"
    first = _measure(plates, out, Workers(shard="1/2"))
    assert "Share 1/2 is done, 3 wells. 3 of all 6 wells are not there yet." in first
    assert not (out / "wells.csv").exists()
    with owned(out, "measuring into it"):  # of other wells, by nobody now
        pass
    assert "start once more without --shard" in _measure(plates, out, Workers(shard="2/2"))
    _measure(plates, out)
    found = _same(alone, out)
    assert [call["by"] for call in found["calls"]] == ["share 1/2", "share 2/2", "one process"]
    assert found["workers"] == 2 and found["tasks"] == 6


@pytest.mark.parametrize("hands", ["here", "cluster"])
def test_wells_that_cannot_be_measured_are_listed_and_the_rest_is_kept(
    plates, alone, two, tmp_path, monkeypatch, hands
):
    workers = Workers(scheduler=two.scheduler_address) if hands == "cluster" else measurement.HERE
    monkeypatch.setattr(measurement, "measure_one_well", partial(_but_two, measure_one_well))
    monkeypatch.setattr(well_tasks, "prepare", _prepare_but_two)
    out = tmp_path / "out"
    with pytest.raises(ValueError, match="(?s)2 wells failed.*B03: no cell.*C02: no cell.*--skip"):
        _measure(plates, out, workers)
    assert len(list((out / "wells").glob("*.json"))) == 4
    _measure(plates, out, workers, skip=True)
    wells, whole = (pd.read_csv(some / "wells.csv") for some in (out, alone))
    assert set(whole["well"]) - set(wells["well"]) == {"B03", "C02"} and len(wells) == 4
    assert json.loads((out / CERTIFICATE).read_text())["failed"] == 2


def _but_two(one, config, fields, **given):
    place = fields.iloc[0]
    if place.well in ("B03", "C02"):
        raise ValueError(f"{place.plate} {place.well}: no cell in sight")
    return one(config, fields, **given)


def _prepare_but_two(settings):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(well_tasks, "measure_one_well", partial(_but_two, measure_one_well))
        return well_tasks.prepare(settings)


# Workers, and how often one of them is killed in the middle of a well.
KILLS = {1: 10, 2: 15, 8: 25}


def _prepare_to_be_killed_at_random(limit, settings):
    """Every second or so of the wells that are begun takes its worker with it, so many in all."""
    work, kills = well_tasks.prepare(settings), Path(settings.folder) / "kills"
    kills.mkdir(exist_ok=True)
    random = np.random.default_rng()  # another in each process: no two runs are alike

    def measure_well(fields):
        number = len(list(kills.iterdir()))
        if number < limit and random.random() < 0.6 and once(kills / str(number)):
            moment = threading.Timer(random.uniform(0, 0.4), os.kill, (os.getpid(), signal.SIGKILL))
            moment.start()
        return work(fields)

    return measure_well


@pytest.mark.slow
def test_fifty_kills_at_random_and_any_number_of_workers_give_one_hash(tmp_path, monkeypatch):
    plates = tmp_path / "plates"
    simulate_plates(plates, rows=4, columns=6, fields=2, field_size=256)
    _measure(plates, tmp_path / "alone")
    for count, limit in KILLS.items():
        prepare = partial(_prepare_to_be_killed_at_random, limit)
        monkeypatch.setattr(well_tasks, "prepare", prepare)
        out = tmp_path / f"by {count}"
        with cluster(count) as started:
            _measure(plates, out, Workers(scheduler=started.scheduler_address))
        found = _same(tmp_path / "alone", out)
        assert len(list((out / "kills").iterdir())) == limit
        assert found["lost_workers"] >= limit - 1  # the last may come when all is done
        # A well that was whole when its worker was killed is found by the next.
        assert found["failed"] == 0 and found["tasks"] + found["calls"][0]["found"] == 24
