"""Nested codes: each size has a say of its own, and only its own."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxcell.models.autoencoder import residual_autoencoder
from jaxcell.models.nested import SizeAdjustment

SIZES = (2, 6)


def test_each_size_has_its_own_scale_and_shift():
    layer = SizeAdjustment(SIZES)
    x = jnp.array([[1.0, 2.0]] * 4)
    params = layer.init(jax.random.key(0), x, None)
    np.testing.assert_array_equal(layer.apply(params, x, None), x)  # nothing, to begin with
    params = {"params": {
        "scale": jnp.array([[2.0, 2.0], [1.0, 3.0]]),
        "shift": jnp.array([[0.5, 0.0], [0.0, -1.0]]),
    }}  # fmt: skip
    short, long = [2.5, 4.0], [1.0, 5.0]
    # A size in between goes with the next larger; all of a code is the largest.
    found = layer.apply(params, x, jnp.array([1, 2, 3, 6], jnp.int32))
    np.testing.assert_allclose(found, [short, short, long, long])
    np.testing.assert_allclose(layer.apply(params, x, None), [long] * 4)


def test_a_size_is_trained_by_its_own_patches_alone():
    model = residual_autoencoder(32, 6, SIZES, patch=8, features=(8, 16), blocks=1, code_features=4)
    image = jax.random.uniform(jax.random.key(1), (3, 32, 32, 2))
    params = jax.jit(model.init)(jax.random.key(0), image)

    def loss(params, kept):
        return jnp.mean(jnp.square(model.apply(params, image, jnp.full(3, kept, jnp.int32))))

    gradients = jax.jit(jax.grad(loss))(params, 2)["params"]
    for of_sizes in jax.tree.leaves(gradients["decoder"]["SizeAdjustment_0"]):
        assert np.all(of_sizes[1] == 0) and np.any(of_sizes[0] != 0)
    bottleneck = gradients["encoder"]["bottleneck"]["kernel"]
    assert np.any(bottleneck[:, :2] != 0) and np.all(bottleneck[:, 2:] == 0)
