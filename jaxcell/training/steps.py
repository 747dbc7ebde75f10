"""The jitted steps of training and evaluation: pure, donated, sharded."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from jaxcell.compute import chunks
from jaxcell.compute.sharding import Shardings
from jaxcell.training.optimizer import Optimizer, advance_plateau, learning_rate_at, updated
from jaxcell.training.state import TrainState
from jaxcell.training.tasks import Params, Task

# (data, raw batch) -> batch. `data` is a pytree of device arrays, () if there is none; it is an
# argument of the steps because a closure would copy it into the compiled program.
Prepare = Callable[[Any, Any], dict[str, Array]]


# (state, data, raw) -> (state, metrics)
TrainStep = Callable[[TrainState, Any, Any], tuple[TrainState, dict[str, Array]]]
# (params, data, raw) -> per-example values
EvalStep = Callable[[Params, Any, Any], dict[str, Array]]
# (state, validation loss) -> state
EpochStep = Callable[[TrainState, Array], TrainState]


def make_train_step(
    task: Task, optimizer: Optimizer, prepare: Prepare, shardings: Shardings
) -> TrainStep:
    """The jitted training step of one run.

    Args:
      task: what is trained.
      optimizer: how.
      prepare: (data, raw) -> batch.
      shardings: where arrays lie.

    Returns:
      As `train_step`, jitted; the state is donated.
    """
    replicated, batch = shardings
    return jax.jit(
        train_step(task, optimizer, prepare, batch.mesh),
        in_shardings=(replicated, replicated, batch),
        out_shardings=(replicated, replicated),
        donate_argnums=0,
    )


def train_step(
    task: Task, optimizer: Optimizer, prepare: Prepare, mesh: Mesh | None = None
) -> TrainStep:
    """The training step as a pure function.

    Args:
      task: what is trained.
      optimizer: how.
      prepare: (data, raw) -> batch.
      mesh: over which the batch is split; None where it lies on one device.

    Returns:
      (state, data, raw) -> (state, metrics). metrics: `loss`, float32, the
      mean over the real examples; `learning_rate`, float32, this step's; and `finite`, bool:
      whether the loss, the gradients and all that would be saved are finite.
    """

    def step(state: TrainState, data: Any, raw: Any) -> tuple[TrainState, dict[str, Array]]:
        batch = prepare(data, raw)
        key = jax.random.fold_in(state.rng, state.step)
        examples = jnp.sum(batch["weight"])

        def share(params: Params, some: dict[str, Array], key: Array) -> Array:
            """The part that some of its examples have in the batch's mean loss."""
            loss, _ = task.loss(params, some, key)
            return jnp.sum(loss * some["weight"]) / jnp.maximum(examples, 1.0)

        loss, gradients = chunks.value_and_grad(share, state.params, batch, key, mesh)
        rate = learning_rate_at(optimizer, state.step, state.plateau_state)
        params, opt_state = updated(
            optimizer, gradients, state.params, state.opt_state, state.plateau_state
        )
        state = state.replace(
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            epoch_loss=state.epoch_loss + loss * examples,
            epoch_weight=state.epoch_weight + examples,
        )
        metrics = {
            "loss": loss,
            "learning_rate": rate,
            "finite": _finite((loss, gradients, params, opt_state)),
        }
        return state, metrics

    return step


def make_eval_step(task: Task, prepare: Prepare, shardings: Shardings) -> EvalStep:
    """The jitted evaluation step of one run; as `eval_step`, nothing is donated.

    Each of several processes has the values of all examples.
    """
    replicated, batch = shardings
    return jax.jit(
        eval_step(task, prepare, batch.mesh),
        in_shardings=(replicated, replicated, batch),
        out_shardings=batch if batch.is_fully_addressable else replicated,
    )


def eval_step(task: Task, prepare: Prepare, mesh: Mesh | None = None) -> EvalStep:
    """The evaluation step as a pure function.

    Args:
      task: what is evaluated.
      prepare: (data, raw) -> batch.
      mesh: as for `train_step`.

    Returns:
      (params, data, raw) -> per-example values, each [B]: `loss`, the task's metrics, and the
      batch's `weight` and `index`. Whoever reduces leaves out examples of weight 0 (padding).
    """

    def step(params: Params, data: Any, raw: Any) -> dict[str, Array]:
        batch = prepare(data, raw)
        loss, metrics = chunks.apply(lambda *given: task.loss(*given, None), params, batch, mesh)
        return {"loss": loss, "weight": batch["weight"], "index": batch["index"], **metrics}

    return step


def make_epoch_step(
    optimizer: Optimizer, shardings: Shardings, early_stopping_epochs: int
) -> EpochStep:
    """The jitted end of an epoch of one run; as `epoch_step`, the state is donated."""
    replicated = shardings.replicated
    return jax.jit(
        epoch_step(optimizer, early_stopping_epochs),
        in_shardings=(replicated, replicated),
        out_shardings=replicated,
        donate_argnums=0,
    )


def epoch_step(optimizer: Optimizer, early_stopping_epochs: int) -> EpochStep:
    """The end of an epoch: best, plateau, early stopping; the epoch's sums start anew.

    Args:
      optimizer: whose plateau is advanced.
      early_stopping_epochs: epochs without a new best before the run stops; 0 = never.

    Returns:
      (state, validation loss float32 scalar) -> state.
    """

    def end(state: TrainState, validation_loss: Array) -> TrainState:
        epochs_since_best = jnp.where(
            validation_loss < state.best, jnp.int32(0), state.epochs_since_best + 1
        )
        stopped = jnp.bool_(False)
        if early_stopping_epochs:
            stopped = epochs_since_best >= early_stopping_epochs
        return state.replace(
            plateau_state=advance_plateau(optimizer, state.plateau_state, validation_loss),
            best=jnp.minimum(state.best, validation_loss),
            epochs_since_best=epochs_since_best,
            stopped=stopped,
            epoch_loss=jnp.float32(0),
            epoch_weight=jnp.float32(0),
        )

    return end


def _finite(tree: Any) -> Array:
    floats = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in floats]))
