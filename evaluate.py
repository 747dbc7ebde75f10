"""Evaluates a run on the wells it held out, or on any plates.

    python evaluate.py --workdir=runs/demo [--standardise]
    python evaluate.py --workdir=runs/demo --plates=FOLDER [--condition=NAME] [--skip]
"""

import sys
from pathlib import Path

from absl import app, flags, logging

WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder", required=True)
PLATES = flags.DEFINE_string("plates", "", "folder of plates; default: the run's held-out wells")
CONDITION = flags.DEFINE_string("condition", None, "condition of wells that no layout describes")
SKIP = flags.DEFINE_bool("skip", False, "leave bad images out and list them, instead of stopping")
STANDARDISE = flags.DEFINE_bool(
    "standardise", False, "standardise codes plate by plate on control wells before all analyses"
)


def main(argv: list[str]) -> None:
    """Evaluates and says how it went."""
    if len(argv) > 1:
        sys.exit(f"{argv[1]} is not a flag: see python evaluate.py --help")
    logging.set_verbosity(logging.ERROR)
    from jaxcell import cli
    from jaxcell.compute import backend  # heavy: not needed for --help

    backend.set_up()

    try:
        print(cli.evaluate(
            Path(WORKDIR.value), PLATES.value, CONDITION.value, SKIP.value, STANDARDISE.value
        ))
    except (ValueError, FileExistsError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    app.run(main)
