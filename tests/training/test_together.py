"""Members trained together against the same seeds trained alone."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny_run

from jaxcell.training import checkpoint
from jaxcell.training.together import Lane, fit_together

SEEDS = (3, 4)


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
):
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """Two seeds trained together without interruption."""
    folder = tmp_path_factory.mktemp("together")
    assert together(folder) == [None, None]
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
    assert together(tmp_path) == [None, None]
    for seed in SEEDS:
        for one, other in zip(params(tmp_path / str(seed)), params(whole / str(seed)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        assert [row["step"] for row in rows(tmp_path / str(seed))] == [8, 16, 24]


def test_one_that_diverges_says_where_and_the_other_goes_on(tmp_path):
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
    sound, failure = together(tmp_path, batches=batches, data=data, validation=validation)
    assert sound is None
    assert "not finite" in failure and "step 11" in failure and "D01" in failure
    assert [row["step"] for row in rows(tmp_path / "4")] == [8]  # the epoch that was whole
    assert all(np.isfinite(one).all() for one in params(tmp_path / "4"))
    assert [row["step"] for row in rows(tmp_path / "3")] == [8, 16, 24]


def test_devices_share_the_members(whole, tmp_path):
    """Four members on four devices (see conftest) are the two of one device, and two more."""
    seeds = (*SEEDS, 5, 6)
    assert together(tmp_path, seeds=seeds) == [None] * 4
    for seed in SEEDS:
        for one, other in zip(params(tmp_path / str(seed)), params(whole / str(seed)), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
