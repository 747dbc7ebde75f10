"""Everything that a resumed run needs, in one value."""

from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Sharding

from jaxcell.training.optimizer import Optimizer, init_plateau
from jaxcell.training.tasks import Params, Task


@flax.struct.dataclass
class TrainState:
    """The whole state of a run.

    Attributes:
      step: int32, steps taken.
      params: parameters, float32.
      opt_state: the optimizer's state.
      plateau_state: the plateau's state; () without a plateau.
      rng: typed key of the run; a step's own is `fold_in(rng, step)`.
      epoch_loss: float32, sum of the losses of this epoch's examples so far.
      epoch_weight: float32, number of this epoch's examples so far.
      best: float32, best validation loss; infinite before the first.
      epochs_since_best: int32.
      stopped: bool, early stopping has ended the run.
    """

    step: Array
    params: Params
    opt_state: Any
    plateau_state: Any
    rng: Array
    epoch_loss: Array
    epoch_weight: Array
    best: Array
    epochs_since_best: Array
    stopped: Array


# (data, raw, seed, params to start from) -> TrainState
Init = Callable[[Any, Any, Array | int, Params], TrainState]


def make_init(
    task: Task,
    optimizer: Optimizer,
    prepare: Callable[[Any, Any], dict[str, Array]],
    sharding: Sharding,
) -> Init:
    """The jitted first state of a run.

    Args:
      task: what is trained.
      optimizer: how.
      prepare: (data, raw) -> batch.
      sharding: of the state.

    Returns:
      (data, raw, seed, params to start from) -> TrainState. The seed is of the parameters and of
      all randomness in the steps; it is an argument so that other seeds find the program compiled.
      `params to start from` holds whole top-level modules, e.g. {"encoder": ...}, or is {}; those
      not named are drawn anew. Its buffers are copied, because the state's are donated. Raises
      ValueError where it does not fit the model.
    """

    def init(data: Any, raw: Any, seed: Array | int, start: Params) -> TrainState:
        params_key, rng = jax.random.split(jax.random.key(seed))
        params = task.init(params_key, prepare(data, raw))
        params = {**params, **_matching(start, params)}
        return TrainState(
            step=jnp.int32(0),
            params=params,
            opt_state=optimizer.transformation.init(params),
            plateau_state=init_plateau(optimizer, params),
            rng=rng,
            epoch_loss=jnp.float32(0),
            epoch_weight=jnp.float32(0),
            best=jnp.float32(jnp.inf),
            epochs_since_best=jnp.int32(0),
            stopped=jnp.bool_(False),
        )

    return jax.jit(init, out_shardings=sharding)


def _matching(start: Params, params: Params) -> Params:
    """A copy of `start`, proved to fit the modules of `params` that it names."""
    unknown = sorted(set(start) - set(params))
    if unknown:
        raise ValueError(f"init_params names {unknown}, the model has {sorted(params)}")

    def copy(path: Any, new: Array, fresh: Array) -> Array:
        if (new.shape, new.dtype) != (fresh.shape, fresh.dtype):
            raise ValueError(
                f"init_params{jax.tree_util.keystr(path)} is {new.dtype} {new.shape}, "
                f"the model's is {fresh.dtype} {fresh.shape}"
            )
        return jnp.copy(new)

    named = {name: params[name] for name in start}
    return jax.tree_util.tree_map_with_path(copy, dict(start), named)
