"""The reference study's U-Net: learns the masks that label the data sets, patch by patch.

    jaxcell train --config=mask_unet

Expect a pixel IoU of about 0.8 against the masks of held-out wells; docs/results has the figures.
"""

from ml_collections import ConfigDict

from jaxcell.configs import demo, segmentation
from jaxcell.configs.default import with_label_of_masks


def get_config() -> ConfigDict:
    """Returns the demo's data with the segmentation's network."""
    base, unet = with_label_of_masks(demo.get_config()), segmentation.get_config()
    config = ConfigDict()
    config.experiment = "masks"
    config.plates, config.dataset = base.plates, base.dataset
    config.model, config.training = unet.model, unet.training
    del config.training.crop, config.training.steps_per_epoch
    config.training.epochs = 5
    config.evaluation = ConfigDict(
        {"batch_size": base.evaluation.batch_size, "colours": base.evaluation.colours}
    )
    config.machine = base.machine
    return config
