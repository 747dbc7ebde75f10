"""Several seeds of one task trained side by side, each as if alone: files, resumption and all."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding
from ml_collections import ConfigDict
from tensorboardX import SummaryWriter
from tqdm import tqdm

from jaxcell.training import checkpoint
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.program import Program, make_program
from jaxcell.training.records import log, not_finite, rewind
from jaxcell.training.state import TrainState
from jaxcell.training.steps import Prepare
from jaxcell.training.tasks import Params, Task

# Steps between two looks at the device's results: looking at each would stall the device.
_WATCH_STEPS = 20


class Lane(NamedTuple):
    """Where one member is trained.

    Attributes:
      folder: of its run; everything is written to `folder / name`.
      seed: of its parameters and of all randomness in its steps.
      batches: start step -> its raw batches of that step, the next, ...
      init_params: parameters of whole top-level modules to start from.
    """

    folder: Path
    seed: int
    batches: Callable[[int], Iterator[Any]]
    init_params: Params | None = None


@dataclasses.dataclass
class _Run:
    """A member while it is trained.

    Attributes:
      index: which of the members.
      folder: its folder for this task.
      manager: of its checkpoints.
      events: of TensorBoard.
      step: steps taken.
      new_steps: of them since the clock was last set.
      history: rows of its metrics.jsonl.
      raws: its batches from `step` on.
      ended: whether there is nothing left to do for it.
      watched: steps that nobody has looked at yet: step, raw batch, metrics of all members.
      validation_loss: of the state as it is; None inside an epoch.
      failure: why it stopped; None unless it failed.
    """

    index: int
    folder: Path
    manager: ocp.CheckpointManager
    events: SummaryWriter
    step: int
    history: list[dict]
    raws: Iterator[Any]
    ended: bool
    watched: list[tuple[int, Any, Any]] = dataclasses.field(default_factory=list)
    validation_loss: float | None = None
    new_steps: int = 0
    failure: str | None = None


def fit_together(
    task: Task,
    config: ConfigDict,
    lanes: Sequence[Lane],
    *,
    data: Any,
    validation_batches: Callable[[], Iterator[Any]],
    prepare: Prepare,
    name: str,
    describe_batch: Callable[[Any], str],
) -> list[str | None]:
    """Trains several seeds to the end, or goes on from where each was cut off.

    Each member writes what `fit` alone would have written, to the same places, and could be gone
    on with by it. A member whose loss is not finite stops, and the others go on.

    Args:
      task, data, validation_batches, prepare, name, describe_batch: as for `fit`.
      config: as for `fit`; its `seed` is not looked at.
      lanes: the members.

    Returns:
      For each member None, or why it stopped.

    Raises:
      ValueError: config does not fit.
    """
    total_steps = config.epochs * config.steps_per_epoch
    optimizer = make_optimizer(total_steps, **config.optimizer)
    program = make_program(task, optimizer, prepare, len(lanes), config.early_stopping_epochs)
    data = jax.device_put(data, program.whole)
    with ExitStack() as stack:
        runs, states = _open(program, lanes, name, data, total_steps, stack)
        bar = stack.enter_context(_progress_bar(name, config, runs))
        began = time.monotonic()
        while any(not run.ended for run in runs):
            # Killed between two saves, members stand at different steps: the rest catch up first.
            step = min(run.step for run in runs if not run.ended)
            going = [run for run in runs if not run.ended and run.step == step]
            active = np.isin(np.arange(len(runs)), [run.index for run in going])
            raws = {run.index: next(run.raws) for run in going}
            stacked = _stacked([raws.get(run.index) for run in runs])
            states, metrics = program.train(states, data, stacked, active)
            step += 1
            for run in going:
                run.step, run.validation_loss = step, None
                run.new_steps += 1
                # Not the whole batch: one that is streamed carries its images.
                run.watched.append((step, {"index": raws[run.index]["index"]}, metrics))
            bar.update(config.batch_size * len(going))

            epoch_ends = step % config.steps_per_epoch == 0
            every = config.checkpoint_every_steps
            saves = epoch_ends or (every > 0 and step % every == 0)
            if saves or max(len(run.watched) for run in going) >= _WATCH_STEPS:
                _look(going, describe_batch)
            if epoch_ends:
                rates = np.asarray(metrics["learning_rate"])
                trained = time.monotonic() - began
                _validate(program, states, data, validation_batches, going, describe_batch)
                _write_rows(runs, going, states, rates, config, trained, time.monotonic() - began)
                began = time.monotonic()
                losses = np.float32([run.validation_loss or 0.0 for run in runs])
                states = program.end_epoch(states, losses, active)
                bar.set_postfix_str(_shown(runs))
            if saves:
                _save(going, states)
            stopped = np.asarray(states.stopped) if epoch_ends else np.zeros(len(runs), bool)
            for run in going:
                run.ended = bool(run.failure or stopped[run.index] or step == total_steps)
    return [run.failure for run in runs]


def _open(
    program: Program,
    lanes: Sequence[Lane],
    name: str,
    data: Any,
    total_steps: int,
    stack: ExitStack,
) -> tuple[list[_Run], TrainState]:
    """Opens each member's folder: what was done so far, and the states to go on from."""
    raw = next(iter(lanes[0].batches(0)))
    seeds = np.array([lane.seed for lane in lanes], np.int32)
    starts = _stacked([lane.init_params or {} for lane in lanes])
    states = program.init(seeds, starts, data, raw)
    abstract = jax.eval_shape(lambda states: _member(states, 0), states)
    here = SingleDeviceSharding(jax.local_devices()[0])
    runs, rows = [], []
    for index, lane in enumerate(lanes):
        folder = lane.folder / name
        manager = stack.enter_context(closing(checkpoint.open(folder / "checkpoints")))
        state = checkpoint.restore_latest(manager, abstract, here)
        rows.append(_member(states, index) if state is None else state)
        step = int(rows[-1].step)
        ended = bool(rows[-1].stopped) or step >= total_steps
        history = rewind(folder / "metrics.jsonl", step)
        writer = SummaryWriter(str(folder), purge_step=step + 1, write_to_disk=not ended)
        events = stack.enter_context(writer)
        raws = iter(()) if ended else iter(lane.batches(step))
        runs.append(_Run(index, folder, manager, events, step, history, raws, ended))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(jax.device_put(leaves, here)), *rows)
    return runs, jax.device_put(stacked, program.split)


