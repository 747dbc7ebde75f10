"""How strong the interaction is: means of wells by condition and compound, and their differences.

The unit is the well: patches of a well are no independent repetitions. Wells are compared with
wells of the same plate only, since plates differ in staining and light. Whether a difference counts
is judged by the standard that structure is judged by, see `evidence`.
"""

import math

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from jaxcell.analysis.conditions import NO_CONDITION, condition_names, conditions
from jaxcell.analysis.evidence import judged

REFERENCE = "Unstimulated"
DRAWS = 9999  # bootstrap samples, and permutations
# Values drawn at a time: bounds the memory for thousands of wells.
AT_A_TIME = 2_000_000
# Wells of a group below which neither an interval nor a test says anything.
LEAST_WELLS = 3
# Ways to shuffle below which no p-value can reach 0.05.
LEAST_ARRANGEMENTS = 20
NOT_COMPARED = dict.fromkeys(
    ("difference", "interval", "ratio", "p", "hedges_g", "wells", "reference_wells")
)


def strength(
    wells: pd.DataFrame, value: str = "target_mean", *, seed: int, reference: str | None = None
) -> dict:
    """Strength of the interaction in each condition, and against a reference.

    Args:
      wells: one row a well: plate, well, row, column, condition, compound, `value`; role where
        compounds are to be compared with their vehicle. Wells of role `empty` and wells without a
        finite value are left out; compounds count in their condition.
      value: column to compare, in the unit of the target.
      reference: condition that the others are compared with; None: Unstimulated where present,
        else the first.

    Returns:
      `reason`: None, or why nothing can be said; `value`; `reference`; `left_out` (wells);
      `conditions`: condition -> `wells`, `mean`, `interval` (95 %, [low, high]), `sd` between wells
      (N - 1), `reason`; `against_reference`: condition -> as `compared` and `judged`; `compounds`
      and `compounds_reason`: as `compounds_against_vehicle`.

    Raises:
      ValueError: the reference is not among the conditions.
    """
    values = pd.to_numeric(wells[value], errors="coerce").astype(np.float64)
    usable = np.isfinite(values)
    if "role" in wells:
        usable &= wells["role"] != "empty"
    table = wells.assign(value=values, condition=condition_names(wells))[usable]
    names = conditions(table)
    known = [name for name in names if name != NO_CONDITION]
    if reference is not None and reference not in known:
        raise ValueError(f"reference {reference!r} is none of the conditions: {', '.join(known)}")
    if reference is None and known:
        reference = REFERENCE if REFERENCE in known else known[0]
    groups = {name: table[table["condition"] == name] for name in names}
    reason = None if len(table) else "no well has a finite value"
    if len(table) and len(known) < 2:
        reason = "there are not two conditions to compare"
    compounds, compounds_reason = compounds_against_vehicle(table, seed=seed)
    others = [name for name in known if name != reference]
    pairs = [(groups[name], groups[reference]) for name in others]
    found = judged([compared(*pair, seed=seed) for pair in pairs], pairs, seed=seed)
    return {
        "reason": reason,
        "value": value,
        "reference": reference,
        "left_out": int(len(wells) - len(table)),
        "conditions": {
            name: _summary(group["value"].to_numpy(), seed) for name, group in groups.items()
        },
        "against_reference": dict(zip(others, found)),
        "compounds": compounds,
        "compounds_reason": compounds_reason,
    }


def _summary(values: np.ndarray, seed: int) -> dict:
    """Mean over wells of one condition, its interval and the spread between wells."""
    count = len(values)
    result = {"wells": count, "mean": float(values.mean()), "interval": None, "sd": None}
    if count > 1:
        result["sd"] = float(values.std(ddof=1))
    if count < LEAST_WELLS:
        return result | {"reason": f"an interval needs at least {LEAST_WELLS} wells"}
    residuals = (values - values.mean()) * math.sqrt(count / (count - 1))
    drawn = _bootstrap(
        residuals, [np.full(count, True)], np.full(count, 1 / count), np.random.default_rng(seed)
    )
    return result | {"interval": _interval(values.mean() + drawn, count - 1), "reason": None}


