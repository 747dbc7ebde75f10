"""Deep segmentation: a U-Net that finds T cells and dendritic cells and separates those that touch.

    python train.py --config=jaxcell/configs/segmentation.py

trains on simulated plates, whose true cells are known, and evaluates on wells held out, beside
threshold and watershed; the README has the figures. The run then measures your plates:

    python measure.py --plates=FOLDER --segmentation=runs/segmentation
"""

from ml_collections import ConfigDict

from jaxcell.configs import default


def get_config() -> ConfigDict:
    """Returns the configuration."""
    base = default.get_config()
    config = ConfigDict()
    config.experiment = "segmentation"
    config.seed = 0  # of parameters and crops
    config.data = ConfigDict(
        {
            "plates": "",  # folder of simulated plates with their truth; empty: simulated first
            "views": base.data.views,
            "on_bad_image": "stop",
            "pairs": "",  # instead of plates: folder of NAME_image.tif with NAME_labels.tif
            "kind": "",  # what the cells of `pairs` are
            "split_seed": 0,  # of the split, by well (of `pairs`: by image)
            "pixel_um": base.data.pixel_um,  # um, edge of a pixel; of `pairs` nobody asks
            "minimum_contrast": 150.0,  # counts, see dataset.labelled.scale_view
            "minimum_area": 12,  # pixels; smaller cells are dropped
            "folder": "data",
        }
    )
    config.simulate = base.simulate.copy_and_resolve_references()
    config.unet = ConfigDict(
        {
            "features": (24, 48, 64, 96),  # channels of each stage
            "patch": 2,  # pixels; squares moved into channels first
            "dtype": "float32",  # or bfloat16: of the arithmetic, parameters stay float32
        }
    )
    config.training = ConfigDict(
        {
            "crop": 128,  # pixels, side of a training crop
            "epochs": 15,
            "steps_per_epoch": 80,
            "batch_size": 16,
            "checkpoint_every_steps": 0,  # besides the end of each epoch
            "early_stopping_epochs": 0,
            "optimizer": {
                "name": "adamw",
                "learning_rate": 2e-3,
                "weight_decay": 1e-4,
                "warmup_steps": 20,
                "decay": "cosine",
                "clip_global_norm": 1.0,
            },
        }
    )
    return config
