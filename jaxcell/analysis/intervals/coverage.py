"""Whether prediction intervals hold: in all wells, in each condition, at each level promised."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import condition_names, conditions
from jaxcell.analysis.intervals.by_group import inside
from jaxcell.analysis.intervals.conformal import well_numbers, why_no_interval

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.99)
DRAWS = 1000  # of the bootstrap


def coverage(table: pd.DataFrame, value: str = "target") -> dict:
    """How often the true value lay inside its interval, each well weighing the same.

    Args:
      table: plate, well, condition, `value`, low and high; one row a patch, or a well.
      value: column of the true values.

    Returns:
      `overall` and `by_condition` (condition -> the same): `coverage`, a share; `interval`, 95 %
      for it, [low, high]; `mean_width` and `median_width` of the intervals in the unit of the
      target; `wells`, `rows`; `reason`: None, or why some are None.

    Source: bootstrap over wells, percentiles (Efron and Tibshirani 1993).
    """
    table = _finite(table, (value, "low", "high"))
    inside = (table[value] >= table["low"]) & (table[value] <= table["high"])
    table = table.assign(inside=inside.astype(float), width=table["high"] - table["low"])
    names = condition_names(table)
    return {
        "overall": _coverage_of(table),
        "by_condition": {name: _coverage_of(table[names == name]) for name in conditions(table)},
    }


def _finite(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Rows in which these columns are finite numbers."""
    columns = list(columns)
    table = table.assign(**{name: table[name].astype(np.float64) for name in columns})
    return table[np.isfinite(table[columns]).all(axis=1)]


def _coverage_of(table: pd.DataFrame) -> dict:
    result = dict.fromkeys(("coverage", "interval", "mean_width", "median_width"))
    if table.empty:
        return result | {"wells": 0, "rows": 0, "reason": "there is no interval to judge"}
    shares = table.groupby(["plate", "well"], dropna=False)["inside"].mean().to_numpy()[:, None]
    mean, low, high = _over_wells(shares)
    few = "one well says nothing about others"
    return {
        "coverage": float(mean[0]),
        "interval": None if low is None else [float(low[0]), float(high[0])],
        "mean_width": float(table["width"].mean()),
        "median_width": float(table["width"].median()),
        "wells": len(shares),
        "rows": len(table),
        "reason": few if low is None else None,
    }


def _over_wells(shares: np.ndarray) -> tuple:
    """Mean over wells of shares [W, L], and 95 % limits [L] of it; None of one well."""
    wells = len(shares)
    if wells < 2:
        return shares.mean(axis=0), None, None
    counts = np.random.default_rng(0).multinomial(wells, np.full(wells, 1 / wells), size=DRAWS)
    low, high = np.percentile(counts @ shares / wells, (2.5, 97.5), axis=0)
    return shares.mean(axis=0), low, high


def calibration_curve(
    parts: Sequence[tuple[dict, pd.DataFrame]], levels: Sequence[float] = LEVELS
) -> dict:
    """Coverage promised against coverage found, at several levels.

    Args:
      parts: calibrations, as `by_group.calibrate` gives by condition, each with the patches that it
        is for: plate, well, condition, target and predicted; no well in two parts.
      levels: coverages promised.

    Returns:
      `reason`: None, or why there is no curve; `levels`, those that the number of calibration wells
      allows; `left_out`, those that it does not; `overall` and `by_condition` (condition -> the
      same): `observed`, shares, each well weighing the same; `low` and `high`, their 95 % limits
      (None of one well); `wells`.
    """
    allowed = [
        level for level in levels if not any(why_no_interval(part[0], level) for part in parts)
    ]
    result = {
        "reason": None,
        "levels": allowed,
        "overall": None,
        "by_condition": {},
        "left_out": [level for level in levels if level not in allowed],
    }
    if not allowed:
        reasons = (why_no_interval(calibration, min(levels)) for calibration, _ in parts)
        return result | {"reason": next(filter(None, reasons))}
    tables = [_finite(table, ("target", "predicted")) for _, table in parts]
    table = pd.concat(tables)
    if table.empty:
        return result | {"reason": "no test patch has a finite truth and prediction"}
    hits = np.concatenate([
        inside(calibration, condition_names(table), table, allowed)
        for (calibration, _), table in zip(parts, tables)
    ])  # fmt: skip
    names = condition_names(table).to_numpy()
    wells = well_numbers(table)
    result["overall"] = _curve(hits, wells)
    for name in conditions(table):
        rows = names == name
        result["by_condition"][name] = _curve(hits[rows], wells[rows])
    return result


def _curve(inside: np.ndarray, wells: np.ndarray) -> dict:
    """Shares inside at each level of rows that belong together, inside bool [N, L]."""
    shares = pd.DataFrame(inside.astype(float)).groupby(wells).mean().to_numpy()
    mean, low, high = _over_wells(shares)
    return {
        "observed": mean.tolist(),
        "low": None if low is None else low.tolist(),
        "high": None if high is None else high.tolist(),
        "wells": len(shares),
    }
