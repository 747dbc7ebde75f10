"""What a measure is taken of, and the percentage that many measures are.

Measures speak of T cells and dendritic cells: the first and the second of two kinds of cells, of
whichever a measurement is (`population`).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

CONTACT_UM = 1.5  # two pixels of the laboratory's microscope between the edges of two masks
NEAR_UM = 20.0  # about the width of one T cell and one dendritic cell


class Field(NamedTuple):
    """A field of view, or a patch of one.

    Attributes:
      views: uint16 [2, H, W], raw counts of the T-cell and the dendritic-cell view.
      masks: bool [2, H, W], True inside cells.
      cells: number of a view -> int32 [H, W], its cells from 1 on, 0 outside. A patch is labelled
        when this is called, so only measures of single cells wait for it.
      pixel_um: width of a pixel.
      contact_um: longest edge-to-edge distance of a contact.
      near_um: edge-to-edge distance up to which a T cell counts as near.
    """

    views: np.ndarray
    masks: np.ndarray
    cells: Callable[[int], np.ndarray]
    pixel_um: float
    contact_um: float = CONTACT_UM
    near_um: float = NEAR_UM


def percent(part: float, whole: float) -> float:
    """Percentage; 0 of nothing."""
    return 100 * float(part) / float(whole) if whole else 0.0
