"""The numbers of a label image that another program made: closed up, and looked at for sense."""

import numpy as np
from skimage.measure import label

# Two pieces of one number are two cells where their middles are farther apart than so many
# diameters of the larger: pieces of one cell lie side by side.
FAR = 3.0
# ... of an image with a single number, which is more often a mask than one cell in pieces.
FAR_OF_ONE = 1.5
# ... and where the smaller has this share of the larger's area, so that specks do not count.
ALIKE = 0.25
# Largest numbers of 8 and of 16 bits: where one is reached, numbers may have begun anew.
FULL = (2**8 - 1, 2**16 - 1)
# Share of the numbers that may be in two places before they are no numbers of cells.
TOLERATED = 0.01


def close_up(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Renumbers cells from 1 on without gaps, in the order of their numbers.

    Args:
      labels: unsigned [H, W], 0 outside cells.

    Returns:
      int32 [H, W], 1..n inside cells, and the number that each had, [n].
    """
    largest = int(labels.max(initial=0))
    if largest > labels.size:  # a table of all numbers up to it would be larger than the image
        numbers, place = np.unique(labels, return_inverse=True)
        first = int(numbers[0] != 0)
        return (place.reshape(labels.shape) + first).astype(np.int32), numbers[1 - first :]
    there = np.zeros(largest + 1, bool)
    there[labels] = True
    there[0] = False
    return np.cumsum(there, dtype=np.int32)[labels], np.flatnonzero(there)


def in_two_places(labels: np.ndarray) -> np.ndarray:
    """Numbers of which two pieces lie so far apart that they are no one cell, sorted.

    Args:
      labels: int32 [H, W], 1..n inside cells without gaps.
    """
    pieces = label(labels, background=0, connectivity=2)
    at = np.flatnonzero(pieces)
    piece = pieces.ravel()[at] - 1
    area = np.bincount(piece)
    number = np.zeros(len(area), np.int64)
    number[piece] = labels.ravel()[at]
    if len(area) == number.max(initial=0):
        return np.zeros(0, np.int64)
    y, x = (np.bincount(piece, of) / area for of in np.divmod(at, labels.shape[1]))
    order = np.lexsort((-area, number))
    number, area, y, x = number[order], area[order], y[order], x[order]
    first = np.searchsorted(number, number)  # the largest piece of the same number
    apart = np.hypot(y - y[first], x - x[first])
    limit = FAR if number[-1] > 1 else FAR_OF_ONE
    far = apart > limit * np.sqrt(4 * area[first] / np.pi)
    return np.unique(number[far & (area >= ALIKE * area[first])])


def check_numbers(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Closes up the numbers of a label image, and refuses those that are none of cells.

    Numbers wrap where a program keeps more than 255 cells in 8 bits, or 65,535 in 16: then one
    number is two cells. In a mask, or a map of classes, one number is many.

    Args:
      labels: unsigned [H, W], 0 outside cells.

    Returns:
      As `close_up`.

    Raises:
      ValueError: numbers have wrapped, or are no numbers of cells.
    """
    closed, numbers = close_up(labels)
    twice = in_two_places(closed)
    if not len(twice):
        return closed, numbers
    some = ", ".join(map(str, numbers[twice[:3] - 1])) + (", ..." if len(twice) > 3 else "")
    largest = int(numbers[-1])
    said = f"{len(twice)} of its {len(numbers):,} numbers are in two places or more ({some})"
    if largest in FULL and len(numbers) > 1:
        bits = largest.bit_length()
        raise ValueError(
            f"{said} and the largest is {largest}: its numbers have wrapped in {bits} bits, so "
            f"that one number is several cells; save the labels again with {2 * bits} bits"
        )
    if len(twice) > TOLERATED * len(numbers):
        raise ValueError(
            f"{said}: it is a mask or a map of classes, not of cells; number the cells one by one "
            "(Fiji: Connected Components Labeling; Python: skimage.measure.label)"
        )
    return closed, numbers
