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
    config.dataset.minimum_contrast = 5.0  # grey levels: the images are 8-bit and some are very dim
    config.dataset.minimum_area = 10
    config.training.epochs = 18
    return config
