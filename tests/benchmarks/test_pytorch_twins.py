"""PyTorch's twins are the same functions; skipped where PyTorch is not installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.models.autoencoder import plain_autoencoder, residual_autoencoder
from jaxcell.models.interaction_unet import InteractionUNet
from jaxcell.models.regressor import DenseRegressor
from jaxcell.models.unet import UNet

torch = pytest.importorskip("torch")
PLAIN = plain_autoencoder(32, 0, features=(5, 4), code_features=3, activation="prelu")
MODELS = {
    "plain": PLAIN,
    "residual": residual_autoencoder(32, 0, patch=4, features=(8, 16), blocks=2, code_features=3),
    "regressor": DenseRegressor(PLAIN.encoder, hidden=(7, 5)),
    "truth": InteractionUNet(features=(4, 6)),
    "unet": UNet(outputs=3, features=(4, 6, 8), patch=2),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_twin_answers_the_same(name):
    from benchmarks.pytorch_twins import torch_network

    model = MODELS[name]
    image = np.random.default_rng(0).random((2, 32, 32, 2), np.float32)
    params = jax.jit(model.init)(jax.random.key(0), image)["params"]
    random = np.random.default_rng(1)
    params = jax.tree.map(  # off their start, where slopes and last layers are zero
        lambda leaf: leaf + jnp.asarray(0.1 * random.normal(size=leaf.shape), jnp.float32), params
    )
    here = np.asarray(model.apply({"params": params}, image))
    twin = torch_network(model, params).to(memory_format=torch.channels_last)
    there = twin(torch.from_numpy(image).permute(0, 3, 1, 2)).detach()
    there = there.permute(0, 2, 3, 1) if there.ndim == 4 else there
    np.testing.assert_allclose(there.numpy(), here, rtol=1e-3, atol=1e-4 * np.abs(here).max())
    assert sum(own.numel() for own in twin.parameters()) == sum(
        leaf.size for leaf in jax.tree.leaves(params)
    )


def test_what_has_no_twin_is_said():
    from benchmarks.pytorch_twins import torch_network

    with pytest.raises(TypeError, match="has no twin"):
        torch_network(PLAIN.encoder, {})
