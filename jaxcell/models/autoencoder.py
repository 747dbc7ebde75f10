"""The autoencoder: an encoder and the decoder that mirrors it."""

from collections.abc import Sequence

import flax.linen as nn
from jax import Array

from jaxcell.models.decoder import Decoder, ResidualDecoder
from jaxcell.models.encoder import Encoder, ResidualEncoder
from jaxcell.models.nested import first_numbers


class Autoencoder(nn.Module):
    """Compresses patches to codes by an encoder and gives their logits back by its decoder."""

    encoder: nn.Module
    decoder: nn.Module

    def __call__(self, image: Array, kept: Array | None = None) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> logits float32 [B, H, W, 2].

        The decoder is given the first `kept` int [B] numbers of each dense code (None: all), and
        zeros in place of the others.
        """
        code = self.encoder(image)
        return self.decoder(code if kept is None else first_numbers(code, kept), kept)

    def encode(self, image: Array) -> Array:
        """Image float [B, H, W, 2] in [0, 1] -> code float32 [B, latent size]."""
        code = self.encoder(image)
        return code.reshape(len(code), -1).astype("float32")


def plain_autoencoder(
    window: int,
    latent_dim: int,
    nested_sizes: Sequence[int] = (),
    downsampling: str = "pool",
    **hyperparameters,
) -> Autoencoder:
    """The reference study's architecture; fields as in `Encoder` and `Decoder`."""
    return Autoencoder(
        Encoder(latent_dim=latent_dim, downsampling=downsampling, **hyperparameters),
        Decoder(window=window, nested_sizes=nested_sizes, **hyperparameters),
    )


def residual_autoencoder(
    window: int, latent_dim: int, nested_sizes: Sequence[int] = (), **hyperparameters
) -> Autoencoder:
    """The default architecture; fields as in `ResidualEncoder` and `ResidualDecoder`."""
    return Autoencoder(
        ResidualEncoder(latent_dim=latent_dim, **hyperparameters),
        ResidualDecoder(window=window, nested_sizes=nested_sizes, **hyperparameters),
    )