def compared(wells: pd.DataFrame, reference: pd.DataFrame, *, seed: int) -> dict:
    """One group of wells (plate and value of each) against another, on the plates that hold both.

    Returns:
      `difference`, mean within plates, plates weighted by n1 n0 / (n1 + n0) as least squares with a
      term for each plate does; `interval`, 95 % for it; `ratio` of the means so weighted, None
      where one is not positive; `p`, two-sided; `hedges_g`, the difference in units of the spread
      between wells, corrected for few wells; `wells` and `reference_wells` on those plates;
      `reason`: None, or why some are None.

    Source: Hedges 1981 for g; bootstrap of modified residuals, Davison and Hinkley 1997, section
    6.3, its percentiles widened for few wells as in Hesterberg 2015; permutation of wells within
    plates with a studentised statistic, so that a difference in spread alone is not taken for
    one in means, Chung and Romano 2013.
    """
    shared = set(wells["plate"]) & set(reference["plate"])
    if not shared:
        return NOT_COMPARED | {
            "wells": 0,
            "reference_wells": 0,
            "reason": "no plate holds both, and a difference between plates would look the same",
        }
    pair = [group[group["plate"].isin(shared)] for group in (wells, reference)]
    value = np.concatenate([group["value"] for group in pair]).astype(np.float64)
    plate = pd.factorize(np.concatenate([group["plate"] for group in pair]), sort=True)[0]
    first = np.arange(len(value)) < len(pair[0])
    contrast = _contrast(first[None], plate)[0]
    difference = float(contrast @ value)
    means = [float(np.abs(contrast[group]) @ value[group]) for group in (first, ~first)]
    result = NOT_COMPARED | {
        "difference": difference,
        "wells": len(pair[0]),
        "reference_wells": len(pair[1]),
        "ratio": means[0] / means[1] if min(means) > 0 else None,
    }
    fewest = min(map(len, pair))
    if fewest < LEAST_WELLS:
        return result | {
            "reason": (
                f"only {fewest} well{'s' * (fewest > 1)} of one of the two, and an interval and a "
                f"test need {LEAST_WELLS}"
            )
        }
    residuals, leverage, freedom = _fit(value, plate, first)
    sd = math.sqrt(residuals @ residuals / freedom)
    if sd <= 1e-12 * np.abs(value).max(initial=0):
        return result | {"reason": "the wells of a group are all alike, so there is no spread"}
    result["hedges_g"] = (1 - 3 / (4 * freedom - 1)) * difference / sd
    random = np.random.default_rng(seed)
    modified = residuals / np.sqrt(1 - leverage)
    drawn = _bootstrap(modified, [first, ~first], contrast, random)
    result["interval"] = _interval(difference + drawn, fewest - 1)
    arrangements = math.prod(
        math.comb(int(np.sum(plate == number)), int(np.sum(first & (plate == number))))
        for number in range(len(shared))
    )
    if arrangements < LEAST_ARRANGEMENTS:
        return result | {
            "reason": (
                f"there are only {arrangements} ways to shuffle these wells, too few for a test"
            )
        }
    return result | {"p": _p_value(value, plate, first, random), "reason": None}


