"""Label-free: what the stains would show, from brightfield alone.

    jaxcell train --config=label_free

trains one network on simulated plates of all three views. Of a field without stain it draws both
stains, gives every pixel the chance of showing a round cell (a T cell or one like it), a dendritic
cell, both or neither, and so a measure of interaction. `jaxcell predict RUN FOLDER` then takes
plates with brightfield alone; docs/results/label_free.md has the figures, and says what cannot be
seen without stain.
"""

from ml_collections import ConfigDict

from jaxcell.configs import default, segmentation


def get_config() -> ConfigDict:
    """Returns the configuration."""
    base, unet = default.get_config(), segmentation.get_config()
    config = ConfigDict()
    config.experiment = "label_free"
    config.plates = base.plates
    config.plates.simulate.update({"plates": 3, "light": ("base", "defocus", "uneven")})
    # Of a field of 2048 x 2048: cells without stain, which look like T cells. 0: all are stained
    config.plates.simulate.unstained_cells = 3200.0
    config.dataset = ConfigDict(
        {
            "inputs": ("brightfield",),  # what the network is shown: views, by their role
            "window": base.dataset.window,  # pixels, side of a patch of the table of patches
            "split_seed": 0,  # of the split, by well
            # What the tables tell: `true_overlap_share` or `true_iou`
            "target": "true_overlap_share",
        }
    )
    config.model = unet.model
    config.model.features = (24, 48, 64)  # channels of each stage
    config.training = unet.training
    config.training.update({"epochs": 14, "steps_per_epoch": 100})
    config.training.optimizer.update({"name": "muon", "learning_rate": 3e-3})
    config.evaluation = ConfigDict(
        {
            "coverage": base.evaluation.coverage,  # of prediction intervals
        }
    )
    config.machine = ConfigDict({"folder": base.machine.folder})
    return config
