"""Which well of a simulated plate is given what: in blocks as laboratories do, or by lot.

Pure: numbers in, treatments out. A place is the row and column of a well, from 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LAYOUTS = ("blocks", "lot")
ROWS, COLUMNS = "ABCDEFGHIJKLMNOP", 24
VEHICLE = "DMSO"
VEHICLE_SHARE = 0.2  # of a condition's wells
REPLICATES = 2  # wells of one compound, dose and condition

Place = tuple[int, int]


class Treatment(NamedTuple):
    """What a well was given; the vehicle is the compound DMSO, without a concentration."""

    condition: str
    compound: str
    concentration_um: float


def block_layout(
    rows: int, columns: int, conditions: Sequence[str], doses_um: Sequence[float]
) -> dict[Place, Treatment]:
    """Conditions in blocks of columns, the same compounds in each, as laboratories lay them out.

    Wells in use start at row B and column 2, as on a plate whose rim is left empty, or at A and 1
    where they would not fit. With one dose, compounds go down the columns of a block, all of them
    once and then again, and the vehicle fills what is left. With several, each
    column has one and each row a compound, the last row of either half the vehicle.
    """
    first_row, first_column = 1 + (rows < len(ROWS)), 1 + (columns < COLUMNS)
    wells = {}
    for condition, block in zip(conditions, np.array_split(np.arange(columns), len(conditions))):
        fill = _one_dose if len(doses_um) == 1 else _doses_by_column
        for number, compound in enumerate(fill(rows, len(block))):
            offset, row = divmod(number, rows)
            dose = float("nan") if compound == VEHICLE else float(doses_um[offset % len(doses_um)])
            place = (first_row + row, first_column + int(block[offset]))
            wells[place] = Treatment(condition, compound, dose)
    return wells


def _one_dose(rows: int, columns: int) -> list[str]:
    """Compounds of a block, column by column."""
    wells = rows * columns
    vehicles = max(1, round(VEHICLE_SHARE * wells)) if wells > 1 else 0
    compounds = -(-(wells - vehicles) // REPLICATES)
    samples = [str(number % compounds + 1) for number in range(wells - vehicles)]
    return samples + [VEHICLE] * vehicles


def _doses_by_column(rows: int, columns: int) -> list[str]:
    """Compounds of a block, column by column; every column is the same."""
    half = -(-rows // REPLICATES)
    compounds = max(half - 1, 1)
    column = [str(row % half + 1) if row % half < compounds else VEHICLE for row in range(rows)]
    return column * columns


def lot_layout(rng: np.random.Generator, wells: dict[Place, Treatment]) -> dict[Place, Treatment]:
    """The treatments of a layout given to its wells by lot."""
    treatments = list(wells.values())
    order = rng.permutation(len(treatments))
    return {place: treatments[number] for place, number in zip(wells, order)}
