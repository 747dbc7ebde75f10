"""A small run of the training loop, as a module for the tests and as a program to kill.

Usage: python tiny_run.py FOLDER [seconds to sleep at every batch [processes process coordinator]]
"""

import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from jaxcell.compute import processes
from jaxcell.training.checkpoint import best_params
from jaxcell.training.loop import FitResult, fit
from jaxcell.training.tasks import Task, regressor_task

BATCH_SIZE = 8
EXAMPLES = 64
VALIDATION_EXAMPLES = 20


class TinyRegressor(nn.Module):
    """Convolution, dropout and a dense layer."""

    @nn.compact
    def __call__(self, image: jax.Array, train: bool) -> jax.Array:
        code = nn.relu(nn.Conv(4, (3, 3), strides=4, name="encoder")(image))
        code = nn.Dropout(0.2, deterministic=not train)(code.reshape(image.shape[0], -1))
        return nn.Dense(1, name="head")(code)[:, 0]


class TinyAutoencoder(nn.Module):
    """Down by two, up by two."""

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        code = nn.relu(nn.Conv(4, (3, 3), strides=2, name="encoder")(image))
        return nn.ConvTranspose(2, (3, 3), strides=(2, 2), name="decoder")(code)


def make_task() -> Task:
    return regressor_task(TinyRegressor())


def make_config(**changes) -> ConfigDict:
    config = ConfigDict(
        {
            "epochs": 3,
            "steps_per_epoch": 8,
            "batch_size": BATCH_SIZE,
            "seed": 3,
            "checkpoint_every_steps": 3,
            "early_stopping_epochs": 5,
            "optimizer": {"learning_rate": 1e-2, "plateau_epochs": 1},
        }
    )
    config.update(changes)
    return config


def make_data() -> dict[str, np.ndarray]:
    """Raw counts and labels, as they would lie on the device."""
    random = np.random.default_rng(0)
    images = random.integers(0, 4096, (EXAMPLES, 8, 8, 2), dtype=np.uint16)
    target = 10 * images[:, :4].mean((1, 2, 3)).astype(np.float32) / 4095
    return {"image": images, "target": target}


def prepare(data: dict[str, jax.Array], raw: dict[str, jax.Array]) -> dict[str, jax.Array]:
    return {
        "image": data["image"][raw["index"]].astype(jnp.float32) / 4095.0,
        "target": data["target"][raw["index"]],
        "weight": raw["weight"],
        "index": raw["index"],
    }


def train_batches(start_step: int):
    """Endless batches of row numbers; that of a step depends on nothing but the step."""
    step = start_step
    while True:
        index = np.random.default_rng(step).integers(
            VALIDATION_EXAMPLES, EXAMPLES, BATCH_SIZE, dtype=np.int32
        )
        yield {"index": index, "weight": np.ones(BATCH_SIZE, np.float32)}
        step += 1


def validation_batches():
    """The validation rows once, the last batch padded with rows of weight 0."""
    for start in range(0, VALIDATION_EXAMPLES, BATCH_SIZE):
        index = np.arange(start, start + BATCH_SIZE, dtype=np.int32)
        weight = (index < VALIDATION_EXAMPLES).astype(np.float32)
        yield {"index": np.where(weight > 0, index, 0).astype(np.int32), "weight": weight}


def describe_batch(raw: dict[str, np.ndarray]) -> str:
    return ", ".join(f"D{row:02d}" for row in raw["index"])


def run(
    folder: Path, seconds_a_batch: float = 0.0, task: Task | None = None, **changes
) -> FitResult:
    """A whole `fit` in a folder; changes go to the config, or replace an argument of `fit`."""

    def slow(start_step: int):
        for raw in train_batches(start_step):
            time.sleep(seconds_a_batch)
            yield raw

    arguments = {
        "data": make_data(),
        "train_batches": slow,
        "validation_batches": validation_batches,
        "prepare": prepare,
        "describe_batch": describe_batch,
        "init_params": None,
    }
    arguments.update({key: changes.pop(key) for key in list(changes) if key in arguments})
    config = make_config(**changes)
    return fit(task or make_task(), config, folder=folder, name="tiny", **arguments)


def _main(folder: Path, seconds_a_batch: float) -> None:
    result = run(folder, seconds_a_batch)
    best = best_params(folder / "tiny" / "checkpoints")
    if not processes.first_goes_on_alone():
        return
    for name, params in (("last", result.state.params), ("best", best)):
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(params)]
        np.savez(folder / f"{name}.npz", *leaves)


if __name__ == "__main__":
    with processes.together(*sys.argv[3:] or [""]):
        _main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
