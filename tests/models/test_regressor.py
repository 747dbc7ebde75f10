"""The two regressors: non-negative last weights, dropout, soft masks and their overlap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcell.dataset.pipeline import transform
from jaxcell.models.encoder import Encoder
from jaxcell.models.regressor import DenseRegressor, SoftOverlapRegressor, histogram

SMALL_ENCODER = Encoder(features=(4, 3), code_features=2)
DENSE = DenseRegressor(encoder=SMALL_ENCODER, hidden=(16, 6))
SOFT = {
    "histogram": SoftOverlapRegressor(hidden=(16, 16), refine=0),
    "refined": SoftOverlapRegressor(hidden=(16, 16), refine=4),
}
EVERY = {"dense": DENSE, **SOFT}


def _patches(count: int = 4, window: int = 32) -> jax.Array:
    """A few bright discs above dim noise, so that masks mean something."""
    keys = jax.random.split(jax.random.key(0), 2)
    noise = 0.1 * jax.random.uniform(keys[0], (count, window, window, 2))
    centres = jax.random.uniform(keys[1], (count, 1, 1, 2, 2), minval=8.0, maxval=24.0)
    grid = jnp.stack(jnp.mgrid[:window, :window], axis=-1)[None, :, :, None].astype(jnp.float32)
    distance = jnp.sum(jnp.square(grid - centres), axis=-1)
    return jnp.where(distance < 25, 0.9 - noise, noise)


def _init(model, image=None):
    image = _patches() if image is None else image
    return jax.jit(model.init)(jax.random.key(1), image)["params"]


def _away_from_zero(params):
    """Params moved off their start, where some branches are zero by design."""
    return jax.tree.map(
        lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(leaf.size), leaf.shape), params
    )


def _dead(gradients) -> list[str]:
    return [
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)
        if not jnp.any(leaf) or not jnp.all(jnp.isfinite(leaf))
    ]


@pytest.mark.parametrize("name", EVERY)
def test_every_parameter_gets_a_gradient(name):
    model, image = EVERY[name], _patches()
    params = _away_from_zero(_init(model))
    weight = jnp.array([1.0, -2.0, 3.0, 0.5])
    gradients = jax.jit(
        jax.grad(lambda params: jnp.sum(weight * model.apply({"params": params}, image)))
    )(params)
    assert not _dead(gradients)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("window", [96, 192, 384])
def test_one_overlap_a_patch_for_any_window(name, window):
    model = EVERY[name].clone(dtype="bfloat16")
    image = jax.ShapeDtypeStruct((3, window, window, 2), jnp.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), image)
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype(jnp.float32)}
    out = jax.eval_shape(model.apply, params, image)
    assert (out.shape, out.dtype) == ((3,), jnp.float32)


def test_typing_errors_and_windows_that_do_not_divide_are_errors():
    with pytest.raises(TypeError, match="droput"):
        DenseRegressor(encoder=SMALL_ENCODER, droput=0.1)
    with pytest.raises(TypeError, match="refined"):
        SoftOverlapRegressor(refined=3)
    with pytest.raises(ValueError, match="not a multiple of 8"):
        _init(DENSE, jnp.zeros((1, 36, 36, 2)))


def test_the_last_weights_of_the_dense_regressor_are_never_negative_in_use():
    params, image = _init(DENSE), _patches()

    def predict(kernel, bias=0.0, shift=0.0):
        """Predictions with another last layer, its inputs shifted."""
        before = params["Dense_1"]
        changed = {
            **params,
            "kernel": jnp.asarray(kernel, jnp.float32)[:, None],
            "bias": jnp.full((1,), bias, jnp.float32),
            "Dense_1": {**before, "bias": before["bias"] + jnp.asarray(shift, jnp.float32)},
        }
        return DENSE.apply({"params": changed}, image)

    mixed = np.array([0.5, -0.7, 0.2, -0.1, 0.3, -2.0])
    np.testing.assert_allclose(predict(mixed), predict(np.maximum(mixed, 0)), rtol=1e-6)
    np.testing.assert_allclose(predict(-np.abs(mixed), bias=1.5), np.full(4, 1.5), rtol=1e-6)
    for unit in range(6):
        more = predict(mixed, shift=np.eye(6)[unit]) - predict(mixed)
        np.testing.assert_allclose(more, np.full(4, max(mixed[unit], 0)), atol=1e-5)


def test_the_dense_regressor_answers_from_a_mean_in_its_own_unit():
    params, image = _away_from_zero(_init(DENSE)), _patches()
    plain = DENSE.apply({"params": params}, image)
    far = DENSE.clone(mean=120.0, sd=40.0).apply({"params": params}, image)
    np.testing.assert_allclose(far, 120 + 40 * np.asarray(plain), rtol=1e-6)
    as_it_is = DENSE.clone(mean=0.0, sd=1.0).apply({"params": params}, image)
    np.testing.assert_array_equal(as_it_is, plain)


def test_a_weight_at_zero_can_come_back():
    params, image = _init(DENSE), _patches()
    params = {**params, "kernel": jnp.full_like(params["kernel"], -0.3)}
    gradient = jax.grad(lambda p: jnp.sum(DENSE.apply({"params": p}, image)))(params)["kernel"]
    assert jnp.all(gradient != 0)


def test_dropout_is_for_training_alone():
    params, image = _away_from_zero(_init(DENSE)), _patches()

    def predict(key=None):
        rngs = None if key is None else {"dropout": jax.random.key(key)}
        return DENSE.apply({"params": params}, image, train=key is not None, rngs=rngs)

    np.testing.assert_array_equal(predict(), predict())
    np.testing.assert_array_equal(predict(3), predict(3))
    assert jnp.any(predict(3) != predict(4)) and jnp.any(predict(3) != predict())


def test_the_dense_regressor_takes_a_trained_encoder_as_it_is():
    image = _patches()
    params = _init(DENSE)
    trained = SMALL_ENCODER.init(jax.random.key(9), image)["params"]
    assert jax.tree.structure(params["encoder"]) == jax.tree.structure(trained)
    one, other = (
        DENSE.apply({"params": {**params, "encoder": encoder}}, image)
        for encoder in (params["encoder"], trained)
    )
    assert jnp.any(one != other)


@pytest.mark.parametrize("name", SOFT)
def test_predicted_overlaps_are_percentages(name):
    image = jnp.concatenate([_patches(), jnp.zeros((1, 32, 32, 2)), jnp.ones((1, 32, 32, 2))])
    params = _init(SOFT[name])
    for scale in (0.0, 1.0, 30.0):
        changed = jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)
        out = SOFT[name].apply({"params": changed}, image)
        assert jnp.all((out >= 0) & (out <= 100)) and jnp.all(jnp.isfinite(out))


def _sharp(threshold: float) -> dict:
    """Parameters whose masks are, to float32, `image > threshold` whatever the patch."""
    params = jax.tree.map(jnp.zeros_like, _init(SOFT["histogram"]))
    names = sorted(params)
    logit = np.log(threshold / (1 - threshold)) + 1
    params[names[-2]]["bias"] = jnp.full((2,), logit, jnp.float32)
    params[names[-1]]["bias"] = jnp.full((2,), 1e4, jnp.float32)
    return params


def test_sharp_masks_give_the_overlap_of_masks():
    image = np.zeros((3, 32, 32, 2), np.float32)
    image[:, 4:14, 4:14, 0] = 0.9
    image[0, 18:28, 18:28, 1] = 0.8  # apart
    image[1, 4:14, 9:19, 1] = 0.8  # half of each
    image[2, 4:14, 4:14, 1] = 0.8  # one upon the other
    out = SOFT["histogram"].apply({"params": _sharp(0.5)}, jnp.asarray(image))
    # The one pixel added to the union keeps the quotient of two empty masks defined.
    np.testing.assert_allclose(out, [0, 5000 / 151, 10000 / 101], atol=1e-3)


def test_sharp_masks_give_the_share_of_the_t_cells():
    image = np.zeros((3, 32, 32, 2), np.float32)
    image[:2, 4:14, 4:14, 0] = 0.9
    image[0, 4:14, 9:29, 1] = 0.8  # half of the T cell
    image[1, 2:30, 2:30, 1] = 0.8  # all of it
    image[2, 2:30, 2:30, 1] = 0.8  # no T cell
    model = SOFT["histogram"].clone(target="overlap_share")
    out = model.apply({"params": _sharp(0.5)}, jnp.asarray(image))
    np.testing.assert_allclose(out, [5000 / 101, 10000 / 101, 0], atol=1e-3)


def test_empty_masks_overlap_by_nothing():
    out = SOFT["histogram"].apply({"params": _sharp(0.5)}, jnp.full((1, 32, 32, 2), 0.1))
    np.testing.assert_allclose(out, [0], atol=1e-6)


def test_histograms_and_masks_do_not_see_how_a_patch_is_turned():
    params = _away_from_zero(_init(SOFT["histogram"]))
    image = jnp.repeat(_patches(1), 8, axis=0)
    turned = transform(image, jnp.arange(8, dtype=jnp.int32))
    out = SOFT["histogram"].apply({"params": params}, turned)
    np.testing.assert_allclose(out, jnp.full(8, out[0]), rtol=1e-5)


@pytest.mark.parametrize("bins", [4, 64])
def test_histogram_is_numpys(bins):
    random = np.random.default_rng(0)
    image = random.uniform(0, 1, (3, 16, 8, 2)).astype(np.float32)
    image[0, 0, 0], image[0, 0, 1] = 0, 1  # both ends belong to a bin
    out = np.asarray(histogram(jnp.asarray(image), bins))
    assert out.shape == (3, bins, 2) and out.dtype == np.float32
    np.testing.assert_allclose(out.sum(axis=1), np.ones((3, 2)), rtol=1e-6)
    edges = (np.arange(bins + 1) / bins) ** 1.5
    for patch in range(3):
        for view in range(2):
            expected, _ = np.histogram(image[patch, ..., view], edges)
            np.testing.assert_allclose(out[patch, :, view] * 128, expected, atol=1e-3)
