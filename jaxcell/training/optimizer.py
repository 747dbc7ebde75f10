"""The optimizer of a run: Adam, AdamW or Muon, a schedule over steps, a plateau over epochs."""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxcell.training.tasks import Params

# Root mean square of a step of Adam's, in learning rates (Liu et al. 2025).
ADAM_RMS = 0.2


class Optimizer(NamedTuple):
    """An optimizer as three values.

    Attributes:
      transformation: gradients -> updates, once a step.
      learning_rate: step -> learning rate before the plateau's scale.
      plateau: advanced once an epoch by the validation loss; None without one.
    """

    transformation: optax.GradientTransformation
    learning_rate: optax.Schedule
    plateau: optax.GradientTransformationExtraArgs | None


def make_optimizer(
    total_steps: int,
    *,
    learning_rate: float,
    name: str = "adam",
    weight_decay: float = 0.0,
    warmup_steps: int = 0,
    decay: str = "constant",
    clip_global_norm: float = 0.0,
    epsilon: float = 1e-8,
    plateau_epochs: int = 0,
    plateau_factor: float = 0.2,
    plateau_tolerance: float = 1e-4,
    minimum_learning_rate: float = 1e-4,
) -> Optimizer:
    """Builds the optimizer from the fields of `config.optimizer`.

    Args:
      total_steps: steps of the whole run, where a cosine decay ends.
      learning_rate: peak learning rate.
      name: `adam`; `adamw` for decoupled weight decay; or `muon`, which takes the momentum of each
        kernel, as a matrix of inputs by outputs, to the nearest orthogonal one and leaves all else
        to Adam with Nesterov's momentum, steps as large as AdamW's usually are, so that the same
        rates suit both.
      weight_decay: of `adamw` and `muon`; kernels only, never biases or activation slopes.
      warmup_steps: steps of linear rise from zero.
      decay: `constant`, or `cosine` down to zero at the last step.
      clip_global_norm: largest global norm of the gradients; 0 = no clipping.
      epsilon: Adam's; Keras uses 1e-7.
      plateau_epochs: epochs without progress before the rate falls; 0 = no plateau.
      plateau_factor: what the rate is multiplied by then.
      plateau_tolerance: progress is a validation loss lower than the best by more than this.
      minimum_learning_rate: the plateau does not go below it.

    Returns:
      The optimizer.

    Raises:
      ValueError: a field out of its range, or two that contradict each other.

    Source: the reference study's recipe is Adam with plateau_epochs 3 and factor 0.2; the
    tolerance is the default of Keras' ReduceLROnPlateau. Muon: Jordan et al. 2024, scaled as by
    Liu et al. 2025.
    """
    if name not in ("adam", "adamw", "muon"):
        raise ValueError(f"optimizer.name is {name!r}: use 'adam', 'adamw' or 'muon'")
    if decay not in ("constant", "cosine"):
        raise ValueError(f"optimizer.decay is {decay!r}: use 'constant' or 'cosine'")
    if name == "adam" and weight_decay:
        raise ValueError("optimizer.weight_decay is set but name is 'adam': use name 'adamw'")
    if not 0 <= warmup_steps <= total_steps:
        raise ValueError(
            f"optimizer.warmup_steps is {warmup_steps}, the run has {total_steps} steps: "
            "use fewer warm-up steps"
        )
    if plateau_epochs and minimum_learning_rate > learning_rate:
        raise ValueError(
            f"optimizer.minimum_learning_rate {minimum_learning_rate} is above learning_rate "
            f"{learning_rate}: the plateau would raise the rate"
        )

    if decay == "cosine":
        schedule = optax.warmup_cosine_decay_schedule(
            init_value=0.0 if warmup_steps else learning_rate,
            peak_value=learning_rate,
            warmup_steps=warmup_steps,
            decay_steps=total_steps,
        )
    elif warmup_steps:
        schedule = optax.linear_schedule(0.0, learning_rate, warmup_steps)
    else:
        schedule = optax.constant_schedule(learning_rate)

    stages = [_of_gradients(name, schedule, weight_decay, epsilon)]
    if clip_global_norm:
        stages.insert(0, optax.clip_by_global_norm(clip_global_norm))

    plateau = None
    if plateau_epochs:
        plateau = optax.contrib.reduce_on_plateau(
            factor=plateau_factor,
            patience=plateau_epochs,
            rtol=0.0,
            atol=plateau_tolerance,
            min_scale=minimum_learning_rate / learning_rate,
        )
    return Optimizer(optax.chain(*stages), schedule, plateau)


