"""The latest and the best survive, and nothing half-written is taken for a checkpoint."""

import functools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_run

from jaxcell.compute.sharding import make_shardings
from jaxcell.training import checkpoint
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import make_init


def _state(shardings, learning_rate=1e-3):
    optimizer = make_optimizer(10, learning_rate=learning_rate, plateau_epochs=3)
    init = make_init(tiny_run.make_task(), optimizer, tiny_run.prepare, shardings.replicated)
    data = jax.device_put(tiny_run.make_data(), shardings.replicated)
    arguments = (data, next(tiny_run.train_batches(0)), 0, {})
    return init(*arguments), jax.eval_shape(init, *arguments)


def _folders(path):
    return sorted(entry.name for entry in path.iterdir())


def test_exactly_the_latest_and_the_best_survive(tmp_path):
    shardings = make_shardings(tiny_run.BATCH_SIZE)
    state, abstract = _state(shardings)
    manager = checkpoint.open(tmp_path)
    assert checkpoint.restore_latest(manager, abstract, shardings.replicated) is None
    assert checkpoint.latest_path(manager) is None
    with pytest.raises(ValueError, match="no evaluated checkpoint"):
        checkpoint.best_params(tmp_path)

    # None: a save inside an epoch, whose loss nobody knows, must never count as the best.
    for step, loss in enumerate([None, 5.0, 4.0, None, 2.0, 6.0, None, 3.0, None], start=1):
        params = jax.tree.map(functools.partial(jnp.full_like, fill_value=step), state.params)
        saved = state.replace(step=jnp.int32(step), best=jnp.float32(step), params=params)
        checkpoint.save(manager, saved, loss)
        if step == 1:  # there is a checkpoint, but none that was evaluated
            with pytest.raises(ValueError, match="no evaluated checkpoint"):
                checkpoint.best_params(tmp_path)
    assert _folders(tmp_path) == ["5", "9"]
    manager.close()

    # Read anew, by another process as it were.
    manager = checkpoint.open(tmp_path)
    latest = checkpoint.restore_latest(manager, abstract, shardings.replicated)
    best = checkpoint.best_params(tmp_path)
    assert (int(latest.step), float(latest.best)) == (9, 9.0)
    assert jax.tree.structure(best) == jax.tree.structure(state.params)
    assert all(np.all(leaf == 5.0) for leaf in jax.tree.leaves(best))
    assert checkpoint.latest_path(manager) == tmp_path / "9"
    manager.close()


def test_restored_state_is_the_saved_one_on_another_number_of_devices(tmp_path):
    four = make_shardings(tiny_run.BATCH_SIZE)
    one = make_shardings(tiny_run.BATCH_SIZE, jax.local_devices()[:1])
    state, abstract = _state(four)
    manager = checkpoint.open(tmp_path)
    checkpoint.save(manager, state, 1.0)
    restored = checkpoint.restore_latest(manager, abstract, one.replicated)
    manager.close()

    assert jax.tree.structure(restored) == jax.tree.structure(state)
    assert jax.random.key_data(restored.rng).tolist() == jax.random.key_data(state.rng).tolist()
    for old, new in zip(jax.tree.leaves(state.params), jax.tree.leaves(restored.params)):
        assert len(new.devices()) == 1 and new.dtype == old.dtype
        np.testing.assert_array_equal(old, new)


def test_half_written_and_half_deleted_checkpoints_are_ignored(tmp_path):
    shardings = make_shardings(tiny_run.BATCH_SIZE)
    state, abstract = _state(shardings)
    manager = checkpoint.open(tmp_path)
    checkpoint.save(manager, state.replace(step=jnp.int32(1)), 1.0)
    manager.close()
    (tmp_path / "2.orbax-checkpoint-tmp-0" / "default").mkdir(parents=True)
    (tmp_path / "discarded" / "3").mkdir(parents=True)

    manager = checkpoint.open(tmp_path)
    latest = checkpoint.restore_latest(manager, abstract, shardings.replicated)
    checkpoint.save(manager, state.replace(step=jnp.int32(2)), 0.5)
    manager.close()
    assert int(latest.step) == 1
    assert _folders(tmp_path) == ["2"]


