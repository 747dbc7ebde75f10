"""Windows over a field, what makes one faulty, and the scaling of raw counts to [0, 1]."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxcell.interaction.masks import BACKGROUND, MINIMUM_CONTRAST, cell_threshold
from jaxcell.interaction.overlap import iou


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
            "choose a smaller --config.data.window"
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


def label(patches: np.ndarray) -> dict[str, np.ndarray]:
    """Masks both views of each patch and measures their overlap.

    Args:
      patches: uint16 [N, H, W, 2], raw counts; view 0 T cell, view 1 dendritic cell.

    Returns:
      `thresholds` uint16 [N, 2], a pixel is a cell where `image > threshold`;
      `overlap` float32 [N], IoU of the two masks in percent;
      `faulty` bool [N], True where a view's brightest pixel is at most `BACKGROUND` (a droplet or
      an empty region; reference study).
    """
    views = np.ascontiguousarray(np.moveaxis(patches, -1, 0))
    thresholds = np.stack([cell_threshold(view) for view in views], axis=1)
    t_cell, dendritic_cell = (
        view > threshold[:, None, None]
        for view, threshold in zip(views, thresholds.T, strict=True)
    )
    return {
        "thresholds": thresholds,
        "overlap": 100 * iou(t_cell, dendritic_cell),
        "faulty": (views.max(axis=(2, 3)) <= BACKGROUND).any(axis=0),
    }


def remove_background(patches: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Sets every pixel outside the cell masks to zero (the study's "masked" images).

    Args:
      patches: uint16 [N, H, W, 2], raw counts.
      thresholds: uint16 [N, 2], as `label` gives them.

    Returns:
      uint16 [N, H, W, 2].
    """
    return np.where(patches > thresholds[:, None, None, :], patches, np.uint16(0))


def scale(patches: Array) -> Array:
    """Scales raw counts to [0, 1]: raised to `BACKGROUND`, then min-max in each view of each patch.

    A view that holds less than `MINIMUM_CONTRAST` holds no cells (see `cell_threshold`); it is not
    stretched any further, so that noise above a droplet is not blown up to look like cells.

    Args:
      patches: uint16 [..., H, W, 2], raw counts.

    Returns:
      float32 [..., H, W, 2]; 0 throughout a view that holds one value.

    Source: preprocessing of the reference study, but for the minimum contrast.
    """
    raised = jnp.maximum(patches.astype(jnp.float32), jnp.float32(BACKGROUND))
    lowest = raised.min(axis=(-3, -2), keepdims=True)
    contrast = raised.max(axis=(-3, -2), keepdims=True) - lowest
    return (raised - lowest) / jnp.maximum(contrast, jnp.float32(MINIMUM_CONTRAST))
