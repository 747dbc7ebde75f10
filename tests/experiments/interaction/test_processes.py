"""`jaxcell train` in two processes, from plates to report."""

import signal
import socket
import time

import jax
import numpy as np
import pytest
from tiny_plates import SETTINGS, finish, latest_arrays, make_config, start

from jaxcell.compute.processes import LOST
from jaxcell.experiments.interaction import train
from jaxcell.inference.trained import NETWORKS
from jaxcell.storage.run_folder import history


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
def test_two_processes_killed_and_started_again_end_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    data, whole, run = (tmp_path / name for name in ("data", "whole", "run"))
    # Each reads its share of every batch from disk; the one process holds all on its devices.
    streamed = SETTINGS | {"machine.folder": str(data), "machine.memory_gib": 0.0}
    killed = _start_two(run, streamed)
    end = time.monotonic() + 600
    while not list((run / "autoencoder" / "checkpoints").glob("[0-9]*")):
        assert killed[1].poll() is None and time.monotonic() < end, killed[1].communicate()
        time.sleep(0.05)
    killed[1].send_signal(signal.SIGKILL)
    _, errors = killed[0].communicate(timeout=120)
    assert killed[0].returncode not in (0, None) and LOST in errors
    killed[1].communicate()

    first, other = _start_two(run, streamed)
    assert str(run / "report" / "index.html") in finish(first, 900)
    # Gloo itself says that it is connected.
    assert not [line for line in finish(other).splitlines() if "Gloo" not in line]
    assert (run / "report" / "index.html").exists()

    assert jax.device_count() == 4
    train.train(make_config(data), whole)
    for name in NETWORKS:
        losses = [
            [(row["step"], row["train_loss"], row["validation_loss"]) for row in rows]
            for rows in (history(whole, name), history(run, name))
        ]
        np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    # Not of the autoencoder: Adam divides the gradient of a bias that a norm cancels, which is
    # nothing but rounding, by its own size.
    (step, expected), (other_step, actual) = (
        latest_arrays(folder, "regressor") for folder in (whole, run)
    )
    assert step == other_step
    for one, two in zip(expected, actual, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-5)
