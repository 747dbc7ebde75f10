"""How fast plates become a data set, predictions and training steps, and what each waits for.

    python -m benchmarks.pipeline [--parts=build,predict,train] [--wells=48] [--json=FILE]

`build`: wells of two 2048 x 2048 views become a data set (importing, reading, masks, labels,
writing), next to its parts alone; they are read once before, so that they lie in the page cache.
`predict`: networks of random weights, those of the default config and of the reference study,
predict the same wells in one pass, files to tables. They take turns; the first pass of each, which
compiles, is not counted.
`train`: a small simulated plate is built into a data set and opened twice, `held` in memory and
`streamed` from files. The autoencoder of each network trains on both and, so that what feeding
costs the step is seen too, on one held batch over and over. Every step is waited for, which tells
waiting for a batch from the step itself; a pipeline's first batch, before anything is read ahead,
stands apart. Ways take turns, each with a new pipeline that has nothing read ahead.
"""

import itertools
import resource
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tifffile
from absl import logging
from ml_collections import ConfigDict

from benchmarks.timing import ENDS, arguments, ends, keep, seconds, table
from jaxcell.compute.backend import prepare_cpu
from jaxcell.compute.sharding import make_shardings
from jaxcell.configs import default, dissertation
from jaxcell.dataset.batches import Examples
from jaxcell.dataset.immune_cells import VIEWS, ImmuneCellsConfig, build
from jaxcell.dataset.patches import label, windows
from jaxcell.dataset.source import open_data
from jaxcell.experiments.interaction.trainings import Training, autoencoder_training
from jaxcell.inference.mapping import Seconds
from jaxcell.inference.plates import predict_plates
from jaxcell.inference.trained import Run
from jaxcell.models.build import make_models
from jaxcell.plates.folder import Plates, read_plates, require_good
from jaxcell.plates.images import read_view
from jaxcell.simulator.field import simulate_field
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_train_step

FIELD_SIZE, WINDOW = 2048, 192
ROWS = "ABCDEFGHIJKLMNOP"
ROLES = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
CONFIGS = {"default": default, "study": dissertation}
# Wells of a whole plate.
PLATE = 384
# The plate that is trained on, and the memory that its data set may take.
SMALL = {"plates": 1, "rows": 4, "columns": 6, "field_size": 768}
MEMORY_GIB = {"held": 4.0, "streamed": 0.0}
# Batches drawn to time a pipeline alone.
DRAWN = 100


def write_plate(folder: Path, wells: int) -> None:
    """Writes one simulated field `wells` times, each shifted, as an IN Cell folder."""
    field = simulate_field(np.random.default_rng(0), FIELD_SIZE, 0.2).views
    conditions = ("Unstimulated", "OVA", "ConA")
    lines = ["plate,well,condition,compound,concentration_um,role"]
    for number in range(wells):
        row, column = ROWS[number // 24], number % 24 + 1
        for view, image in zip(ROLES.values(), field, strict=False):
            name = f"BENCH - {row} - {column:02d}(fld 1 wv {view} - {view}).tif"
            tifffile.imwrite(folder / name, np.roll(image, 40 * number, axis=1))
        lines.append(f"BENCH,{row}{column:02d},{conditions[number % 3]},,,sample")
    (folder / "wells.csv").write_text("\n".join(lines) + "\n")


def read_all(plates: Plates) -> list[np.ndarray]:
    """Decodes every file."""
    return [read_view(Path(path)) for path in plates.images["path"]]


def label_all(plates: Plates) -> None:
    """Decodes every file, cuts it and computes masks and labels, in one thread."""
    images = plates.images.pivot(index="well", columns="role", values="path")
    for paths in images[list(VIEWS)].itertuples(index=False):
        field = np.stack([read_view(Path(path)) for path in paths], axis=-1)
        label(windows(field, WINDOW, WINDOW)[0])


def time_build(given: Namespace) -> dict:
    """Times building a data set and its parts; prints a table of wells a second."""
    config = ImmuneCellsConfig(name="bench", window=WINDOW)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, made = Path(name) / "plate", Path(name) / "tfds"
        folder.mkdir()
        write_plate(folder, given.wells)
        plates = require_good(read_plates(folder, ROLES))
        for repeat in range(given.repeats):
            parts = {
                "import tables": lambda: read_plates(folder, ROLES),
                "read files": lambda: read_all(plates),
                "read + masks, one thread": lambda: label_all(plates),
                "whole data set": lambda repeat=repeat: build(plates, config, made / str(repeat)),
            }
            for part, action in parts.items():
                rates.setdefault(part, []).append(given.wells / seconds(action))
    print(f"\nbuilding: wells of 2 x {FIELD_SIZE} x {FIELD_SIZE} a second")
    print(table(["", *ENDS], [[part, *ends(values)] for part, values in rates.items()]))
    return {"wells_a_second": rates}


def untrained(config: ConfigDict) -> Run:
    """A run of a config's regressor with random weights: as fast as a trained one."""
    models, window = make_models(config), config.dataset.window
    image = jnp.zeros((1, window, window, 2))
    params = jax.jit(models.regressor.init)(jax.random.key(0), image)["params"]
    return Run(models, {"regressor": params}, {}, {}, [], {})


def time_predict(given: Namespace) -> dict:
    """Times passes over a plate by each network; prints a table, and the memory at its peak."""
    runs = {name: (untrained(module.get_config()), module.get_config())
            for name, module in CONFIGS.items()}  # fmt: skip
    passes: dict[str, list[Seconds]] = {name: [] for name in runs}
    with tempfile.TemporaryDirectory() as folder:
        write_plate(Path(folder), given.wells)
        plates = require_good(read_plates(Path(folder), ROLES))
        before = _peak_gib()
        for repeat in range(given.repeats + 1):
            for name, (run, config) in runs.items():
                took = predict_plates(run, config, plates).seconds
                if repeat:
                    passes[name].append(took)
    shown = []
    for name, some in passes.items():
        rates = [given.wells / (each.waiting + each.answering) for each in some]
        waiting = statistics.median(each.waiting_share for each in some)
        preparing = statistics.median(each.preparing for each in some)
        shown.append([
            name, *ends(rates, 2), f"{100 * waiting:.1f} %",
            f"{PLATE / statistics.median(rates):.0f}", f"{preparing:.1f}",
        ])  # fmt: skip
    print(f"\npredicting: wells of 2 x {FIELD_SIZE} x {FIELD_SIZE} a second")
    print(table(["network", *ENDS, "waiting", f"{PLATE} wells, s", "preparing, s"], shown))
    print(f"memory, peak: {_peak_gib():.2f} GiB, before the first pass {before:.2f}")
    memory = {"peak_gib": _peak_gib(), "before_gib": before}
    return {
        "passes": {name: [each._asdict() for each in some] for name, some in passes.items()},
        "memory": memory,
    }


def _peak_gib() -> float:
    """GiB of memory that this process has held at most, networks and all."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


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
    given = (training.task, optimizer, training.prepare)
    data, raw = jax.device_put(training.data, shardings.replicated), _some(training)
    held = [make_init(*given, shardings.replicated)(data, raw, 0, {})]
    step = make_train_step(*given, shardings)

    def train(raw: Any) -> None:
        held[0], _ = step(held[0], data, raw)
        jax.block_until_ready(held[0])

    train(raw)
    return train


def feed_all(
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


def time_train(given: Namespace) -> dict:
    """Times steps of training and the waiting for their batches; prints a table."""
    shown, kept = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, module in CONFIGS.items():
            config, examples = module.get_config(), {}
            config.machine.folder = folder
            config.plates.simulate.update(SMALL)
            for kind, memory_gib in MEMORY_GIB.items():
                config.machine.memory_gib = memory_gib
                examples[kind] = open_data(config).examples
            found = feed_all(config, examples, given.steps, given.repeats)
            shown += [_fed_row(name, kind, some, given.steps) for kind, some in found.items()]
            kept[name] = {
                kind: {**figures, "fed": [turn._asdict() for turn in figures["fed"]]}
                for kind, figures in found.items()
            }
    heading = ["network", "batches", "patches/s", "waiting", "most", "first batch, ms",
               "pipeline alone, patches/s"]  # fmt: skip
    print(f"\ntraining\n{table(heading, shown)}")
    return {"drawn": DRAWN, "networks": kept}


def _fed_row(name: str, kind: str, figures: dict, steps: int) -> list[str]:
    """Medians of the turns."""
    fed, patches, drawn = (figures[name] for name in ("fed", "patches", "drawn"))
    shares = [100 * turn.waiting / turn.whole for turn in fed]
    return [
        name, kind, f"{steps * patches / statistics.median(turn.whole for turn in fed):.1f}",
        f"{statistics.median(shares):.2f} %", f"{max(shares):.2f} %",
        f"{1000 * statistics.median(turn.first for turn in fed):.0f}",
        f"{DRAWN * patches / statistics.median(drawn):,.0f}" if drawn else "",
    ]  # fmt: skip


PARTS = {"build": time_build, "predict": time_predict, "train": time_train}


def main() -> None:
    """Measures, prints a table a part and keeps the figures."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--wells", type=int, default=48, help="of `build` and `predict`")
    parser.add_argument("--steps", type=int, default=20, help="of each turn of `train`")
    given = parser.parse_args()
    prepare_cpu()
    logging.set_verbosity(logging.ERROR)
    found = {part: PARTS[part](given) for part in given.parts.split(",")}
    keep({"settings": vars(given), **found}, given.json)


if __name__ == "__main__":
    main()