def test_a_checkpoint_of_another_model_or_optimizer_is_an_error_in_a_sentence(tmp_path):
    shardings = make_shardings(tiny_run.BATCH_SIZE)
    state, abstract = _state(shardings)
    manager = checkpoint.open(tmp_path)
    checkpoint.save(manager, state, 1.0)
    wider = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*leaf.shape[:-1], leaf.shape[-1] + 1), leaf.dtype),
        abstract.params,
    )
    with pytest.raises(ValueError, match="holds another network .* train again") as error:
        checkpoint.restore_latest(manager, abstract.replace(params=wider), shardings.replicated)
    assert "4 arrays differ; encoder/bias is 4 in the folder and 5 here" in str(error.value)
    with pytest.raises(ValueError, match="whose optimizer kept other numbers") as error:
        other = abstract.replace(plateau_state=())
        checkpoint.restore_latest(manager, other, shardings.replicated)
    assert len(str(error.value)) < 300
    with pytest.raises(RuntimeError, match="not saved"):
        checkpoint.save(manager, state, 1.0)
    manager.close()


def _flip(path, place):
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def _largest(step):
    return max(
        (path for path in (step / "default").rglob("d/*")), key=lambda path: path.stat().st_size
    )


HARM = {
    "no commit marker": lambda step: (step / "_CHECKPOINT_METADATA").unlink(),
    "half an array": lambda step: _largest(step).write_bytes(_largest(step).read_bytes()[:99]),
    "a flipped byte": lambda step: _flip(_largest(step), 0.5),
    "half the metadata": lambda step: _flip(step / "default" / "_METADATA", 0.5),
    "no manifest": lambda step: (step / "default" / "manifest.ocdbt").unlink(),
    "half copied": lambda step: shutil.rmtree(step / "default"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_newest_step_falls_back_to_the_last_whole_one_and_says_so(tmp_path, capsys, harm):
    shardings = make_shardings(tiny_run.BATCH_SIZE)
    state, abstract = _state(shardings)
    manager = checkpoint.open(tmp_path)
    checkpoint.save(manager, state.replace(step=jnp.int32(1)), 1.0)
    checkpoint.save(manager, state.replace(step=jnp.int32(2)), 2.0)
    manager.close()
    HARM[harm](tmp_path / "2")

    manager = checkpoint.open(tmp_path)
    latest = checkpoint.restore_latest(manager, abstract, shardings.replicated)
    said = capsys.readouterr().err
    assert int(latest.step) == 1 and str(tmp_path / "2") in said and said.count("\n") == 1
    checkpoint.save(manager, state.replace(step=jnp.int32(2)), 0.5)
    manager.close()
    assert _folders(tmp_path) == ["2"]


@pytest.mark.parametrize("harm", HARM)
def test_a_damaged_best_step_is_named_with_a_cure(tmp_path, harm):
    state, _ = _state(make_shardings(tiny_run.BATCH_SIZE))
    manager = checkpoint.open(tmp_path)
    checkpoint.save(manager, state.replace(step=jnp.int32(1)), 1.0)
    manager.close()
    HARM[harm](tmp_path / "1")
    with pytest.raises(ValueError) as error:
        checkpoint.best_params(tmp_path)
    said = str(error.value)
    assert str(tmp_path / "1") in said and "copy the run's folder again" in said
    assert "\n" not in said and "Event loop" not in said


def test_the_digest_of_parameters_is_of_every_byte_and_name():
    params = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.float32)}
    same = {name: array.copy() for name, array in params.items()}
    digest = checkpoint.params_digest(params)
    assert checkpoint.params_digest(same) == digest
    same["b"][1] = 1e-30
    others = [
        same,
        {"c": params["a"], "b": params["b"]},
        {**params, "a": params["a"].reshape(3, 2)},
    ]
    assert digest not in map(checkpoint.params_digest, others)
