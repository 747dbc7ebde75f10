"""Which treatment goes to which well: by lot, then swapped until every label is spread evenly.

A label is what wells have in common: the compound at a dose in a condition (its wells are
replicates), the condition, the controls of a condition. Even means as equal numbers of each label
as there can be in every row, column, quadrant and tile of the plate, and places whose mean is that
of the plate: then neither rows and columns nor a smooth surface add to one treatment what they do
not add to another. Swaps follow simulated annealing.

Source: row-column designs, John and Williams 1995; annealing, Kirkpatrick et al. 1983.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Swaps tried for each well, and temperatures from first to last in units of the cost of one pair
# of replicates in one row.
SWAPS_A_WELL = 300
HOTTEST, COLDEST = 1.0, 0.01
# Tiles of a plate: rows and columns of them.
TILES = (3, 4)
# What a bend of the surface counts beside a slope. Two wells cannot cancel both.
BEND = 0.5


class Label(NamedTuple):
    """What some wells have in common, and how much it matters where they are.

    Attributes:
      of: int [N], label of each treatment; -1: none.
      row, column, quadrant, tile: cost of two wells of one label in the same.
      surface: cost of a label whose mean place is not that of the plate.
    """

    of: np.ndarray
    row: float
    column: float
    quadrant: float
    tile: float
    surface: float


def arrange(
    row: np.ndarray, column: np.ndarray, labels: Sequence[Label], random: np.random.Generator
) -> np.ndarray:
    """Gives treatments to wells.

    Args:
      row, column: int [N], of each well.
      labels: of each treatment, N of them.
      random: draws the first arrangement and all swaps.

    Returns:
      int [N], the treatment of each well.
    """
    ledger = _ledger(row, column, labels, random.permutation(len(row)))
    swaps = SWAPS_A_WELL * len(row)
    first, second = random.integers(len(row), size=(2, swaps)).tolist()
    luck = (-np.log(1 - random.random(swaps))).tolist()
    cooling = (COLDEST / HOTTEST) ** (1 / max(swaps, 1))
    temperature = HOTTEST * max((label.row for label in labels), default=1.0)
    for one, other, chance in zip(first, second, luck):
        temperature *= cooling
        # exp(-cost / temperature) > u, with luck = -log(u)
        if _cost_of_swap(ledger, one, other) < chance * temperature:
            _swap(ledger, one, other)
    return np.array(ledger.treatment)


def surface(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Row, column and the squares of both over wells, each with mean 0 and SD 1 (or all 0).

    Args:
      row, column: int [N].

    Returns:
      float64 [N, 4].
    """
    middle = [np.asarray(line, np.float64) - np.mean(line) for line in (row, column)]
    terms = np.column_stack([*middle, *(line**2 for line in middle)])
    terms -= terms.mean(axis=0)
    spread = terms.std(axis=0)
    return np.divide(terms, spread, where=spread > 1e-9, out=np.zeros_like(terms))


def parts(line: np.ndarray, number: int) -> np.ndarray:
    """In which of so many equal parts of its range each entry lies; int [N], from 0."""
    start = line.min()
    return (line - start) * number // (line.max() - start + 1)


def regions(row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quadrant (0 to 3) and tile (3 rows of 4) of each well, int [N] each."""
    quadrant = 2 * parts(row, 2) + parts(column, 2)
    return quadrant, TILES[1] * parts(row, TILES[0]) + parts(column, TILES[1])


class _Ledger(NamedTuple):
    """An arrangement and what is needed to know at once what a swap would cost.

    The cost is the sum over labels and lines of squared counts, which is least when counts are
    even, and of squared sums of `surface`. In plain lists: a swap looks at single numbers.

    Attributes:
      treatment: of each well.
      terms: `surface` of each well, bends made less.
      counted: for each label and kind of line its weight, where the counts of each treatment's
        label start, the line of each well, and the counts.
      summed: for each label its weight, the label of each treatment, and the sums of `terms`.
    """

    treatment: list[int]
    terms: list[list[float]]
    counted: list[tuple[float, list[int], list[int], list[int]]]
    summed: list[tuple[float, list[int], list[list[float]]]]


def _ledger(
    row: np.ndarray, column: np.ndarray, labels: Sequence[Label], treatment: np.ndarray
) -> _Ledger:
    """The ledger of an arrangement."""
    places = (row, column, *regions(row, column))
    lines = [np.unique(line, return_inverse=True)[1] for line in places]
    terms = surface(row, column) * (1.0, 1.0, BEND, BEND)
    counted, summed = [], []
    for label in labels:
        given = label.of[treatment]
        has, many = given >= 0, int(label.of.max(initial=-1)) + 1
        for line, weight in zip(lines, label[1:5]):
            if weight:
                width = int(line.max()) + 1
                counts = np.bincount((given * width + line)[has], minlength=many * width)
                start = np.where(label.of >= 0, label.of * width, -1)
                counted.append((weight, start.tolist(), line.tolist(), counts.tolist()))
        if label.surface:
            sums = np.zeros((many, terms.shape[1]))
            np.add.at(sums, given[has], terms[has])
            summed.append((label.surface, label.of.tolist(), sums.tolist()))
    return _Ledger(treatment.tolist(), terms.tolist(), counted, summed)


def _cost_of_swap(ledger: _Ledger, one: int, other: int) -> float:
    """What the cost grows by when two wells swap their treatments."""
    first, second = ledger.treatment[one], ledger.treatment[other]
    cost = 0.0
    for weight, start, line, counts in ledger.counted:
        here, there, left, right = start[first], start[second], line[one], line[other]
        if here == there or left == right:
            continue
        if here >= 0:
            cost += 2 * weight * (counts[here + right] - counts[here + left] + 1)
        if there >= 0:
            cost += 2 * weight * (counts[there + left] - counts[there + right] + 1)
    move = [after - before for before, after in zip(ledger.terms[one], ledger.terms[other])]
    square = _product(move, move)
    for weight, of, sums in ledger.summed:
        here, there = of[first], of[second]
        if here == there:
            continue
        if here >= 0:
            cost += weight * (square + 2 * _product(sums[here], move))
        if there >= 0:
            cost += weight * (square - 2 * _product(sums[there], move))
    return cost


def _product(one: list[float], other: list[float]) -> float:
    """Scalar product of two lists of four."""
    a, b, c, d = one
    w, x, y, z = other
    return a * w + b * x + c * y + d * z


def _swap(ledger: _Ledger, one: int, other: int) -> None:
    """Swaps the treatments of two wells."""
    first, second = ledger.treatment[one], ledger.treatment[other]
    moves = ((first, one, other), (second, other, one))
    for _, start, line, counts in ledger.counted:
        for given, before, after in moves:
            if start[given] >= 0:
                counts[start[given] + line[before]] -= 1
                counts[start[given] + line[after]] += 1
    for _, of, sums in ledger.summed:
        for given, before, after in moves:
            if of[given] >= 0:
                places = zip(sums[of[given]], ledger.terms[before], ledger.terms[after])
                sums[of[given]] = [total - old + new for total, old, new in places]
    ledger.treatment[one], ledger.treatment[other] = second, first
