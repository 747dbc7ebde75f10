"""How many plates an experiment needs, and how many wells of each get the vehicle."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Wells of a plate -> rows and columns.
PLATES = {24: (4, 6), 96: (8, 12), 384: (16, 24)}
# Vehicle wells of a condition on a plate: one for each quadrant.
LEAST_VEHICLE = 4
# How far the shape of the wells in use may depart from the plate's: a factor.
MOST_STRETCHED = 1.5


class Experiment(NamedTuple):
    """What is to be tested.

    Attributes:
      compounds: how many.
      replicates: wells of a compound at one dose in one condition.
      conditions: names of the stimulations.
      doses_um: doses of every compound, in µM.
    """

    compounds: int
    replicates: int
    conditions: Sequence[str]
    doses_um: Sequence[float]

    @property
    def wells_of_a_set(self) -> int:
        """Wells of one replicate of a compound: all its doses in all conditions."""
        return len(self.conditions) * len(self.doses_um)


class PlatePlan(NamedTuple):
    """What one plate holds.

    Attributes:
      sets: (compound, replicate), both from 0, of which the plate holds all doses and conditions.
      vehicle: wells of each condition.
      rows, columns: in use, from 1.
    """

    sets: list[tuple[int, int]]
    vehicle: int
    rows: range
    columns: range


def plan_plates(
    experiment: Experiment, wells: int, *, rim: bool, random: np.random.Generator
) -> list[PlatePlan]:
    """Spreads an experiment over as few plates as hold it with vehicle wells enough.

    A plate holds whole replicates of compounds, all doses and conditions of one, so that these are
    compared within the plate; the replicates of a compound go to different plates as far as there
    are several. Of a condition about as many wells are vehicle as make the comparisons of all
    compounds most precise, and at least half of that: n sqrt(k) for k compounds of n wells.

    Args:
      experiment: what is to be tested.
      wells: of a plate: 24, 96 or 384.
      rim: whether the outermost wells are used.
      random: which compounds come together where there are several plates.

    Raises:
      ValueError: there is no such plate, or the experiment does not fit; in a sentence.

    Source: Dunnett 1955, section 5, for the number of control wells.
    """
    height, width = _usable(wells, rim)
    _check(experiment)
    capacity, size = height * width, experiment.wells_of_a_set
    least = size + LEAST_VEHICLE * len(experiment.conditions)
    if least > capacity:
        raise ValueError(_too_large(experiment, wells, capacity, rim))
    order = random.permutation(experiment.compounds)
    for plates in range(1, experiment.compounds * experiment.replicates + 1):
        shares = _spread(order, experiment.replicates, plates)
        needed = [
            len(own) * size
            + len(experiment.conditions) * max(LEAST_VEHICLE, -(-_wanted(own, experiment) // 2))
            for own in shares
        ]
        if max(needed) <= capacity:
            return [_plate(own, experiment, wells, (height, width), rim) for own in shares]
    raise ValueError(_too_large(experiment, wells, capacity, rim))


def _usable(wells: int, rim: bool) -> tuple[int, int]:
    """Rows and columns that may be used."""
    if wells == 1536:
        raise ValueError(
            "a plate of 1536 wells has more rows and columns than a layout table can name (A to P, "
            "1 to 24): use 384 and several plates"
        )
    if wells not in PLATES:
        raise ValueError(f"there is no plate of {wells} wells: use {', '.join(map(str, PLATES))}")
    height, width = PLATES[wells]
    return (height, width) if rim else (height - 2, width - 2)


def _check(experiment: Experiment) -> None:
    conditions, doses = list(experiment.conditions), list(experiment.doses_um)
    if experiment.compounds < 1 or experiment.replicates < 1:
        raise ValueError(
            f"{experiment.compounds} compounds in {experiment.replicates} wells each: give at "
            "least 1 of both"
        )
    if not conditions or len(set(conditions)) < len(conditions):
        raise ValueError(f"conditions are {', '.join(conditions)}: name each once, at least one")
    if not doses or not all(dose > 0 and math.isfinite(dose) for dose in doses):
        raise ValueError(
            f"doses are {', '.join(f'{dose:g}' for dose in doses)}: give numbers above 0, in uM; "
            "the vehicle wells, without a dose, are added"
        )
    if len(set(doses)) < len(doses):
        listed = ", ".join(f"{dose:g}" for dose in doses)
        raise ValueError(f"doses are {listed}: name each once, and wells of it by replicates")


def _too_large(experiment: Experiment, wells: int, capacity: int, rim: bool) -> str:
    doses, conditions = len(experiment.doses_um), len(experiment.conditions)
    without = "" if rim else " without its rim"
    also = "" if rim else ", use the rim too (--rim use)"
    return (
        f"one well of a compound at each dose in each condition ({doses} x {conditions}) and "
        f"{LEAST_VEHICLE} vehicle wells a condition need "
        f"{experiment.wells_of_a_set + LEAST_VEHICLE * conditions} wells, but a plate of {wells} "
        f"has {capacity}{without}: name fewer doses or conditions{also} or take a larger plate"
    )


def _spread(order: np.ndarray, replicates: int, plates: int) -> list[list[tuple[int, int]]]:
    """Replicates dealt out to plates like cards, those of a compound one after the other."""
    hands: list[list[tuple[int, int]]] = [[] for _ in range(plates)]
    for place, compound in enumerate(order.tolist()):
        for replicate in range(replicates):
            hands[(place * replicates + replicate) % plates].append((compound, replicate))
    return hands


def _wanted(own: list[tuple[int, int]], experiment: Experiment) -> int:
    """Vehicle wells of a condition that make all comparisons of a plate most precise."""
    compounds = len({compound for compound, _ in own})
    groups = compounds * len(experiment.doses_um)
    return max(LEAST_VEHICLE, math.ceil(len(own) / compounds * math.sqrt(groups)))


def _plate(
    own: list[tuple[int, int]],
    experiment: Experiment,
    wells: int,
    usable: tuple[int, int],
    rim: bool,
) -> PlatePlan:
    """Vehicle wells and places of one plate; what is left of the rectangle is vehicle too."""
    conditions = len(experiment.conditions)
    samples = len(own) * experiment.wells_of_a_set
    most = (usable[0] * usable[1] - samples) // conditions
    vehicle = min(_wanted(own, experiment), most)
    height, width = _rectangle(samples + conditions * vehicle, usable)
    vehicle = (height * width - samples) // conditions
    first = [(full - used) // 2 + 1 for full, used in zip(PLATES[wells], (height, width))]
    rows, columns = (range(start, start + used) for start, used in zip(first, (height, width)))
    return PlatePlan(own, vehicle, rows, columns)


def _rectangle(needed: int, usable: tuple[int, int]) -> tuple[int, int]:
    """The smallest rectangle of about the plate's shape with so many wells: rows, columns."""
    height, width = usable
    shapes = [(rows, -(-needed // rows)) for rows in range(1, height + 1)]
    shapes = [shape for shape in shapes if shape[1] <= width]

    def stretched(shape: tuple[int, int]) -> float:
        return abs(math.log(shape[1] / shape[0] * height / width))

    even = [shape for shape in shapes if stretched(shape) <= math.log(MOST_STRETCHED)]
    if not even:
        return min(shapes, key=stretched)
    return min(even, key=lambda shape: (shape[0] * shape[1], stretched(shape)))
