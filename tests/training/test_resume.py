"""A run killed at any moment ends bitwise as one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_run

from jaxcell.training import checkpoint

WALL_CLOCK = ("patches_per_second", "seconds")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def assert_bitwise_equal(one, other):
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(_bits(a), _bits(b)), one, other)


def _bits(leaf):
    if jax.dtypes.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def _without_clock(rows):
    return [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in rows]


def _rows(folder):
    lines = (folder / "tiny" / "metrics.jsonl").read_text().splitlines()
    return _without_clock([json.loads(line) for line in lines])


def _start(folder, seconds_a_batch):
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "JAX_PLATFORMS": "cpu",
        # One device, as on a user's machine; compiling is most of what this small run does.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    return subprocess.Popen(
        [sys.executable, tiny_run.__file__, str(folder), str(seconds_a_batch)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_until(condition, process, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)


def _checkpoint_steps(folder):
    checkpoints = folder / "tiny" / "checkpoints"
    if not checkpoints.exists():
        return []
    return sorted(int(path.name) for path in checkpoints.iterdir() if path.name.isdigit())


def _is_saving(folder):
    """A half-written checkpoint lies there."""
    return any((folder / "tiny" / "checkpoints").glob("*tmp*"))


def test_killed_run_ends_as_an_uninterrupted_one(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    reference = _start(whole, 0.0)

    moments = [
        # (what to wait for, seconds more): in the middle of the first save, inside an epoch,
        # just after an epoch's row was written and before its checkpoint is complete.
        (lambda: _is_saving(killed), 0.0),
        (lambda: 3 in _checkpoint_steps(killed), 0.06),
        (lambda: len(_rows(killed)) >= 2, 0.0),
    ]
    kills = 0
    dice = random.Random(5)
    while True:
        process = _start(killed, 0.03)
        if kills < len(moments):
            condition, seconds = moments[kills]
            _wait_until(condition, process)
            time.sleep(seconds + 0.01 * dice.random())
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            process.stderr.close()
            continue
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        break
    _, errors = reference.communicate(timeout=120)
    assert reference.returncode == 0, errors

    assert kills == len(moments)
    for name in ("last.npz", "best.npz"):
        with np.load(whole / name) as expected, np.load(killed / name) as actual:
            assert_bitwise_equal(dict(expected), dict(actual))
    assert _rows(killed) == _rows(whole)
    assert len(_rows(killed)) == 3


def test_two_steps_and_resume_and_two_steps_equal_four(tmp_path):
    """Cut inside an epoch: the epoch's mean loss, too, must not notice."""
    changes = dict(epochs=1, steps_per_epoch=4, checkpoint_every_steps=2)
    whole = tiny_run.run(tmp_path / "whole", **changes)

    def two_batches(start_step):
        for step, raw in zip(range(2), tiny_run.train_batches(start_step)):
            assert start_step == 0 and step < 2
            yield raw

    # A pipeline that ends too early must be an error, not the end of a complete run.
    with pytest.raises(StopIteration):
        tiny_run.run(tmp_path / "cut", train_batches=two_batches, **changes)
    resumed = tiny_run.run(tmp_path / "cut", **changes)

    assert_bitwise_equal(whole.state, resumed.state)
    assert _without_clock(whole.history) == _without_clock(resumed.history)


def test_finished_run_returns_at_once_with_the_best(tmp_path):
    first = tiny_run.run(tmp_path)
    best = checkpoint.best_params(tmp_path / "tiny" / "checkpoints")

    def only_the_first(start_step):
        yield next(tiny_run.train_batches(start_step))
        raise AssertionError("a finished run asked for a batch to train on")

    again = tiny_run.run(tmp_path, train_batches=only_the_first)
    assert_bitwise_equal(best, checkpoint.best_params(tmp_path / "tiny" / "checkpoints"))
    assert_bitwise_equal(first.state, again.state)
    assert again.history == first.history


def test_rows_that_no_checkpoint_knows_are_rewound(tmp_path):
    first = tiny_run.run(tmp_path)
    path = tmp_path / "tiny" / "metrics.jsonl"
    unknown = {**first.history[-1], "step": 1000, "epoch": 125}
    path.write_text(path.read_text() + json.dumps(unknown) + '\n{"epoch": 126, "st')
    again = tiny_run.run(tmp_path)
    assert again.history == first.history
    assert [json.loads(line) for line in path.read_text().splitlines()] == first.history


def test_a_run_whose_newest_checkpoint_is_damaged_ends_as_an_undamaged_one(tmp_path):
    whole = tiny_run.run(tmp_path / "whole", epochs=2)
    tiny_run.run(tmp_path / "cut", epochs=2)
    steps = sorted(_checkpoint_steps(tmp_path / "cut"))
    (tmp_path / "cut" / "tiny" / "checkpoints" / str(steps[-1]) / "_CHECKPOINT_METADATA").unlink()
    again = tiny_run.run(tmp_path / "cut", epochs=2)
    assert_bitwise_equal(again.state.params, whole.state.params)
    assert _without_clock(again.history) == _without_clock(whole.history)
