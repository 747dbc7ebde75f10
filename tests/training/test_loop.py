"""The loop: what it writes, when it stops, what it never saves."""

import json

import jax
import numpy as np
import pytest
import tiny_run


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def _checkpoints(folder):
    return sorted(int(entry.name) for entry in (folder / "tiny" / "checkpoints").iterdir())


def _poisoned(bad_step):
    """Batches whose weights are not a number at one step."""

    def batches(start_step):
        for step, raw in enumerate(tiny_run.train_batches(start_step), start=start_step + 1):
            if step == bad_step:
                raw["weight"][2] = np.nan
            yield raw

    return batches


def test_training_learns_and_writes_one_row_an_epoch(tmp_path):
    result = tiny_run.run(tmp_path, epochs=4)
    rows = [json.loads(line) for line in (tmp_path / "tiny/metrics.jsonl").open()]
    assert rows == result.history
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["step"] for row in rows] == [8, 16, 24, 32]
    assert rows[-1]["validation_loss"] < 0.2 * rows[0]["train_loss"]
    assert set(rows[0]) == {
        "epoch", "step", "train_loss", "validation_loss",
        "learning_rate", "patches_per_second", "seconds",
    }  # fmt: skip
    assert len(list((tmp_path / "tiny").glob("events.out.tfevents*"))) == 1

    losses = [row["validation_loss"] for row in rows]
    best_step = rows[int(np.argmin(losses))]["step"]
    assert _checkpoints(tmp_path) == sorted({best_step, 32})


def test_validation_loss_is_the_exact_mean_over_real_examples(tmp_path):
    result = tiny_run.run(tmp_path, epochs=1)
    data = tiny_run.make_data()
    rows = slice(tiny_run.VALIDATION_EXAMPLES)
    predicted = tiny_run.TinyRegressor().apply(
        {"params": jax.device_get(result.state.params)},
        data["image"][rows].astype(np.float32) / np.float32(4095),
        train=False,
    )
    expected = np.mean(np.square(np.asarray(predicted) - data["target"][rows]))
    assert result.history[0]["validation_loss"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bad_step", [6, 11])
def test_not_finite_names_step_and_wells_and_leaves_the_last_checkpoint_good(tmp_path, bad_step):
    whole = tiny_run.run(tmp_path / "whole", epochs=2, early_stopping_epochs=0)
    tmp_path = tmp_path / "tmp_path"
    with pytest.raises(FloatingPointError) as error:
        tiny_run.run(tmp_path, epochs=2, early_stopping_epochs=0, train_batches=_poisoned(bad_step))
    last_good = {6: 3, 11: 9}[bad_step]
    *_, raw = (raw for _, raw in zip(range(bad_step), tiny_run.train_batches(0)))
    assert f"step {bad_step};" in str(error.value)
    assert tiny_run.describe_batch(raw) in str(error.value)
    assert str(tmp_path / "tiny" / "checkpoints" / str(last_good)) in str(error.value)
    assert max(_checkpoints(tmp_path)) == last_good

    mended = tiny_run.run(tmp_path, epochs=2)
    jax.tree.map(np.testing.assert_array_equal, mended.state.params, whole.state.params)


def test_validation_that_is_not_finite_names_its_wells(tmp_path):
    data = tiny_run.make_data()
    data["target"][17] = np.inf
    with pytest.raises(FloatingPointError, match="validation.*step 8;.*D16, D17"):
        tiny_run.run(tmp_path, data=data)
    assert max(_checkpoints(tmp_path)) < 8


def test_early_stop_ends_the_run_and_stays_ended(tmp_path):
    changes = dict(epochs=9, early_stopping_epochs=2)
    changes["optimizer"] = {"learning_rate": 0.0, "plateau_epochs": 0}
    result = tiny_run.run(tmp_path, **changes)
    assert bool(result.state.stopped)
    assert len(result.history) == 3
    assert len(tiny_run.run(tmp_path, **changes).history) == 3


def test_a_misspelt_field_of_the_optimizer_is_an_error(tmp_path):
    with pytest.raises(TypeError, match="learning_rat"):
        tiny_run.run(tmp_path, optimizer={"learning_rate": 1e-3, "learning_rat": 1.0})