def _of_gradients(
    name: str, schedule: optax.Schedule, weight_decay: float, epsilon: float
) -> optax.GradientTransformation:
    """What turns gradients into updates."""
    if name == "muon":
        return optax.contrib.muon(
            schedule,
            weight_decay=weight_decay,
            consistent_rms=ADAM_RMS,
            muon_weight_dimension_numbers=_as_matrices,
        )
    stages = [optax.scale_by_adam(eps=epsilon), optax.scale_by_learning_rate(schedule)]
    if name == "adamw":
        stages.insert(1, optax.add_decayed_weights(weight_decay, mask=_kernels))
    return optax.chain(*stages)


def init_plateau(optimizer: Optimizer, params: Params) -> Any:
    """The plateau's first state; () without a plateau."""
    return optimizer.plateau.init(params) if optimizer.plateau else ()


def updated(
    optimizer: Optimizer, gradients: Params, params: Params, opt_state: Any, plateau_state: Any
) -> tuple[Params, Any]:
    """One step of the optimizer.

    Args:
      optimizer: the optimizer.
      gradients: of the loss, as params.
      params: parameters, float32.
      opt_state: state of its transformation.
      plateau_state: state of its plateau, whose scale counts.

    Returns:
      The next params and opt_state.
    """
    with _optax_promotion():
        updates, opt_state = optimizer.transformation.update(gradients, opt_state, params)
    scale = _scale(plateau_state)
    updates = jax.tree.map(lambda update: scale * update, updates)
    return optax.apply_updates(params, updates), opt_state


def advance_plateau(optimizer: Optimizer, plateau_state: Any, validation_loss: Array) -> Any:
    """The plateau's next state.

    Args:
      optimizer: the optimizer.
      plateau_state: its plateau's state.
      validation_loss: float32 scalar of the epoch that ended.

    Returns:
      The plateau's state for the next epoch.
    """
    if optimizer.plateau is None:
        return ()
    with _optax_promotion():
        return optimizer.plateau.update({}, plateau_state, value=validation_loss)[1]


def learning_rate_at(optimizer: Optimizer, step: Array, plateau_state: Any) -> Array:
    """Learning rate of a step, float32 scalar.

    Args:
      optimizer: the optimizer.
      step: int32 scalar, 0 for the first.
      plateau_state: its plateau's state at that step.
    """
    with _optax_promotion():
        return jnp.float32(optimizer.learning_rate(step)) * _scale(plateau_state)


def _optax_promotion() -> AbstractContextManager:
    # optax raises float32 to the power of its int32 counts, which strict promotion forbids.
    return jax.numpy_dtype_promotion("standard")


def _scale(plateau_state: Any) -> Array:
    return jnp.float32(plateau_state.scale if plateau_state else 1.0)


def _as_matrices(params: Params) -> Any:
    """Which axes of each kernel are inputs and outputs; None: of no kernel."""
    return jax.tree.map(
        lambda parameter: (
            optax.contrib.MuonDimensionNumbers(
                tuple(range(parameter.ndim - 1)), (parameter.ndim - 1,)
            )
            if parameter.ndim > 1
            else None
        ),
        params,
    )


def _kernels(params: Params) -> Any:
    return jax.tree.map(lambda parameter: parameter.ndim > 1, params)
