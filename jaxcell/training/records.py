"""What a training tells beside its checkpoints: rows of metrics.jsonl, events, why it failed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from jaxcell.training import checkpoint


def log(row: dict, path: Path, history: list[dict], events: SummaryWriter) -> None:
    """Adds an epoch's row to the history, its file and the TensorBoard events."""
    history.append(row)
    with path.open("a") as file:
        file.write(json.dumps(row) + "\n")
    for name, value in row.items():
        if name not in ("epoch", "step"):
            events.add_scalar(name, value, row["step"])
    events.flush()


def rewind(path: Path, step: int) -> list[dict]:
    """Cuts the history back to what a checkpoint knows.

    Args:
      path: of metrics.jsonl, which need not exist.
      step: of the checkpoint; rows of later steps are removed.

    Returns:
      The rows that stay.
    """
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    # A killed run may have left half a line; it is always the last, and no checkpoint knows it.
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    rows = [row for row in rows if row["step"] <= step]
    rewound = path.with_suffix(".tmp")
    rewound.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.replace(rewound, path)
    return rows


def not_finite(
    describe_batch: Callable[[Any], str], manager: Any, what: str, step: int, raw: Any
) -> FloatingPointError:
    """The error of a run that cannot go on: where, on which wells, and what is still good."""
    last = checkpoint.latest_path(manager)
    return FloatingPointError(
        f"{what} at step {step}; wells of the batch: {describe_batch(raw)}; "
        f"last good checkpoint: {last or 'none yet'}. Look at these wells' images; if they are "
        "sound, lower the learning rate or set optimizer.clip_global_norm"
    )
