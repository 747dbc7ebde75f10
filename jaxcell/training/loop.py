"""The loop that every task shares: batch, step, maybe evaluate, maybe log, maybe save."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict, FrozenConfigDict
from tensorboardX import SummaryWriter
from tqdm import tqdm

from jaxcell.compute.sharding import make_shardings
from jaxcell.training import checkpoint
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.records import log, not_finite, rewind
from jaxcell.training.state import TrainState, make_init
from jaxcell.training.steps import Prepare, make_epoch_step, make_eval_step, make_train_step
from jaxcell.training.tasks import Params, Task

# Steps between two looks at the device's results: looking at each would stall the device.
_WATCH_STEPS = 20


class FitResult(NamedTuple):
    """What `fit` returns.

    Attributes:
      state: the last state.
      best_params: the parameters with the lowest validation loss.
      history: the rows of metrics.jsonl, one an epoch.
    """

    state: TrainState
    best_params: Params
    history: list[dict[str, float]]


class _Watched(NamedTuple):
    step: int
    raw: Any
    metrics: dict[str, jax.Array]


def fit(
    task: Task,
    config: ConfigDict | FrozenConfigDict,
    *,
    data: Any,
    train_batches: Callable[[int], Iterator[Any]],
    validation_batches: Callable[[], Iterator[Any]],
    prepare: Prepare,
    folder: Path,
    name: str,
    describe_batch: Callable[[Any], str],
    init_params: Params | None = None,
) -> FitResult:
    """Trains a task to the end, or goes on from where a run in this folder was cut off.

    A run that was killed at any moment and started again ends in bitwise the same state as one
    that was not, on the same device and the same versions.

    Args:
      task: what is trained.
      config: epochs, steps_per_epoch, batch_size, seed, checkpoint_every_steps (0 = at the end of
        an epoch only), early_stopping_epochs (0 = off), optimizer (fields of `make_optimizer`).
      data: pytree of arrays that stay on the device, given to `prepare`; () if none.
      train_batches: start step -> the raw batches of that step, the next, ...; the batch of a
        step must depend on nothing but the step.
      validation_batches: () -> raw batches that cover the validation examples once.
      prepare: (data, raw) -> batch, traced into the steps.
      folder: of the run; everything is written to `folder / name`.
      name: of the task.
      describe_batch: raw -> the wells in it, for the message of a failed run.
      init_params: parameters of whole top-level modules to start from.

    Returns:
      The last state, the best parameters and the history.

    Raises:
      FloatingPointError: a loss, a gradient or a parameter is not finite; nothing of it is saved.
      ValueError: config or init_params do not fit.
    """
    folder = Path(folder) / name
    total_steps = config.epochs * config.steps_per_epoch
    shardings = make_shardings(config.batch_size)
    optimizer = make_optimizer(total_steps, **config.optimizer)
    init = make_init(task, optimizer, prepare, shardings, config.seed)
    train_step = make_train_step(task, optimizer, prepare, shardings)
    eval_step = make_eval_step(task, prepare, shardings)
    epoch_step = make_epoch_step(optimizer, shardings, config.early_stopping_epochs)
    data, start = jax.device_put((data, init_params or {}), shardings.replicated)

    with closing(checkpoint.open(folder / "checkpoints")) as manager:
        failure = functools.partial(not_finite, describe_batch, manager)
        first = (data, next(iter(train_batches(0))), start)
        abstract = jax.eval_shape(init, *first)
        state = checkpoint.restore_latest(manager, abstract, shardings.replicated)
        state = init(*first) if state is None else state
        step, stopped = int(state.step), bool(state.stopped)
        history = rewind(folder / "metrics.jsonl", step)
        window: list[_Watched] = []
        began, began_at = time.monotonic(), step

        running = step < total_steps and not stopped
        batches = iter(train_batches(step)) if running else iter(())
        events = SummaryWriter(str(folder), purge_step=step + 1, write_to_disk=running)
        with events, _progress_bar(name, config, step, history) as bar:
            while step < total_steps and not stopped:
                raw = next(batches)
                state, metrics = train_step(state, data, raw)
                step += 1
                window.append(_Watched(step, raw, metrics))
                bar.update(config.batch_size)

                epoch_ends = step % config.steps_per_epoch == 0
                every = config.checkpoint_every_steps
                saves = epoch_ends or (every > 0 and step % every == 0)
                validation_loss = None
                if saves or len(window) == _WATCH_STEPS:
                    loss, window = _look(window, failure), []
                    bar.set_postfix(_losses(loss, history))
                if epoch_ends:
                    patches, trained = (step - began_at) * config.batch_size, time.monotonic()
                    evaluate = functools.partial(eval_step, state.params, data)
                    validation_loss = _validate(evaluate, validation_batches, step, failure)
                    row = {
                        "epoch": step // config.steps_per_epoch,
                        "step": step,
                        "train_loss": float(state.epoch_loss) / float(state.epoch_weight),
                        "validation_loss": validation_loss,
                        "learning_rate": float(metrics["learning_rate"]),
                        "patches_per_second": round(patches / (trained - began), 2),
                        "seconds": round(time.monotonic() - began, 3),
                    }
                    state = epoch_step(state, jnp.float32(validation_loss))
                    stopped = bool(state.stopped)
                    log(row, folder / "metrics.jsonl", history, events)
                    bar.set_postfix(_losses(row["train_loss"], history))
                    began, began_at = time.monotonic(), step
                if saves:  # after the row is written: a row that no checkpoint knows is rewound
                    checkpoint.save(manager, state, validation_loss)

        best = checkpoint.restore_best(manager, abstract, shardings.replicated)
    return FitResult(state, (best or state).params, history)


def _progress_bar(name: str, config: ConfigDict, step: int, history: list[dict]) -> tqdm:
    """A bar over patches, so that its speed is one of patches."""
    bar = tqdm(
        desc=name,
        total=config.epochs * config.steps_per_epoch * config.batch_size,
        initial=step * config.batch_size,
        unit=" patches",
        unit_scale=True,
        mininterval=0.5,
        dynamic_ncols=True,
    )
    if history:
        bar.set_postfix(_losses(history[-1]["train_loss"], history))
    return bar


def _losses(train_loss: float, history: list[dict]) -> dict[str, str]:
    losses = {"loss": f"{train_loss:.4g}"}
    if history:
        losses["validation"] = f"{history[-1]['validation_loss']:.4g}"
    return losses


def _look(window: list[_Watched], failure: Callable[..., FloatingPointError]) -> float:
    """Mean loss of the watched steps; raises at the first that is not finite."""
    results = jax.device_get([watched.metrics for watched in window])
    for watched, metrics in zip(window, results, strict=True):
        if not metrics["finite"]:
            what = f"training is not finite (loss {metrics['loss']})"
            raise failure(what, watched.step, watched.raw)
    return float(np.mean([metrics["loss"] for metrics in results]))


def _validate(
    evaluate: Callable[[Any], dict[str, jax.Array]],
    batches: Callable[[], Iterator[Any]],
    step: int,
    failure: Callable[..., FloatingPointError],
) -> float:
    """Mean loss over the real validation examples, summed in float64; raises if not finite."""
    total, examples = 0.0, 0
    # Fetched only after all are under way: waiting for each would stall the device.
    results = jax.device_get([_only(evaluate(raw), "loss", "weight") for raw in batches()])
    for number, result in enumerate(results):
        losses = result["loss"][result["weight"] > 0].astype(np.float64)
        if not np.all(np.isfinite(losses)):
            raw = next(itertools.islice(batches(), number, None))
            raise failure("the validation loss is not finite", step, raw)
        total, examples = total + losses.sum(), examples + losses.size
    if not examples:
        raise ValueError("there are no validation examples: give the split some wells")
    return float(total / examples)


def _only(values: dict[str, jax.Array], *names: str) -> dict[str, jax.Array]:
    return {name: values[name] for name in names}
