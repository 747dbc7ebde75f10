"""How plates are measured: every field, with its unit and where it comes from.

jaxcell measure FOLDER
"""

from ml_collections import ConfigDict

from jaxcell.configs import default
from jaxcell.configs.default import in_usual_light
from jaxcell.measures import field


def get_config() -> ConfigDict:
    """Returns the default measurement."""
    base = in_usual_light(default.get_config())
    config = ConfigDict()
    config.experiment = "measurement"
    config.plates = base.plates
    # Of the three ways to find cells, the instrument's comes closest to the truth of simulated
    # plates; docs/results has the figures.
    config.dataset = ConfigDict(
        {
            # How cells are found: `instrument`, the IN Cell's protocols; `two_means`; `mean_sd`;
            # all with a watershed
            "mask_method": "instrument",
            "mask_scope": "field",  # or `patch` (the study's): what a threshold is made from
            "window": 192,  # pixels, side of these patches (reference study)
            "flat_field": False,  # fields corrected for uneven light, estimated over each plate
            "dark_counts": 0.0,  # counts of the camera in the dark, unshaded; 0: estimated too
        }
    )
    config.measurement = ConfigDict(
        {
            # Kinds of cells, one or several, each with its view in plates.views; of a pair the
            # first is the one that is in contact with the second. What else may be said of one,
            # `kinds.NAME.plural` and so on, is in docs/how-to/kinds-of-cells
            "kinds": ("t_cell", "dendritic_cell"),
            # Whose interaction is asked, `FIRST:SECOND`; empty: every kind with every later one
            "pairs": (),
            # Run of a U-Net that finds the cells; the ways to find them above then do not matter
            "segmentation": "",
            # Folder of label images of another program, whose cells are measured; a column `labels`
            # of images.csv does the same
            "labels_from": "",
            "minimum_area_um2": 6.6,  # um2; smaller cells are dropped
            "contact_um": field.CONTACT_UM,  # um, longest edge-to-edge distance of a contact
            "near_um": field.NEAR_UM,  # um, up to which a T cell is near a dendritic cell
            # Length of each cell's granularity spectrum; takes longer than all else, 0: none
            "granularity_steps": 6,
            "labels": False,  # write every field's cells as label images
            "empty_wells": False,  # measure wells that the layout calls empty too, if photographed
        }
    )
    config.evaluation = ConfigDict({"colours": base.evaluation.colours})
    config.machine = ConfigDict({"folder": base.machine.folder})
    config.machine.threads = 2  # wells measured at a time
    return config
