"""Windows over a field, their masks and labels, and the scaling of raw counts to [0, 1]."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcell.cells.masks import BY_IMAGE, MINIMUM_CONTRAST_IN_NOISES, Levels
from jaxcell.cells.methods import decoded, patch_masks
from jaxcell.cells.noise import DEVIATION, pixel_noise
from jaxcell.measures.patch import measure_patches

# Pixels looked at for the background and the noise of a patch: every so many along both sides.
EVERY = 4
# Of the noise: the brightest of a patch's pixels reaches 4 to 5 times that above the background.
FAULTY_NOISES = 6.0


def windows(field: np.ndarray, window: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a field into square windows; what does not fit is cropped evenly off the border.

    Args:
      field: uint16 [H, W, C], raw counts.
      window: side of a window in pixels.
      stride: distance between neighbouring windows in pixels.

    Returns:
      patches: uint16 [N, window, window, C], row by row.
      corners: int32 [N, 2], y and x of each window's upper left pixel in the field.

    Raises:
      ValueError: the field is smaller than one window.
    """
    height, width = field.shape[:2]
    if min(height, width) < window:
        raise ValueError(
            f"a field of {height} x {width} pixels holds no window of {window} x {window}: "
            "choose a smaller dataset.window"
        )
    rows, columns = (height - window) // stride + 1, (width - window) // stride + 1
    top = (height - window - (rows - 1) * stride) // 2
    left = (width - window - (columns - 1) * stride) // 2
    view = np.lib.stride_tricks.sliding_window_view(field, (window, window), axis=(0, 1))
    view = view[top::stride, left::stride][:rows, :columns]
    patches = np.ascontiguousarray(np.moveaxis(view, 2, -1)).reshape(
        rows * columns, window, window, field.shape[2]
    )
    y, x = np.mgrid[:rows, :columns] * stride
    corners = np.stack([y.ravel() + top, x.ravel() + left], axis=1).astype(np.int32)
    return patches, corners


def darkest_light(views: np.ndarray, levels: Levels = BY_IMAGE) -> np.ndarray:
    """What no pixel of an empty region is brighter than, float64 [2], in counts.

    Args:
      views: uint16 [H, W, 2], a field.
      levels: whose background it is where that is fixed, as in the reference study. Else the median
        of each view and `FAULTY_NOISES` times its noise: the background of the field.
    """
    if levels.background:
        return np.full(views.shape[-1], levels.background)
    planes = [np.ascontiguousarray(views[..., view]) for view in range(views.shape[-1])]
    return np.array([np.median(plane) + FAULTY_NOISES * pixel_noise(plane) for plane in planes])


def faulty_patches(patches: np.ndarray, darkest: np.ndarray) -> np.ndarray:
    """Which patches show a droplet or an empty region: in a view nothing that could be a cell.

    Args:
      patches: uint16 [N, H, W, 2], raw counts.
      darkest: of their field, as `darkest_light` gives it.

    Returns:
      bool [N].
    """
    # View by view: a maximum over interleaved views is seventy times as slow.
    brightest = np.stack([patches[..., view].max(axis=(1, 2)) for view in (0, 1)], axis=-1)
    return (brightest <= darkest).any(axis=-1)


def label(
    patches: np.ndarray,
    masks: np.ndarray | None = None,
    target: str = "iou",
    pixel_um: float = 0.741,
) -> dict[str, np.ndarray]:
    """Measures how the cells of each patch interact.

    Args:
      patches: uint16 [N, H, W, 2], raw counts; view 0 T cell, view 1 dendritic cell.
      masks: uint8 [N, H, W], coded as in `patch_masks`, whose answer is taken where it is None.
      target: one of `catalogue.TARGETS`.
      pixel_um: µm, edge of a pixel.

    Returns:
      `masks` uint8 [N, H, W];
      `overlap` float32 [N], IoU of the two masks in percent;
      `target` float32 [N], the measure asked for, in its own unit.
    """
    masks = patch_masks(patches) if masks is None else masks
    cells = np.moveaxis(np.stack(decoded(masks)), 0, -1)
    overlap = measured = measure_patches(patches, cells, "iou", pixel_um=pixel_um)
    if target != "iou":
        measured = measure_patches(patches, cells, target, pixel_um=pixel_um)
    return {"masks": masks, "overlap": overlap, "target": measured}


def remove_background(patches: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Sets every pixel outside the cell masks to zero (the study's "masked" images).

    Args:
      patches: uint16 [N, H, W, 2], raw counts.
      masks: uint8 [N, H, W], coded as in `patch_masks`.

    Returns:
      uint16 [N, H, W, 2].
    """
    return np.where(np.stack(decoded(masks), axis=-1), patches, np.uint16(0))


def scale(patches: Array, levels: Levels = BY_IMAGE) -> Array:
    """Scales raw counts to [0, 1]: raised to the background, then min-max in each view of a patch.

    A view that holds too little contrast holds no cells (see `cell_threshold`); it is not stretched
    any further, so that noise above a droplet is not blown up to look like cells.

    Args:
      patches: uint16 [..., H, W, 2], raw counts; 0 throughout what a mask has removed.
      levels: background and least contrast where they are fixed, as in `cell_threshold`.

    Returns:
      float32 [..., H, W, 2]; 0 throughout a view that holds one value.

    Source: preprocessing of the reference study, but for the minimum contrast.
    """
    counts = patches.astype(jnp.float32)
    background, least = levels.background, levels.minimum_contrast
    raised = jnp.maximum(counts, jnp.float32(background) if background else _background(counts))
    lowest = raised.min(axis=(-3, -2), keepdims=True)
    contrast = raised.max(axis=(-3, -2), keepdims=True) - lowest
    least = jnp.float32(least) if least else MINIMUM_CONTRAST_IN_NOISES * _noise(counts)
    scaled = (raised - lowest) / jnp.maximum(contrast, least)
    # A compiler may divide by multiplying with the reciprocal, and 1 + 1e-7 has no entropy.
    return jnp.minimum(scaled, jnp.float32(1))


def _background(counts: Array) -> Array:
    """The median of each view, or of a masked one the darkest pixel of its cells."""
    median = jnp.median(counts[..., ::EVERY, ::EVERY, :], axis=(-3, -2), keepdims=True)
    darkest = jnp.where(counts > 0, counts, jnp.inf).min(axis=(-3, -2), keepdims=True)
    return jnp.where(jnp.isfinite(darkest), jnp.maximum(median, darkest), 0)


def _noise(counts: Array) -> Array:
    """As `pixel_noise`, of fewer pixels and none but those `EVERY` apart, of each view."""
    some = counts[..., ::EVERY, ::EVERY, :]
    middle = [
        jnp.median(jnp.abs(jnp.diff(some, axis=axis)), axis=(-3, -2), keepdims=True)
        for axis in (-3, -2)
    ]
    return jnp.maximum(DEVIATION * jnp.maximum(*middle), 1 / np.sqrt(12))
