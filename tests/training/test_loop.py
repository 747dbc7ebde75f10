"""The loop: what it writes, when it stops, what it never saves; and members trained together
against the same seeds trained alone."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_run

from jaxcell.training import checkpoint, loop
from jaxcell.training.loop import FitResult, Lane, fit_together

SEEDS = (3, 4)


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


def batches_of(seed: int):
    """Batches that differ between seeds."""

    def batches(start_step: int):
        for step in iter(range(start_step, 10**6)):
            index = np.random.default_rng([seed, step]).integers(
                tiny_run.VALIDATION_EXAMPLES, tiny_run.EXAMPLES, tiny_run.BATCH_SIZE, dtype=np.int32
            )
            yield {"index": index, "weight": np.ones(tiny_run.BATCH_SIZE, np.float32)}

    return batches


def together(
    folder: Path,
    seeds=SEEDS,
    batches=batches_of,
    data=None,
    validation=tiny_run.validation_batches,
) -> list[FitResult]:
    lanes = [Lane(folder / str(seed), seed, batches(seed)) for seed in seeds]
    return fit_together(
        tiny_run.make_task(),
        tiny_run.make_config(),
        lanes,
        data=data or tiny_run.make_data(),
        validation_batches=validation,
        prepare=tiny_run.prepare,
        name="tiny",
        describe_batch=tiny_run.describe_batch,
    )


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "tiny" / "metrics.jsonl").open()]


def params(folder: Path) -> list[np.ndarray]:
    return jax.tree.leaves(checkpoint.best_params(folder / "tiny" / "checkpoints"))


def all_sound(results: list[FitResult]) -> bool:
    return not any(result.failure for result in results)


@pytest.fixture(scope="module", params=[False, True], ids=["in_turn", "side_by_side"])
def way(request) -> bool:
    """Both ways to compute members, whatever this machine would choose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "side_by_side", lambda: request.param)
        yield request.param


@pytest.fixture(scope="module")
def whole(way, tmp_path_factory) -> Path:
    """Two seeds trained together without interruption."""
    folder = tmp_path_factory.mktemp("together")
    assert all_sound(together(folder))
    return folder


def test_each_member_is_what_its_seed_is_alone(whole, tmp_path):
    """To 1e-4 of the losses and 1e-4 in the weights, after 24 steps with dropout."""
    for seed in SEEDS:
        tiny_run.run(tmp_path / str(seed), seed=seed, train_batches=batches_of(seed))
        alone, member = rows(tmp_path / str(seed)), rows(whole / str(seed))
        assert [row["step"] for row in member] == [8, 16, 24]
        for name in ("train_loss", "validation_loss", "learning_rate"):
            expected = [row[name] for row in alone]
            np.testing.assert_allclose([row[name] for row in member], expected, rtol=1e-4)
        pairs = zip(params(whole / str(seed)), params(tmp_path / str(seed)), strict=True)
        for one, other in pairs:
            np.testing.assert_allclose(one, other, atol=1e-4)
    first, second = (params(whole / str(seed)) for seed in SEEDS)
    assert any(np.abs(one - other).max() > 0.01 for one, other in zip(first, second))


def test_a_member_goes_on_alone_from_what_it_left(whole):
    result = tiny_run.run(whole / "3", seed=3, train_batches=batches_of(3))
    assert int(result.state.step) == 24 and len(result.history) == 3


def test_killed_at_different_steps_members_end_as_if_never_killed(whole, tmp_path):
    """One was saved at step 3, the other at step 16: killed between two saves of one step."""

    class Killed(Exception):
        pass

    def until(last):
        def batches(seed):
            def some(start_step):
                for step, raw in enumerate(batches_of(seed)(start_step), start_step):
                    if step == last:
                        raise Killed
                    yield raw

            return some

        return batches

    for seed, last in ((3, 5), (4, 18)):
        with pytest.raises(Killed):
            together(tmp_path, seeds=(seed,), batches=until(last))
    assert all_sound(together(tmp_path))
    for seed in SEEDS:
        for one, other in zip(params(tmp_path / str(seed)), params(whole / str(seed)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        assert [row["step"] for row in rows(tmp_path / str(seed))] == [8, 16, 24]


def test_one_that_diverges_says_where_and_the_other_goes_on(way, tmp_path):
    """Row 1, whose target is not a number, is drawn by one seed in its eleventh step alone."""

    def batches(seed):
        def some(start_step):
            for step, raw in enumerate(batches_of(seed)(start_step), start_step):
                if (seed, step) == (4, 10):
                    raw["index"][0] = 1
                yield raw

        return some

    def validation():
        for raw in tiny_run.validation_batches():
            yield raw | {"index": np.where(raw["index"] == 1, 2, raw["index"]).astype(np.int32)}

    data = tiny_run.make_data()
    data["target"][1] = np.nan
    results = together(tmp_path, batches=batches, data=data, validation=validation)
    sound, failure = (result.failure for result in results)
    assert sound is None
    assert "not finite" in failure and "step 11" in failure and "D01" in failure
    assert [row["step"] for row in rows(tmp_path / "4")] == [8]  # the epoch that was whole
    assert all(np.isfinite(one).all() for one in params(tmp_path / "4"))
    assert [row["step"] for row in rows(tmp_path / "3")] == [8, 16, 24]


def test_devices_share_the_members(whole, tmp_path):
    """Four members on four devices (see conftest) are the two of one device, and two more."""
    seeds = (*SEEDS, 5, 6)
    assert all_sound(together(tmp_path, seeds=seeds))
    for seed in SEEDS:
        for one, other in zip(params(tmp_path / str(seed)), params(whole / str(seed)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
