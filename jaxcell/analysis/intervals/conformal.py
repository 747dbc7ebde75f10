"""Prediction intervals that hold for wells never seen, whatever the errors look like.

Patches of a well share its staining, its focus and its cells, so an interval calibrated on patches
as if they were independent covers too little in a new well. Here a calibration well counts once,
however many patches it has (Lee, Barber and Willett 2023, "Distribution-free inference with
hierarchical data"). Wells for the three steps must differ: the scale comes from training wells,
the calibration from wells that had no say in the regressor, the coverage from others like them.

How large errors usually are is told by the prediction, or by what knows more of it: a network that
gives every pixel a probability is less sure in bad light.

Means of wells have scores of their own, of as many patches as the new well has: a mean of 16
patches errs more than one of 36.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

# Patches that one step of the scale rests on at least, and steps at most.
STEP_PATCHES, STEPS = 30, 60
# Share of the mean error below which the scale does not fall: many empty patches are predicted
# almost exactly, and the few that are not would otherwise have errors of thousands of scales.
LEAST_SHARE = 0.1
MOST_SCORES = 2000
# Means of wells are looked at with 1, 2, 3, 4, 6, 8, 11, 16, ... patches, each this many times more
# than the one before, drawn so often from each well.
SIZE_STEP, MEANS_DRAWN = math.sqrt(2), 10
# Of a patch: the truth, the prediction, and where the scale is read.
VALUES = ("target", "predicted", "at")
# Sums of weights that differ by less are equal.
ROUNDING = 1e-9


def well_numbers(table: pd.DataFrame) -> np.ndarray:
    """A number for each row's well, int64 [N]: wells of different plates differ."""
    return table.groupby(["plate", "well"], dropna=False).ngroup().to_numpy()


def places(table: pd.DataFrame) -> np.ndarray:
    """Where the scale of errors is read, float64 [N]: at `doubt`, where a table of patches has it,
    else at `predicted`."""
    return table["doubt" if "doubt" in table else "predicted"].to_numpy(np.float64)


