"""How cells are found in patches and fields, by name."""

import numpy as np

from jaxcell.cells.instrument import LABORATORY_PIXEL_UM, PROTOCOLS, protocol_mask
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.masks import BY_IMAGE, Levels, cell_threshold, field_mask
from jaxcell.cells.resampling import SAME_PIXEL, nearest, resampled

# Pixels may be so many times as wide as the laboratory's: in wider ones a T cell is two pixels.
WIDEST = 4


def patch_masks(
    patches: np.ndarray, method: str = "two_means", levels: Levels = BY_IMAGE
) -> np.ndarray:
    """Masks both views of each patch by what that patch shows (the study's scope).

    Args:
      patches: uint16 [N, H, W, 2], raw counts; view 0 T cell, view 1 dendritic cell.
      method: `two_means` or `mean_sd`.
      levels: of background and least contrast, as in `cell_threshold`.

    Returns:
      uint8 [N, H, W], coded: 0 no cell, 1 T cell, 2 dendritic cell, 3 both.
    """
    views = (np.ascontiguousarray(patches[..., view]) for view in (0, 1))
    masks = (view > cell_threshold(view, method, levels)[:, None, None] for view in views)
    return _coded(*masks)


def field_masks(
    field: np.ndarray, method: str, pixel_um: float, levels: Levels = BY_IMAGE
) -> np.ndarray:
    """Masks both views of a field by what the whole field shows.

    Args:
      field: uint16 [H, W, 2], raw counts; view 0 T cell, view 1 dendritic cell.
      method: `two_means`, `mean_sd` or `instrument` (the protocols of the IN Cell).
      pixel_um: µm, edge of a pixel; the instrument's masks are made in pixels of its own size.
      levels: as in `cell_threshold`; the instrument's masks have no such.

    Returns:
      uint8 [H, W], coded as in `patch_masks`.
    """
    if method != "instrument":
        views = (np.ascontiguousarray(field[..., view]) for view in (0, 1))
        return _coded(*(field_mask(view, method, None, levels) for view in views))
    own = in_laboratory_pixels(field, pixel_um)
    views = (np.ascontiguousarray(own[..., view]) for view in (0, 1))
    coded = _coded(*(protocol_mask(view, PROTOCOLS[kind]) for view, kind in zip(views, VIEWS)))
    return coded if own is field else nearest(coded, field.shape[:2])


def in_laboratory_pixels(field: np.ndarray, pixel_um: float) -> np.ndarray:
    """A field in pixels of the size that the ways to find cells were set at.

    Args:
      field: uint16 [H, W, 2].
      pixel_um: µm, edge of a pixel.

    Returns:
      uint16 [h, w, 2], pixels of `LABORATORY_PIXEL_UM`; the field itself where it has such.

    Raises:
      ValueError: its pixels are so wide that no cell is seen.
    """
    zoom = pixel_um / LABORATORY_PIXEL_UM
    if zoom > WIDEST:
        raise ValueError(
            f"pixels of {pixel_um:g} µm show no single cells, which are looked for at "
            f"{LABORATORY_PIXEL_UM} µm: check the width of a pixel, --pixel-um"
        )
    return field if abs(zoom - 1) <= SAME_PIXEL else resampled(field, zoom, order=3)


def _coded(t_cell: np.ndarray, dendritic_cell: np.ndarray) -> np.ndarray:
    """Two masks, bool, as one array of uint8."""
    return t_cell.view(np.uint8) | dendritic_cell.view(np.uint8) << np.uint8(1)


def decoded(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The T-cell mask and the dendritic-cell mask, bool, of coded masks of any shape."""
    return (masks & np.uint8(1)).view(bool), (masks >> np.uint8(1)).view(bool)
