"""A plate of which some wells are stained: what the others would show, and how surely.

A network without stain may be wrong in a way that all wells of a plate share, since their medium,
focus and cells are alike. A line through the stained wells takes that out, and how far each of them
lies from the line of the others tells how far a new one may.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.intervals.conformal import ROUNDING, wells_needed

LEAST = 3  # stained wells, without which there is no line through all but one


class Rest(NamedTuple):
    """What is said of every well of a plate.

    Attributes:
      predicted: float64 [N].
      low, high: float64 [N], the interval; NaN where there is none.
      said: bool [N], whether the interval is narrower than that of the stained wells' mean, which
        needs no image of the well. Where it is not, nothing should be said of a well.
      reason: None, or why there are no intervals.
    """

    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    said: np.ndarray
    reason: str | None


def predict_rest(seen: np.ndarray, known: np.ndarray, coverage: float) -> Rest:
    """Predicts wells by what is seen of them without stain and by the stained wells of the plate.

    Args:
      seen: float [N], what a network estimates of each well without stain.
      known: float [N], what the stain says; NaN in wells without stain.
      coverage: share of wells without stain that are to lie in their interval.

    Returns:
      What is said of each well; of stained ones what the others would have said.

    Source: jackknife+ of Barber, Candès, Ramdas and Tibshirani 2021.
    """
    seen, known = np.asarray(seen, np.float64), np.asarray(known, np.float64)
    stained = np.flatnonzero(np.isfinite(known) & np.isfinite(seen))
    count = len(stained)
    none = np.full(len(seen), np.nan)
    rank = rank_of(count, coverage)
    if count < LEAST:
        reason = f"{count} wells are stained: stain {LEAST} at least"
        return Rest(seen.copy(), none, none.copy(), np.zeros(len(seen), bool), reason)
    without = np.stack([_line(seen, known, np.delete(stained, n)) for n in range(count)])
    predicted = _line(seen, known, stained)
    predicted[stained] = without[np.arange(count), stained]
    if rank > count:
        needed = wells_needed(coverage)
        reason = f"{count} wells are stained: intervals of {coverage:.0%} need {needed}"
        return Rest(predicted, none, none.copy(), np.zeros(len(seen), bool), reason)
    errors = np.abs(known[stained] - predicted[stained])
    low = np.sort(without - errors[:, None], axis=0)[count - rank]
    high = np.sort(without + errors[:, None], axis=0)[rank - 1]
    means = (known[stained].sum() - known[stained]) / (count - 1)
    by_mean = np.abs(known[stained] - means)
    widest = np.sort(means + by_mean)[rank - 1] - np.sort(means - by_mean)[count - rank]
    return Rest(predicted, low, high, high - low < widest, None)


def rank_of(count: int, coverage: float) -> int:
    """Which of so many rising errors, from 1, a new one exceeds no more often than promised; beyond
    them where they are too few."""
    return math.ceil((count + 1) * coverage - ROUNDING)


def _line(seen: np.ndarray, known: np.ndarray, stained: np.ndarray) -> np.ndarray:
    """The least squares line through some wells, at every well; level where they do not differ."""
    x, y = seen[stained], known[stained]
    spread = float(np.sum((x - x.mean()) ** 2))
    slope = float(np.sum((x - x.mean()) * (y - y.mean()))) / spread if spread else 0.0
    return y.mean() + slope * (seen - x.mean())


def curve(
    seen: np.ndarray,
    known: np.ndarray,
    counts: tuple[int, ...],
    coverage: float,
    draws: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """How well the rest of a plate is predicted by so many stained wells, drawn at random.

    Args:
      seen, known: float [N], as for `predict_rest`, all wells known.
      counts: numbers of stained wells; those that leave no other are left out.
      coverage: of intervals.
      draws: of stained wells, each count.
      seed: of the draws.

    Returns:
      A row a count: `stained`; `rmse` of the others, and `rmse_of_mean`, of predicting them by the
      mean of the stained; `hold`, share of the others inside their interval, and `said`, share of
      them of which the interval says more than that mean; NaN where there are no intervals.
    """
    random, rows = np.random.default_rng(seed), []
    known = np.asarray(known, np.float64)
    for count in counts:
        if not LEAST <= count < len(known):
            continue
        squares, of_mean, hold, said = [], [], [], []
        for _ in range(draws):
            chosen = random.permutation(len(known))[:count]
            stained = np.full(len(known), np.nan)
            stained[chosen] = known[chosen]
            others = np.isnan(stained)
            rest = predict_rest(seen, stained, coverage)
            squares.append(np.mean((rest.predicted - known)[others] ** 2))
            of_mean.append(np.mean((known[chosen].mean() - known[others]) ** 2))
            if rest.reason is None:
                inside = (rest.low <= known) & (known <= rest.high)
                hold.append(inside[others].mean())
                said.append(rest.said[others].mean())
        rows.append(
            {
                "stained": count,
                "rmse": float(np.sqrt(np.mean(squares))),
                "rmse_of_mean": float(np.sqrt(np.mean(of_mean))),
                "hold": float(np.mean(hold)) if hold else np.nan,
                "said": float(np.mean(said)) if said else np.nan,
            }
        )
    return pd.DataFrame(rows)
