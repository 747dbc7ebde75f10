"""The losses against hand calculations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_run
from flax import linen as nn

from jaxcell.training.tasks import STAIN_WEIGHT, autoencoder_task, regressor_task, stain_task


class Logits(nn.Module):
    """Answers one logit everywhere, in half precision as a mixed-precision model would."""

    @nn.compact
    def __call__(self, image):
        logit = self.param("logit", nn.initializers.constant(2.0), (), jnp.float32)
        return jnp.full(image.shape, logit, jnp.bfloat16)


def test_autoencoder_loss_is_the_mean_cross_entropy_of_each_example():
    task = autoencoder_task(Logits())
    image = jnp.stack([jnp.zeros((4, 4, 2)), jnp.ones((4, 4, 2)), jnp.full((4, 4, 2), 0.25)])
    params = task.init(jax.random.key(0), {"image": image})
    loss, metrics = task.loss(params, {"image": image}, None)
    p = 1 / (1 + np.exp(-2.0))
    expected = [-np.log(1 - p), -np.log(p), -0.25 * np.log(p) - 0.75 * np.log(1 - p)]
    assert loss.dtype == jnp.float32
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(metrics["squared_error"], np.square([p, 1 - p, p - 0.25]), rtol=1e-5)


def test_regressor_loss_is_squared_percent_and_dropout_needs_a_key():
    task = regressor_task(tiny_run.TinyRegressor())
    images = jax.random.uniform(jax.random.key(1), (3, 8, 8, 2))
    batch = {"image": images, "target": jnp.float32([0.0, 5.0, 20.0])}
    params = task.init(jax.random.key(0), batch)
    loss, metrics = task.loss(params, batch, None)
    np.testing.assert_allclose(
        loss, np.square(np.asarray(metrics["predicted"]) - np.array([0, 5, 20])), rtol=1e-4
    )
    np.testing.assert_allclose(np.square(metrics["absolute_error"]), loss, rtol=1e-6)
    again, _ = task.loss(params, batch, None)
    np.testing.assert_array_equal(loss, again)
    one, _ = task.loss(params, batch, jax.random.key(1))
    other, _ = task.loss(params, batch, jax.random.key(2))
    assert np.any(np.asarray(one) != np.asarray(other))


class FirstNumbers(nn.Module):
    """Answers everywhere with the number of numbers kept, as a logit."""

    @nn.compact
    def __call__(self, image, kept=None):
        scale = self.param("scale", nn.initializers.ones, (), jnp.float32)
        kept = jnp.full(len(image), 8, jnp.int32) if kept is None else kept
        return scale * jnp.ones_like(image) * kept.astype(jnp.float32)[:, None, None, None]


def test_a_nested_code_is_trained_and_judged_at_every_size():
    sizes, image = (1, 2, 4), jnp.ones((3000, 1, 1, 2))
    task = autoencoder_task(FirstNumbers(), nested_sizes=sizes)
    params = task.init(jax.random.key(0), {"image": image})
    of_size = {size: np.log1p(np.exp(-size)) for size in sizes}  # cross-entropy of a white pixel
    batch = {"image": image, "index": jnp.arange(7, 3007)}
    judged, _ = task.loss(params, batch, None)  # 7 is of the second size, 8 of the third, ...
    np.testing.assert_allclose(judged, [of_size[size] for size in (2, 4, 1)] * 1000, rtol=1e-5)
    drawn, _ = task.loss(params, batch, jax.random.key(1))
    for size, loss in of_size.items():  # a third each, within four standard errors
        assert abs(np.isclose(drawn, loss, rtol=1e-4).mean() - 1 / 3) < 0.035, size


def test_squared_error_can_be_the_loss_and_others_cannot():
    image = jnp.full((2, 4, 4, 2), 0.25)
    task = autoencoder_task(Logits(), "squared_error")
    params = task.init(jax.random.key(0), {"image": image})
    loss, metrics = task.loss(params, {"image": image}, None)
    np.testing.assert_allclose(loss, (1 / (1 + np.exp(-2.0)) - 0.25) ** 2, rtol=1e-5)
    np.testing.assert_array_equal(loss, metrics["squared_error"])
    with pytest.raises(ValueError, match="autoencoder.loss is 'mse': use cross_entropy or"):
        autoencoder_task(Logits(), "mse")


class Answers(nn.Module):
    """Two classes favoured and both stains drawn at a half, everywhere."""

    @nn.compact
    def __call__(self, image):
        answer = self.param(
            "answer", lambda _: jnp.array([1.0, 0.0, 0.0, 0.0, 0.5, 0.5], jnp.float32)
        )
        return jnp.broadcast_to(answer, (*image.shape[:3], 6))


def test_drawn_stains_and_what_pixels_show_are_judged_together():
    task = stain_task(Answers())
    batch = {
        "image": jnp.zeros((2, 4, 4, 1)),
        "stain": jnp.full((2, 4, 4, 2), 0.75),
        "shown": jnp.zeros((2, 4, 4, 1), jnp.uint8).at[1].set(3),
    }
    loss, metrics = task.loss(task.init(jax.random.key(0), batch), batch, None)
    total = np.log(np.exp(1) + 3)
    np.testing.assert_allclose(metrics["pixels"], [total - 1, total], rtol=1e-6)
    np.testing.assert_allclose(metrics["stain"], 0.0625)
    np.testing.assert_allclose(loss, metrics["pixels"] + STAIN_WEIGHT * 0.0625, rtol=1e-6)
