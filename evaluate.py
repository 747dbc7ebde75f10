"""Evaluates a run on the wells it held out, or on any plates.

    python evaluate.py --workdir=runs/demo
    python evaluate.py --workdir=runs/demo --plates=FOLDER [--condition=NAME] [--skip]
"""

import sys
import time
from pathlib import Path

from absl import app, flags, logging

WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder", required=True)
PLATES = flags.DEFINE_string("plates", "", "folder of plates; default: the run's held-out wells")
CONDITION = flags.DEFINE_string("condition", None, "condition of wells that no layout describes")
SKIP = flags.DEFINE_bool("skip", False, "leave bad images out and list them, instead of stopping")


def main(argv: list[str]) -> None:
    """Evaluates and says how it went."""
    if len(argv) > 1:
        sys.exit(f"{argv[1]} is not a flag: see python evaluate.py --help")
    logging.set_verbosity(logging.ERROR)
    from jaxcell import evaluation, experiment  # heavy: not needed for --help
    from jaxcell.report.closing import closing_table

    workdir, report, began = Path(WORKDIR.value), Path(WORKDIR.value) / "report", time.monotonic()
    try:
        config, run = experiment.load(workdir)
        if PLATES.value:
            config.data.plates = PLATES.value
            config.data.on_bad_image = "skip" if SKIP.value else "stop"
            plates = experiment.load_plates(config, CONDITION.value)
            name = Path(PLATES.value).resolve().name
            metrics, report = evaluation.evaluate_plates(workdir, config, run, plates, name)
        else:
            metrics = evaluation.evaluate_run(workdir, config, run)
    except (ValueError, FileExistsError) as error:
        sys.exit(f"\n{error}")
    print(closing_table(metrics, report / "index.html", time.monotonic() - began))


if __name__ == "__main__":
    app.run(main)
