"""The summary of a table, and the choice of patches to show."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.scores.summary import spread_over_target, summarise


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "plate": "P1",
            "well": ["A01", "A01", "B02", "B02"],
            "row": [0, 0, 1, 1],
            "column": [0, 0, 1, 1],
            "condition": ["OVA", "OVA", "ConA", "ConA"],
            "compound": "",
            "concentration_um": np.nan,
            "role": "sample",
            "faulty": [False, False, False, True],
            "overlap": np.float32(9),
            "target": np.float32([1, 3, 5, 0]),
            "predicted": np.float32([2, 2, 4, 4]),
            "bce": np.float32([0.2, 0.3, 0.4, 0.5]),
            "bce_floor": np.float32([0.1, 0.1, 0.2, 0.2]),
            "psnr_db": np.float32([20, 22, 24, np.nan]),
            "ssim": np.float32([0.5, 0.6, 0.7, 1.0]),
        }
    )


def test_summary_by_hand():
    result = summarise(table(), training_mean=2.0)
    regressor, autoencoder = result["regressor"], result["autoencoder"]
    assert regressor["rmse"] == pytest.approx(np.sqrt(19 / 4))
    assert regressor["predicting_the_mean"]["rmse"] == pytest.approx(np.sqrt(15 / 4))
    assert regressor["without_faulty"]["rmse"] == pytest.approx(1.0)
    assert regressor["without_faulty"]["n"] == 3
    assert regressor["by_condition"]["OVA"]["rmse"] == pytest.approx(1.0)
    assert regressor["well_means"]["rmse"] == pytest.approx(np.sqrt((0 + 1.5**2) / 2))
    assert autoencoder["bce"] == pytest.approx(0.35)
    assert autoencoder["bce_excess"] == pytest.approx(0.2)
    assert autoencoder["psnr_db"] is None, "a mean over NaN is not a number"
    assert autoencoder["by_condition"]["OVA"]["psnr_db"] == pytest.approx(21.0)
    assert result["evaluated"] == {"wells": 2, "patches": 4, "faulty": 1}
    json.dumps(result, allow_nan=False)


def test_patches_to_show_cover_the_range_and_leave_faulty_ones_out():
    random = np.random.default_rng(0)
    overlap = np.where(random.random(300) < 0.6, 0, random.exponential(4, 300))
    patches = pd.DataFrame({"condition": "OVA", "target": overlap, "faulty": overlap > 20})
    rows = spread_over_target(patches, 6)["OVA"]
    shown = overlap[rows]
    assert len(set(rows)) == 6 and not patches["faulty"].to_numpy()[rows].any()
    assert (shown == 0).sum() == 1 and (np.diff(shown) > 0).all()
    assert shown[-1] == overlap[overlap <= 20].max()


@pytest.mark.parametrize(
    ("overlap", "faulty", "expected"),
    [
        ([0, 0, 0], [0, 0, 0], 3),
        ([5], [0], 1),
        ([0, 0], [1, 1], 2),
        ([0, 0, 0, 0, 0, 0, 0, 2], [0] * 8, 6),
        ([1, 2, 3, 4, 5, 6, 7], [0] * 7, 6),
    ],
)
def test_few_patches_are_all_shown(overlap, faulty, expected):
    patches = pd.DataFrame({"condition": "", "target": np.float32(overlap), "faulty": faulty})
    (rows,) = spread_over_target(patches, 6).values()
    assert len(set(rows)) == expected


def test_a_target_below_zero_is_covered_from_its_least_to_its_largest():
    values = np.linspace(-0.5, 0.5, 101)
    patches = pd.DataFrame({"condition": "", "target": values, "faulty": False})
    (rows,) = spread_over_target(patches, 5).values()
    np.testing.assert_allclose(values[rows], [-0.3, -0.1, 0.1, 0.3, 0.5])
