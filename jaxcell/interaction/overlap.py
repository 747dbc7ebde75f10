"""How much two cell masks share: the label that the regressor learns."""

import numpy as np


def iou(t_cell: np.ndarray, dendritic_cell: np.ndarray) -> np.ndarray:
    """Intersection over union of two masks.

    Args:
      t_cell: bool [..., H, W], True inside a T cell.
      dendritic_cell: bool [..., H, W], True inside a dendritic cell.

    Returns:
      float32 [...] in [0, 1]; 0 where both masks are empty.

    Source: Jaccard 1912; the interaction label of the reference study.
    """
    intersection = np.count_nonzero(t_cell & dendritic_cell, axis=(-2, -1))
    union = np.count_nonzero(t_cell | dendritic_cell, axis=(-2, -1))
    return (intersection / np.maximum(union, 1)).astype(np.float32)
