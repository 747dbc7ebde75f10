"""Does training wait for its batches? The share of time it does, held in memory and streamed.

    python -m benchmarks.feeding [--networks=default,study] [--steps=20] [--json=FILE]

A small simulated plate is built into a data set and opened twice: `held` in memory, and `streamed`
from files, which lie in the page cache. The autoencoder of each network trains on both and, so that
what feeding costs the step is seen too, on one held batch over and over. Every step is waited for,
which tells waiting for a batch from the step itself; a pipeline's first batch, before anything is
read ahead, stands apart. Ways take turns, each with a new pipeline that has nothing read ahead.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
from absl import logging
from ml_collections import ConfigDict

from benchmarks.timing import keep, seconds, table
from jaxcell.compute.backend import prepare_cpu
from jaxcell.compute.sharding import make_shardings
from jaxcell.configs import default, dissertation
from jaxcell.dataset.batches import Examples
from jaxcell.dataset.source import open_data
from jaxcell.experiments.interaction.trainings import Training, autoencoder_training
from jaxcell.models.build import make_models
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_train_step

CONFIGS = {"default": default, "study": dissertation}
PLATE = {"plates": 1, "rows": 4, "columns": 6, "field_size": 768}
MEMORY_GIB = {"held": 4.0, "streamed": 0.0}
# Batches drawn to time a pipeline alone.
DRAWN = 100
HEADING = ["network", "batches", "patches/s", "waiting", "most", "first batch, ms",
           "pipeline alone, patches/s"]  # fmt: skip


class Fed(NamedTuple):
    """Seconds of some steps.

    Attributes:
      first: until the first batch, which is no part of the others.
      waiting: for the batches of the steps.
      whole: of the steps, waiting included.
    """

    first: float
    waiting: float
    whole: float


def feed(train: Callable[[Any], None], batches: Iterator[Any], steps: int) -> Fed:
    """Trains some steps after a first one.

    Args:
      train: takes a step with a raw batch, and returns when it is done.
      batches: raw.
      steps: to be timed.
    """
    began = time.perf_counter()
    raw = next(batches)
    first, waiting = time.perf_counter() - began, 0.0
    train(raw)
    began = time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        raw = next(batches)
        waiting += time.perf_counter() - asked
        train(raw)
    return Fed(first, waiting, time.perf_counter() - began)


def trainer(training: Training, batch: int) -> Callable[[Any], None]:
    """What takes a step of a training and waits for it; its program is compiled already."""
    shardings = make_shardings(batch)
    optimizer = make_optimizer(1000, **training.config.optimizer)
    given = (training.task, optimizer, training.prepare, shardings)
    data, raw = jax.device_put(training.data, shardings.replicated), _some(training)
    held = [make_init(*given[:3], shardings.replicated)(data, raw, 0, {})]
    step = make_train_step(*given)

    def train(raw: Any) -> None:
        held[0], _ = step(held[0], data, raw)
        jax.block_until_ready(held[0])

    train(raw)
    return train


def measure(
    config: ConfigDict, examples: dict[str, Examples], steps: int, repeats: int
) -> dict[str, dict]:
    """Times the training of one network on every kind of batches.

    Args:
      config: of the network.
      examples: of the data set, by how it was opened.
      steps: of a turn.
      repeats: turns.

    Returns:
      By kind: `patches` a batch, a `Fed` a turn, and seconds a turn of `DRAWN` batches drawn
      without training; none of one batch over and over.
    """
    models, batch = make_models(config), config.training.autoencoder.batch_size
    trainings = {kind: autoencoder_training(config, models, some)
                 for kind, some in examples.items()}  # fmt: skip
    trains = {kind: trainer(training, batch) for kind, training in trainings.items()}
    found = {kind: {"patches": batch, "fed": [], "drawn": []} for kind in ("the same", *trainings)}
    for _ in range(repeats):
        again = itertools.repeat(_some(trainings["held"]))
        found["the same"]["fed"].append(feed(trains["held"], again, steps))
        for kind, training in trainings.items():
            found[kind]["fed"].append(feed(trains[kind], training.train_batches(0), steps))
            drawn = seconds(lambda training=training: _draw(training.train_batches(0)))
            found[kind]["drawn"].append(drawn)
    return found


def _some(training: Training) -> Any:
    return next(training.train_batches(0))


def _draw(batches: Iterator[Any]) -> None:
    for _ in itertools.islice(batches, DRAWN):
        pass


def rows(name: str, found: dict[str, dict], steps: int) -> list[list[str]]:
    """The table's rows of one network: medians of the turns."""
    result = []
    for kind, figures in found.items():
        fed, patches = figures["fed"], figures["patches"]
        shares = [100 * turn.waiting / turn.whole for turn in fed]
        drawn = figures["drawn"]
        alone = f"{DRAWN * patches / statistics.median(drawn):,.0f}" if drawn else ""
        result.append([
            name, kind, f"{steps * patches / statistics.median(turn.whole for turn in fed):.1f}",
            f"{statistics.median(shares):.2f} %", f"{max(shares):.2f} %",
            f"{1000 * statistics.median(turn.first for turn in fed):.0f}", alone,
        ])  # fmt: skip
    return result


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(CONFIGS))
    parser.add_argument("--steps", type=int, default=20, help="of each turn")
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--json", default="", help="file for the figures; printed without it")
    given = parser.parse_args()
    prepare_cpu()
    logging.set_verbosity(logging.ERROR)
    shown, kept = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in given.networks.split(","):
            config = CONFIGS[name].get_config()
            config.machine.folder = folder
            config.plates.simulate.update(PLATE)
            examples = {kind: _open(config, gib) for kind, gib in MEMORY_GIB.items()}
            found = measure(config, examples, given.steps, given.repeats)
            shown += rows(name, found, given.steps)
            kept[name] = {
                kind: {**figures, "fed": [turn._asdict() for turn in figures["fed"]]}
                for kind, figures in found.items()
            }
    print(table(HEADING, shown))
    keep({"settings": vars(given), "drawn": DRAWN, "networks": kept}, given.json)


def _open(config: ConfigDict, memory_gib: float) -> Examples:
    config.machine.memory_gib = memory_gib
    return open_data(config).examples


if __name__ == "__main__":
    main()
