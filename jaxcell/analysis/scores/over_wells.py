"""How well estimates agree with the truth, with intervals over wells: patches of one are alike."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

DRAWS = 2000  # bootstrap samples of wells
SCORES = ("rmse_over_sd", "bias", "r")


def scores_over_wells(
    true: np.ndarray, estimated: np.ndarray, wells: Sequence, seed: int = 0
) -> dict:
    """Scores of estimates, with 95 % intervals by drawing wells with their patches.

    Args:
      true, estimated: float [N], in the same unit; pairs of which one is NaN are left out.
      wells: [N], the well of each.
      seed: of the draws.

    Returns:
      `n` and `wells`, pairs and wells that are left; `rmse` and `bias` (mean of estimated - true)
      in their unit; `rmse_over_sd`, over the SD of the truth of the population; `r`, Pearson's
      correlation; `NAME_interval`, [low, high], of the last three. None where it is not defined:
      a ratio and r where the truth is the same everywhere, r of constant estimates, intervals of
      one well.

    Source: the percentile bootstrap over clusters (Davison and Hinkley 1997, section 3.8).
    """
    true, estimated = np.asarray(true, np.float64), np.asarray(estimated, np.float64)
    known = np.isfinite(true) & np.isfinite(estimated)
    true, estimated = true[known], estimated[known]
    number, names = pd.factorize(np.asarray(wells)[known])
    result: dict = {"n": len(true), "wells": len(names), "rmse": None}
    result |= {key: None for name in SCORES for key in (name, f"{name}_interval")}
    if not len(true):
        return result
    # Centred first: sums of squares would lose digits.
    sums = _sums(true - true.mean(), estimated - true.mean(), number, len(names))
    values = _scores(sums.sum(axis=0)[None])
    result["rmse"] = float(np.sqrt(np.mean((estimated - true) ** 2)))
    result |= {name: _plain(value[0]) for name, value in values.items()}
    if len(names) > 1:
        chance = np.full(len(names), 1 / len(names))
        weights = np.random.default_rng(seed).multinomial(len(names), chance, DRAWS)
        for name, drawn in _scores(weights @ sums).items():
            if result[name] is not None:
                ends = np.nanpercentile(drawn, (2.5, 97.5))
                result[f"{name}_interval"] = [float(end) for end in ends]
    return result


def _sums(true: np.ndarray, estimated: np.ndarray, number: np.ndarray, wells: int) -> np.ndarray:
    """What all scores are computed from, of each well: float64 [wells, 6]."""
    columns = (np.ones_like(true), true, estimated, true**2, estimated**2, true * estimated)
    return np.stack([np.bincount(number, column, wells) for column in columns], axis=1)


def _scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """`SCORES` of rows of sums, float64 [D, 6]; NaN where they are not defined."""
    count, true, estimated, true_square, estimated_square, product = sums.T
    mean, other = true / count, estimated / count
    # What rounding leaves of a variance that is 0.
    rounding = 1e-12 * (true_square + estimated_square) / count
    variance = true_square / count - mean**2
    spread = estimated_square / count - other**2
    variance, spread = (np.where(each > rounding, each, np.nan) for each in (variance, spread))
    error = np.maximum(true_square - 2 * product + estimated_square, 0) / count
    covariance = product / count - mean * other
    return {
        "rmse_over_sd": np.sqrt(error / variance),
        "bias": other - mean,
        "r": covariance / np.sqrt(variance * spread),
    }


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def mean_of_other_wells(true: np.ndarray, wells: Sequence) -> np.ndarray:
    """For each of N the mean of the truth over all other wells, float64 [N]: what an estimator that
    sees no image knows at best. NaN where there is none; NaN in `true` counts as nothing.
    """
    true = np.asarray(true, np.float64)
    number, names = pd.factorize(np.asarray(wells))
    known = np.isfinite(true)
    sums = np.bincount(number[known], true[known], len(names))
    counts = np.bincount(number[known], minlength=len(names))
    rest = counts.sum() - counts
    means = np.where(rest > 0, (sums.sum() - sums) / np.maximum(rest, 1), np.nan)
    return means[number]
