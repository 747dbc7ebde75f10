"""The loop that every task shares: batch, step, maybe evaluate, maybe log, maybe save.

It trains k members, runs that differ in their seed alone, each as if alone; mostly k is 1.
"""

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from ml_collections import ConfigDict, FrozenConfigDict
from tqdm import tqdm

from jaxcell.compute import processes
from jaxcell.training import checkpoint
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.program import Program, one_run, several_runs, side_by_side
from jaxcell.training.records import Lane, Run, fail, open_run, write_row
from jaxcell.training.state import TrainState, make_init
from jaxcell.training.steps import Prepare
from jaxcell.training.tasks import Params, Task

# Steps between two looks at the device's results: looking at each would stall the device.
_WATCH_STEPS = 20


class FitResult(NamedTuple):
    """What became of a run; its best parameters are read by `checkpoint.best_params`.

    Attributes:
      state: the last state.
      history: the rows of metrics.jsonl, one an epoch.
      failure: why it stopped; None unless something in it was not finite.
    """

    state: TrainState
    history: list[dict[str, float]]
    failure: str | None


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
        step must depend on nothing but the step. A raw batch is a dict; `index` says whose it is.
      validation_batches: () -> raw batches that cover the validation examples once.
      prepare: (data, raw) -> batch, traced into the steps.
      folder: of the run; everything is written to `folder / name`.
      name: of the task.
      describe_batch: {"index": of a raw batch} -> the wells in it, for the message of a failed run.
      init_params: parameters of whole top-level modules to start from.

    Returns:
      The last state and the history.

    Raises:
      FloatingPointError: a loss, a gradient or a parameter is not finite; nothing of it is saved.
      ValueError: config or init_params do not fit.
    """
    lane = Lane(folder, config.seed, train_batches, init_params)
    (result,) = fit_together(
        task,
        config,
        [lane],
        data=data,
        validation_batches=validation_batches,
        prepare=prepare,
        name=name,
        describe_batch=describe_batch,
    )
    if result.failure:
        raise FloatingPointError(result.failure)
    return result


def fit_together(
    task: Task,
    config: ConfigDict | FrozenConfigDict,
    lanes: Sequence[Lane],
    *,
    data: Any,
    validation_batches: Callable[[], Iterator[Any]],
    prepare: Prepare,
    name: str,
    describe_batch: Callable[[Any], str],
) -> list[FitResult]:
    """Trains several seeds to the end, or goes on from where each was cut off.

    Each member writes what `fit` alone would have written, to the same places, and could be gone
    on with by it. A member that is not finite any more stops, and the others go on.

    Args:
      task, data, validation_batches, prepare, name, describe_batch: as for `fit`.
      config: as for `fit`; its `seed` is not looked at.
      lanes: the members.

    Returns:
      What became of each member.

    Raises:
      ValueError: config or init_params do not fit.
    """
    total_steps = config.epochs * config.steps_per_epoch
    optimizer = make_optimizer(total_steps, **config.optimizer)
    how = (task, optimizer, prepare)
    if len(lanes) == 1:
        program = one_run(*how, config.batch_size, config.early_stopping_epochs)
    else:
        program = several_runs(*how, len(lanes), config.early_stopping_epochs, side_by_side())
    data = processes.put(data, program.whole)
    init = make_init(task, optimizer, prepare, program.whole)
    init = functools.partial(init, data, next(iter(lanes[0].batches(0))))
    with ExitStack() as stack:
        opened = (
            open_run(index, lane, name, init, total_steps, program.whole, stack)
            for index, lane in enumerate(lanes)
        )
        runs, states = zip(*opened)
        states = program.joined(states)
        bar = stack.enter_context(_progress_bar(name, config, runs))
        began = time.monotonic()
        while unended := [run for run in runs if not run.ended]:
            # Killed between two saves, members stand at different steps: the rest catch up first.
            step = 1 + min(run.step for run in unended)
            going = [run for run in unended if run.step < step]
            raws = {run.index: next(run.batches) for run in going}
            states, metrics = program.train(states, data, raws)
            for run in going:
                run.step, run.new_steps = step, run.new_steps + 1
                # Not the whole batch: one that is streamed carries its images.
                run.watched.append((step, {"index": raws[run.index]["index"]}, metrics))
            bar.update(config.batch_size * len(going))

            epoch_ends = step % config.steps_per_epoch == 0
            every = config.checkpoint_every_steps
            saves = epoch_ends or (every > 0 and step % every == 0)
            losses: dict[int, float] = {}
            if saves or max(len(run.watched) for run in going) == _WATCH_STEPS:
                going = _finite(program, going, describe_batch)
                bar.set_postfix(_losses(runs))
            if epoch_ends and going:
                trained = time.monotonic() - began
                evaluate = functools.partial(program.evaluate, states.params, data)
                losses = _validate(program, evaluate, validation_batches, going, describe_batch)
                going = [run for run in going if run.index in losses]
            if losses:
                seconds = (trained, time.monotonic() - began)
                _write_rows(program, states, metrics, losses, runs, config, *seconds)
                states = program.end_epoch(states, losses)
                bar.set_postfix(_losses(runs))
                began = time.monotonic()
            if saves:  # after the row is written: a row that no checkpoint knows is rewound
                for run in going:
                    state = program.own(states, run.index)
                    checkpoint.save(run.manager, state, losses.get(run.index))
                    run.ended = bool(state.stopped) or step == total_steps
        processes.wait()  # until all is written
    return [FitResult(program.own(states, run.index), run.history, run.failure) for run in runs]


def _finite(program: Program, runs: list[Run], describe_batch: Callable[[Any], str]) -> list[Run]:
    """Looks at the steps that nobody has looked at yet; the runs that were finite in all go on."""
    for run in runs:
        watched, run.watched = run.watched, []
        steps, raws, metrics = zip(*watched)
        metrics = [program.own(all_of_them, run.index) for all_of_them in jax.device_get(metrics)]
        run.loss = float(np.mean([each["loss"] for each in metrics]))
        bad = [number for number, each in enumerate(metrics) if not each["finite"]]
        if bad:
            what = f"training is not finite (loss {metrics[bad[0]]['loss']})"
            fail(run, what, steps[bad[0]], describe_batch(_whole(raws[bad[0]])))
    return [run for run in runs if not run.failure]


def _whole(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Whose a batch is, of which each process has its rows."""
    return {"index": process_allgather(raw["index"], tiled=True)}


