"""Seeds of one network trained in one program against the same seeds one after the other.

    python -m benchmarks.training [--seeds=3] [--batch=16] [--json=FILE]    # one step of each
    python -m benchmarks.training --whole [--seeds=3] [--dtype=bfloat16]    # the study's training
    python -m benchmarks.training --whole --patches=64 --epochs=1           # a CPU's share of it

A step is of the network of configs/latent_sweep.py (64 numbers) on random patches of 192 x 192.
Ways take turns: `alone`, the step of an ordinary run, called once a seed; and the step of a sweep's
program, its members `in_turn`, as on a CPU, and `side_by_side`, as on an accelerator.

A whole training is of the reference study's autoencoder, with its batch and recipe
(`configs/dissertation.py`), 16,490 patches of 192 x 192 that lie on the device, 40 epochs without
early stopping, by the loop that runs use, validation, metrics and checkpoints included; first of
one seed, then of all together. The study's hosted GPU took about 73 minutes. Patches are noise:
what is measured is time.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from benchmarks.networks import WINDOW
from benchmarks.timing import Timing, arguments, as_it_is, keep, seconds, table, take_turns
from jaxcell.compute.backend import prepare_cpu
from jaxcell.configs import dissertation, latent_sweep
from jaxcell.dataset.batches import Examples
from jaxcell.experiments.interaction.trainings import Training, autoencoder_training
from jaxcell.models.build import make_models
from jaxcell.training.loop import FitResult, Lane, fit_together
from jaxcell.training.optimizer import make_optimizer
from jaxcell.training.program import Program, one_run, several_runs
from jaxcell.training.state import make_init
from jaxcell.training.tasks import autoencoder_task

PATCHES, EPOCHS = 16_490, 40
# Patches to validate on, as a share of those to train on.
VALIDATED = 0.1


def time_steps(seeds: int, batch: int, repeats: int) -> dict[str, Timing]:
    """Times a step of all seeds in each of the ways; every call goes on from the one before."""
    config = latent_sweep.get_config()
    config.model.latent_dim = 64
    task = autoencoder_task(make_models(config).autoencoder)
    how = (task, make_optimizer(100, **config.training.autoencoder.optimizer), as_it_is)
    images = np.random.default_rng(0).random((seeds, batch, WINDOW, WINDOW, 2), np.float32)
    raws = [{"image": each, "weight": np.ones(batch, np.float32)} for each in images]

    def steps_of(program: Program, members: list[int]) -> Callable[[], Any]:
        init, given = make_init(*how, program.whole), {i: raws[m] for i, m in enumerate(members)}
        held = [program.joined([init((), raws[member], member, {}) for member in members])]

        def step() -> Any:
            held[0], _ = program.train(held[0], (), given)
            return held[0]

        return step

    one = one_run(*how, batch, 0)
    lone = [steps_of(one, [member]) for member in range(seeds)]
    ways: dict[str, Callable[[], Any]] = {"alone": lambda: [step() for step in lone]}
    for name, at_once in (("in_turn", False), ("side_by_side", True)):
        ways[name] = steps_of(several_runs(*how, seeds, 0, at_once), list(range(seeds)))
    return take_turns(ways, repeats)


def training_of(patches: int, epochs: int, dtype: str) -> Training:
    """The study's training on that many patches of noise."""
    config: ConfigDict = dissertation.get_config()
    config.model.dtype = dtype
    config.training.autoencoder.update({"epochs": epochs, "early_stopping_epochs": 0})
    config.training.autoencoder.checkpoint_every_steps = 0  # at the end of each epoch
    random = np.random.default_rng(0)
    held = patches + max(1, round(VALIDATED * patches))
    images = random.integers(0, 2**12, (held, WINDOW, WINDOW, 2), np.uint16)
    split = np.where(np.arange(held) < patches, "train", "validation")
    rows = pd.DataFrame({"split": split, "target": np.float32(0), "plate": "noise", "well": "A01"})
    examples = Examples(rows, images, None)
    return autoencoder_training(config, make_models(config), examples)


def train_whole(training: Training, seeds: int) -> tuple[float, float]:
    """Seconds of that many trainings together, and patches a second of all once compiled."""
    shared = training._asdict()
    batches, start = shared.pop("train_batches"), shared.pop("init_params")
    results: list[FitResult] = []
    with tempfile.TemporaryDirectory() as folder:
        lanes = [Lane(Path(folder) / str(seed), seed, batches, start) for seed in range(seeds)]
        took = seconds(
            lambda: results.extend(fit_together(**shared, lanes=lanes, name="autoencoder"))
        )
    assert not any(result.failure for result in results), results
    rates = [row["patches_per_second"] for row in results[0].history]
    return took, float(np.median(rates[1:] or rates))  # the first epoch compiles


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__, repeats=7)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=16, help="of a step")
    parser.add_argument("--whole", action="store_true", help="the study's whole training")
    parser.add_argument("--patches", type=int, default=PATCHES, help="with --whole")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="with --whole")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    given = parser.parse_args()
    prepare_cpu()
    result: dict[str, Any] = {"settings": vars(given)}
    if given.whole:
        training = training_of(given.patches, given.epochs, given.dtype)
        whole = {count: train_whole(training, count) for count in sorted({1, given.seeds})}
        print(f"{given.patches:,} patches x {given.epochs} epochs, {given.dtype}")
        rows = [
            [str(count), f"{took:.1f}", f"{rate:,.0f}", f"{took / whole[1][0]:.2f}"]
            for count, (took, rate) in whole.items()
        ]
        print(table(["seeds", "seconds", "patches/s", "times one"], rows))
        result["whole"] = {
            count: {"seconds": took, "patches_per_second": rate}
            for count, (took, rate) in whole.items()
        }
    else:
        found = time_steps(given.seeds, given.batch, given.repeats)
        print(f"{given.seeds} seeds, batches of {given.batch}")
        rows = [
            [
                name, f"{timing.median:.3f}", timing.spread,
                f"{given.seeds * given.batch / timing.median:.1f}", f"{timing.first:.1f}",
            ]
            for name, timing in found.items()
        ]  # fmt: skip
        heading = ["way", "s a step of all", "fastest-slowest, s", "patches/s", "first call, s"]
        print(table(heading, rows))
        result["step_seconds"] = {name: timing._asdict() for name, timing in found.items()}
    keep(result, given.json)


if __name__ == "__main__":
    main()
