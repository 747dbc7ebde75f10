"""How much area the masks of two views share."""

from collections.abc import Sequence

import numpy as np

from jaxcell.measures.field import Field, percent


def record(field: Field) -> np.ndarray:
    """Counts the pixels of the T-cell mask, of the dendritic-cell mask and of both, int64 [3]."""
    t_cell, dendritic_cell = field.masks
    masks = (t_cell, dendritic_cell, t_cell & dendritic_cell)
    return np.array([np.count_nonzero(mask) for mask in masks], np.int64)


def iou(records: Sequence[np.ndarray]) -> float:
    """Intersection over union of the two masks, in percent; 0 where both are empty.

    Source: Jaccard 1912; the interaction label of the reference study.
    """
    t_cell, dendritic_cell, both = sum(records)
    return percent(both, t_cell + dendritic_cell - both)


def overlap_share(records: Sequence[np.ndarray]) -> float:
    """Share of the T cells' area that dendritic cells cover, in percent; 0 without T cells.

    Source: the column "overlap area / T-cell area" of the IN Cell Analyzer's own table.
    """
    t_cell, _, both = sum(records)
    return percent(both, t_cell)