def _validate(
    program: Program,
    evaluate: Callable[[Any], dict[str, jax.Array]],
    batches: Callable[[], Iterator[Any]],
    runs: list[Run],
    describe_batch: Callable[[Any], str],
) -> dict[int, float]:
    """Mean loss of each run over the real validation examples, by index; a run where it is not
    finite fails and has none."""
    raws, results, losses = [], [], {}
    for raw in batches():
        values = evaluate(raw)
        raws.append({"index": raw["index"]})
        results.append({"loss": values["loss"], "weight": values["weight"]})
    # Fetched only after all are under way: waiting for each would stall the device.
    results = jax.device_get(results)
    for run in runs:
        own = [program.own(result, run.index) for result in results]
        real = [result["loss"][result["weight"] > 0].astype(np.float64) for result in own]
        examples = sum(map(len, real))
        if not examples:
            raise ValueError("there are no validation examples: give the split some wells")
        bad = [raw for raw, some in zip(raws, real) if not np.all(np.isfinite(some))]
        if bad:
            what = "the validation loss is not finite"
            fail(run, what, run.step, describe_batch(_whole(bad[0])))
        else:
            losses[run.index] = float(sum(some.sum() for some in real) / examples)
    return losses


def _write_rows(
    program: Program,
    states: TrainState,
    metrics: dict[str, jax.Array],
    losses: dict[int, float],
    runs: Sequence[Run],
    config: ConfigDict,
    trained: float,
    seconds: float,
) -> None:
    """A row of metrics.jsonl for each run with a validation loss, with its share of the time that
    all took: so many seconds, of which so many to train; their clocks start anew."""
    sums = (states.epoch_loss, states.epoch_weight, metrics["learning_rate"])
    sums, steps = jax.device_get(sums), sum(run.new_steps for run in runs)
    for index, validation_loss in losses.items():
        run, (loss, weight, rate) = runs[index], program.own(sums, index)
        run.loss = float(loss) / float(weight)
        row = {
            "epoch": run.step // config.steps_per_epoch,
            "step": run.step,
            "train_loss": run.loss,
            "validation_loss": validation_loss,
            "learning_rate": float(rate),
            "patches_per_second": round(steps * config.batch_size / trained, 2),
            "seconds": round(run.new_steps / steps * seconds, 3),
        }
        write_row(run, row)
    for run in runs:
        run.new_steps = 0


def _progress_bar(name: str, config: ConfigDict, runs: Sequence[Run]) -> tqdm:
    """A bar over the patches of all members, so that its speed is one of patches."""
    bar = tqdm(
        desc=name if len(runs) == 1 else f"{name}, {len(runs)} seeds",
        total=len(runs) * config.epochs * config.steps_per_epoch * config.batch_size,
        initial=sum(run.step for run in runs) * config.batch_size,
        unit=" patches",
        unit_scale=True,
        mininterval=0.5,
        dynamic_ncols=True,
    )
    bar.set_postfix(_losses(runs))
    return bar


def _losses(runs: Sequence[Run]) -> dict[str, str]:
    """Means over members, for the bar."""
    losses = {
        "loss": [run.loss for run in runs if run.loss is not None],
        "validation": [run.history[-1]["validation_loss"] for run in runs if run.history],
    }
    return {name: f"{np.mean(values):.4g}" for name, values in losses.items() if values}
