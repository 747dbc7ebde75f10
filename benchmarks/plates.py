"""How fast plates on disk become predictions a well, and whether the step is ever starved.

    python -m benchmarks.plates [--wells=24] [--repeats=3] [--json=FILE]

Writes wells of two 2048 x 2048 views, and has networks of random weights predict them in one pass,
files to tables (`jaxcell.inference.plates`): those of the default config and of the reference
study.
Networks take turns; the first pass of each, which finds the files cold, is not counted.
"""

import argparse
import resource
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging
from ml_collections import ConfigDict

from benchmarks.pipeline import FIELD_SIZE, ROLES, write_plate
from benchmarks.timing import keep, table
from jaxcell.compute.backend import prepare_cpu
from jaxcell.configs import default, dissertation
from jaxcell.inference.mapping import Seconds
from jaxcell.inference.plates import predict_plates
from jaxcell.inference.trained import Run
from jaxcell.models.build import make_models
from jaxcell.plates.folder import Plates, read_plates, require_good

# Wells of a whole plate.
PLATE = 384
CONFIGS = {"default": default, "dissertation": dissertation}
HEADING = ["network", "wells/s", "slowest-fastest", "waiting", "384 wells, s", "preparing, s"]


def untrained(config: ConfigDict) -> Run:
    """A run of a config's regressor with random weights: as fast as a trained one."""
    models, window = make_models(config), config.dataset.window
    image = jnp.zeros((1, window, window, 2))
    params = jax.jit(models.regressor.init)(jax.random.key(config.training.seed), image)["params"]
    return Run(models, {"regressor": params}, {}, {}, [], {})


def measure(plates: Plates, batch: int, repeats: int) -> dict[str, list[Seconds]]:
    """Predicts plates by each network in turn.

    Args:
      plates: images and wells.
      batch: patches a step; 0: as the configs say.
      repeats: passes of each network after a first.

    Returns:
      By network, the seconds of each pass but the first.
    """
    runs = {}
    for name, module in CONFIGS.items():
        config = module.get_config()
        config.evaluation.batch_size = batch or config.evaluation.batch_size
        runs[name] = untrained(config), config
    found: dict[str, list[Seconds]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, (run, config) in runs.items():
            found[name].append(predict_plates(run, config, plates).seconds)
    return {name: passes[1:] for name, passes in found.items()}


def summary(passes: list[Seconds], wells: int) -> dict[str, Any]:
    """What the passes of one network over so many wells come to."""
    rates = [wells / (each.waiting + each.answering) for each in passes]
    rate = statistics.median(rates)
    return {
        "wells_a_second": rate,
        "slowest_fastest": (min(rates), max(rates)),
        "waiting_share": statistics.median(each.waiting_share for each in passes),
        "seconds_a_plate": PLATE / rate,
        "preparing_seconds": statistics.median(each.preparing for each in passes),
    }


def peak_gib() -> float:
    """GiB of memory that this process has held at most, networks and all."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=24)
    parser.add_argument("--batch", type=int, default=0, help="patches a step; 0: the configs'")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", default="", help="file for the figures; printed without it")
    given = parser.parse_args()
    prepare_cpu()
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory() as name:
        write_plate(Path(name), given.wells)
        before = peak_gib()
        found = measure(require_good(read_plates(Path(name), ROLES)), given.batch, given.repeats)
    said = {name: summary(passes, given.wells) for name, passes in found.items()}
    rows = [
        [
            name, f"{one['wells_a_second']:.2f}",
            "{:.2f}-{:.2f}".format(*one["slowest_fastest"]), f"{100 * one['waiting_share']:.1f} %",
            f"{one['seconds_a_plate']:.0f}", f"{one['preparing_seconds']:.1f}",
        ]
        for name, one in said.items()
    ]  # fmt: skip
    print(f"{given.wells} wells of 2 x {FIELD_SIZE} x {FIELD_SIZE}")
    print(table(HEADING, rows))
    print(f"memory, peak: {peak_gib():.2f} GiB, before the first pass {before:.2f}")
    memory = {"peak_gib": peak_gib(), "before_gib": before}
    kept = {name: [each._asdict() for each in passes] for name, passes in found.items()}
    keep({"settings": vars(given), "networks": said, "passes": kept, "memory": memory}, given.json)


if __name__ == "__main__":
    main()
