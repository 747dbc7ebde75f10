"""Why conditions in blocks of columns can prove nothing: measured on wells without any effect."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind

from jaxcell.analysis.design.balance import precision

LEVEL = 0.05
# SD over wells of a gradient along the columns, in SDs of the noise between wells.
GRADIENTS = (0.0, 0.25, 0.5, 1.0)
PLATES = 1000
BLOCKS, STRIPES, BY_LOT, DESIGNED = "blocks of columns", "columns in turn", "by lot", "this design"


class Proof(NamedTuple):
    """What an arrangement of groups (conditions, or controls and compounds) can prove.

    Attributes:
      arrangement: `BLOCKS`, `STRIPES`, `BY_LOT` or `DESIGNED`.
      false_positives: gradient -> share of pairs of groups that a t test calls different (p at
        most 0.05) though nothing acts.
      information: share of what is known of differences between groups that is left when wells are
        corrected for rows and columns; 0: nothing.
    """

    arrangement: str
    false_positives: dict[float, float]
    information: float


def proofs(plate: pd.DataFrame, *, seed: int) -> list[Proof]:
    """What the conditions of a plate can prove in blocks, in stripes, by lot and as designed.

    With one condition only, the groups are vehicle wells and compounds.

    Args:
      plate: row, column, condition, role of each well in use.
      seed: of noise and lots.

    Returns:
      Each arrangement over the same wells.
    """
    several = plate["condition"].nunique() > 1
    designed = pd.factorize(plate["condition"] if several else plate["role"])[0]
    row = np.unique(plate["row"], return_inverse=True)[1]
    column = np.unique(plate["column"], return_inverse=True)[1]
    groups, columns = int(designed.max()) + 1, int(column.max()) + 1
    random = np.random.default_rng(seed)
    lots = np.array([random.permutation(designed) for _ in range(PLATES)])
    of_columns = np.sort(np.arange(columns) * groups // columns)
    if not several:  # as many columns of vehicle as there are wells
        vehicle = max(1, round(columns * float((plate["role"] == "vehicle").mean())))
        of_columns = (np.arange(columns) < vehicle).astype(int)
    stripes = _in_turn(of_columns)
    arranged = {
        BLOCKS: of_columns[column],
        STRIPES: stripes[column],
        BY_LOT: lots,
        DESIGNED: designed,
    }
    return [
        Proof(
            name,
            {size: false_positives(group, column, size, random) for size in GRADIENTS},
            _information(group if group.ndim == 1 else group[0], row, column),
        )
        for name, group in arranged.items()
    ]


def _in_turn(of_columns: np.ndarray) -> np.ndarray:
    """Whole columns of each group spread over the plate."""
    wanted = np.bincount(of_columns)
    # Each group's columns at equal distances from each other; the first that is due comes first.
    due = [((at + 0.5) / many, group) for group, many in enumerate(wanted) for at in range(many)]
    return np.array([group for _, group in sorted(due)])


def false_positives(
    group: np.ndarray, column: np.ndarray, gradient: float, random: np.random.Generator
) -> float:
    """Share of pairs of groups that differ by a t test on plates where nothing acts.

    Args:
      group: int [N] of each well, or [PLATES, N], another arrangement on each plate.
      column: int [N].
      gradient: SD over wells of a straight trend along the columns, over that of the noise.
      random: of the noise.
    """
    trend = (column - column.mean()) / column.std() if column.std() > 0 else np.zeros(len(column))
    values = gradient * trend + random.standard_normal((PLATES, len(column)))
    if group.ndim > 1:  # one order for all plates, so that groups are the same columns of the array
        order = np.argsort(group, axis=1, kind="stable")
        values, group = np.take_along_axis(values, order, 1), np.sort(group[0])
    names = np.unique(group)
    found = [
        ttest_ind(values[:, group == one], values[:, group == other], axis=1).pvalue <= LEVEL
        for at, one in enumerate(names)
        for other in names[at + 1 :]
    ]
    return float(np.mean(found))


def _information(group: np.ndarray, row: np.ndarray, column: np.ndarray) -> float:
    lines = np.column_stack([row[:, None] == np.unique(row), column[:, None] == np.unique(column)])
    members = (group[:, None] == np.unique(group)).astype(np.float64)
    means = (members / members.sum(axis=0)).T
    pairs = np.array(
        [means[one] - means[other] for one in range(len(means)) for other in range(one)]
    )
    return precision(group, lines, pairs)
