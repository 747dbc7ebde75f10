"""Schedules, clipping, weight decay, plateau and early stopping."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny_run

from jaxcell.compute.sharding import make_shardings
from jaxcell.training.optimizer import (
    advance_plateau,
    init_plateau,
    learning_rate_at,
    make_optimizer,
    updated,
)
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_epoch_step

PARAMS = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}


def _rates(optimizer, losses):
    """Learning rate after each epoch."""
    state, rates = init_plateau(optimizer, PARAMS), []
    for loss in losses:
        state = advance_plateau(optimizer, state, jnp.float32(loss))
        rates.append(float(learning_rate_at(optimizer, jnp.int32(0), state)))
    return rates


def test_plateau_falls_by_a_fifth_after_three_flat_epochs_and_never_below_the_floor():
    optimizer = make_optimizer(10, learning_rate=1e-2, plateau_epochs=3)
    rates = _rates(optimizer, [1.0] * 14)
    expected = [1e-2] * 3 + [2e-3] * 3 + [4e-4] * 3 + [1e-4] * 5
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_progress_starts_the_patience_anew_and_a_hair_is_no_progress():
    optimizer = make_optimizer(10, learning_rate=1e-2, plateau_epochs=3)
    assert _rates(optimizer, [1.0, 1.0, 1.0, 0.9, 0.9, 0.9])[-1] == pytest.approx(1e-2)
    assert _rates(optimizer, [1.0, 1.0, 1.0, 0.99999])[-1] == pytest.approx(2e-3)


def test_plateau_scales_the_updates():
    optimizer = make_optimizer(10, learning_rate=1e-2, plateau_epochs=1)
    gradients = jax.tree.map(jnp.ones_like, PARAMS)
    opt_state = optimizer.transformation.init(PARAMS)
    first = init_plateau(optimizer, PARAMS)
    second = advance_plateau(optimizer, first, jnp.float32(1))
    second = advance_plateau(optimizer, second, jnp.float32(1))
    moved = []
    for plateau_state in (first, second):
        params, _ = updated(optimizer, gradients, PARAMS, opt_state, plateau_state)
        moved.append(1.0 - float(params["bias"][0]))
    # Adam's first step is the learning rate itself.
    np.testing.assert_allclose(moved, [1e-2, 2e-3], rtol=1e-3)


def test_adamw_decays_kernels_only_and_is_optax_adamw():
    optimizer = make_optimizer(10, name="adamw", learning_rate=0.1, weight_decay=0.5)
    zeros = jax.tree.map(jnp.zeros_like, PARAMS)
    params, _ = updated(optimizer, zeros, PARAMS, optimizer.transformation.init(PARAMS), ())
    np.testing.assert_allclose(params["kernel"], 0.95, rtol=1e-6)
    np.testing.assert_array_equal(params["bias"], 1.0)

    reference = optax.adamw(0.1, weight_decay=0.5)
    kernel = {"kernel": PARAMS["kernel"]}
    gradients = {"kernel": jnp.float32([[1.0, -2.0], [3.0, 0.5]])}
    with jax.numpy_dtype_promotion("standard"):
        expected, _ = reference.update(gradients, reference.init(kernel), kernel)
    actual, _ = updated(optimizer, gradients, kernel, optimizer.transformation.init(kernel), ())
    np.testing.assert_allclose(actual["kernel"], kernel["kernel"] + expected["kernel"], rtol=1e-6)


def test_muon_moves_kernels_alike_in_all_directions_as_far_as_adam():
    random = np.random.default_rng(0)
    # A gradient of a convolution's kernel, ten times as steep in some directions as in others.
    steep = random.normal(size=(3, 3, 4, 8)) * np.geomspace(1, 10, 8)
    gradients = {"kernel": jnp.float32(steep), "bias": jnp.float32([3.0, -0.1])}
    start = jax.tree.map(jnp.zeros_like, gradients)
    optimizer = make_optimizer(10, name="muon", learning_rate=0.01)
    moved, _ = updated(optimizer, gradients, start, optimizer.transformation.init(start), ())
    # All else is left to Adam, with Nesterov's momentum.
    nadam = optax.nadam(0.01)
    biases = {"bias": gradients["bias"]}
    with jax.numpy_dtype_promotion("standard"):
        expected, _ = nadam.update(biases, nadam.init(biases), biases)
    np.testing.assert_allclose(moved["bias"], expected["bias"], rtol=1e-5)
    kernel = np.asarray(moved["kernel"])
    assert (kernel * steep).sum() < 0
    sizes = np.linalg.svd(kernel.reshape(36, 8), compute_uv=False)
    assert sizes.max() / sizes.min() < 1.8 < 5 < np.linalg.cond(steep.reshape(36, 8))
    assert np.sqrt((kernel**2).mean()) == pytest.approx(0.2 * 0.01, rel=0.3)


def test_warm_up_cosine_ends_at_the_last_step():
    optimizer = make_optimizer(100, learning_rate=1e-2, warmup_steps=10, decay="cosine")
    rates = [float(learning_rate_at(optimizer, jnp.int32(s), ())) for s in (0, 5, 10, 55, 100)]
    np.testing.assert_allclose(rates, [0, 5e-3, 1e-2, 5e-3, 0], atol=1e-8)


def test_gradients_are_clipped():
    optimizer = make_optimizer(10, learning_rate=1e-2, clip_global_norm=1.0)
    gradients = jax.tree.map(lambda leaf: 1e3 * jnp.ones_like(leaf), PARAMS)
    _, opt_state = updated(optimizer, gradients, PARAMS, optimizer.transformation.init(PARAMS), ())
    mean = optax.tree.get(opt_state, "mu")
    np.testing.assert_allclose(optax.tree.norm(mean), 0.1, rtol=1e-5)  # (1 - b1) * 1


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "sgd"},
        {"decay": "linear"},
        {"weight_decay": 0.1},
        {"warmup_steps": 11},
        {"plateau_epochs": 3, "minimum_learning_rate": 1.0},
    ],
)
def test_contradictory_fields_are_errors(fields):
    with pytest.raises(ValueError, match=next(iter(fields)) if len(fields) == 1 else "raise"):
        make_optimizer(10, learning_rate=1e-3, **fields)


def test_early_stop_after_five_epochs_without_progress():
    shardings = make_shardings(tiny_run.BATCH_SIZE)
    optimizer = make_optimizer(10, learning_rate=1e-3, plateau_epochs=3)
    init = make_init(tiny_run.make_task(), optimizer, tiny_run.prepare, shardings.replicated)
    data = jax.device_put(tiny_run.make_data(), shardings.replicated)
    state = init(data, next(tiny_run.train_batches(0)), 0, {})
    epoch_step = make_epoch_step(optimizer, shardings, early_stopping_epochs=5)
    stops = []
    for loss in [3.0, 2.0, 2.5, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]:
        state = epoch_step(state.replace(epoch_loss=jnp.float32(7)), jnp.float32(loss))
        stops.append(bool(state.stopped))
    assert stops == [False] * 9 + [True]
    assert float(state.best) == 1.0
    assert float(state.epoch_loss) == 0.0
