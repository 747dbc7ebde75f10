"""Intervals promised within a group of wells, such as a condition, where it has wells enough.

An interval calibrated on all wells holds on average over them: where conditions differ in spread it
is too wide in one and too narrow in another. A group with at least `conformal.wells_needed`
calibration wells of its own is calibrated on these alone, so that the promise holds within it. The
others share the calibration on all wells, and with it the promise on average.

Source: Mondrian conformal prediction, Vovk, Gammerman and Shafer 2005, section 4.5.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from jaxcell.analysis.intervals import conformal


def calibrate(
    groups: Sequence[str],
    wells: np.ndarray,
    target: np.ndarray,
    predicted: np.ndarray,
    scale: dict,
    at: np.ndarray | None = None,
) -> dict:
    """Calibrates on all wells, and on those of each group.

    Args:
      groups: [N], the group of each patch's well.
      wells, target, predicted, scale, at: as for `conformal.calibrate`.

    Returns:
      As `conformal.calibrate` of all wells, with `groups`: group -> the same of its wells alone.
    """
    at = predicted if at is None else at
    given = [np.asarray(values) for values in (wells, target, predicted, at)]

    def of(rows: np.ndarray | slice) -> dict:
        *values, places = (column[rows] for column in given)
        return conformal.calibrate(*values, scale, places)

    return of(slice(None)) | {"groups": {name: of(rows) for name, rows in _rows(groups)}}


def with_own(calibration: dict, coverage: float) -> list[str]:
    """Groups whose own calibration wells suffice for an interval of that coverage."""
    return [
        name
        for name, own in calibration["groups"].items()
        if conformal.why_no_interval(own, coverage) is None
    ]


def of_group(calibration: dict, name: str, coverage: float) -> dict:
    """The calibration that the wells of a group meet: its own where that suffices, else of all."""
    own = calibration["groups"]
    return own[name] if name in with_own(calibration, coverage) else calibration


def interval(
    calibration: dict,
    groups: Sequence[str],
    predicted: np.ndarray,
    coverage: float = 0.9,
    lowest: float | None = 0.0,
    highest: float | None = None,
    at: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """As `conformal.interval`, each patch by the calibration of its group, [N] `groups`."""
    ends, at = (coverage, lowest, highest), predicted if at is None else at
    return _each(conformal.interval, calibration, groups, (predicted,), ends, at)


def well_interval(
    calibration: dict,
    groups: Sequence[str],
    predicted: np.ndarray,
    patches: np.ndarray,
    coverage: float = 0.9,
    lowest: float | None = 0.0,
    highest: float | None = None,
    at: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """As `conformal.well_interval`, each well by the calibration of its group, [N] `groups`."""
    ends, at = (coverage, lowest, highest), predicted if at is None else at
    return _each(conformal.well_interval, calibration, groups, (predicted, patches), ends, at)


def inside(
    calibration: dict, groups: Sequence[str], table: pd.DataFrame, levels: Sequence[float]
) -> np.ndarray:
    """As `conformal.inside`, each patch by the calibration of its group, [N] `groups`."""
    result = np.empty((len(table), len(levels)), bool)
    for name, rows in _rows(groups):
        for place, level in enumerate(levels):
            met = of_group(calibration, name, level)
            result[rows, place] = conformal.inside(met, table[rows], [level])[:, 0]
    return result


def _each(
    ask: Callable,
    calibration: dict,
    groups: Sequence[str],
    columns: Sequence,
    ends: tuple,
    at: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Asks for the intervals of one group after the other."""
    columns, at = [np.asarray(column) for column in columns], np.asarray(at)
    low, high = np.full((2, len(columns[0])), np.nan)
    for name, rows in _rows(groups):
        met = of_group(calibration, name, ends[0])
        low[rows], high[rows] = ask(met, *(column[rows] for column in columns), *ends, at[rows])
    return low, high


def _rows(groups: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """Each group and which rows, bool [N], are of it."""
    groups = np.asarray(groups, object)
    return [(name, groups == name) for name in pd.unique(groups)]
