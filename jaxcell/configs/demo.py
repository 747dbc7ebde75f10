"""The six-minute experiment: what `python train.py` runs without arguments.

    python train.py

Simulates two small plates, builds the data set, trains both models, writes runs/demo/report.
"""

from ml_collections import ConfigDict

from jaxcell.configs import default


def get_config() -> ConfigDict:
    """Returns the default configuration on less data and fewer epochs."""
    config = default.get_config()
    config.plates.simulate.update({"plates": 2, "rows": 6, "columns": 9, "field_size": 768})
    config.plates.simulate.light = ("base", "varied")
    config.training.autoencoder.epochs = 5
    config.training.regressor.epochs = 21
    return config
