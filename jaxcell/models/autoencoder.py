"""The autoencoder: an encoder and the decoder that mirrors it."""

import flax.linen as nn
from jax import Array

from jaxcell.models.decoder import Decoder, ResidualDecoder
from jaxcell.models.encoder import Encoder, ResidualEncoder


class Autoencoder(nn.Module):
    """Compresses patches to codes and gives their logits back.

    Attributes:
      encoder: `Encoder` or `ResidualEncoder`.
      decoder: `Decoder` or `ResidualDecoder` of the same hyperparameters.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __call__(self, image: Array) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> logits float32 [B, H, W, 2]."""
        return self.decoder(self.encoder(image))

    def encode(self, image: Array) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> code float32 [B, latent size]."""
        code = self.encoder(image)
        return code.reshape(len(code), -1).astype("float32")


def plain_autoencoder(window: int, latent_dim: int, **hyperparameters) -> Autoencoder:
    """The reference study's architecture; `hyperparameters` as in `Encoder`."""
    return Autoencoder(
        Encoder(latent_dim=latent_dim, **hyperparameters),
        Decoder(window=window, **hyperparameters),
    )


def residual_autoencoder(window: int, latent_dim: int, **hyperparameters) -> Autoencoder:
    """The default architecture; `hyperparameters` as in `ResidualEncoder`."""
    return Autoencoder(
        ResidualEncoder(latent_dim=latent_dim, **hyperparameters),
        ResidualDecoder(window=window, **hyperparameters),
    )
