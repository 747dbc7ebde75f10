"""Scores against scikit-learn and hand calculations, and what they say where they are undefined."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from jaxcell.analysis.conditions import NO_CONDITION, conditions
from jaxcell.analysis.scores.regression import by_condition, scores, scores_of, wells_table
from jaxcell.measures.catalogue import OVERLAP, Quantity


def test_scores_equal_scikit_learn():
    random = np.random.default_rng(0)
    true = random.exponential(3, 200)
    predicted = 0.8 * true + random.normal(0, 1, 200) + 0.5
    result = scores(true, predicted)
    assert result["rmse"] == pytest.approx(root_mean_squared_error(true, predicted))
    assert result["mae"] == pytest.approx(mean_absolute_error(true, predicted))
    assert result["r2"] == pytest.approx(r2_score(true, predicted))
    assert result["n"] == 200 and result["reason"] is None


def test_scores_by_hand():
    result = scores(np.array([0.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    assert result["rmse"] == pytest.approx(np.sqrt(2 / 3))
    assert result["sd_true"] == pytest.approx(np.sqrt(8 / 3))
    assert result["sd_pred"] == pytest.approx(np.sqrt(2 / 3))
    assert result["rmse_over_sd"] == pytest.approx(0.5)
    assert result["r2"] == pytest.approx(0.75)
    assert result["bias"] == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("true", "predicted", "defined", "reason"),
    [
        ([], [], set(), "nothing"),
        ([1.0], [3.0], {"rmse", "mae", "bias"}, "one value"),
        ([2.0, 2.0], [1.0, 3.0], {"rmse", "mae", "bias", "sd_pred", "sd_true"}, "equal"),
        ([1.0, 2.0], [1.0, np.nan], set(), "1 of 2"),
    ],
)
def test_what_is_not_defined_is_none_with_a_reason(true, predicted, defined, reason):
    result = scores(np.array(true), np.array(predicted))
    assert reason in result["reason"]
    assert {key for key, value in result.items() if isinstance(value, float)} == defined
    assert not any(value != value for value in result.values())


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError):
        scores(np.zeros(3), np.zeros(2))


def test_predicting_the_mean_uses_the_mean_of_training_and_not_of_the_test():
    table = pd.DataFrame({"target": [0.0, 4.0], "predicted": [0.0, 4.0]})
    baseline = scores_of(table, 1.0)["predicting_the_mean"]
    assert baseline["rmse"] == pytest.approx(np.sqrt((1 + 9) / 2))
    assert scores_of(table, None)["predicting_the_mean"]["rmse"] is None


def test_by_condition_keeps_the_studys_order_and_names_the_unnamed():
    table = pd.DataFrame(
        {
            "condition": ["ConA", "", None, "Zymosan", "Unstimulated", "ConA"],
            "target": [0.0, 1.0, 3.0, 1.0, 1.0, 2.0],
            "predicted": [1.0, 1.0, 3.0, 1.0, 1.0, 3.0],
        }
    )
    result = by_condition(table, 0.0)
    assert list(result) == ["Unstimulated", "ConA", "Zymosan", NO_CONDITION] == conditions(table)
    assert result["ConA"]["rmse"] == pytest.approx(1.0)
    assert result[NO_CONDITION]["n"] == 2
    assert sum(item["n"] for item in result.values()) == len(table)


def test_one_row_a_well_and_wells_of_two_plates_stay_apart():
    rows = [
        ("P1", "B02", 1.0, 2.0, False),
        ("P1", "B02", 3.0, 2.0, True),
        ("P2", "B02", 5.0, 4.0, False),
        ("P1", "A01", 0.0, 0.0, False),
    ]
    table = pd.DataFrame(rows, columns=["plate", "well", "target", "predicted", "faulty"])
    table = table.assign(
        overlap=table["target"] + 10,
        row=1,
        column=1,
        condition="OVA",
        compound="",
        concentration_um=np.nan,
        role="sample",
        bce=0.2,
        bce_floor=0.1,
        psnr_db=20.0,
        ssim=0.5,
    )
    wells = wells_table(table).set_index(["plate", "well"])
    assert list(wells.index) == [("P1", "A01"), ("P1", "B02"), ("P2", "B02")]
    first = wells.loc[("P1", "B02")]
    assert (first["patches"], first["faulty"]) == (2, 1)
    assert first["target_mean"] == pytest.approx(2.0)
    assert first["overlap_mean"] == pytest.approx(12.0)
    assert first["error"] == pytest.approx(0.0)
    assert first["rmse"] == pytest.approx(1.0)
    assert wells.loc[("P2", "B02"), "error"] == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("unit", "difference", "digits"), [("%", "percentage points", 2), ("µm", "µm", 2), ("", "", 3)]
)
def test_a_difference_of_percentages_is_in_percentage_points(unit, difference, digits):
    target = Quantity("name", "label", unit)
    assert (target.difference_unit, target.digits) == (difference, digits)
    assert OVERLAP.name == "iou" and OVERLAP.unit == "%"
