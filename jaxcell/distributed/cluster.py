"""A list of tasks done by the workers of a Dask cluster.

Workers are given what all tasks share once, by the scheduler, and prepare it once: a model is read
and compiled once in each worker. Results stay on the disk that all share; what comes back is small.
"""

import json
import logging
import os
import pickle
import platform
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from jaxcell.distributed.tasks import Done, Failure
from jaxcell.distributed.workers import Workers
from jaxcell.storage.atomic import write
from jaxcell.storage.owner import LOCKS
from jaxcell.storage.provenance import code_digest

# So often a task is begun before it is given up; Dask itself begins a task again whose worker was
# lost, up to `distributed.scheduler.allowed-failures` times, which count as one.
TRIES = 3
# How long a scheduler may take to answer, in seconds.
PATIENCE = 60.0
# In the locks of the folder of results, by which workers see that it is the same folder.
TOKEN = "cluster.json"
_PREPARING = threading.Lock()


class Job(NamedTuple):
    """What all tasks of a list share.

    Attributes:
      prepare: a function of a module, settings -> work: item -> result, small. Called once in a
        worker.
      settings: what it is given; is pickled.
      folder: of the results, absolute; workers must see it.
      paths: files or folders that workers must see too, absolute.
    """

    prepare: Callable[[Any], Callable[[Any], Any]]
    settings: Any
    folder: str
    paths: tuple[str, ...]


class UnfitWorker(ValueError):
    """A worker that cannot do any task: it sees other files, or runs other code."""


class _Given(NamedTuple):
    """A job as it reaches a worker; hashable, so that it is prepared once."""

    job: bytes
    folder: str
    paths: tuple[tuple[str, int], ...]
    token: str
    code: str


def do_on_cluster(
    job: Job,
    items: Sequence[Any],
    names: Sequence[str],
    *,
    workers: Workers,
    doing: str,
    unit: str,
) -> Done:
    """Does tasks on a Dask cluster; one that fails is begun again, and at last left out.

    Args:
      job: what they share.
      items: one a task; pickled.
      names: of the tasks, for a person.
      workers: of a cluster.
      doing, unit: words of the bar.

    Raises:
      ValueError: no scheduler answers, or a worker is unfit; says which and why.
    """
    with _client(workers) as client:
        given = _given(job)
        _require_fit(client, given)
        return _do_all(client, given, list(items), names, doing, unit)


@contextmanager
def _client(workers: Workers) -> Iterator[Any]:
    from distributed import Client

    # A worker that is lost is counted and said, not logged a page long.
    for name in ("distributed.client", "distributed.scheduler"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    where = workers.scheduler or workers.scheduler_file
    cure = "check that `dask scheduler` runs and can be reached from here"
    try:
        address = workers.scheduler or _address(Path(workers.scheduler_file))
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"no Dask scheduler answers at {where} ({error}): {cure}") from error
    with client:
        yield client


def _address(path: Path) -> str:
    """What a scheduler's file says, which it may only just be about to write."""
    end = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.1)
    return json.loads(path.read_text())["address"]


def _given(job: Job) -> _Given:
    folder, token = Path(job.folder), uuid.uuid4().hex
    write(folder / LOCKS / TOKEN, {"token": token})
    paths = tuple((path, _size(path)) for path in job.paths)
    kept = pickle.dumps((job.prepare, job.settings))
    return _Given(kept, job.folder, paths, token, code_digest("jaxcell"))


def _require_fit(client: Any, given: _Given) -> None:
    """Asks all workers that are there, and waits until there is one."""
    if not client.scheduler_info()["workers"]:
        print("waiting for the first worker of the cluster", file=sys.stderr, flush=True)
        client.wait_for_workers(1)
    answers = client.run(_unfit, given, on_error="return")
    for address, answer in answers.items():
        if isinstance(answer, ModuleNotFoundError):
            answer = f"it has no {answer.name}: install jaxcell where its workers run"
        if answer:
            raise UnfitWorker(f"the worker {address} cannot help: {answer}")


