"""The two regressors: non-negative last weights, dropout, soft masks and their overlap."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcell.cells.masks import split_counts
from jaxcell.dataset.batches import transform
from jaxcell.measures.patch import measure_patches
from jaxcell.models.encoder import Encoder
from jaxcell.models.regressor import (
    BINS,
    DenseRegressor,
    SoftOverlapRegressor,
    joint_histogram,
    threshold_features,
)

SMALL_ENCODER = Encoder(features=(4, 3), code_features=2)
DENSE = DenseRegressor(encoder=SMALL_ENCODER, hidden=(16, 6))
SOFT = SoftOverlapRegressor(hidden=(16, 16))
EVERY = {"dense": DENSE, "soft": SOFT}
answers = jax.jit(
    lambda model, params, image: model.apply({"params": params}, image), static_argnums=0
)


def soft_overlap(params, image, model=SOFT) -> np.ndarray:
    """Answers [N]; patches are repeated up to 12, so that the tests share a compiled program."""
    filled = np.resize(image, (12, *image.shape[1:]))
    return np.asarray(answers(model, params, filled))[: len(image)]


@functools.cache
def _patches(count: int = 4, window: int = 32) -> jax.Array:
    """A few bright discs above dim noise, so that masks mean something."""
    keys = jax.random.split(jax.random.key(0), 2)
    noise = 0.1 * jax.random.uniform(keys[0], (count, window, window, 2))
    centres = jax.random.uniform(keys[1], (count, 1, 1, 2, 2), minval=8.0, maxval=24.0)
    grid = jnp.stack(jnp.mgrid[:window, :window], axis=-1)[None, :, :, None].astype(jnp.float32)
    distance = jnp.sum(jnp.square(grid - centres), axis=-1)
    return jnp.where(distance < 25, 0.9 - noise, noise)


@functools.cache
def _init(model):
    image = _patches()
    return jax.jit(model.init)(jax.random.key(1), image)["params"]


def _away_from_zero(params):
    """Params moved off their start, where some branches are zero by design."""
    random = np.random.default_rng(5)
    return jax.tree.map(
        lambda leaf: leaf + 0.1 * jnp.asarray(random.normal(size=leaf.shape), jnp.float32), params
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
        DENSE.init(jax.random.key(0), jnp.zeros((1, 36, 36, 2)))


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
    gradients = jax.jit(jax.grad(lambda p: jnp.sum(DENSE.apply({"params": p}, image))))(params)
    assert jnp.all(gradients["kernel"] != 0)


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


def test_predicted_overlaps_are_percentages():
    image = jnp.concatenate([_patches(), jnp.zeros((1, 32, 32, 2)), jnp.ones((1, 32, 32, 2))])
    params = _init(SOFT)
    for scale in (0.0, 1.0, 30.0):
        changed = jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)
        out = soft_overlap(changed, image)
        assert jnp.all((out >= 0) & (out <= 100)) and jnp.all(jnp.isfinite(out))


def _two_means(presence: float = 1e4) -> dict:
    """Parameters that score a threshold by the logarithm of the variance between its sides."""
    params = jax.tree.map(jnp.zeros_like, _init(SOFT))
    # Below the layers' 16 units come the logarithms of share below, share above and distance.
    params["Dense_2"]["kernel"] = jnp.zeros((27, 1)).at[16:19, 0].set(jnp.array([1.0, 1.0, 2.0]))
    params["log_sharpness"] = jnp.log(jnp.float32(1e4))
    params["Dense_4"]["bias"] = jnp.array([presence])
    return params


def test_masks_of_two_grey_values_give_their_exact_overlap():
    image = np.zeros((3, 32, 32, 2), np.float32)
    image[:, 4:14, 4:14, 0] = 0.9
    image[0, 18:28, 18:28, 1] = 0.8  # apart
    image[1, 4:14, 9:19, 1] = 0.8  # half of each
    image[2, 4:14, 4:14, 1] = 0.8  # one upon the other
    out = soft_overlap(_two_means(), image)
    np.testing.assert_allclose(out, [0, 100 / 3, 100], atol=1e-3)


def test_masks_of_two_grey_values_give_the_exact_share_of_the_t_cells():
    image = np.zeros((3, 32, 32, 2), np.float32)
    image[:2, 4:14, 4:14, 0] = 0.9
    image[0, 4:14, 9:29, 1] = 0.8  # half of the T cell
    image[1, 2:30, 2:30, 1] = 0.8  # all of it
    image[2, 2:30, 2:30, 1] = 0.8  # no T cell
    model = SOFT.clone(target="overlap_share")
    out = soft_overlap(_two_means(), image, model)
    np.testing.assert_allclose(out, [50, 100, 0], atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_a_view_of_one_grey_value_overlaps_by_nothing_whatever_the_weights(value):
    image = _patches(1).at[..., 1].set(value)
    for params in (_two_means(), _away_from_zero(_init(SOFT))):
        np.testing.assert_allclose(soft_overlap(params, image), [0], atol=1e-6)


def test_a_view_without_cells_overlaps_by_nothing():
    out = soft_overlap(_two_means(presence=-1e4), _patches())
    np.testing.assert_array_equal(out, jnp.zeros(4))


def _graded_patches(count: int = 12) -> np.ndarray:
    """Views of many grey values, whose two classes no gap divides; float32 [N, 32, 32, 2]."""
    random = np.random.default_rng(3)
    level = np.asarray(_patches(count)) * random.uniform(0.4, 1, (count, 1, 1, 2))
    image = np.abs(level + random.normal(0, 0.06, level.shape))
    return (image / image.max(axis=(1, 2), keepdims=True)).astype(np.float32)


def test_the_masks_of_two_means_are_among_those_it_can_predict():
    image = _graded_patches()
    counts = np.round(image * 4095).astype(np.uint16)
    thresholds = [[split.threshold for split in split_counts(counts[..., view])] for view in (0, 1)]
    masks = counts > np.transpose(thresholds)[:, None, None]
    exact = measure_patches(counts, masks, "iou", pixel_um=1.0)
    out = soft_overlap(_two_means(), image)
    assert np.std(exact) > 5
    np.testing.assert_allclose(out, exact, atol=2.5)  # a pixel or two between two edges of bins
    np.testing.assert_allclose(np.mean(out - exact), 0, atol=0.5)


def test_it_learns_thresholds_from_overlaps_alone():
    image = _graded_patches()
    target = soft_overlap(_two_means(), image)
    params, optimizer = _init(SOFT), optax.adam(0.02)

    def loss(params):
        return jnp.mean(jnp.square(SOFT.apply({"params": params}, image) - target))

    @jax.jit
    def step(params, state):
        value, gradients = jax.value_and_grad(loss)(params)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), state, value

    state, losses = optimizer.init(params), []
    for _ in range(60):
        params, state, value = step(params, state)
        losses.append(float(value))
    assert losses[-1] < 0.05 * losses[0] and losses[-1] < 0.05 * float(jnp.var(target))


def test_answers_do_not_depend_on_how_a_patch_is_turned():
    params = _away_from_zero(_init(SOFT))
    image = jnp.repeat(_patches(1), 8, axis=0)
    turned = transform(image, jnp.arange(8, dtype=jnp.int32))
    out = soft_overlap(params, turned)
    np.testing.assert_array_equal(out, jnp.full(8, out[0]))


def test_answers_do_not_depend_on_the_other_patches_of_a_batch():
    params, image = _away_from_zero(_init(SOFT)), _patches()
    together = soft_overlap(params, image)
    alone = [soft_overlap(params, image[k : k + 1])[0] for k in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bins", [4, 64])
def test_histogram_is_numpys(bins):
    random = np.random.default_rng(0)
    image = random.uniform(0, 1, (3, 16, 8, 2)).astype(np.float32)
    image[0, 0, 0], image[0, 0, 1] = 0, 1  # both ends belong to a bin
    out = np.asarray(jax.jit(joint_histogram, static_argnums=1)(image, bins))
    assert out.shape == (3, bins, bins) and out.dtype == np.float32
    edges = (np.arange(bins + 1) / bins) ** 2
    for patch in range(3):
        t_cell, dendritic_cell = image[patch].reshape(-1, 2).T
        expected, *_ = np.histogram2d(t_cell, dendritic_cell, bins=(edges, edges))
        np.testing.assert_allclose(out[patch] * 128, expected, atol=1e-3)


def test_features_are_the_statistics_of_the_two_sides():
    image = _graded_patches(2)
    views = np.asarray(jax.jit(joint_histogram, static_argnums=1)(image, BINS)).sum(axis=2)[:, None]
    out = np.asarray(jax.jit(threshold_features)(views))
    grey = ((np.arange(BINS) + 0.5) / BINS) ** 2
    grey[0] = 0
    values = np.repeat(grey, np.round(views[0, 0] * 32 * 32).astype(int))
    for threshold in (30, 60, 100):
        low, high = values[values <= grey[threshold]], values[values > grey[threshold]]
        share = len(low) / len(values)
        logarithms = [share, 1 - share, high.mean() - low.mean(), low.std(), high.std()]
        np.testing.assert_allclose(np.exp(out[0, 0, threshold, :5]) - 1e-4, logarithms, rtol=1e-2)
        np.testing.assert_allclose(
            out[0, 0, threshold, 5:8], [low.mean(), high.mean(), values.max()], rtol=1e-3
        )
        np.testing.assert_allclose(np.exp(out[0, 0, threshold, 8]) - 1e-4, values.std(), rtol=1e-3)
