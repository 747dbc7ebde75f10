"""A dense regressor on the default encoder: for targets that two masks alone do not tell.

    python train.py --config=dense --config.dataset.target=contact_share

Any name in jaxcell/measures/catalogue.py can be the target. For overlap itself the default
regressor is several times as exact; docs/results has the figures of both.
"""

from ml_collections import ConfigDict

from jaxcell.configs import default
from jaxcell.configs.default import with_label_of_masks


def get_config() -> ConfigDict:
    """Returns the default configuration with a dense regressor."""
    config = with_label_of_masks(default.get_config())
    config.model.regression = "dense"
    config.model.regressor = ConfigDict(
        {
            "hidden": (128, 64),  # units of the dense layers
            "dropout": 0.15,  # share of the first layer's units that is left out in training
        }
    )
    config.training.regressor.update({"epochs": 20})
    config.training.regressor.optimizer.learning_rate = 1e-3
    return config
