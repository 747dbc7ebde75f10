"""A real cluster: what is lost is done again, what fails is listed, what is unfit is refused."""

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from local_cluster import cluster, once

from jaxcell.distributed.cluster import Job, UnfitWorker, _given, _unfit, do_on_cluster
from jaxcell.distributed.workers import Workers

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def two():
    with cluster(2) as started:
        yield started


def _prepare(folder: str):
    """Tasks that say in a folder when they are prepared and done."""
    once(Path(folder) / f"prepared-{os.getpid()}-{time.monotonic_ns()}")
    return partial(_task, Path(folder))


def _task(folder: Path, number: int) -> int:
    if number == 3 and once(folder / "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5 and once(folder / "first try"):
        raise ValueError("a disk that was away for a moment")
    if number == 7:
        with (folder / "tries").open("a") as file:
            file.write("x")
        raise ValueError("no image")
    (folder / f"done-{number}").touch()
    return number**2


def _run(started, folder, items=range(24), **changes):
    job = Job(_prepare, str(folder), str(folder), ())._replace(**changes)
    names = [f"P A{number:02}" for number in items]
    workers = Workers(scheduler=started.scheduler_address)
    return do_on_cluster(job, list(items), names, workers=workers, doing="doing", unit="wells")


def test_a_killed_worker_costs_its_task_and_a_failing_one_is_tried_again(two, tmp_path):
    done = _run(two, tmp_path)
    assert done.results == [None if number == 7 else number**2 for number in range(24)]
    assert [failure.name for failure in done.failures] == ["P A07"]
    assert done.failures[0].error == "no image" and (tmp_path / "tries").read_text() == "xxx"
    assert done.lost == 1 and 1 <= done.workers <= 2
    # One for task 5, two for task 7, and at most the two that the lost worker had been dealt.
    assert 4 <= done.retries <= 5
    # Each process has prepared once: two, and one in place of the killed one.
    assert len(list(tmp_path.glob("prepared-*"))) <= 3


def test_folders_that_workers_do_not_see_are_refused(two, tmp_path):
    given = _given(Job(_prepare, "", str(tmp_path), ()))
    assert _unfit(given) == ""
    assert "is another folder" in _unfit(given._replace(token="another"))
    assert "does not see the folder" in _unfit(given._replace(folder=str(tmp_path / "absent")))
    assert "another version of jaxcell" in _unfit(given._replace(code="0"))
    image = tmp_path / "image.tif"
    image.write_bytes(b"12345")
    seen = _given(Job(_prepare, "", str(tmp_path), (str(image), str(tmp_path))))
    assert _unfit(seen) == ""
    image.write_bytes(b"123")
    assert "another file" in _unfit(seen)
    image.unlink()
    assert f"does not see {image}" in _unfit(seen)


def test_an_unfit_worker_ends_all_before_any_task(two, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcell.distributed.cluster.code_digest", lambda *names: "other")
    with pytest.raises(UnfitWorker, match="the worker .* another version of jaxcell"):
        _run(two, tmp_path)
    assert not list(tmp_path.glob("done-*"))


def test_a_scheduler_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcell.distributed.cluster.PATIENCE", 1.0)
    job = Job(_prepare, str(tmp_path), str(tmp_path), ())
    for workers in (
        Workers(scheduler="tcp://127.0.0.1:9"),
        Workers(scheduler="no address"),
        Workers(scheduler_file=str(tmp_path / "absent.json")),
    ):
        with pytest.raises(ValueError, match="no Dask scheduler answers at .*dask scheduler"):
            do_on_cluster(job, [1], ["a"], workers=workers, doing="doing", unit="wells")


def _slow(folder: str):
    return lambda number: (Path(folder, f"done-{number}").touch(), time.sleep(0.5))[1]


def test_a_scheduler_that_goes_ends_the_command_with_a_sentence(tmp_path):
    with cluster(1) as started:

        def close():
            while not list(tmp_path.glob("done-*")):
                time.sleep(0.05)
            started.close()

        closing = threading.Thread(target=close)
        closing.start()
        with pytest.raises(ValueError, match="does not answer any more: what was finished is kept"):
            _run(started, tmp_path, prepare=_slow)
        closing.join()
