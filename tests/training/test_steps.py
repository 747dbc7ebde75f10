"""The steps: exact means, donation, sharding, gradients, and what counts as finite."""

import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_run

from jaxcell.compute.sharding import make_shardings
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_eval_step, make_train_step
from jaxcell.training.tasks import autoencoder_task

TASK = tiny_run.make_task()
ONE, FOUR = tuple(jax.local_devices()[:1]), tuple(jax.local_devices()[:4])


@functools.lru_cache
def _programs(task, devices, prepare, learning_rate):
    """Compiled once for all tests that need the same."""
    shardings = make_shardings(tiny_run.BATCH_SIZE, devices)
    optimizer = make_optimizer(100, learning_rate=learning_rate)
    return (
        jax.device_put(tiny_run.make_data(), shardings.replicated),
        make_init(task, optimizer, prepare, shardings.replicated),
        make_train_step(task, optimizer, prepare, shardings),
        make_eval_step(task, prepare, shardings),
    )


def _setup(task=TASK, devices=None, prepare=tiny_run.prepare, start=None, learning_rate=1e-2):
    data, init, train_step, eval_step = _programs(task, devices, prepare, learning_rate)
    state = init(data, next(tiny_run.train_batches(0)), 1, start or {})
    return state, data, train_step, eval_step


def _steps(number, devices):
    state, data, train_step, _ = _setup(devices=devices)
    losses = []
    for _, raw in zip(range(number), tiny_run.train_batches(0)):
        state, metrics = train_step(state, data, raw)
        losses.append(float(metrics["loss"]))
    return state, losses


def test_four_devices_equal_one():
    assert len(FOUR) == 4
    four, four_losses = _steps(4, FOUR)
    one, one_losses = _steps(4, ONE)
    np.testing.assert_allclose(four_losses, one_losses, rtol=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5),
        four.params,
        one.params,
    )


def test_batch_is_really_split_over_the_devices():
    state, data, _, eval_step = _setup(devices=FOUR)
    values = eval_step(state.params, data, next(tiny_run.train_batches(0)))
    assert [shard.data.shape for shard in values["loss"].addressable_shards] == [(2,)] * 4
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(state.params))


def test_a_batch_is_split_over_as_many_devices_as_divide_it():
    assert make_shardings(6, FOUR).batch.mesh.size == 3
    assert make_shardings(5, FOUR).batch.mesh.size == 1


def test_state_is_donated_in_training_and_not_in_evaluation():
    state, data, train_step, eval_step = _setup()
    raw = next(tiny_run.train_batches(0))
    eval_step(state.params, data, raw)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((state.params, data)))
    new, _ = train_step(state, data, raw)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves((state.params, state.opt_state)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((new, data)))


def test_parameters_to_start_from_are_copied_and_checked():
    fresh, *_ = _setup()
    encoder = jax.tree.map(lambda leaf: leaf + 1.0, fresh.params["encoder"])
    state, data, train_step, _ = _setup(start={"encoder": encoder})
    np.testing.assert_array_equal(state.params["encoder"]["kernel"], encoder["kernel"])
    np.testing.assert_array_equal(state.params["head"]["kernel"], fresh.params["head"]["kernel"])
    train_step(state, data, next(tiny_run.train_batches(0)))
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(encoder))

    with pytest.raises(ValueError, match="encodr"):
        _setup(start={"encodr": encoder})
    with pytest.raises(ValueError, match="kernel"):
        _setup(start={"encoder": {**encoder, "kernel": jnp.zeros((1, 1))}})


@pytest.mark.parametrize(
    "task",
    [TASK, autoencoder_task(tiny_run.TinyAutoencoder())],
    ids=["regressor", "autoencoder"],
)
def test_every_parameter_is_float32_and_receives_a_gradient(task):
    state, data, *_ = _setup(task)
    batch = tiny_run.prepare(data, next(tiny_run.train_batches(0)))

    @jax.jit
    @jax.grad
    def gradient_of(params):
        return jnp.mean(task.loss(params, batch, jax.random.key(0))[0])

    gradients = gradient_of(state.params)
    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients):
        assert gradient.dtype == jnp.float32
        assert np.any(np.asarray(gradient)), jax.tree_util.keystr(path)


def test_padded_evaluation_equals_unpadded():
    state, data, _, eval_step = _setup()
    padded = [eval_step(state.params, data, raw) for raw in tiny_run.validation_batches()]
    weight = np.concatenate([values["weight"] for values in padded])
    real = {
        name: np.concatenate([values[name] for values in padded])[weight > 0]
        for name in ("loss", "predicted", "index")
    }
    rows = np.arange(tiny_run.VALIDATION_EXAMPLES, dtype=np.int32)
    np.testing.assert_array_equal(real["index"], rows)

    whole = tiny_run.prepare(data, {"index": rows, "weight": np.ones(rows.size, np.float32)})
    predicted = tiny_run.TinyRegressor().apply(
        {"params": state.params}, whole["image"], train=False
    )
    np.testing.assert_allclose(real["predicted"], predicted, rtol=1e-4, atol=1e-5)
    expected = np.square(np.asarray(predicted) - np.asarray(whole["target"]))
    np.testing.assert_allclose(real["loss"], expected, rtol=1e-3, atol=1e-4)


def test_padding_does_not_change_a_training_step():
    raw = next(tiny_run.train_batches(0))
    half = {**raw, "weight": np.float32([1, 1, 1, 1, 0, 0, 0, 0])}
    other = {**half, "index": np.where(half["weight"] > 0, half["index"], 0).astype(np.int32)}
    results = []
    for batch in (half, other):
        state, data, train_step, _ = _setup()
        results.append(train_step(state, data, batch))
    (one, one_metrics), (two, two_metrics) = results
    np.testing.assert_allclose(one_metrics["loss"], two_metrics["loss"], rtol=1e-6)
    assert float(one.epoch_weight) == 4.0
    np.testing.assert_allclose(float(one.epoch_loss), 4 * float(one_metrics["loss"]), rtol=1e-6)


def test_dropout_differs_between_steps_and_not_between_runs():
    frozen = {"learning_rate": 0.0}  # so that only the randomness can change the loss
    losses = []
    for _ in range(2):
        state, data, train_step, _ = _setup(**frozen)
        raw = next(tiny_run.train_batches(0))
        state, first = train_step(state, data, raw)
        state, second = train_step(state, data, raw)
        losses.append((float(first["loss"]), float(second["loss"])))
    assert losses[0] == losses[1]
    assert losses[0][0] != losses[0][1]


def test_finite_sees_the_gradient_too():
    def prepare(data, raw):
        batch = tiny_run.prepare(data, raw)
        return {**batch, "image": batch["image"] * raw["weight"][:, None, None, None]}

    def loss(params, batch, key):
        # The square root's value is finite at 0, its gradient is not.
        values = jnp.sqrt(jnp.abs(params["a"] * jnp.sum(batch["image"], (1, 2, 3))))
        return values, {}

    task = TASK._replace(init=lambda key, batch: {"a": jnp.ones(())}, loss=loss)
    state, data, train_step, _ = _setup(task, prepare=prepare)
    raw = next(tiny_run.train_batches(0))
    state, metrics = train_step(state, data, raw)
    assert metrics["finite"]
    raw["weight"][3] = 0.0
    state, metrics = train_step(state, data, raw)
    assert np.isfinite(metrics["loss"]) and not metrics["finite"]


def test_steps_import_without_the_data_set_library():
    code = (
        "import sys; sys.modules['tensorflow_datasets'] = None; "
        "sys.modules['orbax'] = None; import jaxcell.training.steps"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
