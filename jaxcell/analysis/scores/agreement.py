"""What was measured against what is true, well by well, where the truth is known."""

import numpy as np
import pandas as pd
from scipy.stats import t as student


def with_truth(cells: pd.DataFrame, truth: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """Count and mean area of the cells of each well against the true ones.

    Args:
      cells: found cells: plate, well, kind, area_um2.
      truth: true cells: plate, well, type (as `kind`), area_um2; wells that are not in it are left
        out, so that an empty table gives {}.

    Returns:
      kind -> `count` and `mean_area_um2` -> `agreement` over wells; areas in wells with cells in
      both.
    """
    result = {}
    for kind, true in truth.groupby("type"):
        found = cells[cells["kind"] == kind]
        wells = pd.MultiIndex.from_frame(truth[["plate", "well"]].drop_duplicates())
        pair = [table.groupby(["plate", "well"])["area_um2"] for table in (true, found)]
        counts = [group.size().reindex(wells, fill_value=0).to_numpy(float) for group in pair]
        areas = [group.mean().reindex(wells).to_numpy(float) for group in pair]
        both = np.isfinite(areas[0]) & np.isfinite(areas[1])
        result[str(kind)] = {
            "count": agreement(*counts),
            "mean_area_um2": agreement(areas[0][both], areas[1][both]),
        }
    return result


def contact_share_with_truth(
    wells: pd.DataFrame, truth: pd.DataFrame, contacts: pd.DataFrame
) -> dict:
    """Share of T cells in contact with a dendritic cell against the true share.

    Args:
      wells: measured: plate, well, contact_share (percent).
      truth: true cells: plate, well, field, cell, type.
      contacts: true pairs that touch: plate, well, field, t_cell (its number).

    Returns:
      `agreement` in percentage points over the wells that have true T cells.
    """
    key = ["plate", "well"]
    t_cells = truth[truth["type"] == "t_cell"].groupby(key).size()
    touching = contacts.drop_duplicates([*key, "field", "t_cell"]).groupby(key).size()
    true = 100 * touching.reindex(t_cells.index, fill_value=0) / t_cells
    measured = wells.set_index(key)["contact_share"].reindex(true.index)
    known = measured.notna().to_numpy()
    return agreement(true.to_numpy(float)[known], measured.to_numpy(float)[known])


def agreement(true: np.ndarray, measured: np.ndarray) -> dict[str, float | int | None]:
    """How measured numbers float [N] agree with true ones.

    Returns:
      `n`; `true_mean`; `bias`, mean of measured - true; `bias_share`, that over the true mean;
      `sd`, standard deviation of measured - true; `r`, Pearson's correlation. None where they are
      not defined: all without numbers, the share without a true mean, r where either is constant.

    Source: Bland and Altman 1986 (bias and SD of differences).
    """
    if not len(true):
        names = ("true_mean", "bias", "bias_share", "sd", "r")
        return {"n": 0} | dict.fromkeys(names)
    difference = measured - true
    mean, bias = float(true.mean()), float(difference.mean())
    varies = np.ptp(true) > 0 and np.ptp(measured) > 0
    return {
        "n": len(true),
        "true_mean": mean,
        "bias": bias,
        "bias_share": bias / mean if mean else None,
        "sd": float(difference.std()),
        "r": float(np.corrcoef(true, measured)[0, 1]) if varies else None,
    }


def limits_of_agreement(true: np.ndarray, measured: np.ndarray) -> dict:
    """Between which limits 95 % of the differences lie, if they are normal, and how surely.

    `true` and `measured` are float [N], one number a well, in the same unit.

    Returns:
      `n`; `r`, Pearson's correlation; `bias`, mean of measured - true; `low` and `high`, the limits
      bias -+ 1.96 SD; `sd`, of the differences in a sample (N - 1); `bias_interval`,
      `low_interval` and `high_interval`, 95 % confidence intervals [from, to]; `reason`: None, or
      why some are None.

    Raises:
      ValueError: the two arrays differ in length.

    Source: Bland and Altman 1986; 1999, section 2.2, for the variance of the limits.
    """
    true, measured = np.asarray(true, np.float64), np.asarray(measured, np.float64)
    if true.shape != measured.shape or true.ndim != 1:
        raise ValueError(f"truth of shape {true.shape}, measurements of shape {measured.shape}")
    names = ("r", "bias", "sd", "low", "high", "bias_interval", "low_interval", "high_interval")
    result = {"n": len(true), **dict.fromkeys(names), "reason": None}
    bad = int(np.count_nonzero(~(np.isfinite(true) & np.isfinite(measured))))
    if bad or not len(true):
        why = f"{bad} of {len(true)} wells have no finite value" if bad else "there is no well"
        return result | {"reason": why}
    known = agreement(true, measured)
    bias, count = known["bias"], known["n"]
    result |= {"r": known["r"], "bias": bias}
    if count < 3:
        return result | {"reason": "limits of agreement need at least 3 wells"}
    sd = float((measured - true).std(ddof=1))
    low, high = bias - 1.96 * sd, bias + 1.96 * sd
    quantile = float(student.ppf(0.975, count - 1))
    half = quantile * sd / count**0.5
    half_of_limit = quantile * sd * (1 / count + 1.96**2 / (2 * (count - 1))) ** 0.5
    return result | {
        "sd": sd,
        "low": low,
        "high": high,
        "bias_interval": [bias - half, bias + half],
        "low_interval": [low - half_of_limit, low + half_of_limit],
        "high_interval": [high - half_of_limit, high + half_of_limit],
        "reason": None if known["r"] is not None else "one of the two never varies: no correlation",
    }
