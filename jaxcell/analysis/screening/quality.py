"""Can an assay tell its controls apart: Z', SSMD, signal to background, spread of controls."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import condition_names, conditions
from jaxcell.analysis.screening.hits import CONTROLS
from jaxcell.analysis.strength import LEAST_WELLS, REFERENCE

DRAWS = 2000
# The SD of a normal distribution over its median absolute deviation.
SD_OF_MAD = 1.4826


def z_prime(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """1 - 3 (SD + SD) / |difference of means|, along the last axis: Zhang, Chung, Oldenburg 1999.

    1 is the best there is, above 0.5 an excellent assay, below 0 the controls overlap.
    """
    spread = high.std(axis=-1, ddof=1) + low.std(axis=-1, ddof=1)
    return 1 - 3 * _over(spread, np.abs(high.mean(axis=-1) - low.mean(axis=-1)))


def robust_z_prime(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """`z_prime` of medians and median absolute deviations x 1.4826: Birmingham et al. 2009."""
    apart = np.abs(np.median(high, axis=-1) - np.median(low, axis=-1))
    return 1 - 3 * _over(_robust_sd(high) + _robust_sd(low), apart)


def ssmd(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Difference of means over the SD of a difference of two wells: Zhang 2007."""
    spread = np.sqrt(high.var(axis=-1, ddof=1) + low.var(axis=-1, ddof=1))
    return _over(high.mean(axis=-1) - low.mean(axis=-1), spread)


def signal_to_background(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Mean of the stimulated controls over that of the unstimulated ones."""
    return _over(high.mean(axis=-1), low.mean(axis=-1))


def variation(wells: np.ndarray) -> np.ndarray:
    """Coefficient of variation in percent: 100 SD / mean."""
    return 100 * _over(wells.std(axis=-1, ddof=1), np.abs(wells.mean(axis=-1)))


def _robust_sd(wells: np.ndarray) -> np.ndarray:
    middle = np.median(wells, axis=-1, keepdims=True)
    return SD_OF_MAD * np.median(np.abs(wells - middle), axis=-1)


def _over(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Ratios; NaN where the whole is 0."""
    return np.divide(part, whole, where=whole != 0, out=np.full(np.shape(part), np.nan))


# Name -> of stimulated and unstimulated controls.
SCORES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "z_prime": z_prime,
    "robust_z_prime": robust_z_prime,
    "ssmd": ssmd,
    "signal_to_background": signal_to_background,
    "cv_stimulated": lambda high, low: variation(high),
    "cv_unstimulated": lambda high, low: variation(low),
}


def plate_quality(wells: pd.DataFrame, value: str, *, seed: int) -> list[dict]:
    """How well each plate tells the controls of each condition from those of the reference.

    Controls are vehicle wells or, where a condition has none, untreated ones; values are as they
    were measured, not corrected, since that is what the scores' thresholds were set for.

    Args:
      wells: plate, condition, role and the value, one row a well.
      value: column of values.
      seed: of the bootstrap.

    Returns:
      For each plate and condition but the reference (Unstimulated or, without it, none): `plate`,
      `condition`, `reference`, `wells` and `reference_wells`, `control` (role), `reason` (None, or
      why there are no scores), and of each score in `SCORES` the `value` and `interval` (95 %,
      percentiles over draws of wells; None where a score is not finite).
    """
    numbers = pd.to_numeric(wells[value], errors="coerce").astype(np.float64)
    table = wells.assign(value=numbers, condition=condition_names(wells))
    table = table[np.isfinite(numbers) & (wells["role"] != "empty")]
    rows = []
    for plate, own in table.groupby(table["plate"].astype(str), sort=True):
        names = [name for name in conditions(own) if name != REFERENCE]
        for name in names if REFERENCE in set(own["condition"]) else ():
            rows.append({"plate": plate} | _of_pair(own, name, seed))
    return rows


def _of_pair(own: pd.DataFrame, name: str, seed: int) -> dict:
    high, role = control_values(own, name)
    low, _ = control_values(own, REFERENCE)
    result = {
        "condition": name,
        "reference": REFERENCE,
        "control": role,
        "wells": len(high),
        "reference_wells": len(low),
        "reason": None,
    }
    if min(len(high), len(low)) < LEAST_WELLS:
        few = f"fewer than {LEAST_WELLS} control wells of one of the two"
        return result | {"reason": few} | dict.fromkeys(SCORES)
    random = np.random.default_rng(seed)
    drawn = [random.choice(wells, (DRAWS, len(wells))) for wells in (high, low)]
    for score, compute in SCORES.items():
        draws = compute(*drawn)
        draws = draws[np.isfinite(draws)]
        value = float(compute(high, low))
        interval = np.percentile(draws, (2.5, 97.5)).tolist() if len(draws) else None
        result[score] = {"value": value if np.isfinite(value) else None, "interval": interval}
    return result


def control_values(own: pd.DataFrame, name: str) -> tuple[np.ndarray, str]:
    """Values of the control wells of a condition on one plate, and their role.

    Args:
      own: condition, role, value.
      name: of the condition.
    """
    here = own[own["condition"] == name]
    role = next((role for role in CONTROLS if (here["role"] == role).any()), CONTROLS[0])
    return here.loc[here["role"] == role, "value"].to_numpy(np.float64), role
