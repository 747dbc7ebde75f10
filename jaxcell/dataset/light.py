"""The same patch in another light: as if a worse microscope had taken it."""

import jax
import jax.numpy as jnp
from jax import Array

# Widest blur, SD in pixels; half the taps of its kernel.
BLUR_PX, REACH = 2.6, 7
# Steepest lamp, as change from the middle of a patch to its edge.
TILT = 0.35
CROSSTALK = 0.2
# Noise that is added, relative to the contrast of the view: of the camera, and of the light.
READ_NOISE, SHOT_NOISE = 0.03, 1.2e-3
# Fewest grey values from dark to bright, as a power of 2.
FEWEST_BITS = 5


def relight(seed: Array, counts: Array) -> Array:
    """Counts of a patch in a light that is drawn: blurred, uneven, with crosstalk, noisy, coarse.

    Everything is relative to the contrast of the patch, so no camera is meant; each change is made
    to some patches alone.

    Args:
      seed: uint32, of all that is drawn; 0 leaves the patch as it is.
      counts: float32 [H, W, 2].

    Returns:
      float32 [H, W, 2].
    """
    keys = iter(jax.random.split(jax.random.key(seed), 16))

    def sometimes(chance: float, most: float) -> Array:
        """A number up to `most`, 0 in the other patches."""
        drawn = jax.random.uniform(next(keys)) < chance
        return jnp.where(drawn, most * jax.random.uniform(next(keys)), 0.0)

    greys = jnp.sort(counts[::8, ::8].reshape(-1, 2), axis=0)
    low, high = (greys[round(share * (len(greys) - 1))][None, None] for share in (0.1, 0.99))
    contrast = high - low
    changed = _blurred(counts, sometimes(0.4, BLUR_PX))
    tilt = sometimes(0.5, TILT) * jax.random.uniform(next(keys), (2, 1, 1, 2), minval=-1)
    y, x = (jnp.linspace(-1, 1, side) for side in counts.shape[:2])
    lamp = 1 + tilt[0] * y[:, None, None] + tilt[1] * x[None, :, None]
    dark = low * jax.random.uniform(next(keys))  # what no lamp makes brighter
    changed = dark + (changed - dark) * lamp
    leak = sometimes(0.4, CROSSTALK) * (changed - low)[..., 1:]
    changed += jnp.concatenate([leak, jnp.zeros_like(leak)], axis=-1)
    noise = sometimes(0.6, 1.0) ** 2
    variance = (noise * READ_NOISE * contrast) ** 2
    variance += noise * SHOT_NOISE * contrast * jnp.maximum(changed - low, 0.0)
    changed += jnp.sqrt(variance) * jax.random.normal(next(keys), counts.shape)
    step = contrast / 2.0 ** (FEWEST_BITS + 7 - sometimes(0.25, 7.0))
    step = jnp.maximum(step, 1e-6)
    return jnp.where(seed > 0, step * jnp.round(changed / step), counts)


def _blurred(counts: Array, sigma: Array) -> Array:
    """Convolved with a Gaussian of this SD in pixels, edges repeated."""
    taps = jnp.exp(-0.5 * (jnp.arange(-REACH, REACH + 1.0) / jnp.maximum(sigma, 0.1)) ** 2)
    taps = taps / taps.sum()
    for axis in (0, 1):
        side = counts.shape[axis]
        widths = [(REACH, REACH) if each == axis else (0, 0) for each in range(3)]
        padded = jnp.pad(counts, widths, mode="edge")
        counts = sum(
            tap * jax.lax.slice_in_dim(padded, first, first + side, axis=axis)
            for first, tap in enumerate(taps)
        )
    return counts
