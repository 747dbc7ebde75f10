"""The compiled steps that the loop takes with k members of one task, each as if alone.

One run is the steps of `steps.py`, its batch shared among devices. Several, which differ in their
seed alone, are one program, its members shared among devices. What is drawn (dropout, sizes of
nested codes) is that of the seed alone where both take as many examples through the network at a
time (`chunks.py`), as an accelerator always does.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from jaxcell.compute import processes
from jaxcell.compute.sharding import dividing, make_shardings, over_devices
from jaxcell.training.optimizer import Optimizer
from jaxcell.training.state import TrainState
from jaxcell.training.steps import (
    Prepare,
    epoch_step,
    eval_step,
    make_epoch_step,
    make_eval_step,
    make_train_step,
    train_step,
)
from jaxcell.training.tasks import Params, Task

MEMBER = "member"


class Program(NamedTuple):
    """What the loop does with k members at once.

    `states`, their params, metrics and values are of all members, in whatever form: `own` knows it.

    Attributes:
      joined: (a state a member) -> states.
      own: (states, metrics or values, member) -> that member's.
      train: (states, data, {member: raw}) -> (states, metrics); states are donated. A member
        without a raw batch stays as it is; its metrics mean nothing.
      evaluate: (params, data, raw of all members) -> per-example values.
      end_epoch: (states, {member: validation loss}) -> states; donated. A member without a loss
        stays as it is.
      whole: sharding of what all members share.
    """

    joined: Callable[[Sequence[TrainState]], TrainState]
    own: Callable[[Any, int], Any]
    train: Callable[[TrainState, Any, dict[int, Any]], tuple[TrainState, dict[str, Array]]]
    evaluate: Callable[[Params, Any, Any], dict[str, Array]]
    end_epoch: Callable[[TrainState, dict[int, float]], TrainState]
    whole: NamedSharding


def one_run(
    task: Task,
    optimizer: Optimizer,
    prepare: Prepare,
    batch_size: int,
    early_stopping_epochs: int,
) -> Program:
    """The program of one run, over the devices of all processes: `states` is its state.

    A raw batch may be whole, or this process's rows of it.

    Args:
      task: what is trained.
      optimizer: how.
      prepare: (data, raw) -> batch.
      batch_size: examples a step.
      early_stopping_epochs: as for `epoch_step`.
    """
    shardings = make_shardings(batch_size, jax.devices())
    train = processes.compiled_by_all(make_train_step(task, optimizer, prepare, shardings))
    evaluate = processes.compiled_by_all(make_eval_step(task, prepare, shardings))
    end = make_epoch_step(optimizer, shardings, early_stopping_epochs)

    def put(raw: Any) -> Any:
        if shardings.batch.is_fully_addressable:
            return raw
        whole = len(raw["index"]) == batch_size
        own = processes.own_rows(batch_size) if whole else slice(None)
        return processes.put(jax.tree.map(lambda leaf: leaf[own], raw), shardings.batch)

    return Program(
        joined=lambda states: states[0],
        own=lambda tree, member: tree,
        train=lambda state, data, raws: train(state, data, put(raws[0])),
        evaluate=lambda params, data, raw: evaluate(params, data, put(raw)),
        end_epoch=lambda state, losses: end(state, np.float32(losses[0])),
        whole=shardings.replicated,
    )


def several_runs(
    task: Task,
    optimizer: Optimizer,
    prepare: Prepare,
    members: int,
    early_stopping_epochs: int,
    at_once: bool,
) -> Program:
    """The program of several seeds: every array of `states` has k rows.

    Args:
      task, optimizer, prepare, early_stopping_epochs: as for `one_run`.
      members: k; as many devices as divide them are used.
      at_once: whether a device computes its members side by side (`vmap`), or else one after the
        other (`jax.lax.map`), where a member that takes no part costs nothing.
    """
    devices = dividing(members, jax.local_devices())
    mesh = jax.make_mesh((len(devices),), (MEMBER,), (AxisType.Auto,), devices=devices)
    split, whole = NamedSharding(mesh, PartitionSpec(MEMBER)), NamedSharding(mesh, PartitionSpec())
    step, judge = train_step(task, optimizer, prepare), eval_step(task, prepare)
    end = epoch_step(optimizer, early_stopping_epochs)
    each = jax.vmap if at_once else _in_turn

    def train(states: TrainState, data: Any, raws: Any, active: Array) -> tuple:
        def one(state: TrainState, raw: Any, active: Array) -> tuple:
            nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(step, state, data, raw)[1])
            return jax.lax.cond(active, lambda: step(state, data, raw), lambda: (state, nothing))

        return each(one)(states, raws, active)

    def evaluate(params: Params, data: Any, raw: Any) -> dict[str, Array]:
        return each(lambda own: judge(own, data, raw))(params)

    def end_epoch(states: TrainState, losses: Array, active: Array) -> TrainState:
        def one(state: TrainState, loss: Array, active: Array) -> TrainState:
            return jax.lax.cond(active, lambda: end(state, loss), lambda: state)

        return each(one)(states, losses, active)

    train = jax.jit(over_devices(train, mesh, "swss"), donate_argnums=0)
    end_epoch = jax.jit(over_devices(end_epoch, mesh, "sss"), donate_argnums=0)
    joined = functools.partial(jax.tree.map, lambda *rows: jnp.stack(rows))
    return Program(
        joined=lambda states: jax.device_put(joined(*states), split),
        own=lambda tree, member: jax.tree.map(functools.partial(_row, member), tree),
        train=lambda states, data, raws: train(states, data, *_rows(raws, members)),
        evaluate=jax.jit(over_devices(evaluate, mesh, "sww")),
        end_epoch=lambda states, losses: end_epoch(states, *_rows(losses, members)),
        whole=whole,
    )


def side_by_side() -> bool:
    """Whether several runs are faster at once than one after the other, here.

    A convolution vmapped over its kernels becomes a grouped one. Three seeds of the sweep's
    network, batch 16, take 0.010 s a step side by side and 0.015 s in turn on an NVIDIA H200, and
    0.38 and 0.28 s on two cores of a CPU (`benchmarks/training.py`).
    """
    return jax.default_backend() != "cpu"


def _in_turn(function: Callable) -> Callable:
    """What `jax.vmap` answers, one member after the other."""
    return lambda *rows: jax.lax.map(lambda given: function(*given), rows)


def _row(member: int, leaf: Any) -> Any:
    """A member's row of an array, read on the device where it lies: none waits for another."""
    if not isinstance(leaf, jax.Array):
        return leaf[member]
    shards = sorted(leaf.addressable_shards, key=lambda shard: shard.index[0].start or 0)
    in_each = len(leaf) // len(shards)
    return shards[member // in_each].data[member % in_each]


def _rows(given: dict[int, Any], members: int) -> tuple[Any, np.ndarray]:
    """Trees as one of arrays [k, ...], and which members gave one; others get a copy of another."""
    filler = next(iter(given.values()))
    rows = [given.get(member, filler) for member in range(members)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
    return stacked, np.isin(np.arange(members), list(given))
