"""How `measure.py` measures plates: every field, with its unit and where it comes from."""

from ml_collections import ConfigDict

from jaxcell.configs import default
from jaxcell.measures import catalogue


def get_config() -> ConfigDict:
    """Returns the default measurement."""
    base = default.get_config()
    config = ConfigDict()
    config.data = ConfigDict(
        {
            "plates": "",  # given by --plates
            "views": base.data.views,
            "on_bad_image": "stop",  # given by --skip
            "folder": base.data.folder,  # where simulated plates are kept
        }
    )
    config.simulate = base.simulate
    # How cells are found: by the `instrument`'s protocols, by `two_means` or by `mean_sd`, all with
    # a watershed; or by the U-Net of --segmentation, which then needs none of these. Of the three
    # the instrument's comes closest to the truth of simulated plates; the README has the figures.
    config.mask_method = "instrument"
    config.mask_scope = "field"  # or `patch` (the study's): what a threshold is made from
    config.window = 192  # pixels, side of these patches (reference study)
    config.segmentation = ""  # given by --segmentation
    config.flat_field = False  # fields corrected for uneven light, estimated over each plate
    config.minimum_area_um2 = 6.6  # smaller cells are dropped
    config.pixel_um = base.data.pixel_um
    config.contact_um = catalogue.CONTACT_UM  # longest edge-to-edge distance of a contact
    config.near_um = catalogue.NEAR_UM  # up to which a T cell is near a dendritic cell
    # Length of each cell's granularity spectrum; takes longer than all else, 0 leaves it out
    config.granularity_steps = 6
    config.threads = 2  # wells measured at a time
    return config
