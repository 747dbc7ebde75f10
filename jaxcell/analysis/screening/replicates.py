"""Do replicates of a compound agree?"""

from itertools import combinations

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.screening.hits import from_controls

DRAWS = 2000
LEAST_GROUPS = 4


def agreement(wells: pd.DataFrame, *, seed: int) -> list[dict]:
    """Correlation of replicates over the compounds of each condition.

    Args:
      wells: as `Hits.wells`; wells count as differences from the controls of their plate.
      seed: of the bootstrap over compounds.

    Returns:
      For each condition `condition`, `compounds` (groups with two wells at least), `wells`, `r`
      (mean over pairs of replicates: the first well with the second, and so on), `interval` (95 %),
      `noise_share` (share of the variance between wells that is between replicates, by analysis
      of variance; 0 to 1) and `reason` (None, or why the rest is None).

    Source: intraclass correlation, Shrout and Fleiss 1979, case 1; percentile bootstrap.
    """
    wells = wells.assign(apart=from_controls(wells))
    known = wells["apart"].notna()
    samples = wells[known & (wells["role"] == "sample") & (wells["compound"] != "")]
    rows = []
    for name in conditions(samples):
        own = samples[samples["condition"] == name].sort_values(["plate", "well"])
        values = [group.to_numpy() for _, group in own.groupby("group")["apart"]]
        values = [group for group in values if len(group) > 1]
        row = {"condition": name, "compounds": len(values), "wells": sum(map(len, values))}
        if len(values) < LEAST_GROUPS:
            few = f"fewer than {LEAST_GROUPS} compounds have two wells"
            rows.append(row | dict.fromkeys(("r", "interval", "noise_share")) | {"reason": few})
            continue
        random = np.random.default_rng(seed)
        draws = []
        for _ in range(DRAWS):
            chosen = random.integers(len(values), size=len(values))
            draws.append(_correlation([values[place] for place in chosen]))
        finite = [draw for draw in draws if np.isfinite(draw)]
        r = _correlation(values)
        rows.append(
            row
            | {
                "r": r if np.isfinite(r) else None,
                "interval": np.percentile(finite, (2.5, 97.5)).tolist() if finite else None,
                "noise_share": _noise_share(values),
                "reason": None,
            }
        )
    return rows


def _correlation(values: list[np.ndarray]) -> float:
    """Mean over pairs of replicates of the correlation over groups that have both."""
    most = max(map(len, values))
    found = []
    for first, second in combinations(range(most), 2):
        both = np.array([[group[first], group[second]] for group in values if len(group) > second])
        if len(both) >= LEAST_GROUPS and (both.std(axis=0) > 0).all():
            found.append(np.corrcoef(both.T)[0, 1])
    return float(np.mean(found)) if found else float("nan")


def _noise_share(values: list[np.ndarray]) -> float | None:
    """Variance between replicates over that between wells of different groups."""
    sizes = np.array([len(group) for group in values], float)
    everything = np.concatenate(values)
    within = sum(((group - group.mean()) ** 2).sum() for group in values)
    within /= sizes.sum() - len(values)
    means = np.array([group.mean() for group in values])
    between = (sizes * (means - everything.mean()) ** 2).sum() / (len(values) - 1)
    usual = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(values) - 1)
    groups = max((between - within) / usual, 0.0)
    return float(within / (within + groups)) if within + groups > 0 else None
