"""Deep segmentation: a U-Net that finds T cells and dendritic cells and separates those that touch.

    jaxcell train --config=segmentation

trains on simulated plates, whose true cells are known, and evaluates on wells held out, beside
threshold and watershed; docs/results has the figures. The run then measures your plates:

    jaxcell measure FOLDER --segmentation=runs/segmentation
"""

from ml_collections import ConfigDict

from jaxcell.configs import default
from jaxcell.configs.default import in_usual_light


def get_config() -> ConfigDict:
    """Returns the configuration."""
    base = in_usual_light(default.get_config())
    config = ConfigDict()
    config.experiment = "segmentation"
    config.plates = base.plates
    config.plates.update(
        {
            "pairs": "",  # instead of plates: folder of NAME_image.tif with NAME_labels.tif
            "kind": "",  # what the cells of `pairs` are
        }
    )
    config.dataset = ConfigDict(
        {
            "split_seed": 0,  # of the split, by well (of `pairs`: by image)
            # Counts between dark and bright, below which a view is not stretched; 0: by the noise
            # of each view
            "minimum_contrast": 0.0,  # counts
            "minimum_area": 12,  # pixels; smaller cells are dropped
        }
    )
    config.model = ConfigDict(
        {
            "features": (24, 48, 64, 96),  # channels of each stage
            "patch": 2,  # pixels; squares moved into channels first
            "dtype": "float32",  # or bfloat16: of the arithmetic, parameters stay float32
        }
    )
    config.training = ConfigDict(
        {
            "seed": 0,  # of parameters and crops
            "crop": 128,  # pixels, side of a training crop
            "epochs": 15,  # at most
            "steps_per_epoch": 80,  # of a batch each
            "batch_size": 16,  # crops
            "checkpoint_every_steps": 0,  # besides the end of each epoch; 0: never
            "early_stopping_epochs": 0,  # without progress; 0: never
            "optimizer": {
                "name": "adamw",  # `adam`, `adamw` or `muon`
                "learning_rate": 2e-3,  # the highest
                "weight_decay": 1e-4,  # of kernels alone
                "warmup_steps": 20,  # of linear rise from zero
                "decay": "cosine",  # to zero at the last step; or constant
                "clip_global_norm": 1.0,  # largest norm of all gradients; 0: any
            },
        }
    )
    config.evaluation = ConfigDict({"colours": base.evaluation.colours})
    config.machine = ConfigDict({"folder": base.machine.folder})
    return config
