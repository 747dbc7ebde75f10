"""`jaxcell train` in two processes, from plates to report."""

import signal
import socket
import time

import jax
import numpy as np
import pytest
from tiny_plates import SETTINGS, finish, latest_arrays, start

from jaxcell.compute.processes import LOST
from jaxcell.inference.trained import NETWORKS


def _start_two(workdir, settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = ["--processes=2", f"--coordinator={address}", f"--workdir={workdir}"]
    return [
        start("train", *flags, f"--process={number}", devices=2, settings=settings)
        for number in range(2)
    ]


@pytest.mark.slow
def test_two_processes_killed_and_started_again_end_as_one(tmp_path):
    settings = SETTINGS | {"machine.folder": str(tmp_path / "data")}
    whole, run = tmp_path / "whole", tmp_path / "run"
    # Each reads its share of every batch from disk; the one process holds all on its devices.
    killed = _start_two(run, settings | {"machine.memory_gib": 0.0})
    end = time.monotonic() + 600
    while not list((run / "autoencoder" / "checkpoints").glob("[0-9]*")):
        assert killed[1].poll() is None and time.monotonic() < end, killed[1].communicate()
        time.sleep(0.05)
    killed[1].send_signal(signal.SIGKILL)
    output, errors = killed[0].communicate(timeout=120)
    assert killed[0].returncode not in (0, None) and LOST in errors
    killed[1].communicate()

    first, other = _start_two(run, settings | {"machine.memory_gib": 0.0})
    assert str(run / "report" / "index.html") in finish(first, 900)
    assert "patches" not in finish(other) and (run / "report" / "index.html").exists()

    finish(start("train", f"--workdir={whole}", devices=4, settings=settings), 900)
    for name in NETWORKS:
        (step, expected), (other_step, actual) = (
            latest_arrays(folder, name) for folder in (whole, run)
        )
        assert step == other_step
        for one, two in zip(expected, actual, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5)
    # The first process of two is the whole of one: there is nothing left to train.
    before = latest_arrays(run, "regressor")[1]
    finish(start("train", f"--workdir={run}", devices=1, settings=settings), 900)
    jax.tree.map(np.testing.assert_array_equal, before, latest_arrays(run, "regressor")[1])
