"""The layout of an experiment: which well of which plate gets what."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from jaxcell.analysis.design.arrangement import Label, arrange
from jaxcell.analysis.design.plan import Experiment, PlatePlan, plan_plates

VEHICLE = "DMSO"
COLUMNS = ["condition", "compound", "concentration_um", "role"]


def lay_out(
    experiment: Experiment, wells: int, *, rim: bool, seed: int, names: Sequence[str] = ()
) -> pd.DataFrame:
    """Lays an experiment out on as few plates as hold it, by lot and evenly.

    Args:
      experiment: what is to be tested.
      wells: of a plate: 24, 96 or 384.
      rim: whether the outermost wells are used.
      seed: the same gives the same layout.
      names: of the plates; those that are not named are P1, P2 and so on.

    Returns:
      One row a well in use, by plate, row and column: plate, well, row, column (from 1), condition,
      compound (`1` to the number of compounds; DMSO), concentration_um (µM, NaN of the vehicle) and
      role (`sample` or `vehicle`).

    Raises:
      ValueError: it does not fit, in a sentence.
    """
    plans = plan_plates(experiment, wells, rim=rim, random=np.random.default_rng([seed, 0]))
    plates = []
    for number, plan in enumerate(plans, 1):
        table = _by_lot(experiment, plan, np.random.default_rng([seed, number]))
        name = names[number - 1] if number <= len(names) else f"P{number}"
        plates.append(table.assign(plate=name))
    layout = pd.concat(plates, ignore_index=True)
    places = zip(layout["row"], layout["column"])
    layout["well"] = [f"{chr(ord('A') + row - 1)}{column:02d}" for row, column in places]
    return layout[["plate", "well", "row", "column", *COLUMNS]]


def treatments(experiment: Experiment, plan: PlatePlan) -> pd.DataFrame:
    """What a plate's wells get, in order: condition, compound, concentration_um and role."""
    rows = [
        (condition, str(compound + 1), float(dose), "sample")
        for condition in experiment.conditions
        for compound, _ in sorted(plan.sets)
        for dose in experiment.doses_um
    ]
    rows += [
        (condition, VEHICLE, float("nan"), "vehicle")
        for condition in experiment.conditions
        for _ in range(plan.vehicle)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _by_lot(experiment: Experiment, plan: PlatePlan, random: np.random.Generator) -> pd.DataFrame:
    """One plate: row, column and what the well gets."""
    given = treatments(experiment, plan)
    row, column = _places(plan, len(given))
    order = arrange(row, column, labels(given), random)
    return given.iloc[order].reset_index(drop=True).assign(row=row, column=column)


def _places(plan: PlatePlan, wells: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of so many wells; the few that are left over are corners."""
    row, column = np.meshgrid(plan.rows, plan.columns, indexing="ij")
    row, column = row.ravel(), column.ravel()
    ends = (plan.rows[0], plan.rows[-1]), (plan.columns[0], plan.columns[-1])
    from_corner = np.minimum(*(np.abs(row - end) for end in ends[0])) + np.minimum(
        *(np.abs(column - end) for end in ends[1])
    )
    kept = np.sort(np.argsort(-from_corner, kind="stable")[:wells])
    return row[kept], column[kept]


def labels(given: pd.DataFrame) -> list[Label]:
    """What wells have in common, and how much that matters.

    Args:
      given: condition, compound, concentration_um and role of each treatment.
    """
    sample = (given["role"] == "sample").to_numpy()

    def numbered(columns: list[str], where: np.ndarray) -> np.ndarray:
        number = given.groupby(columns, dropna=False, sort=True).ngroup().to_numpy()
        return np.where(where, number, -1)

    everywhere = np.ones(len(given), bool)
    replicates = numbered(["condition", "compound", "concentration_um"], sample)
    found = [
        # Replicates apart above all: nothing else makes up for two of two wells in one row.
        Label(replicates, row=10.0, column=10.0, quadrant=10.0, tile=1.0, surface=0.5),
        Label(numbered(["condition"], ~sample), 4.0, 4.0, 4.0, 4.0, 1.0),
        Label(numbered(["condition"], everywhere), 2.0, 2.0, 2.0, 1.0, 0.5),
        Label(numbered(["compound"], sample), 1.0, 1.0, 1.0, 0.0, 0.2),
    ]
    if given.loc[sample, "concentration_um"].nunique() > 1:
        # The doses of a curve: a dose in one column would be the column's gradient.
        doses = numbered(["condition", "concentration_um"], sample)
        found.append(Label(doses, 1.0, 1.0, 1.0, 0.0, 0.5))
    return found


def shuffled(layout: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """The treatments of each plate given to its wells by lot, for comparison."""
    return _rearranged(layout, lambda own: own.iloc[random.permutation(len(own))])


def in_blocks(layout: pd.DataFrame) -> pd.DataFrame:
    """The treatments of each plate as laboratories lay them out, for comparison.

    A condition is a block of columns; in it compounds go down the columns, all of them once and
    then again, and the vehicle comes last.
    """

    def in_order(own: pd.DataFrame) -> pd.DataFrame:
        again = own.groupby(COLUMNS, dropna=False, sort=False).cumcount()
        number = pd.to_numeric(own["compound"], errors="coerce")
        keyed = own.assign(again=again.where(own["role"] == "sample", len(own)), number=number)
        return keyed.sort_values(["condition", "again", "number", "concentration_um"])[COLUMNS]

    return _rearranged(layout.sort_values(["plate", "column", "row"]), in_order)


def _rearranged(
    layout: pd.DataFrame, order: Callable[[pd.DataFrame], pd.DataFrame]
) -> pd.DataFrame:
    """Wells in their order, each plate's treatments in another."""
    plates = []
    for _, own in layout.groupby("plate", sort=False):
        given = order(own[COLUMNS]).reset_index(drop=True)
        plates.append(own.drop(columns=COLUMNS).reset_index(drop=True).join(given))
    return pd.concat(plates, ignore_index=True)
