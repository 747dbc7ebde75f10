"""The reference study's whole autoencoder training, and several seeds of it together.

    python -m benchmarks.whole_training [--dtype=bfloat16] [--seeds=5] [--json=FILE]
    python -m benchmarks.whole_training --patches=64 --epochs=1 --seeds=2   # a CPU's share

Its network, batch and recipe (`configs/dissertation.py`), 16,490 patches of 192 x 192 that lie on
the device, 40 epochs without early stopping, by the loop that runs use, validation, metrics and
checkpoints included. The study's hosted GPU took about 73 minutes. Patches are noise: what is
measured is time.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from benchmarks.networks import WINDOW
from benchmarks.timing import keep, table
from jaxcell.compute.backend import prepare_cpu
from jaxcell.configs import dissertation
from jaxcell.dataset.batches import Examples
from jaxcell.experiments.interaction.trainings import Training, autoencoder_training
from jaxcell.models.build import make_models
from jaxcell.training.loop import fit
from jaxcell.training.together import Lane, fit_together

PATCHES, EPOCHS = 16_490, 40
# Patches to validate on, as a share of those to train on.
VALIDATED = 0.1


def training_of(patches: int, epochs: int, dtype: str) -> Training:
    """The study's training on that many patches of noise."""
    config: ConfigDict = dissertation.get_config()
    config.model.dtype = dtype
    config.autoencoder.update({"epochs": epochs, "early_stopping_epochs": 0})
    config.autoencoder.checkpoint_every_steps = 0  # at the end of each epoch
    random = np.random.default_rng(0)
    held = patches + max(1, round(VALIDATED * patches))
    images = random.integers(0, 2**12, (held, WINDOW, WINDOW, 2), np.uint16)
    split = np.where(np.arange(held) < patches, "train", "validation")
    rows = pd.DataFrame({"split": split, "target": np.float32(0), "plate": "noise", "well": "A01"})
    examples = Examples(rows, images, None)
    return autoencoder_training(config, make_models(config), examples)


def one_alone(training: Training) -> tuple[float, list[dict]]:
    """Seconds of a whole training, and the rows of its epochs."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        history = fit(**training._asdict(), folder=Path(folder), name="autoencoder").history
        return time.perf_counter() - began, history


def together(training: Training, seeds: int) -> float:
    """Seconds of as many trainings in one program."""
    shared = training._asdict()
    batches, start = shared.pop("train_batches"), shared.pop("init_params")
    with tempfile.TemporaryDirectory() as folder:
        lanes = [Lane(Path(folder) / str(seed), seed, batches, start) for seed in range(seeds)]
        began = time.perf_counter()
        failures = fit_together(**shared, lanes=lanes, name="autoencoder")
        assert not any(failures), failures
        return time.perf_counter() - began


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=PATCHES)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=5, help="0: one alone")
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--json", default="", help="file for the figures; printed without it")
    given = parser.parse_args()
    prepare_cpu()
    training = training_of(given.patches, given.epochs, given.dtype)
    alone, history = one_alone(training)
    # The first epoch compiles.
    rate = float(np.median([row["patches_per_second"] for row in history[1:] or history]))
    rows = [["1", f"{alone:.1f}", f"{rate:,.0f}", "1"]]
    result = {"settings": vars(given), "alone_seconds": alone, "patches_per_second": rate}
    if given.seeds:
        result["together_seconds"] = seconds = together(training, given.seeds)
        done = given.seeds * given.patches * given.epochs / seconds
        rows.append([str(given.seeds), f"{seconds:.1f}", f"{done:,.0f}", f"{seconds / alone:.2f}"])
    print(f"{given.patches:,} patches x {given.epochs} epochs, {given.dtype}")
    print(table(["seeds", "seconds", "patches/s", "times one"], rows))
    keep(result, given.json)


if __name__ == "__main__":
    main()
