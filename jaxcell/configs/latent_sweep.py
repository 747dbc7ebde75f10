"""How small may a code be? Every latent size, several seeds, one command.

    jaxcell train --config=latent_sweep
    jaxcell train --config=latent_sweep --config.sweep.plan=True
    jaxcell train --config=latent_sweep --config.sweep.shard=1/4

The first trains, measures and reports all; the second only says what it would do and how long
that takes; the third does its share, and the first, called later, collects. The same on the
reference study's network, best on an accelerator: `--config=latent_sweep:study`.

Expect about an hour on two cores; docs/results has the curve.
"""

from ml_collections import ConfigDict

from jaxcell.configs import demo, dissertation
from jaxcell.configs.default import with_label_of_masks


def get_config(network: str = "small") -> ConfigDict:
    """Returns the demonstration's data, a network that answers from its code, and the grid.

    Args:
      network: `small`, or `study` for the reference study's.
    """
    config = with_label_of_masks(demo.get_config())
    config.experiment = "sweep"
    # The default network at less than half its arithmetic, with the study's 6 x 6 places.
    config.model.autoencoder.update({"patch": 16, "code_features": 32})
    if network == "study":
        config.model = dissertation.get_config().model
    elif network != "small":
        raise ValueError(f"latent_sweep:{network} is not there: use small or study")
    # Interaction is read from the code, so that its size matters; the encoder is trained on.
    config.model.regression = "dense"
    config.model.regressor = ConfigDict({"hidden": (128, 64), "dropout": 0.15})
    config.training.regressor.update({"epochs": 8, "augment": True})
    config.training.regressor.optimizer.update({"learning_rate": 1e-3, "clip_global_norm": 1.0})
    config.sweep = ConfigDict(
        {
            # The grid: every combination is trained. An empty axis stays as the config says.
            "latent_dim": (2, 4, 8, 16, 64, 256, 512, 1152, 0),  # 0: the spatial code, 6 x 6 x 32
            "seed": (0, 1, 2),  # training.seed of each
            "window": (),  # pixels: (96, 192, 384)
            "depth": (),  # stages, of the study's network poolings: (3, 4, 5)
            "masked": (),  # (False, True)
            "activation": (),  # ("prelu", "relu"), the study's network
            "downsampling": (),  # ("pool", "stride"), the study's network
            "loss": (),  # ("cross_entropy", "squared_error")
            "learning_rate": (),  # of the autoencoder: (1e-3, 3e-3)
            # One more model a seed, of the largest size, whose first k numbers are a code of size k
            "nested": True,
            "nested_epochs": 13,  # of its autoencoder; the others have autoencoder.epochs
            "shard": "1/1",  # this call's share, i/n, of the members
            "plan": False,  # only say what would be done
        }
    )
    return config
