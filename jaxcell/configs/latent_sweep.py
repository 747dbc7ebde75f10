"""How small may a code be? Every latent size, several seeds, one command.

    python train.py --config=jaxcell/configs/latent_sweep.py
    python train.py --config=jaxcell/configs/latent_sweep.py --config.sweep.plan=True
    python train.py --config=jaxcell/configs/latent_sweep.py --config.sweep.shard=1/4

The first trains, measures and reports all; the second only says what it would do and how long
that takes; the third does its share, and the first, called later, collects. On another network,
such as the reference study's, put `--config.model...` behind, or start from the fields here.
"""

from ml_collections import ConfigDict

from jaxcell.configs import demo


def get_config() -> ConfigDict:
    """Returns the demonstration's data, a small network that answers from its code, and the grid.
    """
    config = demo.get_config()
    config.experiment = "sweep"
    # The default network at a third of its arithmetic, with the reference study's 6 x 6 places.
    config.model.autoencoder.update({"patch": 16, "code_features": 32})
    # Interaction is read from the code, so that its size matters; the encoder is trained on.
    config.model.regression = "dense"
    config.model.regressor = ConfigDict({"hidden": (128, 64), "dropout": 0.15})
    config.regressor.update({"epochs": 8, "augment": True})
    config.regressor.optimizer.update({"learning_rate": 1e-3, "clip_global_norm": 1.0})
    config.sweep = ConfigDict(
        {
            # The grid: every combination is trained. An empty axis stays as the config says.
            "latent_dim": (2, 4, 8, 16, 64, 256, 512, 1152, 0),  # 0: the spatial code, 6 x 6 x 32
            "seed": (0, 1, 2),
            "window": (),  # pixels: (96, 192, 384)
            "depth": (),  # stages: (3, 4, 5) poolings of the plain architecture
            "masked": (),  # (False, True)
            "activation": (),  # ("prelu", "relu"), plain architecture
            "downsampling": (),  # ("pool", "stride"), plain architecture
            "loss": (),  # ("cross_entropy", "squared_error")
            # One more model a seed, of the largest size, whose first k numbers are a code of size k
            "nested": True,
            "nested_epochs": 8,  # of its autoencoder; the others have autoencoder.epochs
            "shard": "1/1",  # this call's share, i/n, of the members
            "plan": False,  # only say what would be done
        }
    )
    return config
