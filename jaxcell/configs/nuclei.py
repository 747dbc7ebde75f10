"""The U-Net on real nuclei: images of one view with their labels, such as the Data Science Bowl's.

    jaxcell train --config=nuclei --config.plates.pairs=FOLDER

`FOLDER` holds NAME_image.tif with NAME_labels.tif. Expect an F1 at IoU 0.5 above 0.85 on the images
held out; docs/results has the figures.
"""

from ml_collections import ConfigDict

from jaxcell.configs import segmentation


def get_config() -> ConfigDict:
    """Returns the segmentation of plates, changed to pairs of 8-bit images."""
    config = segmentation.get_config()
    config.plates.kind = "nucleus"
    # um; the Data Science Bowl does not say: so its nuclei, 14 pixels wide, have 9 um
    config.plates.pixel_um = 0.65
    config.dataset.minimum_area = 10
    config.training.epochs = 18
    # Share of the crops shown as if their pixels were twice as wide: images of a lower
    # magnification, which are resampled, look so
    config.training.coarse = 0.25
    return config