def _unfit(given: _Given) -> str:
    """Why this worker cannot do any task; empty where it can."""
    here = platform.node()
    if code_digest("jaxcell") != given.code:
        return f"on {here} is another version of jaxcell: install the same everywhere"
    share = "give a folder on a disk that all machines share, by a path that is the same on each"
    try:
        token = json.loads((Path(given.folder) / LOCKS / TOKEN).read_text())["token"]
    except (OSError, ValueError):
        return f"{here} does not see the folder of results {given.folder}: {share}"
    if token != given.token:
        return f"{given.folder} is another folder on {here}: {share}"
    if not os.access(given.folder, os.W_OK | os.X_OK):
        return f"{given.folder} may not be written to on {here}: give the right to"
    for path, size in given.paths:
        if not os.path.exists(path):
            return f"{here} does not see {path}: {share}"
        if _size(path) != size:
            return f"{path} is another file on {here}: {share}"
    return ""


def _size(path: str) -> int:
    """Bytes of a file; 0 of a folder, whose size says nothing."""
    return 0 if os.path.isdir(path) else os.path.getsize(path)


@lru_cache(maxsize=1)
def _prepared(given: _Given) -> Callable[[Any], Any]:
    """The work of a job; a worker that came later than the first is asked here."""
    if wrong := _unfit(given):
        raise UnfitWorker(f"a worker cannot help: {wrong}")
    prepare, settings = pickle.loads(given.job)
    return prepare(settings)


def _do(item: Any, given: _Given) -> tuple[str, Any]:
    """Does one task; returns who did it too."""
    from distributed import get_worker

    with _PREPARING:
        work = _prepared(given)
    return str(get_worker().name), work(item)


def _keep(given: _Given) -> _Given:
    """What all tasks depend on: Dask sends it to each worker once, and makes it anew when lost."""
    return given


def _do_all(
    client: Any, given: _Given, items: list, names: Sequence[str], doing: str, unit: str
) -> Done:
    from distributed import as_completed

    began, group = time.time(), f"{doing}-{given.token}"
    shared = client.submit(_keep, given, key=f"given-{given.token}")
    # All at once, so that Dask sees that they are alike and deals them out as workers get free.
    keys = [(group, number) for number in range(len(items))]
    futures = client.map(_do, items, given=shared, key=keys, pure=False)
    completed = as_completed(futures, loop=client.loop)
    del futures  # what has come back is not kept, nor done again when a worker is lost
    tries, results = dict.fromkeys(range(len(items)), 1), [None] * len(items)
    helpers: set[str] = set()
    failures, retries = {}, 0
    with tqdm(total=len(items), desc=doing, unit=f" {unit}", dynamic_ncols=True) as bar:
        for future in completed:
            number = future.key[1]
            if future.status == "finished":
                helper, results[number] = future.result()
                helpers.add(helper)
                bar.set_postfix(workers=len(helpers), refresh=False)
                bar.update()
                continue
            error = _error(future, client)
            if tries[number] < TRIES:
                tries[number], retries = tries[number] + 1, retries + 1
                key = (f"{group}-{tries[number]}", number)
                # With what it needs: what all share may be what was lost.
                completed.add(client.submit(_do, items[number], given=given, key=key, pure=False))
            else:
                failures[number] = Failure(names[number], error)
                bar.update()
    lost, again = _lost(client, began, given.token)
    listed = [failures[number] for number in sorted(failures)]
    return Done(results, listed, len(helpers), retries + again, lost)


def _error(future: Any, client: Any) -> str:
    """What to say of a task that did not end well.

    Raises:
      ValueError: it is no fault of the task.
    """
    from distributed import KilledWorker

    if client.status != "running":
        raise ValueError(
            f"the Dask scheduler at {client.scheduler.address} does not answer any more: what was "
            "finished is kept; start it and then the same command again"
        )
    if future.status != "error":  # which happens where many workers are lost at once
        return "the scheduler forgot it"
    error = future.exception()
    if isinstance(error, UnfitWorker):
        raise error
    if isinstance(error, KilledWorker):
        return "each worker that took it was lost, which too little memory may do"
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _lost(client: Any, began: float, token: str) -> tuple[int, int]:
    """Workers lost since a time, and how many of our tasks they had begun."""
    lost = tasks = 0
    for when, event in client.get_events("all"):
        if when < began or event.get("action") != "remove-worker":
            continue
        if not event.get("expected", False):
            lost += 1
            tasks += sum(token in str(key) for key in event["processing-tasks"])
    return lost, tasks