def _contrast(first: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Weights [B, N] of the values in the difference, for groupings `first` bool [B, N]."""
    result = np.zeros(first.shape)
    total = 0.0
    for number in range(plate.max() + 1):
        here = plate == number
        ones = int(first[0, here].sum())
        zeros = int(here.sum()) - ones
        weight = ones * zeros / (ones + zeros)
        result[:, here] = np.where(first[:, here], weight / ones, -weight / zeros)
        total += weight
    return result / total


def _fit(value: np.ndarray, plate: np.ndarray, first: np.ndarray) -> tuple:
    """Residuals [N] and leverages [N] of least squares on plate and group, degrees of freedom."""
    plates = plate.max() + 1
    design = np.column_stack([plate[:, None] == np.arange(plates), first]).astype(np.float64)
    basis, _ = np.linalg.qr(design)
    # A well that alone decides its plate's term has no residual of its own.
    leverage = np.minimum((basis**2).sum(axis=1), 1 - 1e-9)
    return value - basis @ (basis.T @ value), leverage, len(value) - plates - 1


def _bootstrap(
    residuals: np.ndarray,
    groups: list[np.ndarray],
    contrast: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Contrasts [DRAWS] of residuals drawn within their own group, since spreads may differ."""
    result = []
    for size in _batches(len(residuals)):
        drawn = np.empty((size, len(residuals)))
        for group in groups:
            own = residuals[group] - residuals[group].mean()
            drawn[:, group] = random.choice(own, (size, len(own)))
        result.append(drawn @ contrast)
    return np.concatenate(result)


def _batches(wells: int) -> list[int]:
    """`DRAWS` in parts that fit into memory."""
    size = max(1, AT_A_TIME // wells)
    return [min(size, DRAWS - start) for start in range(0, DRAWS, size)]


def _interval(draws: np.ndarray, freedom: int) -> list[float]:
    """95 % percentile interval, its tails those of Student's t so that few wells widen it."""
    tail = norm.cdf(student.ppf(0.025, freedom))
    return np.quantile(draws, (tail, 1 - tail)).tolist()


def _p_value(
    value: np.ndarray, plate: np.ndarray, first: np.ndarray, random: np.random.Generator
) -> float:
    """Two-sided p of the studentised difference under shuffles of wells within plates."""
    observed = _studentised(first[None], value, plate)[0]
    as_large = 0
    for size in _batches(len(value)):
        shuffled = np.repeat(first[None], size, axis=0)
        for number in range(plate.max() + 1):
            here = np.flatnonzero(plate == number)
            shuffled[:, here] = random.permuted(shuffled[:, here], axis=1)
        # Equal arrangements differ by rounding.
        as_large += int(np.sum(_studentised(shuffled, value, plate) >= observed - 1e-9))
    return (1 + as_large) / (1 + DRAWS)


def _studentised(first: np.ndarray, value: np.ndarray, plate: np.ndarray) -> np.ndarray:
    """Size [B] of the difference in units of its standard error, for groupings bool [B, N]."""
    contrast = _contrast(first, plate)
    centred = value - (np.bincount(plate, value) / np.bincount(plate))[plate]
    ones = first.sum(axis=1, keepdims=True)
    sum_of_ones = (first @ centred)[:, None]
    group_mean = np.where(first, sum_of_ones / ones, -sum_of_ones / (len(value) - ones))
    error = np.sqrt((contrast**2 * (centred - group_mean) ** 2).sum(axis=1))
    return np.abs(contrast @ value) / np.maximum(error, 1e-12 * np.ptp(value))


def compounds_against_vehicle(wells: pd.DataFrame, *, seed: int) -> tuple[list[dict], str | None]:
    """Each compound against the vehicle wells of its condition, all its doses together.

    Returns:
      One dict for each compound with at least 3 wells in a condition: `condition`, `compound`,
      `lowest_um` and `highest_um` (µM, None where not known), what `compared` and `judged` give; by
      condition and name. And None, or a sentence why there are none.
    """
    if "role" not in wells:
        return [], "it is not known which wells are vehicle controls"
    named = wells["compound"].notna() & (wells["compound"].astype(str).str.strip() != "")
    samples = wells[(wells["role"] == "sample") & named]
    result, pairs = [], []
    for condition in conditions(wells):
        of_condition = wells["condition"] == condition
        vehicle = wells[of_condition & (wells["role"] == "vehicle")]
        here = samples[samples["condition"] == condition]
        for compound, group in here.groupby(here["compound"].astype(str), sort=True):
            if len(group) >= LEAST_WELLS and len(vehicle):
                row = {"condition": condition, "compound": compound} | _doses(group)
                result.append(row | compared(group, vehicle, seed=seed))
                pairs.append((group, vehicle))
    result = judged(result, pairs, seed=seed)
    if not (wells["role"] == "vehicle").any():
        return result, "there are no vehicle controls to compare compounds with"
    none = f"no compound has {LEAST_WELLS} wells in a condition that has vehicle controls"
    return result, None if result else none


def _doses(group: pd.DataFrame) -> dict[str, float | None]:
    """Lowest and highest concentration in µM."""
    if "concentration_um" in group:
        doses = pd.to_numeric(group["concentration_um"], errors="coerce").dropna()
        if len(doses):
            return {"lowest_um": float(doses.min()), "highest_um": float(doses.max())}
    return {"lowest_um": None, "highest_um": None}
