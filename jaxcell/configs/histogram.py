"""The smallest regressor: learns the overlap of our own masks from histograms.

    jaxcell train --config=histogram

A baseline. It learns the threshold that the label was made with, so its small error against the
label says little about cells; docs/results has its error against the truth.
"""

from ml_collections import ConfigDict

from jaxcell.configs import demo
from jaxcell.configs.default import with_label_of_masks


def get_config() -> ConfigDict:
    """Returns the six-minute experiment with the histogram regressor and the study's label."""
    config = with_label_of_masks(demo.get_config())
    config.model.regression = "soft_overlap"
    config.model.regressor = ConfigDict({"hidden": (32, 32)})  # units of the dense layers
    config.training.regressor.update({"epochs": 40, "augment": False})
    config.training.regressor.optimizer.update({"learning_rate": 1e-2, "clip_global_norm": 5.0})
    return config
