"""Predicts every well of any plates with a trained run: two tables, no report.

    python predict.py --workdir=runs/demo --plates=FOLDER [--skip]

Writes `runs/demo/predictions-FOLDER/wells.csv` and `patches.parquet`. No layout is needed, and no
labels are computed: to judge the predictions use evaluate.py.
"""

import sys
from pathlib import Path

from absl import app, flags, logging

WORKDIR = flags.DEFINE_string("workdir", None, "the run's folder", required=True)
PLATES = flags.DEFINE_string("plates", None, "folder of plates", required=True)
SKIP = flags.DEFINE_bool("skip", False, "leave bad images out and list them, instead of stopping")


def main(argv: list[str]) -> None:
    """Predicts and says how it went."""
    if len(argv) > 1:
        sys.exit(f"{argv[1]} is not a flag: see python predict.py --help")
    logging.set_verbosity(logging.ERROR)
    from jaxcell.compute import backend  # heavy: not needed for --help
    from jaxcell.experiments.interaction.predict import predict_folder

    backend.set_up()

    try:
        print(predict_folder(Path(WORKDIR.value), PLATES.value, SKIP.value))
    except (ValueError, FileExistsError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    app.run(main)
