"""A run while it is trained: what it goes on from, the rows and events it writes, why it failed."""

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Sharding
from tensorboardX import SummaryWriter

from jaxcell.compute import processes
from jaxcell.storage.atomic import whole
from jaxcell.training import checkpoint
from jaxcell.training.state import TrainState
from jaxcell.training.tasks import Params


class Lane(NamedTuple):
    """Where one member of a training runs.

    Attributes:
      folder: of its run; everything is written to `folder / name`.
      seed: of its parameters and of all randomness in its steps.
      batches: start step -> its raw batches of that step, the next, ...; the batch of a step must
        depend on nothing but the step.
      init_params: parameters of whole top-level modules to start from.
    """

    folder: Path
    seed: int
    batches: Callable[[int], Iterator[Any]]
    init_params: Params | None = None


@dataclasses.dataclass(eq=False)
class Run:
    """A member while it is trained.

    Attributes:
      index: which of the members.
      folder: its folder for this task.
      manager: of its checkpoints.
      events: of TensorBoard.
      history: rows of its metrics.jsonl.
      batches: its raw batches from `step` on.
      step: steps taken.
      ended: whether there is nothing left to do for it.
      new_steps: steps since the clock was last set.
      watched: steps that nobody has looked at yet: step, raw batch, metrics of all members.
      loss: mean training loss where it was last looked at; None before.
      failure: why it stopped; None unless it failed.
    """

    index: int
    folder: Path
    manager: ocp.CheckpointManager
    events: SummaryWriter
    history: list[dict]
    batches: Iterator[Any]
    step: int
    ended: bool
    new_steps: int = 0
    watched: list[tuple[int, Any, Any]] = dataclasses.field(default_factory=list)
    loss: float | None = None
    failure: str | None = None


def open_run(
    index: int,
    lane: Lane,
    name: str,
    init: Callable[[np.int32, Params], TrainState],
    total_steps: int,
    sharding: Sharding,
    stack: ExitStack,
) -> tuple[Run, TrainState]:
    """Opens a member's folder: what was done so far, and the state to go on from.

    Args:
      index: which of the members.
      lane: the member.
      name: of the task.
      init: (seed, params to start from) -> its first state.
      total_steps: of the whole run.
      sharding: of the state.
      stack: closes its files.

    Raises:
      ValueError: its checkpoint or its init_params do not fit.
    """
    folder = Path(lane.folder) / name
    manager = stack.enter_context(closing(checkpoint.open(folder / "checkpoints")))
    first = (np.int32(lane.seed), processes.put(lane.init_params or {}, sharding))
    state = checkpoint.restore_latest(manager, jax.eval_shape(init, *first), sharding)
    state = init(*first) if state is None else state
    step = int(state.step)
    ended = bool(state.stopped) or step >= total_steps
    history = _rewind(folder / "metrics.jsonl", step)
    writer = SummaryWriter(
        str(folder), purge_step=step + 1, write_to_disk=processes.is_first() and not ended
    )
    events = stack.enter_context(writer)
    batches = iter(()) if ended else iter(lane.batches(step))
    loss = history[-1]["train_loss"] if history else None
    return Run(index, folder, manager, events, history, batches, step, ended, loss=loss), state


def write_row(run: Run, row: dict[str, float]) -> None:
    """Adds an epoch's row to a run's history, metrics.jsonl and TensorBoard events."""
    run.history.append(row)
    if not processes.is_first():
        return
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    for name, value in row.items():
        if name not in ("epoch", "step"):
            run.events.add_scalar(name, value, row["step"])
    run.events.flush()


def fail(run: Run, what: str, step: int, wells: str) -> None:
    """Ends a run that cannot go on: where, on which wells, and what is still good."""
    last = checkpoint.latest_path(run.manager)
    run.ended = True
    run.failure = (
        f"{what} at step {step}; wells of the batch: {wells}; "
        f"last good checkpoint: {last or 'none yet'}. Look at these wells' images; if they are "
        "sound, lower the learning rate or set optimizer.clip_global_norm"
    )


def _rewind(path: Path, step: int) -> list[dict]:
    """Cuts metrics.jsonl back to what a checkpoint of that step knows, and reads it."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    # A killed run may have left half a line; it is always the last, and no checkpoint knows it.
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    rows = [row for row in rows if row["step"] <= step]
    if not processes.is_first():
        return rows
    with whole(path) as rewound:
        rewound.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows
