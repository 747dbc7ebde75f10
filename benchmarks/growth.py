"""How cost grows: with window, batch, latent size, devices and plates, and by which power.

    python -m benchmarks.growth [--axes=window,batch,...] [--repeats=5] [--json=FILE]

Training steps of the default autoencoder (of configs/latent_sweep.py for the latent size) on
random patches that already lie on the device; for plates, reading, labelling, writing and opening
the data set. Virtual devices share the processor's cores: they prove that a batch is split and the
answer stays the same, not that it is faster; real ones are an axis where JAX sees several. The
values of an axis take turns. An exponent is the slope of a line through the logarithms; with it
stand the lowest and the highest of the turns.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from benchmarks.timing import Timing, arguments, as_it_is, keep, table, take_turns
from jaxcell.compute.backend import prepare_cpu
from jaxcell.compute.sharding import make_shardings
from jaxcell.configs import default, latent_sweep
from jaxcell.dataset.source import load_plates, open_data, tfds_folder
from jaxcell.models.build import make_models
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.state import make_init
from jaxcell.training.steps import make_train_step
from jaxcell.training.tasks import autoencoder_task

BATCH = 16
WINDOWS, BATCHES, LATENT = (96, 192, 384), (4, 16, 64), (8, 64, 512)
DEVICES, PLATES = (1, 2, 4), (1, 2, 4)
PLATE = {"rows": 3, "columns": 6, "field_size": 768}
HEADING = ["axis", "seconds of", "values", "s (medians)", "exponent", "lowest-highest"]
Way = Callable[[], object]


class Axis(NamedTuple):
    """One axis: what the seconds are of, and what is timed for each of its values."""

    of: str
    ways: dict[int, Way]


def training_way(config: ConfigDict, batch: int, devices: int | None = None) -> Callable[[], float]:
    """A call that takes one training step on random patches and returns its loss.

    Args:
      config: of the network.
      batch: patches a step.
      devices: how many share it; all if None.
    """
    window = config.dataset.window
    task = autoencoder_task(make_models(config).autoencoder)
    optimizer = make_optimizer(1000, **config.training.autoencoder.optimizer)
    shardings = make_shardings(batch, jax.local_devices()[:devices])
    image = np.random.default_rng(0).random((batch, window, window, 2), np.float32)
    host = {"image": image, "weight": np.ones(batch, np.float32)}
    raw = jax.device_put(host, shardings.batch)
    init = make_init(task, optimizer, as_it_is, shardings.replicated)
    held = [init((), raw, 0, {})]
    step = make_train_step(task, optimizer, as_it_is, shardings)

    def train() -> float:
        held[0], metrics = step(held[0], (), raw)
        jax.block_until_ready(held[0])
        return float(metrics["loss"])

    return train


def _window(stack: ExitStack) -> Axis:
    ways = {}
    for window in WINDOWS:
        config = default.get_config()
        config.dataset.window = window
        ways[window] = training_way(config, BATCH)
    return Axis(f"a step of {BATCH} patches", ways)


def _batch(stack: ExitStack) -> Axis:
    return Axis("a step", {size: training_way(default.get_config(), size) for size in BATCHES})


def _latent(stack: ExitStack) -> Axis:
    ways = {}
    for size in LATENT:
        config = latent_sweep.get_config()
        config.model.latent_dim = size
        ways[size] = training_way(config, BATCH)
    return Axis(f"a step of {BATCH} patches", ways)


def _virtual(stack: ExitStack) -> Axis:
    """A process for each number of devices: JAX fixes it when it starts."""
    ways = {devices: _child(stack, devices) for devices in DEVICES}
    _require_alike(ways)
    return Axis(f"a step of {BATCH} patches", ways)


def _real(stack: ExitStack) -> Axis:
    counts = [count for count in (1, 2, 4, 8, 16) if count <= jax.local_device_count()]
    ways = {count: training_way(default.get_config(), BATCH, count) for count in counts}
    _require_alike(ways)
    return Axis(f"a step of {BATCH} patches", ways)


def serve() -> None:
    """Takes a step on all devices for every line it is sent, and answers with its loss."""
    prepare_cpu()
    train = training_way(default.get_config(), BATCH)
    for _ in sys.stdin:
        print(train(), flush=True)


def _child(stack: ExitStack, devices: int) -> Callable[[], float]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    child = stack.enter_context(
        subprocess.Popen(
            [sys.executable, "-c", "from benchmarks.growth import serve; serve()"],
            env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    )

    def train() -> float:
        child.stdin.write("\n")
        child.stdin.flush()
        return float(child.stdout.readline())

    return train


def _require_alike(ways: dict[int, Callable[[], float]]) -> None:
    """Proves that devices change nothing but the time.

    The third step's loss is the first to show a gradient: the learning rate begins at zero.
    """
    for _ in range(3):
        losses = [way() for way in ways.values()]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4, err_msg=f"devices {list(ways)}")


def _plates(stack: ExitStack) -> Axis:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    wells = PLATE["rows"] * PLATE["columns"]
    of = f"plates of {wells} wells made a data set"
    return Axis(of, {count: _data_set_way(folder, count) for count in PLATES})


def _data_set_way(folder: Path, plates: int) -> Way:
    config = default.get_config()
    config.machine.folder = str(folder)
    config.plates.simulate.update({**PLATE, "plates": plates})
    load_plates(config)  # simulates them: no part of what is timed

    def make() -> None:
        shutil.rmtree(tfds_folder(config), ignore_errors=True)
        open_data(config)

    return make


AXES = {
    "window, pixels": _window,
    "batch, patches": _batch,
    "latent size": _latent,
    "virtual devices": _virtual,
    "real devices": _real,
    "plates": _plates,
}


def exponent(values: list[int], seconds: list[float]) -> float:
    """The power of its value by which a cost grows: the slope of a line through the logarithms."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def row(name: str, of: str, found: dict[int, Timing]) -> list[str]:
    """The table's row of one axis."""
    values = list(found)
    medians = [timing.median for timing in found.values()]
    turns = [exponent(values, turn) for turn in zip(*(timing.repeats for timing in found.values()))]
    return [
        name, of, ", ".join(map(str, values)), ", ".join(f"{value:.3g}" for value in medians),
        f"{exponent(values, medians):.2f}", f"{min(turns):.2f} to {max(turns):.2f}",
    ]  # fmt: skip


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    prepare_cpu()
    several = jax.default_backend() != "cpu" and jax.local_device_count() > 1
    known = [name for name in AXES if name != "real devices" or several]
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--axes", default="", help=f"beginnings of names; all: {known}")
    given = parser.parse_args()
    logging.set_verbosity(logging.ERROR)
    shown, kept = [], {}
    for name in known:
        if not name.startswith(tuple(given.axes.split(","))):
            continue
        with ExitStack() as stack:
            axis = AXES[name](stack)
            found = take_turns(axis.ways, given.repeats)
        shown.append(row(name, axis.of, found))
        print(table(HEADING, shown[-1:]), flush=True)
        timings = {value: timing._asdict() for value, timing in found.items()}
        kept[name] = {"seconds_of": axis.of, "exponent": float(shown[-1][4]), "values": timings}
    print(table(HEADING, shown))
    keep({"settings": vars(given), "axes": kept}, given.json)


if __name__ == "__main__":
    main()
