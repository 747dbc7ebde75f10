"""A run small enough for tests: its flags, its config, and a look at what it left."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from jaxcell.configs import default

ROOT = Path(__file__).parents[2]
# Commands that are started again and again find their programs compiled, and nobody's own cache is
# touched.
_COMPILED = tempfile.TemporaryDirectory(prefix="jaxcell-compiled-")
SETTINGS = {
    "plates.simulate.plates": 1,
    "plates.simulate.rows": 3,
    "plates.simulate.columns": 6,
    "plates.simulate.field_size": 192,
    "dataset.window": 96,
    "dataset.stride": 96,
    "model.autoencoder.features": (8, 16),
    "model.autoencoder.code_features": 4,
    "model.regressor.features": (8, 8),
    "training.autoencoder.epochs": 2,
    "training.autoencoder.batch_size": 8,
    "training.autoencoder.checkpoint_every_steps": 2,
    "training.autoencoder.optimizer.warmup_steps": 1,
    "training.regressor.epochs": 2,
    "training.regressor.batch_size": 8,
    "training.regressor.checkpoint_every_steps": 2,
    "training.regressor.optimizer.warmup_steps": 1,
    "evaluation.batch_size": 8,
    "evaluation.projections": ("PCA",),
}


def make_config(folder: Path, **changes) -> ConfigDict:
    """The tiny config; `folder` keeps simulated plates and data sets.

    Args:
      folder: for `machine.folder`.
      **changes: dotted names with `__` for the dots.
    """
    config = default.get_config()
    changes = {name.replace("__", "."): value for name, value in changes.items()}
    config.update_from_flattened_dict({**SETTINGS, "machine.folder": str(folder), **changes})
    return config


def start(
    command: str,
    *arguments: str,
    devices: int = 1,
    settings: dict | None = None,
    config: str = "default",
) -> subprocess.Popen:
    """Starts `jaxcell COMMAND`; `settings` are those of the config to change."""
    words = [sys.executable, "-m", "jaxcell.cli", command, *arguments]
    if settings is not None:
        words.append(f"--config={config}")
        words += [f"--config.{name}={value}" for name, value in settings.items()]
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        # One device, as on a user's machine; compiling is most of what so small a run does.
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} "
        "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": _COMPILED.name,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, seconds: float = 300) -> str:
    """Waits for a command that must succeed; returns what it printed."""
    output, errors = process.communicate(timeout=seconds)
    assert process.returncode == 0, output + errors
    return output


def latest_arrays(workdir: Path, name: str) -> tuple[int, list[np.ndarray]]:
    """Step and all arrays of a network's latest checkpoint, optimizer and all."""
    import orbax.checkpoint as ocp

    steps = [path for path in (workdir / name / "checkpoints").iterdir() if path.name.isdigit()]
    latest = max(steps, key=lambda path: int(path.name))
    state = ocp.StandardCheckpointer().restore(latest.absolute() / "default")
    return int(latest.name), [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