def _member(states: Any, index: int) -> Any:
    """One member's part of stacked arrays."""
    return jax.tree.map(lambda leaf: leaf[index], states)


def _stacked(raws: list[Any]) -> Any:
    """Trees of arrays as one [k, ...]; in the place of None another's stands, never looked at."""
    filler = next(raw for raw in raws if raw is not None)
    return jax.tree.map(
        lambda *rows: np.stack(rows), *(filler if raw is None else raw for raw in raws)
    )


def _look(going: list[_Run], describe_batch: Callable[[Any], str]) -> None:
    """Finds out which members are not finite any more, and where that began."""
    for run in going:
        watched, run.watched = run.watched, []
        for step, raw, metrics in jax.device_get(watched):
            if not metrics["finite"][run.index] and not run.failure:
                what = f"training is not finite (loss {metrics['loss'][run.index]})"
                run.failure = str(not_finite(describe_batch, run.manager, what, step, raw))


def _validate(
    program: Program,
    states: TrainState,
    data: Any,
    batches: Callable[[], Iterator[Any]],
    going: list[_Run],
    describe_batch: Callable[[Any], str],
) -> None:
    """Gives each member the mean loss of its state over the real validation examples."""
    values, weights, indices = [], [], []
    for raw in batches():
        result = program.evaluate(states.params, data, raw)
        values.append(result["loss"])
        weights.append(raw["weight"])
        indices.append(raw["index"])
    real = np.concatenate(weights) > 0
    indices = np.concatenate(indices)[real]
    if not real.any():
        raise ValueError("there are no validation examples: give the split some wells")
    losses = np.concatenate(jax.device_get(values), axis=1)[:, real].astype(np.float64)
    for run in going:
        loss = float(losses[run.index].mean())
        if not np.isfinite(loss) and not run.failure:
            what = "the validation loss is not finite"
            whose = np.flatnonzero(~np.isfinite(losses[run.index]))[0]
            raw = {"index": indices[whose : whose + 1]}
            run.failure = str(not_finite(describe_batch, run.manager, what, run.step, raw))
        run.validation_loss = loss


def _write_rows(
    runs: list[_Run],
    going: list[_Run],
    states: TrainState,
    rates: np.ndarray,
    config: ConfigDict,
    trained: float,
    seconds: float,
) -> None:
    """A row of metrics.jsonl for each member that ended an epoch, with its share of the time."""
    sums, weights = jax.device_get((states.epoch_loss, states.epoch_weight))
    all_steps = sum(run.new_steps for run in runs)
    for run in going:
        share = run.new_steps / all_steps
        if not run.failure:
            row = {
                "epoch": run.step // config.steps_per_epoch,
                "step": run.step,
                "train_loss": float(sums[run.index]) / float(weights[run.index]),
                "validation_loss": run.validation_loss,
                "learning_rate": float(rates[run.index]),
                "patches_per_second": round(all_steps * config.batch_size / trained, 2),
                "seconds": round(share * seconds, 3),
            }
            log(row, run.folder / "metrics.jsonl", run.history, run.events)
    for run in runs:
        run.new_steps = 0


def _save(going: list[_Run], states: TrainState) -> None:
    """Saves each member that is sound, as a run of its own."""
    for run in going:
        if not run.failure:
            checkpoint.save(run.manager, _member(states, run.index), run.validation_loss)


def _progress_bar(name: str, config: ConfigDict, runs: list[_Run]) -> tqdm:
    """A bar over the patches of all members."""
    bar = tqdm(
        desc=f"{name}, {len(runs)} seeds",
        total=len(runs) * config.epochs * config.steps_per_epoch * config.batch_size,
        initial=sum(run.step for run in runs) * config.batch_size,
        unit=" patches",
        unit_scale=True,
        mininterval=0.5,
        dynamic_ncols=True,
    )
    bar.set_postfix_str(_shown(runs))
    return bar


def _shown(runs: list[_Run]) -> str:
    losses = [run.history[-1]["validation_loss"] for run in runs if run.history]
    return f"validation={np.mean(losses):.4g}" if losses else ""
