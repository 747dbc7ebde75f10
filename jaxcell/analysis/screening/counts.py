"""What a compound does to the number of cells, and what is left of its effect at equal numbers."""

import numpy as np
import pandas as pd
from scipy.stats import t as student

from jaxcell.analysis.screening.hits import FALSE_DISCOVERIES, GROUP, Hits, compare
from jaxcell.analysis.screening.scale import LOGARITHM, choose_scale

# Wells beyond the terms of the model by which the measure's dependence on counts is told.
LEAST_FREEDOM = 10
# A drop of the count below which nobody speaks of toxicity, whatever its p: 10 %.
LEAST_DROP = 0.9


def compare_counts(
    wells: pd.DataFrame, columns: list[str], *, correct: bool = True
) -> dict[str, Hits]:
    """Compares the numbers of cells of each compound with those of its controls.

    Args:
      wells: as for `compare`, with the columns.
      columns: of counts; those without a finite value are left out.
      correct: as for `compare`.

    Returns:
      column -> as `compare`, on a logarithmic scale.
    """
    found = {}
    for name in columns:
        counts = pd.to_numeric(wells[name], errors="coerce")
        if np.isfinite(counts).any():
            scale = choose_scale(counts.to_numpy(np.float64), 0, None)
            if scale.name == LOGARITHM:
                found[name] = compare(wells, name, scale, correct=correct)
    return found


def with_counts(hits: Hits, counts: dict[str, Hits]) -> pd.DataFrame:
    """Effects of a screen with what compounds do to cells, and their effects at equal numbers.

    Args:
      hits: of the measure.
      counts: as `compare_counts` gives.

    Returns:
      `hits.effects` with, for each column of counts, `NAME_ratio` (to the controls), `NAME_low`,
      `NAME_high` (95 %) and `NAME_q`; `toxic` (bool: a count is lower by a tenth at least, with q
      at most 0.05); `equal_effect`, on the scale, `equal_error` and `equal_p`: the effect at the
      controls' numbers of cells, NaN where that cannot be told.

    Source: analysis of covariance, Fisher 1932; slopes from wells of one group.
    """
    effects, toxic = hits.effects.copy(), np.zeros(len(hits.effects), bool)
    shifts = {}
    for name, found in counts.items():
        own = effects[GROUP].merge(found.effects, "left", GROUP)
        shifts[name] = own["effect"].to_numpy(np.float64)
        for column, source in (("ratio", "effect"), ("low", "low_effect"), ("high", "high_effect")):
            effects[f"{name}_{column}"] = np.exp(own[source].to_numpy(np.float64))
        effects[f"{name}_q"] = own["q"].to_numpy(np.float64)
        fallen = effects[f"{name}_ratio"] <= LEAST_DROP
        toxic |= (fallen & (effects[f"{name}_q"] <= FALSE_DISCOVERIES)).to_numpy()
    equal = pd.DataFrame(np.nan, effects.index, ["equal_effect", "equal_error", "equal_p"])
    table = hits.wells
    for name, found in counts.items():
        own = found.wells.set_index(["plate", "well"])["corrected"]
        table = table.join(own.rename(f"log_{name}"), on=["plate", "well"])
    for condition, rows in effects.groupby("condition").groups.items() if counts else ():
        change = np.column_stack([values[rows] for values in shifts.values()])
        own = table[table["condition"] == condition]
        equal.loc[rows] = _at_equal_counts(
            effects.loc[rows], own, change, [f"log_{name}" for name in counts]
        )
    return effects.assign(toxic=toxic, **equal)


def _at_equal_counts(
    effects: pd.DataFrame, wells: pd.DataFrame, change: np.ndarray, counts: list[str]
) -> np.ndarray:
    """Effect, error and p of the compounds of a condition at equal counts, float64 [G, 3].

    `change` is the effect on the logarithm of each count, [G, C].
    """
    wells = wells[np.isfinite(wells[counts]).all(axis=1)]
    columns = ["corrected", *counts]
    keys = [wells["group"], wells["plate"]]
    left = (wells[columns] - wells.groupby(keys)[columns].transform("mean")).to_numpy(np.float64)
    freedom = len(wells) - wells.groupby(keys).ngroups - len(counts)
    if freedom < LEAST_FREEDOM:
        return np.full((len(effects), 3), np.nan)
    inverse = np.linalg.pinv(left[:, 1:].T @ left[:, 1:], 1e-9, True)
    slope = inverse @ (left[:, 1:].T @ left[:, 0])
    residual = left[:, 0] - left[:, 1:] @ slope
    variance = float(residual @ residual) / freedom
    share = 1 / effects["wells"].to_numpy() + 1 / effects["control_wells"].to_numpy()
    error = np.sqrt(variance * (share + ((change @ inverse) * change).sum(axis=1)))
    effect = effects["effect"].to_numpy() - change @ slope
    t = np.divide(effect, error, where=error > 0, out=np.full(len(error), np.nan))
    return np.column_stack([effect, error, 2 * student.sf(np.abs(t), freedom)])
