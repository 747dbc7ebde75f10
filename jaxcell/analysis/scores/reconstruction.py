"""How close a reconstruction comes to its image: one value an example, the caller reduces."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

# Identical images have no noise: their peak signal-to-noise ratio is given as this value.
HIGHEST_PSNR_DB = 100.0
# Window and constants of Wang et al. 2004: sigma 1.5, cut at 3.5 sigma, so 11 x 11 pixels.
SSIM_SIGMA = 1.5
SSIM_RADIUS = 5
SSIM_LUMINANCE = 0.01**2
SSIM_CONTRAST = 0.03**2


def scores(logits: Array, image: Array) -> dict[str, Array]:
    """`bce` and `bce_floor` (nats), `psnr_db` and `ssim` of reconstructions, float32 [B] each.

    Here and below: logits float [B, H, W, C] before the sigmoid, image float [B, H, W, C] in
    [0, 1]; an answer is float32 [B], a mean over pixels and channels.
    """
    shown = jax.nn.sigmoid(logits)
    return {
        "bce": binary_cross_entropy(logits, image),
        "bce_floor": entropy_floor(image),
        "psnr_db": psnr_db(shown, image),
        "ssim": ssim(shown, image),
    }


def binary_cross_entropy(logits: Array, image: Array) -> Array:
    """Cross-entropy of each image under the pixel-wise Bernoulli of its logits, nats.

    Reduced precision is raised to float32.

    Source: Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90.
    """
    logits, image = logits.astype(jnp.float32), image.astype(jnp.float32)
    # Two terms of one sign: no cancellation where the logits are large.
    pixel = -image * jax.nn.log_sigmoid(logits) - (1.0 - image) * jax.nn.log_sigmoid(-logits)
    return jnp.mean(pixel, axis=(1, 2, 3))


def entropy_floor(image: Array) -> Array:
    """Entropy of each image read as Bernoulli: the cross-entropy of a perfect reconstruction, nats.

    A grey pixel is not a coin that shows 0 or 1, so even the image itself as reconstruction has a
    cross-entropy above 0; what a model can change is only the excess over this floor.

    Source: Gibbs' inequality; Cover and Thomas 2006, theorem 2.6.3.
    """
    image = image.astype(jnp.float32)
    pixel = jax.scipy.special.entr(image) + jax.scipy.special.entr(1.0 - image)
    return jnp.mean(pixel, axis=(1, 2, 3))


def psnr_db(reconstruction: Array, image: Array) -> Array:
    """Peak signal-to-noise ratio for images of data range 1, decibel.

    At most `HIGHEST_PSNR_DB`, which identical images get.

    Source: -10 log10(mean squared error); Huynh-Thu and Ghanbari 2008.
    """
    difference = reconstruction.astype(jnp.float32) - image.astype(jnp.float32)
    error = jnp.mean(jnp.square(difference), axis=(1, 2, 3))
    return -10.0 * jnp.log10(jnp.maximum(error, 10.0 ** (-HIGHEST_PSNR_DB / 10.0)))


def ssim(reconstruction: Array, image: Array) -> Array:
    """Structural similarity with a Gaussian window, in [-1, 1], for images of data range 1.

    The mean over window positions inside the image.

    Raises:
      ValueError: an image is smaller than the window of 11 pixels.

    Source: Wang et al. 2004, Image quality assessment: from error visibility to structural
    similarity, eq. 13.
    """
    window = 2 * SSIM_RADIUS + 1
    if min(image.shape[1:3]) < window:
        raise ValueError(f"SSIM needs at least {window} x {window} pixels, not {image.shape[1:3]}")
    first, second = reconstruction.astype(jnp.float32), image.astype(jnp.float32)
    mean_first, mean_second = _window_mean(first), _window_mean(second)
    variance_first = _window_mean(first * first) - mean_first * mean_first
    variance_second = _window_mean(second * second) - mean_second * mean_second
    covariance = _window_mean(first * second) - mean_first * mean_second
    luminance = (2.0 * mean_first * mean_second + SSIM_LUMINANCE) / (
        mean_first * mean_first + mean_second * mean_second + SSIM_LUMINANCE
    )
    structure = (2.0 * covariance + SSIM_CONTRAST) / (
        variance_first + variance_second + SSIM_CONTRAST
    )
    return jnp.mean(luminance * structure, axis=(1, 2, 3))


def _window_mean(image: Array) -> Array:
    """Gaussian mean at each window position inside float32 [B, H, W, C]: [B, H-10, W-10, C]."""
    offset = np.arange(-SSIM_RADIUS, SSIM_RADIUS + 1)
    weights = np.exp(-0.5 * (offset / SSIM_SIGMA) ** 2)
    weights /= weights.sum()
    # A sum of shifted slices rather than a convolution: a depthwise convolution is slow on CPU, and
    # accelerators round its inputs to fewer bits than the variance by difference can bear.
    for axis in (1, 2):
        length = image.shape[axis] - 2 * SSIM_RADIUS
        image = sum(
            float(weight) * jax.lax.slice_in_dim(image, start, start + length, axis=axis)
            for start, weight in enumerate(weights)
        )
    return image
