"""The ceiling of simulated plates: how well conditions can be told apart by perfect knowledge.

Wells of different conditions can be alike, where a compound takes a stimulation away for example.
No reading of images can tell such wells apart better than one that knows what every well was drawn
to be and the laws of the simulator: the best AUROC possible.
"""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist
from scipy.special import logit, logsumexp
from scipy.stats import rankdata

from jaxcell.simulator import biology

COMPOUNDS = 600  # drawn to know what wells of a condition are like
# What can be known of a well, and which of that is association.
KNOWN = ("association", "expected_t_cells", "expected_dendritic_cells", "swelling_dendritic_cell")


def ceiling(wells: pd.DataFrame, seed: int = 0) -> dict:
    """The best AUROC possible between the conditions of simulated wells.

    A well's score for a condition is the density of what is known of it under that condition, over
    the sum under all (Neyman and Pearson 1933): wells of many other compounds, blurred by what
    plates and replicates differ by.

    Args:
      wells: the table `truth/wells.parquet`, of one plate or several.

    Returns:
      dict of `association` (AUROC, each condition against the rest, mean over conditions, where
      the association alone is known), `cells` (the same where numbers and sizes of cells are known
      too) and `pairs` (`A / B` -> AUROC of the association); None without two conditions.
    """
    wells = wells[wells["expected_t_cells"] > 0]  # nothing is to be known of an empty well
    shares = wells.groupby("condition")["condition_association"].first()
    conditions = {name: shares[name] for name in biology.CONDITIONS if name in shares}
    if len(conditions) < 2:
        return {"association": None, "cells": None, "pairs": {}}
    known, spread = _known(wells), _spread()
    rng = np.random.default_rng(seed)
    doses = wells["concentration_um"].to_numpy()
    laws = {name: _law(rng, share, conditions, name, doses) for name, share in conditions.items()}
    labels = wells["condition"].to_numpy()
    scores = {
        dimensions: np.stack(
            [_log_density(known, law, spread, dimensions) for law in laws.values()], axis=1
        )
        for dimensions in (1, len(KNOWN))
    }
    pairs = {}
    for (one, first), (other, second) in itertools.combinations(enumerate(conditions), 2):
        ratio = scores[1][:, one] - scores[1][:, other]
        pairs[f"{first} / {second}"] = area_under_curve(
            ratio[labels == first], ratio[labels == second]
        )
    return {
        "association": _one_against_rest(scores[1], labels, list(conditions)),
        "cells": _one_against_rest(scores[len(KNOWN)], labels, list(conditions)),
        "pairs": pairs,
    }


def _known(wells: pd.DataFrame) -> np.ndarray:
    """Log odds of association and logarithms of numbers and sizes, float64 [N, len(KNOWN)]."""
    values = wells[list(KNOWN)].to_numpy(np.float64)
    odds = logit(np.clip(values[:, :1], 1e-6, 1 - 1e-6))
    return np.concatenate([odds, np.log(values[:, 1:])], axis=1)


def _spread() -> np.ndarray:
    """Standard deviation between wells alike, of one plate or another, of each of `KNOWN`."""
    return np.array(
        [
            np.hypot(biology.REPLICATE_SHIFT, biology.BATCH_SHIFT),
            np.hypot(biology.REPLICATE_DENSITY[0], biology.BATCH_DENSITY),
            np.hypot(biology.REPLICATE_DENSITY[1], biology.BATCH_DENSITY),
            biology.REPLICATE_SWELLING[1],
        ]
    )


def _law(
    rng: np.random.Generator, share: float, conditions: Mapping, name: str, doses: np.ndarray
) -> np.ndarray:
    """What the median wells of many compounds are at the doses of these wells, float64 [M, D]."""
    rest = biology.CONDITIONS["Unstimulated"]
    rest = rest._replace(association=conditions.get("Unstimulated", rest.association))
    median = biology.CONDITIONS[name]._replace(association=share)
    rows = []
    for dose in rng.choice(doses, COMPOUNDS):
        well = biology.treated(median, rest, biology.draw_compound(rng, rng.random()), dose)
        rows.append((well.association, well.t_cells, well.dendritic_cells, well.swelling[1]))
    return _known(pd.DataFrame(rows, columns=list(KNOWN)))


def _log_density(
    known: np.ndarray, law: np.ndarray, spread: np.ndarray, dimensions: int
) -> np.ndarray:
    """Log density, but for a constant, of wells under a law by their first dimensions, [N]."""
    known, law = (values[:, :dimensions] / spread[:dimensions] for values in (known, law))
    return logsumexp(-0.5 * cdist(known, law, "sqeuclidean"), axis=1)


def _one_against_rest(log_density: np.ndarray, labels: np.ndarray, names: list[str]) -> float:
    posterior = log_density - logsumexp(log_density, axis=1, keepdims=True)
    areas = [
        area_under_curve(posterior[labels == name, column], posterior[labels != name, column])
        for column, name in enumerate(names)
    ]
    return float(np.mean(areas))


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve of scores; a tie counts one half (Hanley and McNeil 1982)."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    above = ranks.sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))
