"""The two autoencoders: the study's to the letter, and both sound."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.models.autoencoder import plain_autoencoder, residual_autoencoder

STUDY = {"features": (64, 32, 32, 32), "code_features": 32, "activation": "prelu"}
SMALL = {
    "plain": {"features": (8, 8), "code_features": 2},
    "residual": {"patch": 4, "features": (8, 16), "code_features": 2},
}
MAKE = {"plain": plain_autoencoder, "residual": residual_autoencoder}
KINDS = sorted(MAKE)


def _shapes(model, window: int, method=None):
    """Parameters and output without any arithmetic."""
    image = jax.ShapeDtypeStruct((3, window, window, 2), jnp.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), image)
    out = jax.eval_shape(lambda p, x: model.apply(p, x, method=method), params, image)
    return params["params"], out


def _count(params) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def _small(kind: str, latent_dim: int = 0, **changes):
    return MAKE[kind](32, latent_dim, **{**SMALL[kind], **changes})


def _apply(model, params, image, method=None):
    return model.apply({"params": params}, image, method=method)


def _initialised(model, window: int = 32):
    image = jax.random.uniform(jax.random.key(1), (2, window, window, 2))
    return jax.jit(model.init)(jax.random.key(0), image)["params"], image


def test_the_studys_code_is_6_by_6_by_32():
    model = plain_autoencoder(192, 0, **STUDY)
    image = jax.ShapeDtypeStruct((3, 192, 192, 2), jnp.float32)
    params, code = _shapes(model, 192, method="encode")
    assert code.shape == (3, 1152)
    encoder = {"params": params["encoder"]}
    assert jax.eval_shape(model.encoder.apply, encoder, image).shape == (3, 6, 6, 32)


def test_the_studys_parameters_by_hand():
    """3x3 kernels, a bias and a PReLU slope a channel; no slope on the last."""

    def layer(inputs: int, outputs: int, slope: bool = True) -> int:
        return 9 * inputs * outputs + outputs + slope * outputs

    params, _ = _shapes(plain_autoencoder(192, 0, **STUDY), 192)
    encoder = layer(2, 64) + layer(64, 32) + 3 * layer(32, 32)
    # Mirrored: a convolution on the code, five that upsample, the last to two logits.
    decoder = layer(32, 32) + 3 * layer(32, 32) + layer(32, 64) + layer(64, 2, slope=False)
    assert _count(params["encoder"]) == encoder
    assert _count(params["decoder"]) == decoder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [96, 192, 384])
@pytest.mark.parametrize("latent_dim", [0, 1, 20])
def test_any_window_and_latent_size(kind, window, latent_dim):
    model = MAKE[kind](window, latent_dim)
    _, logits = _shapes(model, window)
    assert logits.shape == (3, window, window, 2) and logits.dtype == jnp.float32
    _, code = _shapes(model, window, method="encode")
    assert code.shape == (3, latent_dim or (window // 32) ** 2 * 32)
    assert code.dtype == jnp.float32


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_that_does_not_divide_is_an_error(kind):
    with pytest.raises(ValueError, match=r"100 x 100 pixels are not a multiple of \d\d"):
        _shapes(MAKE[kind](100, 0), 100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_typing_error_is_an_error(kind):
    with pytest.raises(TypeError, match="feature"):
        MAKE[kind](96, 0, feature=(8, 8))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("latent_dim", [0, 5])
def test_every_parameter_gets_a_gradient(kind, latent_dim):
    model = _small(kind, latent_dim)
    params, image = _initialised(model)
    # Away from the start, where some branches are zero by design.
    params = jax.tree.map(
        lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), params
    )
    # Of both signs: max pooling lets no other negative value through to a PReLU's slope.
    image = 3 * jax.random.normal(jax.random.key(2), image.shape)
    weight = jax.random.normal(jax.random.key(3), image.shape)
    gradients = jax.jit(
        jax.grad(lambda params: jnp.sum(weight * model.apply({"params": params}, image)))
    )(params)
    dead = [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)
        if not jnp.any(leaf) or not jnp.all(jnp.isfinite(leaf))
    ]
    assert not dead


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("latent_dim", [0, 5])
def test_bfloat16_is_for_the_arithmetic_alone(kind, latent_dim):
    model, exact = _small(kind, latent_dim, dtype="bfloat16"), _small(kind, latent_dim)
    params, image = _initialised(model)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(jnp.float32)}
    for method in (None, "encode"):
        apply = jax.jit(functools.partial(_apply, method=method), static_argnums=0)
        low, high = (apply(m, params, image) for m in (model, exact))
        assert low.dtype == high.dtype == jnp.float32
        assert jnp.any(low != high)  # it is in use
        np.testing.assert_allclose(low, high, atol=0.05 * float(jnp.abs(high).max()))


def test_strides_in_place_of_pooling_give_codes_of_the_same_shape_and_other_values():
    pooled, strided = (_small("plain", downsampling=how) for how in ("pool", "stride"))
    params, image = _initialised(pooled)
    one, other = (_apply(model, params, image, "encode") for model in (pooled, strided))
    assert one.shape == other.shape and np.abs(one - other).max() > 1e-3
    with pytest.raises(ValueError, match="downsampling is 'mean': use pool or stride"):
        _initialised(_small("plain", downsampling="mean"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_kept_of_a_code_has_no_say(kind):
    model = _small(kind, latent_dim=6)
    params, _ = _initialised(model)
    image = jax.random.uniform(jax.random.key(1), (3, 32, 32, 2))
    kept = jnp.array([0, 2, 6], jnp.int32)
    variables = {"params": params}
    cut = jax.jit(model.apply)(variables, image, kept)
    code = jax.jit(functools.partial(model.apply, method="encode"))(variables, image)
    by_hand = np.array(code)
    by_hand[0], by_hand[1, 2:] = 0, 0
    decode = functools.partial(model.apply, method=lambda m, code: m.decoder(code))
    expected = jax.jit(decode)(variables, by_hand)
    np.testing.assert_allclose(cut, expected, atol=1e-5)
    np.testing.assert_allclose(cut[2], _apply(model, params, image)[2], atol=1e-5)
