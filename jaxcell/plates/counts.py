"""Numbers of any kind become counts: uint16, as a camera of 12 or 16 bits gives them."""

from typing import NamedTuple

import numpy as np

from jaxcell.plates.readers.planes import SAVE, BadImage

# Numbers of 8 bits, and shares of the full scale, become counts of a camera of 12 bits, so that
# plates of either can be told in one unit, and the study's constants mean what they meant.
OF_8_BITS, OF_SHARES = 16, 4095
MOST = np.iinfo(np.uint16).max


class Counts(NamedTuple):
    """A view, uint16 [H, W], and how many counts one of the file's numbers became."""

    view: np.ndarray
    scale: int


def as_counts(numbers: np.ndarray) -> Counts:
    """Turns an image of any numbers into counts.

    16 bits stay as they are, and so do whole numbers of other types that fit. 8 bits are multiplied
    by 16. Floats up to 1 are shares of the full scale, times 4095; others are rounded.

    Args:
      numbers: [H, W].

    Raises:
      ValueError: numbers below 0, above 65535, or none; says which.
    """
    if numbers.dtype == np.uint16:
        return Counts(numbers, 1)
    if numbers.dtype == np.uint8:
        return Counts(numbers.astype(np.uint16) * OF_8_BITS, OF_8_BITS)
    if numbers.dtype == bool or numbers.dtype.kind not in "iuf":
        raise BadImage(f"its pixels are {numbers.dtype}, which is no light", SAVE)
    lowest, highest = (float(extreme(numbers)) for extreme in (np.min, np.max))
    if not np.isfinite([lowest, highest]).all():
        raise BadImage("some of its pixels are no numbers (NaN or infinite)", SAVE)
    if lowest < 0:
        cure = "save it without subtracting the background, which the program takes into account"
        raise BadImage(f"it has counts below 0 ({lowest:g})", cure)
    if highest > MOST:
        raise BadImage(f"it has counts above {MOST} ({highest:g})", SAVE)
    shares = numbers.dtype.kind == "f" and highest <= 1
    scale = OF_SHARES if shares else 1
    view = np.rint(numbers * scale) if numbers.dtype.kind == "f" else numbers
    return Counts(view.astype(np.uint16), scale)
