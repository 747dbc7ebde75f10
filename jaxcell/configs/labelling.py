"""What is drawn for a person to annotate: every field, with its unit.

jaxcell label FOLDER --patches 120 --out SHEET
"""

from ml_collections import ConfigDict

from jaxcell.configs import default


def get_config() -> ConfigDict:
    """Returns the default labelling sheet."""
    base = default.get_config()
    config = ConfigDict()
    config.experiment = "labelling"
    config.plates = base.plates
    config.labelling = ConfigDict(
        {
            "patches": 120,  # drawn, in turn of each condition and in it of each well
            "window": base.dataset.window,  # pixels, side of a patch; runs answer for their own
            "enlarged": 4,  # screen pixels a pixel of the pictures
            "seed": 0,  # of the draw
        }
    )
    config.evaluation = ConfigDict({"colours": base.evaluation.colours})
    config.machine = ConfigDict({"folder": base.machine.folder})
    return config
