"""How long a person waits: for help, for imports, and for the first step of a training.

    python -m benchmarks.start_up [--repeats=5] [--json=FILE]

Every way is a process of its own, timed from its start to its end. The first step is that of the
default autoencoder on random patches, with all that train.py imports and with compiled programs
kept as it keeps them: in a folder that is empty, and in the one that a process just before has
filled. Reading plates and building their data set are no part of it. Ways take turns.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.timing import arguments, as_it_is, keep, table, take_turns
from jaxcell.compute.backend import WORTH_KEEPING

ROOT = Path(__file__).parents[1]
SCRIPTS = ("train.py", "evaluate.py", "measure.py")
HEADING = ["", "s", "fastest-slowest, s", "first call, s"]


def first_step() -> None:
    """Takes one training step and ends the process, which has nothing left to do."""
    import jax
    import numpy as np

    from jaxcell.compute import backend  # noqa: F401 - what train.py imports
    from jaxcell.compute.sharding import make_shardings
    from jaxcell.configs import default
    from jaxcell.models.build import make_models
    from jaxcell.training.optimizer import make_optimizer
    from jaxcell.training.state import make_init
    from jaxcell.training.steps import make_train_step
    from jaxcell.training.tasks import autoencoder_task

    backend.set_up()
    config = default.get_config()
    batch, window = config.training.autoencoder.batch_size, config.dataset.window
    task = autoencoder_task(make_models(config).autoencoder)
    optimizer = make_optimizer(1000, **config.training.autoencoder.optimizer)
    shardings = make_shardings(batch)
    image = np.random.default_rng(0).random((batch, window, window, 2), np.float32)
    raw = {"image": image, "weight": np.ones(batch, np.float32)}
    state = make_init(task, optimizer, as_it_is, shardings.replicated)((), raw, 0, {})
    step = make_train_step(task, optimizer, as_it_is, shardings)
    jax.block_until_ready(step(state, (), raw))
    os._exit(0)


def ways(folder: Path) -> dict[str, Callable[[], None]]:
    """What is timed, by name, in the order in which it is called.

    Args:
      folder: for compiled programs.
    """
    kept = []

    def empty() -> None:
        kept[:] = [tempfile.mkdtemp(dir=folder)]
        _python("-c", _FIRST_STEP, kept=kept[0])

    return {
        **{f"{script} --help": lambda script=script: _help(script) for script in SCRIPTS},
        "import jaxcell.cli": lambda: _python("-c", "import jaxcell.cli"),
        "first step, nothing compiled": empty,
        "first step, programs kept": lambda: _python("-c", _FIRST_STEP, kept=kept[0]),
    }


_FIRST_STEP = "from benchmarks.start_up import first_step; first_step()"


def _help(script: str) -> None:
    # absl ends with 1 after its help.
    run = subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True)
    if b"--help" not in run.stdout:
        raise RuntimeError(f"{script} --help gave no help: {run.stderr.decode()}")


def _python(*arguments: str, kept: str | None = None) -> None:
    """Runs Python to its end; `kept` is its folder of compiled programs."""
    environment = dict(os.environ)
    if kept:
        environment["JAX_COMPILATION_CACHE_DIR"] = kept
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = str(WORTH_KEEPING)
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True)


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    given = arguments(__doc__, repeats=5).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = take_turns(ways(Path(folder)), given.repeats)
    rows = [
        [name, f"{timing.median:.2f}", timing.spread, f"{timing.first:.2f}"]
        for name, timing in found.items()
    ]
    print(table(HEADING, rows))
    timings = {name: timing._asdict() for name, timing in found.items()}
    keep({"settings": vars(given), "start_up": timings}, given.json)


if __name__ == "__main__":
    main()
