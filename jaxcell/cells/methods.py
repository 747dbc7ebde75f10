"""How cells are found in patches and fields, by name."""

import numpy as np

from jaxcell.cells.instrument import PROTOCOLS, at_pixel_size, protocol_mask
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.masks import cell_threshold, field_mask


def patch_masks(patches: np.ndarray, method: str = "two_means") -> np.ndarray:
    """Masks both views of each patch by what that patch shows (the study's scope).

    Args:
      patches: uint16 [N, H, W, 2], raw counts; view 0 T cell, view 1 dendritic cell.
      method: `two_means` or `mean_sd`.

    Returns:
      uint8 [N, H, W], coded: 0 no cell, 1 T cell, 2 dendritic cell, 3 both.
    """
    views = (np.ascontiguousarray(patches[..., view]) for view in (0, 1))
    return _coded(*(view > cell_threshold(view, method)[:, None, None] for view in views))


def field_masks(field: np.ndarray, method: str, pixel_um: float) -> np.ndarray:
    """Masks both views of a field by what the whole field shows.

    Args:
      field: uint16 [H, W, 2], raw counts; view 0 T cell, view 1 dendritic cell.
      method: `two_means`, `mean_sd` or `instrument` (the protocols of the IN Cell).
      pixel_um: µm, edge of a pixel, by which the instrument's kernels are scaled.

    Returns:
      uint8 [H, W], coded as in `patch_masks`.
    """
    views = (np.ascontiguousarray(field[..., view]) for view in (0, 1))
    if method == "instrument":
        protocols = [at_pixel_size(PROTOCOLS[kind], pixel_um) for kind in VIEWS]
        return _coded(*(protocol_mask(view, how) for view, how in zip(views, protocols)))
    return _coded(*(field_mask(view, method, window=None) for view in views))


def _coded(t_cell: np.ndarray, dendritic_cell: np.ndarray) -> np.ndarray:
    """Two masks, bool, as one array of uint8."""
    return t_cell.view(np.uint8) | dendritic_cell.view(np.uint8) << np.uint8(1)


def decoded(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The T-cell mask and the dendritic-cell mask, bool, of coded masks of any shape."""
    return (masks & np.uint8(1)).view(bool), (masks >> np.uint8(1)).view(bool)
