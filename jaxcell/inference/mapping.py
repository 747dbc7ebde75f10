"""One pass of a function of trained networks over many examples."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from tqdm import tqdm

from jaxcell.compute import chunks
from jaxcell.compute.sharding import Shardings, make_shardings
from jaxcell.dataset.batches import Examples, device_data, evaluation_batches, prepare
from jaxcell.dataset.reading_ahead import draw_ahead

# Batches that lie ready on the device, and batches under way beside the one whose results are
# fetched: were there none, the device would stand still from one batch to the next.
BATCHES_AHEAD, IN_FLIGHT = 2, 1

Tree = Any


class Batch(NamedTuple):
    """Examples that go through a function together.

    Attributes:
      arrays: pytree of arrays [B, ...], of which the first n examples are real.
      known: name -> array [n, ...], what is known of the real ones and is returned beside results.
      done: where the progress bar stands once their results are there.
    """

    arrays: Tree
    known: dict[str, np.ndarray]
    done: int


class Seconds(NamedTuple):
    """Wall-clock seconds of a pass.

    Attributes:
      preparing: compiling, and what else came before the first batch was computed.
      waiting: for batches while the device had nothing to do, or ran out of work meanwhile.
      answering: the rest.
    """

    preparing: float
    waiting: float
    answering: float

    @property
    def waiting_share(self) -> float:
        """Share of the pass, in [0, 1], in which the device was starved."""
        return self.waiting / (self.waiting + self.answering)


Pass = Callable[[Iterable[Batch], tqdm], tuple[dict[str, Tree], Seconds]]


def map_batches(
    function: Callable[[Tree, Tree], dict[str, Tree]],
    params: Tree,
    batches: Iterable[Batch],
    batch_size: int,
    bar: tqdm,
) -> tuple[dict[str, Tree], Seconds]:
    """Applies a function to batches of one size, over all devices: `make_pass`, once."""
    return make_pass(function, params, batch_size)(batches, bar)


def make_pass(
    function: Callable[[Tree, Tree], dict[str, Tree]], params: Tree, batch_size: int
) -> Pass:
    """A function over batches of one size, over all devices, compiled the first time it is called.

    Batches are drawn in a thread and sent to the devices before they are needed; beside the
    results, only a few of them are in memory at a time.

    Args:
      function: (params, arrays of a batch) -> dict of arrays with an example a row; pure.
      params: of the function; sent to the devices once.
      batch_size: B of each batch.

    Returns:
      (batches to go through, progress bar, full at the end) -> by name the results, and what is
      known, of the real examples in order; and the time.
    """
    shardings = make_shardings(batch_size)
    params = jax.device_put(params, shardings.replicated)
    programs: list[Any] = []
    return lambda batches, bar: _pass(function, params, shardings, programs, batches, bar)


def _pass(
    function: Callable[[Tree, Tree], dict[str, Tree]],
    params: Tree,
    shardings: Shardings,
    programs: list[Any],
    batches: Iterable[Batch],
    bar: tqdm,
) -> tuple[dict[str, Tree], Seconds]:
    """One pass; `programs` is empty, or holds what an earlier one has compiled."""
    sent = draw_ahead(
        (some._replace(arrays=jax.device_put(some.arrays, shardings.batch)) for some in batches),
        BATCHES_AHEAD,
    )
    newest, compiling, waiting = (), 0.0, 0.0
    parts, in_flight = [], deque()

    def fetch() -> None:
        known, done, results = in_flight.popleft()
        real = len(next(iter(known.values())))
        results = jax.tree.map(lambda array: array[:real], jax.device_get(results))
        parts.append(known | results)
        bar.update(done - bar.n)

    began = asked = time.perf_counter()
    for batch in sent:
        there = time.perf_counter()
        if all(leaf.is_ready() for leaf in jax.tree.leaves(newest)):
            waiting += there - asked
        if not programs:
            jitted = chunks.jitted(function, shardings)
            programs.append(jitted.lower(params, batch.arrays).compile())
            compiling = time.perf_counter() - there
        newest = programs[0](params, batch.arrays)
        in_flight.append((batch.known, batch.done, newest))
        if len(in_flight) > IN_FLIGHT:
            fetch()
        asked = time.perf_counter()
    while in_flight:
        fetch()
    bar.update(bar.total - bar.n)
    seconds = time.perf_counter() - began
    return _joined(parts), Seconds(compiling, waiting, seconds - compiling - waiting)


def map_examples(
    function: Callable[[Tree, dict[str, Array]], dict[str, Tree]],
    params: Tree,
    examples: Examples,
    rows: np.ndarray,
    batch_size: int,
    words: str,
) -> tuple[dict[str, Tree], Seconds]:
    """Applies a function to some examples of a data set, as `map_batches` does.

    Args:
      function: as there; a batch is as `prepare` gives it, with the raw `counts` uint16
        [B, H, W, 2].
      params: of the function.
      examples: where to read from.
      rows: int32 [N], which of them.
      batch_size: examples a batch; the last one is filled up.
      words: for the progress bar.

    Returns:
      As there; what is known of each example is its `row`.
    """
    held = device_data(examples)

    def prepared(params: Tree, raw: dict[str, Array]) -> dict[str, Tree]:
        return function(params, prepare({}, raw, examples.levels) | {"counts": raw["image"]})

    def batches() -> Iterator[Batch]:
        done = 0
        for raw in evaluation_batches(examples, rows, batch_size)():
            index = raw["index"]
            real = index[raw["weight"] > 0]
            done += len(real)
            raw |= {name: array[index] for name, array in held.items()}
            yield Batch(raw, {"row": real}, done)

    with tqdm(total=len(rows), desc=words, unit=" patches", dynamic_ncols=True) as bar:
        return map_batches(prepared, params, batches(), batch_size, bar)


def _joined(parts: list[dict[str, Tree]]) -> dict[str, Tree]:
    """Results of all batches as one, taken out of the parts: those of a screen fill gigabytes."""
    return {
        name: jax.tree.map(lambda *some: np.concatenate(some), *[part.pop(name) for part in parts])
        for name in list(parts[0])
    }
