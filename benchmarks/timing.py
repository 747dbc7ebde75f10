"""What benchmarks share: arguments, ways that take turns, the machine's limits, a table, a file."""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
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


def arguments(about: str, repeats: int | None = None) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes.

    Args:
      about: the benchmark's docstring.
      repeats: how often each way is timed unless told otherwise; None where nothing is.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if repeats is not None:
        parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--json", default="", help="file for the figures; printed without it")
    return parser


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
    return timed(way)[0]


def timed(way: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and what it returned; JAX arrays are waited for."""
    began = time.perf_counter()
    result = jax.block_until_ready(way())
    return time.perf_counter() - began, result


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


# Columns of `ends`.
ENDS = ["median", "lowest", "highest"]


def ends(values: Sequence[float], digits: int = 1) -> list[str]:
    """Median, lowest and highest, as words of a table."""
    return [f"{some(values):,.{digits}f}" for some in (statistics.median, min, max)]


def keep(result: dict, path: str) -> None:
    """Writes a benchmark's result as JSON, with what it was measured on.

    Args:
      result: what was measured, so far: a file is written anew.
      path: of the file; empty: it is printed.
    """
    where = {**versions(), "cores": os.cpu_count()}
    text = json.dumps(where | result, indent=1 if path else None, default=_plain)
    if path:
        Path(path).write_text(text + "\n")
    else:
        print(text)


def _plain(value: Any) -> Any:
    """What JSON does not know: settings that are a path, numbers of NumPy."""
    return str(value) if isinstance(value, Path) else float(value)


def _short(value: float) -> str:
    return f"{value:.3g}"
