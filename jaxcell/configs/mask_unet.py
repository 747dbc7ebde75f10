"""The reference study's U-Net: learns the masks that label the data sets, patch by patch.

    python train.py --config=jaxcell/configs/mask_unet.py

Expect a pixel IoU of about 0.8 against the masks of held-out wells; the README has the figures.
"""

from ml_collections import ConfigDict

from jaxcell.configs import demo, segmentation


def get_config() -> ConfigDict:
    """Returns the demo's data with the segmentation's network."""
    base, unet = demo.get_config(), segmentation.get_config()
    config = ConfigDict()
    config.experiment = "masks"
    for name in ("seed", "data", "simulate", "evaluation"):
        config[name] = base[name]
    config.unet = unet.unet
    config.training = unet.training
    del config.training.crop, config.training.steps_per_epoch
    config.training.epochs = 5
    return config
