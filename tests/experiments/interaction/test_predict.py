"""Predictions of plates carry the intervals that the run's held-out wells calibrated."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.intervals import by_group, conformal
from jaxcell.experiments.interaction.predict import with_intervals
from jaxcell.inference.plates import Predictions


def _calibrated():
    """Quiet wells err by up to 0.1 of their doubt, loud ones by up to 2 of it."""
    random, wells = np.random.default_rng(0), 24
    condition = np.repeat(["quiet", "loud"], wells // 2)
    table = pd.DataFrame({
        "well": np.repeat(np.arange(wells), 30),
        "condition": np.repeat(condition, 30),
        "doubt": random.uniform(0.5, 2, 30 * wells),
    })  # fmt: skip
    most = np.where(table["condition"] == "quiet", 0.1, 2.0)
    table["target"] = 20.0
    table["predicted"] = 20 + table["doubt"] * most * random.uniform(-1, 1, len(table))
    scale = {"at": [0.0, 10.0], "scale": [0.0, 10.0], "reason": None}
    told = (table["well"], table["target"], table["predicted"], scale, table["doubt"])
    return by_group.calibrate(table["condition"], *told)


def test_each_patch_and_well_has_the_interval_of_its_condition_and_doubt():
    wells = pd.DataFrame({
        "plate": "P",
        "well": ["A01", "A02", "A03"],
        "condition": ["quiet", "loud", ""],
        "patches": 2,
        "predicted_mean": [15.0, 15.0, 15.0],
    })  # fmt: skip
    patches = pd.DataFrame({
        "plate": "P",
        "well": np.repeat(["A03", "A01", "A02"], 2),
        "predicted": [10.0, 20.0] * 3,
        "doubt": [1.0, 2.0] * 3,
    })  # fmt: skip
    calibrated = _calibrated()
    found = with_intervals(Predictions(patches, wells, None), calibrated, 0.9, "true_iou")
    half = (found.patches["high"] - found.patches["predicted"]).to_numpy().reshape(3, 2)
    assert half[:, 1] == pytest.approx(2 * half[:, 0])  # twice the doubt
    unknown, quiet, loud = half[:, 0]
    assert 0.08 < quiet < 0.1 and 1.6 < loud < 2 and quiet < unknown < loud
    assert (found.patches["predicted"] - found.patches["low"]).to_numpy() == pytest.approx(
        half.ravel()
    )
    # The mean of a well by the mean of its doubts, and of its number of patches.
    (low,), (high,) = conformal.well_interval(
        calibrated["groups"]["loud"], [15.0], [2], 0.9, 0.0, 100.0, [1.5]
    )
    assert found.wells.set_index("well").loc["A02", ["low", "high"]].tolist() == [low, high]
    assert found.wells["low"].notna().all()
