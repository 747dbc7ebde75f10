"""The reference study to the letter: its networks, its losses, its recipe.

    jaxcell train --config=dissertation --workdir=runs/dissertation

The study reports RMSE / SD of truth 0.379 on plain and 0.239 on masked images
(`--config.dataset.masked=True`), on patches of wells that it had trained on
(`--config.dataset.split_by=random_patch`); here wells are held out unless you say so.
"""

from ml_collections import ConfigDict

from jaxcell.configs import default
from jaxcell.configs.default import with_label_of_masks


def get_config() -> ConfigDict:
    """Returns the reference study's architecture and training recipe."""
    config = with_label_of_masks(default.get_config())
    config.dataset.background_counts = 255.0  # counts; unstained cells glow up to there
    config.dataset.minimum_contrast_counts = (
        150.0  # counts; not the study's, which had no such test
    )
    config.dataset.dark_counts = 48.0  # counts; under the droplet of the study's field
    config.model.architecture = "plain"
    config.model.autoencoder = ConfigDict(
        {
            "features": (64, 32, 32, 32),
            "code_features": 32,
            "activation": "prelu",  # or relu
            "downsampling": "pool",  # or stride
        }
    )
    # Answers the study's target, iou, in percent as it is; others in SDs from their mean.
    config.model.regression = "dense"
    config.model.regressor = ConfigDict({"hidden": (128, 64), "dropout": 0.15})
    recipe = {
        "epochs": 40,
        "batch_size": 64,
        "checkpoint_every_steps": 50,
        "early_stopping_epochs": 5,
        "augment": False,
        "optimizer": {
            "name": "adam",
            "learning_rate": 1e-3,  # Keras's default
            "epsilon": 1e-7,  # Keras's default
            "plateau_epochs": 3,  # without progress, after which the rate falls; 0: never
            "plateau_factor": 0.2,  # what the rate is then multiplied by
            "minimum_learning_rate": 1e-4,  # of a plateau
        },
    }
    config.training.autoencoder = ConfigDict({**recipe, "loss": "cross_entropy"})
    config.training.regressor = ConfigDict(recipe)
    return config
