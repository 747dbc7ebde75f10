"""The steps of several seeds of one task as one compiled program, each as if alone.

Members go one after the other inside the program (`jax.lax.map`): a convolution vmapped over its
kernels becomes a grouped convolution, which was measured slower on a CPU;
`benchmarks.together` measures both where you are. Devices share the members between them.
What is drawn (dropout, sizes of nested codes) is that of the seed alone where both take as many
examples through the network at a time (`chunks.py`), as an accelerator always does.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcell.training.optimizer import Optimizer
from jaxcell.training.state import TrainState, first_state
from jaxcell.training.steps import Prepare, epoch_step, eval_step, train_step
from jaxcell.training.tasks import Params, Task

MEMBER = "member"


class Program(NamedTuple):
    """The compiled steps of k members; every state, and `raw` where it says so, has k rows first.

    Attributes:
      init: (seeds int32 [k], params to start from [k, ...], data, raw of any one member) ->
        states.
      train: (states, data, raw [k, ...], active bool [k]) -> (states, metrics); states are donated.
        A member that is not active stays as it is, and costs nothing.
      evaluate: (params, data, raw of all members) -> per-example values [k, B].
      end_epoch: (states, validation losses float32 [k], active bool [k]) -> states; donated.
      split: sharding of states, by member.
      whole: sharding of what all members share.
    """

    init: Callable[[Array, Params, Any, Any], TrainState]
    train: Callable[[TrainState, Any, Any, Array], tuple[TrainState, dict[str, Array]]]
    evaluate: Callable[[Params, Any, Any], dict[str, Array]]
    end_epoch: Callable[[TrainState, Array, Array], TrainState]
    split: NamedSharding
    whole: NamedSharding


def make_program(
    task: Task,
    optimizer: Optimizer,
    prepare: Prepare,
    members: int,
    early_stopping_epochs: int,
    devices: Sequence[jax.Device] | None = None,
) -> Program:
    """Compiles nothing yet; says what one program of several members does.

    Args:
      task: what is trained.
      optimizer: how.
      prepare: (data, raw) -> batch.
      members: k.
      early_stopping_epochs: as for `epoch_step`.
      devices: devices to use, all local ones if None; as many of them as divide the members.

    Returns:
      The program.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    used = max(n for n in range(1, len(devices) + 1) if members % n == 0)
    mesh = jax.make_mesh((used,), (MEMBER,), (AxisType.Auto,), devices=devices[:used])
    step, judge = train_step(task, optimizer, prepare), eval_step(task, prepare)
    begin, end = first_state(task, optimizer, prepare), epoch_step(optimizer, early_stopping_epochs)

    def init(seeds: Array, starts: Params, data: Any, raw: Any) -> TrainState:
        return jax.lax.map(lambda given: begin(given[0], data, raw, given[1]), (seeds, starts))

    def train(states: TrainState, data: Any, raw: Any, active: Array) -> tuple:
        def one(given: tuple) -> tuple:
            state, own, runs = given
            nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(step, state, data, own)[1])
            return jax.lax.cond(runs, lambda: step(state, data, own), lambda: (state, nothing))

        return jax.lax.map(one, (states, raw, active))

    def evaluate(params: Params, data: Any, raw: Any) -> dict[str, Array]:
        return jax.lax.map(lambda own: judge(own, data, raw), params)

    def end_epoch(states: TrainState, losses: Array, active: Array) -> TrainState:
        def one(given: tuple) -> TrainState:
            state, loss, runs = given
            return jax.lax.cond(runs, lambda: end(state, loss), lambda: state)

        return jax.lax.map(one, (states, losses, active))

    shared = functools.partial(_over_devices, mesh)
    return Program(
        jax.jit(shared(init, "mm--")),
        jax.jit(shared(train, "m-mm"), donate_argnums=0),
        jax.jit(shared(evaluate, "m--")),
        jax.jit(shared(end_epoch, "mmm"), donate_argnums=0),
        NamedSharding(mesh, PartitionSpec(MEMBER)),
        NamedSharding(mesh, PartitionSpec()),
    )


def _over_devices(mesh: Mesh, function: Callable, arguments: str) -> Callable:
    """Each device does its members; an argument is split by member (`m`) or given whole (`-`)."""
    by_member, whole = PartitionSpec(MEMBER), PartitionSpec()
    specs = tuple(by_member if kind == "m" else whole for kind in arguments)
    return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=by_member, check_vma=False)
