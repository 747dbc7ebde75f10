"""How well a measure is predicted: scores over patches, conditions and wells, in its own unit."""

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import condition_names, conditions

SCORE_NAMES = ("rmse", "mae", "bias", "sd_pred", "sd_true", "rmse_over_sd", "r2")
OF_A_WELL = ("row", "column", "condition", "compound", "concentration_um", "role")
OF_A_RECONSTRUCTION = ("bce", "bce_floor", "psnr_db", "ssim")


def scores(true: np.ndarray, predicted: np.ndarray) -> dict:
    """Scores of predicted against true values, float [N] in the unit of the target.

    Standard deviations are those of the population, so that r2 = 1 - rmse_over_sd ** 2.

    Returns:
      dict of `rmse`, `mae`, `bias` (mean of predicted - true), `sd_pred`, `sd_true` (all in
      that unit), `rmse_over_sd`, `r2`, `n`, and `reason`: None, or one sentence saying why
      some of them are None. A value that is not defined is None, never NaN.

    Raises:
      ValueError: the two arrays differ in length.
    """
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(f"truth of shape {true.shape}, predictions of shape {predicted.shape}")
    result = {**dict.fromkeys(SCORE_NAMES), "n": len(true), "reason": None}
    bad = int(np.count_nonzero(~(np.isfinite(true) & np.isfinite(predicted))))
    if bad:
        return result | {"reason": f"{bad} of {len(true)} values are not finite numbers"}
    if not len(true):
        return result | {"reason": "there is nothing to score"}
    error = predicted - true
    result["rmse"] = float(np.sqrt(np.mean(error**2)))
    result["mae"] = float(np.mean(np.abs(error)))
    result["bias"] = float(np.mean(error))
    if len(true) == 1:
        return result | {"reason": "one value has no spread"}
    result["sd_pred"] = float(np.std(predicted))
    result["sd_true"] = float(np.std(true))
    if np.ptp(true) == 0:
        return result | {"sd_true": 0.0, "reason": "the true values are all equal"}
    result["rmse_over_sd"] = result["rmse"] / result["sd_true"]
    result["r2"] = 1.0 - result["rmse_over_sd"] ** 2
    return result


def scores_of(table: pd.DataFrame, training_mean: float | None) -> dict:
    """`scores` of a table of patches, next to predicting the mean of the training labels.

    Args:
      table: `target` and `predicted`, one row a patch.
      training_mean: mean target of the training patches; None where it is not known.

    Returns:
      dict of `scores`, plus `predicting_the_mean`: `rmse` and `value`.
    """
    true = table["target"].to_numpy(np.float64)
    result = scores(true, table["predicted"].to_numpy(np.float64))
    baseline = None
    if training_mean is not None:
        baseline = scores(true, np.full(len(true), training_mean, np.float64))["rmse"]
    return result | {"predicting_the_mean": {"rmse": baseline, "value": training_mean}}


def by_condition(table: pd.DataFrame, training_mean: float | None = None) -> dict[str, dict]:
    """`scores_of` for each condition of the table, in the order of `conditions`."""
    names = condition_names(table)
    return {name: scores_of(table[names == name], training_mean) for name in conditions(table)}


def wells_table(patches: pd.DataFrame) -> pd.DataFrame:
    """One row a well: what it holds, and its means over patches, faulty ones included.

    Args:
      patches: one row a patch with plate, well, row, column, condition, compound, concentration_um
        (µM), role, faulty (bool), overlap (percent), target and predicted (in its unit), bce and
        bce_floor (nats), psnr_db, ssim.

    Returns:
      DataFrame sorted by plate and well: those columns of the well, `patches` and `faulty`
      (counts), `overlap_mean`, `target_mean`, `predicted_mean`, `error` (predicted_mean -
      target_mean) and `rmse` over its patches, and the means of bce, bce_floor, psnr_db, ssim.
    """
    squared = (patches["predicted"].astype(float) - patches["target"].astype(float)) ** 2
    groups = patches.assign(squared_error=squared).groupby(["plate", "well"], sort=True)
    wells = groups.agg(
        **{name: (name, "first") for name in OF_A_WELL},
        patches=("target", "size"),
        faulty=("faulty", "sum"),
        **{f"{name}_mean": (name, "mean") for name in ("overlap", "target", "predicted")},
        rmse=("squared_error", "mean"),
        **{name: (name, "mean") for name in OF_A_RECONSTRUCTION},
    ).reset_index()
    wells["faulty"] = wells["faulty"].astype(int)
    wells["rmse"] = np.sqrt(wells["rmse"])
    error = wells["predicted_mean"] - wells["target_mean"]
    wells.insert(wells.columns.get_loc("rmse"), "error", error)
    return wells
