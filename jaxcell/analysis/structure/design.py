"""Which wells can be learned from and tested on, and how they are split, shuffled and drawn."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammaln

from jaxcell.analysis.conditions import NO_CONDITION, condition_names, conditions
from jaxcell.analysis.structure import scores

FOLDS = 5
# With fewer different shuffles a p-value of 0.05 means little.
FEWEST_ARRANGEMENTS = 100
# Of very many wells and conditions so many labels are read in all, by as few shuffles at least.
MOST_READ, FEWEST_SHUFFLES = 100_000_000, 199


class Design(NamedTuple):
    """Wells, and the random choices that every representation is judged by alike.

    Attributes:
      rows: int [N], the patches that are used, as rows of the caller's table.
      well_of: int [N], the well of each of them in [0, W).
      wells: W rows: plate, row, column.
      labels: int [W] in [0, C).
      folds: int [W].
      labellings: int [1 + permutations, W], the true labels first.
      weights: float64 [bootstraps, W], how often a well is drawn.
      untestable: None, or why there can be no p-values.
    """

    rows: np.ndarray
    well_of: np.ndarray
    wells: pd.DataFrame
    labels: np.ndarray
    folds: np.ndarray
    labellings: np.ndarray
    weights: np.ndarray
    untestable: str | None


class Chosen(NamedTuple):
    """What of a table of patches can be used.

    Attributes:
      rows: int [N], patches that are neither faulty nor without condition nor alone.
      conditions: those with at least two wells.
      wells: condition -> number of wells with patches that are not faulty, all conditions.
      reason: None, or why nothing can be tested.
    """

    rows: np.ndarray
    conditions: list[str]
    wells: dict[str, int]
    reason: str | None


def choose(patches: pd.DataFrame) -> Chosen:
    """Leaves out faulty patches, those without a condition, and conditions with a single well."""
    names = condition_names(patches).to_numpy()
    good = ~patches["faulty"].to_numpy(bool) & (names != NO_CONDITION)
    places = patches.loc[good, ["plate", "well"]].assign(condition=names[good])
    counts = places.drop_duplicates().groupby("condition").size().to_dict()
    wells = {name: int(counts[name]) for name in conditions(patches) if name in counts}
    enough = [name for name, count in wells.items() if count > 1]
    rows = np.flatnonzero(good & np.isin(names, enough))
    reason = None
    if not wells:
        all_faulty = bool(patches["faulty"].all())
        reason = "all patches are faulty" if all_faulty else "the condition of no well is known"
    elif len(wells) == 1:
        reason = f"all wells are of one condition, {next(iter(wells))}"
    elif len(enough) < 2:
        reason = (
            "at least two conditions with two wells each are needed, to fit on some wells and test "
            "on others"
        )
    return Chosen(rows, enough, wells, reason)


def design_wells(
    patches: pd.DataFrame, chosen: Chosen, seed: int, permutations: int, bootstraps: int
) -> Design:
    """Splits, shuffles and draws the wells that were chosen; `chosen` has no reason.

    Wells times conditions is what reading a shuffle costs: of very many there are fewer shuffles.
    """
    table = patches.iloc[chosen.rows]
    groups = table.groupby(["plate", "well"], sort=True)
    wells = groups[["row", "column"]].first().reset_index()
    well_of = groups.ngroup().to_numpy()
    labels = np.zeros(len(wells), np.int64)
    labels[well_of] = pd.Index(chosen.conditions).get_indexer(condition_names(table))
    plates = wells["plate"].to_numpy()
    folds = choose_folds(labels, plates, seed)
    swappable = shuffle_groups(plates, folds)
    untestable = _untestable(arrangements(labels, swappable))
    affordable = MOST_READ // (len(wells) * len(chosen.conditions))
    permutations = min(permutations, max(FEWEST_SHUFFLES, affordable))
    shuffles = shuffled(labels, swappable, 0 if untestable else permutations, seed)
    labellings = np.concatenate([labels[None], shuffles])
    weights = scores.bootstrap_weights(labels, bootstraps, seed)
    return Design(chosen.rows, well_of, wells, labels, folds, labellings, weights, untestable)


def _untestable(ways: float) -> str | None:
    if ways >= FEWEST_ARRANGEMENTS:
        return None
    if ways < 2:
        return "no plate holds wells of two conditions whose labels could be swapped"
    return (
        f"there are so few wells that their labels can be shuffled in {ways:.0f} ways only, and a "
        f"test needs {FEWEST_ARRANGEMENTS}"
    )


def fold_wells(labels: np.ndarray, plates: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deals wells out to folds, so that every fold has its share of each label and each plate.

    Returns:
      int [W] in [0, folds), for labels int [W] and plates [W].

    Raises:
      ValueError: fewer than 2 folds, or more than the rarest label has wells.
    """
    labels, plates = np.asarray(labels), np.asarray(plates)
    fewest = np.unique(labels, return_counts=True)[1].min(initial=len(labels))
    if not 2 <= folds <= fewest:
        raise ValueError(
            f"{folds} folds of wells: at least 2 are needed and every condition needs a well in "
            f"each, but the rarest has {fewest}"
        )
    random = np.random.default_rng(seed)
    result = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        # Plate after plate like cards, going on where the last plate stopped.
        order = random.permutation(np.flatnonzero(labels == label))
        order = order[np.argsort(plates[order], kind="stable")]
        result[order] = np.arange(len(order)) % folds
    return result


def choose_folds(labels: np.ndarray, plates: np.ndarray, seed: int) -> np.ndarray:
    """`fold_wells` with 5 folds, or the most that allow 100 shuffles, or those that allow most.

    The choice looks only at how many wells of each label a plate has, which no shuffle changes.

    Raises:
      ValueError: a label has only one well.
    """
    fewest = np.unique(labels, return_counts=True)[1].min(initial=len(labels))
    options = [fold_wells(labels, plates, n, seed) for n in range(min(FOLDS, fewest), 1, -1)]
    if not options:
        raise ValueError("a condition with a single well cannot be both learned and tested")
    counts = [arrangements(labels, shuffle_groups(plates, folds)) for folds in options]
    enough = [folds for folds, count in zip(options, counts) if count >= FEWEST_ARRANGEMENTS]
    return enough[0] if enough else options[int(np.argmax(counts))]


def shuffle_groups(plates: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Wells among which labels may be swapped: of the same plate and fold; int [W]."""
    plate = np.unique(plates, return_inverse=True)[1]
    return np.unique(plate * (folds.max(initial=0) + 1) + folds, return_inverse=True)[1]


def arrangements(labels: np.ndarray, groups: np.ndarray) -> float:
    """Number of different ways to shuffle labels inside groups (may be infinity)."""
    total = 0.0
    for group in np.unique(groups):
        counts = np.unique(labels[groups == group], return_counts=True)[1]
        total += gammaln(counts.sum() + 1) - gammaln(counts + 1).sum()
    return float(np.round(np.exp(total))) if total < 700 else float("inf")


def shuffled(labels: np.ndarray, groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Labels of wells shuffled inside groups; int [count, W]."""
    random = np.random.default_rng(seed)
    result = np.tile(labels, (count, 1))
    for group in np.unique(groups):
        where = np.flatnonzero(groups == group)
        result[:, where] = random.permuted(result[:, where], axis=1)
    return result
