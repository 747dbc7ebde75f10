"""A real Dask cluster of this machine, whose workers are processes that tests may kill."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def cluster(count: int) -> Iterator[Any]:
    """Starts a scheduler and so many workers of one thread; skips where Dask is not installed."""
    distributed = pytest.importorskip("distributed")
    with (
        tempfile.TemporaryDirectory(prefix="jaxcell-dask-") as scratch,
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            local_directory=scratch,
        ) as started,
    ):
        yield started


def kill(started: Any, number: int) -> None:
    """Kills a worker as a machine that fails does; its nanny starts another."""
    process = started.workers[number].process
    if process is not None and process.pid is not None:
        os.kill(process.pid, signal.SIGKILL)


def once(path: Path) -> bool:
    """Whether this is the first time, of all processes, that a file is asked for."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
