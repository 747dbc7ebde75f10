"""A program of several members: who takes no part in a step stays as it is, bit for bit."""

import jax
import numpy as np
import pytest
import tiny_run

from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.program import several_runs
from jaxcell.training.state import make_init


@pytest.fixture(params=[False, True], ids=["in_turn", "side_by_side"])
def several(request):
    optimizer = make_optimizer(100, learning_rate=1e-2, plateau_epochs=1)
    made = several_runs(tiny_run.make_task(), optimizer, tiny_run.prepare, 2, 5, request.param)
    init = make_init(tiny_run.make_task(), optimizer, tiny_run.prepare, made.whole)
    data = jax.device_put(tiny_run.make_data(), made.whole)
    raw = next(tiny_run.train_batches(0))
    return made, made.joined([init(data, raw, seed, {}) for seed in (0, 1)]), data, raw


def _bits(state):
    state = state.replace(rng=jax.random.key_data(state.rng))
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]


def test_a_member_without_a_batch_or_a_loss_keeps_every_bit(several):
    made, states, data, raw = several
    before = [_bits(made.own(states, member)) for member in (0, 1)]
    poison = {**raw, "weight": np.full_like(raw["weight"], np.nan)}
    states, metrics = made.train(states, data, {1: poison})
    assert _bits(made.own(states, 0)) == before[0]
    assert not made.own(metrics, 1)["finite"]
    states, metrics = made.train(states, data, {0: raw})
    after = _bits(made.own(states, 0))
    assert after != before[0] and made.own(metrics, 0)["finite"]
    states = made.end_epoch(states, {1: 2.0})
    assert _bits(made.own(states, 0)) == after
    assert float(made.own(states, 1).best) == 2.0
