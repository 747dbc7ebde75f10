"""Everything that estimates the truth, side by side: the network, every mask, the mean."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jaxcell.analysis.scores.regression import scores

# Column of a table of patches -> who says so.
ESTIMATORS: Mapping[str, str] = {
    "predicted": "this network",
    "by_own_masks": "its masks, pixel by pixel",
    "by_segmentation": "the segmentation network’s masks",
    "by_instrument": "the instrument’s masks",
    "by_two_means": "2-means of each patch",
    "by_mean_sd": "mean + SD of each patch",
    "by_otsu": "Otsu’s threshold of each patch",
}
MEAN = "mean of the training patches"


def compare_estimators(patches: pd.DataFrame, training_mean: float | None) -> list[dict]:
    """How far each estimator is from the truth, by patch and by well, in all light and in each.

    Args:
      patches: plate, well, `target` (the truth), any columns of `ESTIMATORS` beside `predicted`,
        and `light`, the name of the light that a patch was simulated in.
      training_mean: mean truth of the training patches; None where it is not known.

    Returns:
      One dict an estimator: `name`; `patches` and `wells` (of means over wells' patches), each with
      `n`, `rmse_over_sd`, `bias_percent` (mean error over mean truth) and `r` (Pearson); `lights`:
      light -> `rmse_over_sd` over patches. What is not defined is None.
    """
    said = {name: patches[column] for column, name in ESTIMATORS.items() if column in patches}
    if training_mean is not None:
        said[MEAN] = pd.Series(float(training_mean), patches.index)
    lights = patches["light"] if "light" in patches else pd.Series("", patches.index)
    truth, wells = patches["target"], [patches["plate"], patches["well"]]
    return [
        {
            "name": name,
            "patches": _distance(truth, values),
            "wells": _distance(truth.groupby(wells).mean(), values.groupby(wells).mean()),
            "lights": {
                light: _distance(truth[lights == light], values[lights == light])["rmse_over_sd"]
                for light in dict.fromkeys(lights)
                if light
            },
        }
        for name, values in said.items()
    ]


def beside_each_other(patches: pd.DataFrame) -> list[dict]:
    """What each estimator says of patches whose truth nobody knows, and how the network differs.

    Args:
      patches: `predicted` and any other columns of `ESTIMATORS`.

    Returns:
      One dict an estimator: `name`, `mean` and `sd` over patches, in the unit of the target; `r`
      and `rmse_over_sd` of the network's estimate against it, None for the network itself.
    """
    network = patches["predicted"].astype(float)
    rows = []
    for column, name in ESTIMATORS.items():
        if column not in patches:
            continue
        values = patches[column].astype(float)
        found = _distance(values, network) if column != "predicted" else {}
        rows.append(
            {
                "name": name,
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=0)),
                "r": found.get("r"),
                "rmse_over_sd": found.get("rmse_over_sd"),
            }
        )
    return rows


def _distance(truth: pd.Series, values: pd.Series) -> dict:
    found = scores(truth, values)
    mean = float(truth.mean()) if len(truth) else 0.0
    varies = len(truth) > 1 and np.ptp(truth) > 0 and np.ptp(values) > 0
    return {
        "n": found["n"],
        "rmse_over_sd": found["rmse_over_sd"],
        "bias_percent": 100 * found["bias"] / mean if mean and found["bias"] is not None else None,
        "r": float(np.corrcoef(truth, values)[0, 1]) if varies else None,
    }
