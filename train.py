"""Trains a run from plates to report.

    python train.py
    python train.py --config=jaxcell/configs/default.py --config.data.plates=FOLDER

The first is the six-minute demonstration on simulated plates, the second trains on yours.
Started again with the same command it goes on where it was cut off.
"""

import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

DEMO = str(Path(__file__).parent / "jaxcell" / "configs" / "demo.py")
CONFIG = config_flags.DEFINE_config_file("config", DEMO, "the experiment")
WORKDIR = flags.DEFINE_string("workdir", "", "the run's folder; default: runs/NAME of the config")


def main(argv: list[str]) -> None:
    """Trains, evaluates and says how it went."""
    if len(argv) > 1:
        sys.exit(f"{argv[1]} is not a flag; settings are given as --config.NAME=VALUE")
    logging.set_verbosity(logging.ERROR)
    from jaxcell import cli
    from jaxcell.compute import backend  # heavy: not needed for --help

    backend.set_up()

    name = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    try:
        print(cli.train(CONFIG.value, Path(WORKDIR.value or f"runs/{name}")))
    except (ValueError, FileExistsError, FloatingPointError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    app.run(main)
