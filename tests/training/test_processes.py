"""Two processes train what one trains, and one that is lost costs no more than a restart."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_run

from jaxcell.compute.processes import LOST

ROOT = Path(__file__).parents[2]
# Steps of the run; the whole of it, three epochs of validation with a ragged last batch each.
STEPS = 24


def _start(folder: Path, seconds_a_batch: float = 0.0) -> list[subprocess.Popen]:
    """Two processes of two devices each."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0",
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [sys.executable, tiny_run.__file__, str(folder), str(seconds_a_batch), "2"]
    return [
        subprocess.Popen(
            [*words, str(number), address],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]


def _finish(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def _params(folder: Path) -> dict[str, list[np.ndarray]]:
    found = {}
    for name in ("last", "best"):
        with np.load(folder / f"{name}.npz") as arrays:
            found[name] = list(arrays.values())
    return found


def test_two_processes_of_two_devices_train_what_one_of_four_trains(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    processes = _start(tmp_path / "two")
    one = tiny_run.run(tmp_path / "one")
    assert jax.device_count() == 4 and int(one.state.step) == STEPS
    _finish(processes)
    two = _params(tmp_path / "two")["last"]
    for expected, actual in zip(jax.tree.leaves(one.state.params), two, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
    # One process, of any number of devices, goes on from their checkpoint.
    again = tiny_run.run(tmp_path / "two", epochs=4)
    assert int(again.state.step) == STEPS + 8 and len(again.history) == 4


def _wait_for_step(folder: Path, step: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if (folder / "tiny" / "checkpoints" / str(step)).exists():
            return
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_is_killed_ends_all_and_the_same_command_ends_bitwise_alike(tmp_path, victim):
    _finish(_start(tmp_path / "whole"))
    killed = _start(tmp_path / "killed", 0.1)
    _wait_for_step(tmp_path / "killed", 12, killed[0])
    killed[victim].send_signal(signal.SIGKILL)
    began = time.monotonic()
    _, errors = killed[1 - victim].communicate(timeout=120)
    assert time.monotonic() - began < 60
    assert killed[1 - victim].returncode not in (0, None)
    assert LOST in errors and "Traceback" not in errors
    killed[victim].communicate()
    assert not (tmp_path / "killed" / "last.npz").exists()

    _finish(_start(tmp_path / "killed"))
    whole, resumed = _params(tmp_path / "whole"), _params(tmp_path / "killed")
    for name in whole:
        for expected, actual in zip(whole[name], resumed[name], strict=True):
            np.testing.assert_array_equal(actual, expected)
