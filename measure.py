"""Measures how the cells of plates interact: every well, every cell; nothing is trained.

    python measure.py --plates=FOLDER
    python measure.py --plates=FOLDER --segmentation=runs/segmentation --config.flat_field=True

Writes tables of wells and cells and a report that says of each well whether its cells interact or
meet by chance. Started again with the same command it goes on where it was cut off.
"""

import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

DEFAULT = str(Path(__file__).parent / "jaxcell" / "configs" / "measure.py")
CONFIG = config_flags.DEFINE_config_file("config", DEFAULT, "how is measured")
PLATES = flags.DEFINE_string("plates", "", "folder of plates; default: simulated ones")
OUT = flags.DEFINE_string("out", "", "folder of the results; default: runs/measured-FOLDER")
SEGMENTATION = flags.DEFINE_string("segmentation", "", "run of a U-Net that finds the cells")
CONDITION = flags.DEFINE_string("condition", None, "condition of wells that no layout describes")
SKIP = flags.DEFINE_bool("skip", False, "leave bad images out and list them, instead of stopping")


def main(argv: list[str]) -> None:
    """Measures and says how it went."""
    if len(argv) > 1:
        sys.exit(f"{argv[1]} is not a flag; settings are given as --config.NAME=VALUE")
    logging.set_verbosity(logging.ERROR)
    from jaxcell.compute import backend
    from jaxcell.experiments.measurement import measure  # heavy: not needed for --help

    backend.set_up()

    config = CONFIG.value
    config.data.plates, config.segmentation = PLATES.value, SEGMENTATION.value
    config.data.on_bad_image = "skip" if SKIP.value else "stop"
    name = Path(PLATES.value).resolve().name if PLATES.value else "simulated"
    out = OUT.value or f"runs/measured-{name}"
    try:
        print(measure.measure_plates(config, Path(out), CONDITION.value))
    except (ValueError, FileExistsError) as error:
        sys.exit(f"\n{error}")


if __name__ == "__main__":
    app.run(main)
