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

    # View by view, in planes: arithmetic on interleaved views is many times as slow.
    planes = [counts[..., view] for view in range(counts.shape[-1])]
    greys = [jnp.sort(plane[::8, ::8].ravel()) for plane in planes]
    low, high = ([some[round(share * (len(some) - 1))] for some in greys] for share in (0.1, 0.99))
    blur, tilt, dark = sometimes(0.4, BLUR_PX), sometimes(0.5, TILT), jax.random.uniform(next(keys))
    leak, noise = sometimes(0.4, CROSSTALK), sometimes(0.6, 1.0) ** 2
    coarseness = sometimes(0.25, 7.0)
    slopes = tilt * jax.random.uniform(next(keys), (len(planes), 2), minval=-1)
    grain = jax.random.normal(next(keys), (len(planes), *counts.shape[:2]))
    y, x = (jnp.linspace(-1, 1, side) for side in counts.shape[:2])
    changed = []
    for view, plane in enumerate(planes):
        plane = _blurred(plane, blur)
        lamp = 1 + (slopes[view, 0] * y)[:, None] + (slopes[view, 1] * x)[None]
        shade = dark * low[view]  # what no lamp makes brighter
        changed.append(shade + (plane - shade) * lamp)
    changed[0] += leak * (changed[1] - low[1])
    for view, plane in enumerate(changed):
        contrast = high[view] - low[view]
        variance = (noise * READ_NOISE * contrast) ** 2
        variance += noise * SHOT_NOISE * contrast * jnp.maximum(plane - low[view], 0.0)
        step = jnp.maximum(contrast / 2.0 ** (FEWEST_BITS + 7 - coarseness), 1e-6)
        changed[view] = step * jnp.round((plane + jnp.sqrt(variance) * grain[view]) / step)
    return jnp.where(seed > 0, jnp.stack(changed, axis=-1), counts)


def _blurred(plane: Array, sigma: Array) -> Array:
    """Convolved with a Gaussian of this SD in pixels, edges repeated; float32 [H, W]."""
    taps = jnp.exp(-0.5 * (jnp.arange(-REACH, REACH + 1.0) / jnp.maximum(sigma, 0.1)) ** 2)
    taps = taps / taps.sum()
    for axis in (0, 1):
        side = plane.shape[axis]
        widths = [(REACH, REACH) if each == axis else (0, 0) for each in range(2)]
        padded = jnp.pad(plane, widths, mode="edge")
        plane = sum(
            tap * jax.lax.slice_in_dim(padded, first, first + side, axis=axis)
            for first, tap in enumerate(taps)
        )
    return plane
