"""What really is in a simulated patch: amounts from a map of its truth, and shares of them.

A map of the truth is uint8 [H, W]. Each pixel is a sum of bits: `T_CELL` and `DENDRITIC_CELL` where
it lies in a cell of that kind, hidden parts of cells included; `CENTRE` where it is the centre of a
T cell, and then `CONTACT` where the masks of that T cell and of a dendritic cell share or adjoin a
pixel, and `BOUND` where the T cell was bound to a dendritic cell when it was placed.
"""

from collections.abc import Sequence

import numpy as np

from jaxcell.measures import overlap
from jaxcell.measures.field import percent

T_CELL, DENDRITIC_CELL, CENTRE, CONTACT, BOUND = (np.uint8(1 << bit) for bit in range(5))


def record(truth: np.ndarray) -> np.ndarray:
    """Amounts of a map of the truth, int64 [6]: pixels of T cells, of dendritic cells and of both;
    numbers of T cells by their centres, of those in contact, and of those bound."""
    both = T_CELL | DENDRITIC_CELL
    amounts = (
        truth & T_CELL,
        truth & DENDRITIC_CELL,
        (truth & both) == both,
        *(truth & bit for bit in (CENTRE, CONTACT, BOUND)),
    )
    return np.array([np.count_nonzero(amount) for amount in amounts], np.int64)


def iou(records: Sequence[np.ndarray]) -> float:
    """Shared area of true T cells and dendritic cells over the area of either, in percent."""
    return overlap.iou([amounts[:3] for amounts in records])


def overlap_share(records: Sequence[np.ndarray]) -> float:
    """Share of the true area of T cells that dendritic cells cover, in percent."""
    return overlap.overlap_share([amounts[:3] for amounts in records])


def contact_share(records: Sequence[np.ndarray]) -> float:
    """Share of T cells that truly touch a dendritic cell, in percent."""
    *_, cells, in_contact, _ = sum(records)
    return percent(in_contact, cells)


def bound_share(records: Sequence[np.ndarray]) -> float:
    """Share of T cells that were bound to a dendritic cell, in percent."""
    *_, cells, _, bound = sum(records)
    return percent(bound, cells)