def fit_scale(at: np.ndarray, error: np.ndarray) -> dict:
    """How large an error usually is at each place of training wells: rising, never falling.

    Args:
      at: float [N], the prediction, or what grows with its error, as `places` gives.
      error: float [N], predicted - true, in the unit of the target.

    Returns:
      dict for JSON: `at` and `scale`, lists of rising values, the scale in the unit of the target,
      to be joined by straight lines and level beyond them; `reason`: None, or why the scale is the
      same everywhere.

    Source: isotonic regression of the absolute error (Barlow et al. 1972), drawn through the middle
    of its steps (Oron and Flournoy 2017).
    """
    at, size = np.asarray(at, np.float64), np.abs(np.asarray(error, np.float64))
    finite = np.isfinite(at) & np.isfinite(size)
    order = np.argsort(at[finite], kind="stable")
    at, size = at[finite][order], size[finite][order]
    if not len(size) or not size.any():
        none = "no training patch has an error to learn from"
        return {"at": [0.0], "scale": [1.0], "reason": none}
    groups = min(STEPS, max(1, len(size) // STEP_PATCHES))
    parts = np.array_split(np.arange(len(size)), groups)
    counts = np.array([len(part) for part in parts], float)
    centres = np.array([at[part].mean() for part in parts])
    steps = isotonic_regression([size[part].mean() for part in parts], weights=counts)
    blocks = list(zip(steps.blocks[:-1], steps.blocks[1:]))
    middles = [float(np.average(centres[a:b], weights=counts[a:b])) for a, b in blocks]
    least = LEAST_SHARE * float(size.mean())
    scale = [max(float(steps.x[a]), least) for a, _ in blocks]
    start = max(scale.count(least) - 1, 0)
    few = f"only {len(size)} training patches, too few to see where errors are larger"
    return {
        "at": middles[start:],
        "scale": scale[start:],
        "reason": few if len(size) < 2 * STEP_PATCHES else None,
    }


def scale_at(scale: dict, at: np.ndarray) -> np.ndarray:
    """The scale at each place, float64 [N]; NaN where that is NaN."""
    return np.interp(np.asarray(at, np.float64), scale["at"], scale["scale"])


def calibrate(
    wells: np.ndarray,
    target: np.ndarray,
    predicted: np.ndarray,
    scale: dict,
    at: np.ndarray | None = None,
) -> dict:
    """How many scales the errors in wells that the regressor was not fitted to amount to.

    Args:
      wells: [N], each patch's well (see `well_numbers`).
      target: float [N].
      predicted: float [N], in the same unit.
      scale: as `fit_scale` gives, of other wells.
      at: float [N], where the scale is read; None: at the prediction.

    Returns:
      dict for JSON: `reason`: None, or why there is no calibration; `wells`, `patches` and
      `left_out` (patches without finite values); `scale`; `scores`, rising, and their `weights`:
      absolute error over scale, each well's patches sharing 1 / (wells + 1), at most
      `MOST_SCORES` (neighbours are merged into the largest of them, so that intervals never get
      narrower by it); `means`: [number of patches, rising scores of means of so many patches], by
      rising number, see `_scores_of_means`; `groups`: {}, see `by_group.calibrate`.
    """
    at = predicted if at is None else at
    frame = pd.DataFrame({"well": wells, "target": target, "predicted": predicted, "at": at})
    frame[[*VALUES]] = frame[[*VALUES]].astype(np.float64)
    finite = np.isfinite(frame[[*VALUES]]).all(axis=1)
    left_out, frame = int((~finite).sum()), frame[finite]
    groups = frame.groupby("well", dropna=False)
    count = groups.ngroups
    weights = 1 / ((count + 1) * groups["well"].transform("size").to_numpy(np.float64))
    scores, weights = _thinned(_scores(frame, scale), weights)
    reason = None if count else "no calibration patch has a finite truth and prediction"
    return {
        "reason": reason,
        "wells": count,
        "patches": len(frame),
        "left_out": left_out,
        "scale": scale,
        "scores": scores.tolist(),
        "weights": weights.tolist(),
        "means": _scores_of_means(frame, scale),
        "groups": {},
    }


def _scores_of_means(frame: pd.DataFrame, scale: dict) -> list[list]:
    """What means of wells err by in scales, had each well no more than so many patches.

    Patches are drawn `MEANS_DRAWN` times from each well without replacement; a well with fewer
    counts with all it has, which makes intervals wider rather than narrower.
    """
    if frame.empty:
        return []
    groups, random = frame.groupby("well", dropna=False), np.random.default_rng(0)
    most = int(groups.size().max())
    steps = SIZE_STEP ** np.arange(math.ceil(math.log(most, SIZE_STEP)) + 1)
    sizes = np.unique(np.minimum(np.floor(steps + ROUNDING).astype(int), most))
    means = []
    for _, well in groups:
        values = well[[*VALUES]].to_numpy()
        order = random.permuted(np.tile(np.arange(len(values)), (MEANS_DRAWN, 1)), axis=1)
        taken = np.minimum(sizes, len(values))
        means.append(values[order].cumsum(axis=1)[:, taken - 1] / taken[:, None])
    target, predicted, at = np.moveaxis(np.concatenate(means), -1, 0)
    scores = np.sort(np.abs(target - predicted) / scale_at(scale, at), axis=0)
    return [[int(size), of.tolist()] for size, of in zip(sizes, scores.T)]


def _scores(frame: pd.DataFrame, scale: dict) -> np.ndarray:
    """Absolute errors in units of the scale, float64 [N], of a frame with `VALUES`."""
    error = frame["target"].to_numpy(np.float64) - frame["predicted"].to_numpy(np.float64)
    return np.abs(error) / scale_at(scale, frame["at"])


def _thinned(scores: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rising scores and their weights, neighbours merged into the largest where there are many."""
    order = np.argsort(scores, kind="stable")
    scores, weights = scores[order], weights[order]
    if len(scores) <= MOST_SCORES:
        return scores, weights
    share = (np.cumsum(weights) - weights / 2) / weights.sum()
    group = np.minimum((share * MOST_SCORES).astype(int), MOST_SCORES - 1)
    last = np.append(np.flatnonzero(np.diff(group)), len(group) - 1)
    return scores[last], np.diff(np.cumsum(weights)[last], prepend=0.0)


def wells_needed(coverage: float) -> int:
    """Calibration wells without which no interval of that coverage can be promised."""
    return math.ceil(coverage / (1 - coverage) - ROUNDING)


def why_no_interval(calibration: dict, coverage: float = 0.9) -> str | None:
    """Why no interval of that coverage can be promised; None where it can.

    Raises:
      ValueError: the coverage is no share between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage is {coverage}: it must be a share between 0 and 1")
    needed = wells_needed(coverage)
    if calibration["reason"] or calibration["wells"] >= needed:
        return calibration["reason"]
    return (
        f"an interval that contains the true value of {100 * coverage:g} % of the patches of new "
        f"wells needs at least {needed} calibration wells, and there are {calibration['wells']}"
    )


def interval(
    calibration: dict,
    predicted: np.ndarray,
    coverage: float = 0.9,
    lowest: float | None = 0.0,
    highest: float | None = None,
    at: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the true value of a patch lies, with the coverage asked for, in a new well.

    On average over calibrations and new wells that are like the calibration wells (exchangeable)
    the true value of a patch lies inside with at least that probability, whatever the errors'
    distribution. It is not promised within one condition: see `by_group`. With no more wells than
    are needed the interval is as wide as the largest error seen; twice as many narrow it a lot.

    Args:
      calibration: as `calibrate` gives.
      predicted: float [N], in the unit of the target.
      coverage: share of patches that is to lie inside.
      lowest: least value possible, None where there is none.
      highest: greatest value possible, likewise.
      at: float [N], where the scale is read; None: at the prediction.

    Returns:
      (low, high) float64 [N]; NaN where nothing can be promised (see `why_no_interval`) and where
      the prediction is not finite.

    Source: Lee, Barber and Willett 2023, hierarchical conformal prediction.
    """
    predicted = np.asarray(predicted, np.float64)
    predicted = np.where(np.isfinite(predicted), predicted, np.nan)
    at = predicted if at is None else at
    half = _limit(calibration, coverage) * scale_at(calibration["scale"], at)
    low, high = predicted - half, predicted + half
    if lowest is None and highest is None:
        return low, high
    return np.clip(low, lowest, highest), np.clip(high, lowest, highest)


def well_interval(
    calibration: dict,
    predicted: np.ndarray,
    patches: np.ndarray,
    coverage: float = 0.9,
    lowest: float | None = 0.0,
    highest: float | None = None,
    at: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Where the mean of a new well lies, given the mean of its patches' predictions; as `interval`.

    Args:
      predicted: float [N], means of wells.
      patches: int [N], patches of each. The interval is that of means of as many patches in the
        calibration wells, or of the next smaller number known, which errs more; of a well with more
        patches than any of them, that of the most.
      at: float [N], means over the wells' patches, as for `interval`.

    Returns:
      As `interval`; NaN also where a well has no patch.

    Source: split conformal prediction (Papadopoulos et al. 2002; Lei et al. 2018), with wells as
    the exchangeable units and patches drawn from each of them (Lee, Barber and Willett 2023).
    """
    predicted, patches = np.asarray(predicted, np.float64), np.asarray(patches)
    at = predicted if at is None else np.asarray(at, np.float64)
    low, high = np.full((2, len(predicted)), np.nan)
    firsts = [size for size, _ in calibration["means"]]
    for first, end, (_, scores) in zip(firsts, [*firsts[1:], np.inf], calibration["means"]):
        own = (patches >= first) & (patches < end)
        weight = 1 / (MEANS_DRAWN * (calibration["wells"] + 1))
        of_size = calibration | {"scores": scores, "weights": np.full(len(scores), weight)}
        low[own], high[own] = interval(of_size, predicted[own], coverage, lowest, highest, at[own])
    return low, high


def _limit(calibration: dict, share: float) -> float:
    """Least score that the share of the mass does not exceed; the mass not given is at infinity."""
    if why_no_interval(calibration, share):
        return math.nan
    scores = calibration["scores"]
    place = int(np.searchsorted(np.cumsum(calibration["weights"]), share - ROUNDING))
    return float(scores[min(place, len(scores) - 1)])


def inside(calibration: dict, table: pd.DataFrame, levels: Sequence[float]) -> np.ndarray:
    """Whether each true value of a table (target and predicted, finite) lies inside its interval.

    bool [N, L], for L `levels` of coverage, each of which the calibration allows; the scale is read
    at the `places` of the table.
    """
    limits = [_limit(calibration, level) for level in levels]
    table = table.assign(at=places(table))
    return _scores(table, calibration["scale"])[:, None] <= np.array(limits)
