"""What all benchmarks of programs share: ways that take turns, the machine's limits, a table."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcell.storage.provenance import versions

# Side of the matrices and bytes of the array by which a processor is measured; an accelerator has
# four times the side and eight times the bytes, or starting a program would be what is timed.
SIDE, BYTES = 2048, 2**28
# Seconds before each turn: threads of the way before may go on waiting for work, and burn a core.
PAUSE = 0.2


class Timing(NamedTuple):
    """Seconds of one way to do a thing.

    Attributes:
      first: of its first call, compiling included.
      repeats: of the others.
    """

    first: float
    repeats: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.repeats)

    @property
    def spread(self) -> str:
        """The shortest and the longest repeat."""
        return f"{_short(min(self.repeats))}-{_short(max(self.repeats))}"


class Machine(NamedTuple):
    """What the machine can do, measured: floating-point operations and bytes a second."""

    flops: float
    bytes: float


def take_turns(ways: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timing]:
    """Times ways to do the same, in turn, so that what else the machine does falls on all alike.

    Args:
      ways: each returns when it is done, or JAX arrays, which are waited for.
      repeats: of each, after a first call.
    """
    first = {name: seconds(way) for name, way in ways.items()}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            time.sleep(PAUSE)
            found[name].append(seconds(way))
    return {name: Timing(first[name], found[name]) for name in ways}


def seconds(way: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    jax.block_until_ready(way())
    return time.perf_counter() - began


def as_it_is(data: Any, raw: dict) -> dict:
    """For steps on batches that lie on the device, ready: (data, raw batch) -> batch."""
    del data
    return raw


def measure_machine(dtype: Any = jnp.float32, repeats: int = 5) -> Machine:
    """The best of some large matrix products and some large copies.

    Args:
      dtype: of the matrices.
      repeats: of each.
    """
    cpu = jax.default_backend() == "cpu"
    side, size = (SIDE, BYTES) if cpu else (4 * SIDE, 8 * BYTES)
    # Not of ones: equal bits are less work for a processor that is short of power.
    matrix = jax.random.normal(jax.random.key(0), (side, side), dtype)
    held = [jnp.ones(size // 4, jnp.float32)]
    # In place: a fresh array would first have to be asked for, page by page.
    product, change = jax.jit(jnp.matmul), jax.jit(lambda array: array + 1, donate_argnums=0)

    def copy() -> None:
        held[0] = jax.block_until_ready(change(held[0]))

    found = take_turns({"product": lambda: product(matrix, matrix), "copy": copy}, repeats)
    # A copy reads and writes.
    return Machine(
        2 * side**3 / min(found["product"].repeats), 2 * size / min(found["copy"].repeats)
    )


def table(heading: list[str], rows: list[list[str]]) -> str:
    """Rows of words under a heading, the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(heading, *rows)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in [heading, ["-" * width for width in widths], *rows]
    ]
    return "\n".join(lines)


def keep(result: dict, path: str) -> None:
    """Writes a benchmark's result as JSON, with what it was measured on.

    Args:
      result: what was measured.
      path: of the file; empty: it is printed.
    """
    text = json.dumps({**versions(), **result}, indent=None if not path else 1, default=float)
    if path:
        Path(path).write_text(text + "\n")
    else:
        print(text)


def _short(value: float) -> str:
    return f"{value:.3g}"
