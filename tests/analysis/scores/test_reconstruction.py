"""Scores of reconstructions against other implementations and hand calculations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from jaxcell.analysis.scores.reconstruction import (
    HIGHEST_PSNR_DB,
    binary_cross_entropy,
    entropy_floor,
    psnr_db,
    scores,
    ssim,
)


def pairs(size: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Images with structure, dark and bright, and noisy versions of them."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    image = np.stack([np.sin(9 * x) * y, np.cos(5 * y * x)], axis=-1) ** 2
    images = np.stack([image, 0.05 * image, np.zeros_like(image), random.random(image.shape)])
    noisy = np.clip(images + random.normal(0, 0.05, images.shape), 0, 1)
    return noisy.astype(np.float32), images.astype(np.float32)


def test_scores_of_logits_are_those_of_the_images_they_stand_for():
    noisy, images = pairs()
    shown = np.clip(noisy, 0.01, 0.99)
    found = jax.jit(scores)(jax.scipy.special.logit(shown), images)
    expected = {
        "bce": -np.mean(images * np.log(shown) + (1 - images) * np.log(1 - shown), axis=(1, 2, 3)),
        "bce_floor": entropy_floor(images),
        "psnr_db": psnr_db(shown, images),
        "ssim": ssim(shown, images),
    }
    assert set(found) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4)


def test_ssim_equals_scikit_image():
    noisy, images = pairs()
    expected = [
        structural_similarity(
            a,
            b,
            gaussian_weights=True,
            sigma=1.5,
            data_range=1.0,
            use_sample_covariance=False,
            channel_axis=-1,
        )
        for a, b in zip(noisy.astype(np.float64), images.astype(np.float64))
    ]
    result = jax.jit(ssim)(noisy, images)
    assert result.dtype == jnp.float32
    np.testing.assert_allclose(result, expected, atol=1e-4)
    assert len(set(np.round(expected, 2))) == 4, "the cases must differ to mean anything"


def test_ssim_of_identical_images_is_one_even_where_they_are_constant():
    _, images = pairs()
    np.testing.assert_allclose(ssim(images, images), 1.0, atol=1e-5)


def test_ssim_of_an_image_smaller_than_its_window_is_refused():
    small = jnp.zeros((1, 10, 40, 2))
    with pytest.raises(ValueError, match="11"):
        ssim(small, small)


def test_psnr_equals_scikit_image_and_is_capped():
    noisy, images = pairs()
    expected = [peak_signal_noise_ratio(b, a, data_range=1.0) for a, b in zip(noisy, images)]
    np.testing.assert_allclose(jax.jit(psnr_db)(noisy, images), expected, rtol=1e-5)
    np.testing.assert_allclose(psnr_db(images, images), HIGHEST_PSNR_DB, rtol=1e-6)


def test_cross_entropy_by_hand_and_at_extreme_logits():
    logits = jnp.array([[0.0], [2.0]]).reshape(1, 2, 1, 1)
    image = jnp.array([[0.25], [1.0]]).reshape(1, 2, 1, 1)
    expected = (np.log(2) + np.log1p(np.exp(-2))) / 2
    np.testing.assert_allclose(binary_cross_entropy(logits, image), [expected], rtol=1e-6)
    far = jnp.array([80.0, -80.0]).reshape(1, 2, 1, 1)
    right, wrong = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    assert binary_cross_entropy(far, right.reshape(far.shape))[0] < 1e-30
    np.testing.assert_allclose(binary_cross_entropy(far, wrong.reshape(far.shape)), [80.0])


def test_cross_entropy_takes_reduced_precision_and_answers_in_float32():
    logits = jnp.ones((2, 4, 4, 2), jnp.bfloat16)
    assert binary_cross_entropy(logits, jnp.ones((2, 4, 4, 2))).dtype == jnp.float32


def test_the_floor_is_reached_by_the_image_itself_and_by_nothing_else():
    _, images = pairs()
    image = jnp.clip(images, 0.01, 0.99)
    perfect = jnp.log(image) - jnp.log1p(-image)
    floor = entropy_floor(image)
    np.testing.assert_allclose(binary_cross_entropy(perfect, image), floor, rtol=1e-5)
    assert (binary_cross_entropy(perfect + 0.3, image) > floor).all()
    gradient = jax.grad(lambda logits: binary_cross_entropy(logits, image).sum())(perfect)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)


def test_the_floor_of_black_and_white_is_zero_and_of_grey_log_two():
    black_and_white = jnp.array([0.0, 1.0, 1.0, 0.0]).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(entropy_floor(black_and_white), [0.0])
    np.testing.assert_allclose(entropy_floor(jnp.full((1, 2, 2, 1), 0.5)), [np.log(2)], rtol=1e-6)
