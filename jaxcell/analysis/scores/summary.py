"""The scores of metrics.json from the table of patches, and which patches to show."""

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import condition_names, conditions, shown_conditions
from jaxcell.analysis.scores.regression import (
    OF_A_RECONSTRUCTION,
    by_condition,
    scores,
    scores_of,
    wells_table,
)


def summarise(patches: pd.DataFrame, training_mean: float | None) -> dict:
    """Scores of both models over a table of patches, as `wells_table` takes.

    Faulty patches are counted in, as the reference study's test set did; the same scores without
    them stand under `without_faulty`.

    Returns:
      `{"regressor": scores_of | {by_condition, without_faulty, well_means}, "autoencoder":
      {bce, bce_floor, bce_excess, psnr_db, ssim, n, by_condition}, "evaluated": {wells, patches,
      faulty}}`, plain Python numbers and None.
    """
    regressor = scores_of(patches, training_mean)
    regressor["by_condition"] = by_condition(patches, training_mean)
    sound = patches[~patches["faulty"].astype(bool)]
    regressor["without_faulty"] = scores_of(sound, training_mean)
    wells = wells_table(patches)
    regressor["well_means"] = scores(wells["target_mean"], wells["predicted_mean"])
    names = condition_names(patches)
    autoencoder = reconstruction_means(patches)
    autoencoder["by_condition"] = {
        name: reconstruction_means(patches[names == name]) for name in conditions(patches)
    }
    evaluated = {
        "wells": len(wells),
        "patches": len(patches),
        "faulty": int(patches["faulty"].astype(bool).sum()),
    }
    return {"regressor": regressor, "autoencoder": autoencoder, "evaluated": evaluated}


def reconstruction_means(patches: pd.DataFrame) -> dict:
    """Means of bce, its floor and excess (nats), psnr_db, ssim; None where not finite."""
    columns = {name: patches[name].to_numpy(np.float64) for name in OF_A_RECONSTRUCTION}
    columns["bce_excess"] = columns["bce"] - columns["bce_floor"]
    means = {
        name: float(values.mean()) if len(values) and np.isfinite(values).all() else None
        for name, values in columns.items()
    }
    return means | {"n": len(patches)}


def spread_over_target(patches: pd.DataFrame, count: int = 6) -> dict[str, np.ndarray]:
    """Patches of each condition to show, chosen by a rule so that nobody picks the pretty ones.

    One patch at 0 where that is the least, the others evenly over the ranks of the rest, the
    largest included; at most `count`. Faulty patches only where a condition has no others. Of
    very many conditions those that figures show.

    Returns:
      dict of condition -> int [k], positions (not index labels) of rows, rising in target.
    """
    names = condition_names(patches).to_numpy()
    faulty = patches["faulty"].to_numpy(bool)
    target = patches["target"].to_numpy(np.float64)
    chosen = {}
    for name in shown_conditions(patches):
        rows = np.flatnonzero((names == name) & ~faulty)
        rows = rows if len(rows) else np.flatnonzero(names == name)
        rows = rows[np.argsort(target[rows], kind="stable")]
        without = np.count_nonzero(target[rows] == 0) if target[rows[0]] >= 0 else 0
        kept = max(1, count - (len(rows) - without)) if without else 0
        pieces = (_evenly(rows[:without], kept), _evenly(rows[without:], count - kept))
        chosen[name] = np.concatenate(pieces)
    return chosen


def _evenly(rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of int [n], evenly spaced, the last one included."""
    if count >= len(rows):
        return rows
    return rows[np.round(np.linspace(0, len(rows) - 1, count + 1)[1:]).astype(int)]
