"""Intervals against hand calculation, and whether they hold in wells never seen."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.intervals import conformal
from jaxcell.analysis.intervals import coverage as held

LEVEL = {"at": [0.0], "scale": [1.0], "reason": None}


def calibrated(scores_of_wells, scale=LEVEL):
    """A calibration of wells whose patches err by so much about a prediction of 5."""
    wells = np.repeat(np.arange(len(scores_of_wells)), [len(s) for s in scores_of_wells])
    error = np.concatenate(scores_of_wells) if len(wells) else np.empty(0)
    return conformal.calibrate(wells, 5 + error, np.full(len(error), 5.0), scale)


def half_width(calibration, coverage):
    low, high = conformal.interval(calibration, np.array([50.0]), coverage)
    return float(high[0] - low[0]) / 2


def test_the_quantile_by_hand_each_well_weighs_the_same():
    # Weights: 1/4 for the patch of the first well, 1/8 each of the second, 1/16 each of the third.
    calibration = calibrated([[4.0], [1.0, 3.0], [0.0, -0.5, 2.0, 5.0]])
    assert sum(calibration["weights"]) == pytest.approx(3 / 4)
    assert half_width(calibration, 0.25) == pytest.approx(1)  # 1/16 + 1/16 + 1/8 reaches it
    assert half_width(calibration, 0.26) == pytest.approx(2)
    assert half_width(calibration, 0.70) == pytest.approx(5)
    low, high = conformal.well_interval(calibration, np.array([50.0]), [4], 0.5)
    assert high[0] - 50 == pytest.approx(2)  # means 4, 2, 1.625: the ceil(4 x 0.5) = 2nd


def test_one_patch_a_well_is_ordinary_split_conformal_prediction():
    errors = np.random.default_rng(0).normal(size=39)
    calibration = calibrated(errors[:, None])
    for coverage in (0.5, 0.8, 0.9, 0.95):
        rank = int(np.ceil(40 * coverage - 1e-9))
        assert half_width(calibration, coverage) == pytest.approx(np.sort(np.abs(errors))[rank - 1])


def test_an_interval_needs_enough_wells():
    nine = calibrated([[float(well)] for well in range(9)])
    assert conformal.why_no_interval(nine, 0.9) is None
    assert half_width(nine, 0.9) == 8
    reason = conformal.why_no_interval(nine, 0.95)
    assert "at least 19 calibration wells, and there are 9" in reason
    assert np.isnan(conformal.interval(nine, np.array([1.0]), 0.95)).all()
    assert np.isnan(conformal.well_interval(nine, np.array([1.0]), [1], 0.95)).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        conformal.why_no_interval(nine, 90)


def test_new_wells_are_covered_as_promised_and_means_of_wells_too():
    random = np.random.default_rng(3)
    inside, means_inside = [], []
    for _ in range(120):
        error = random.normal(size=(25, 1)) + 0.5 * random.standard_t(3, size=(25, 12))
        calibration = calibrated(list(error[:19]))
        inside.append(np.mean(np.abs(error[19:]) <= half_width(calibration, 0.8)))
        low, high = conformal.well_interval(calibration, np.full(6, 50.0), np.full(6, 12), 0.8)
        means = 50 + error[19:].mean(axis=1)
        means_inside.append(np.mean((low <= means) & (means <= high)))
    assert 0.79 <= np.mean(inside) <= 0.87
    assert 0.76 <= np.mean(means_inside) <= 0.84


def test_means_of_fewer_patches_get_wider_intervals_that_hold():
    random = np.random.default_rng(4)
    inside, widths = {1: [], 5: [], 16: [], 40: []}, {}
    for _ in range(100):
        error = 0.3 * random.normal(size=(30, 1)) + random.standard_t(5, size=(30, 40))
        calibration = calibrated(list(error[:19, :16]))
        for patches, found in inside.items():
            low, high = conformal.well_interval(calibration, np.full(11, 50.0), [patches] * 11, 0.8)
            means = 50 + error[19:, :patches].mean(axis=1)
            found.append(np.mean((low <= means) & (means <= high)))
            widths.setdefault(patches, []).append(high[0] - low[0])
    one, five, sixteen, forty = (np.mean(found) for found in widths.values())
    assert one > five > sixteen == forty
    assert np.mean(inside[1]) >= 0.78 and 0.78 <= np.mean(inside[5]) <= 0.9
    assert 0.76 <= np.mean(inside[16]) <= 0.84 and np.mean(inside[40]) >= 0.78
    none = conformal.well_interval(calibration, np.array([50.0]), np.array([0]), 0.8)
    assert np.isnan(none).all()


def test_a_calibration_well_with_few_patches_counts_with_all_it_has():
    calibration = calibrated([[4.0], [1.0, 3.0], [2.0, 2.0, 2.0, 2.0]])
    sizes = [size for size, _ in calibration["means"]]
    assert sizes == [1, 2, 4]
    assert set(calibration["means"][0][1]) == {1.0, 2.0, 3.0, 4.0}
    assert all(set(scores) == {2.0, 4.0} for _, scores in calibration["means"][1:])


def test_the_scale_rises_with_the_error_and_never_falls():
    random = np.random.default_rng(0)
    predicted = random.exponential(4, 6000)
    scale = conformal.fit_scale(predicted, random.normal(0, 0.1 + 0.2 * predicted))
    assert np.all(np.diff(scale["scale"]) >= 0) and np.all(np.diff(scale["at"]) > 0)
    at = np.array([1.0, 4.0, 10.0])
    expected = np.sqrt(2 / np.pi) * (0.1 + 0.2 * at)  # mean of |normal|
    assert conformal.scale_at(scale, at) == pytest.approx(expected, rel=0.15)
    falling = conformal.fit_scale(predicted, random.normal(0, 1 / (1 + predicted)))
    assert np.ptp(falling["scale"]) < 0.2 * np.mean(falling["scale"])


def test_the_scale_has_a_floor_and_survives_poor_input():
    predicted = np.repeat([0.0, 10.0], 300)
    scale = conformal.fit_scale(predicted, np.where(predicted > 0, 1.0, 0.0))
    low, high = conformal.scale_at(scale, np.array([0.0, 10.0]))
    assert low == pytest.approx(0.1 * 0.5) and high == pytest.approx(1)
    exact = conformal.fit_scale(np.arange(9.0), np.zeros(9))
    assert exact["reason"] and conformal.scale_at(exact, np.array([3.0])) == 1
    few = conformal.fit_scale(np.array([1.0, np.nan]), np.array([0.5, 1.0]))
    assert "only 1 training patches" in few["reason"] and few["scale"] == [0.5]


def test_many_scores_are_thinned_without_narrowing():
    random = np.random.default_rng(1)
    errors = [random.normal(size=random.integers(50, 400)) for _ in range(40)]
    kept = calibrated(errors)
    assert len(kept["scores"]) == 2000 < kept["patches"]
    assert sum(kept["weights"]) == pytest.approx(40 / 41)
    scores = np.abs(np.concatenate(errors))
    weights = np.repeat([1 / 41 / len(e) for e in errors], [len(e) for e in errors])
    order = np.argsort(scores)
    for coverage in (0.5, 0.9, 0.97):
        place = np.searchsorted(np.cumsum(weights[order]), coverage)
        exact = scores[order][place]
        assert exact - 1e-9 <= half_width(kept, coverage) <= exact + 0.02
    assert json.loads(json.dumps(kept)) == kept


def test_intervals_stay_within_what_is_possible_and_know_no_nan():
    calibration = calibrated([[2.0]] * 9)
    low, high = conformal.interval(calibration, np.array([1.0, 99.0, np.nan]), 0.9, 0.0, 100.0)
    assert low[:2].tolist() == [0, 97] and high[:2].tolist() == [3, 100]
    assert np.isnan(low[2]) and np.isnan(high[2])
    low, _ = conformal.interval(calibration, np.array([1.0]), 0.9, lowest=None)
    assert low[0] == -1
    spoilt = conformal.calibrate([1, 1, 2], [1.0, np.nan, 2.0], [1.0, 1.0, np.inf], LEVEL)
    assert (spoilt["wells"], spoilt["patches"], spoilt["left_out"]) == (1, 1, 2)
    empty = calibrated([])
    assert empty["reason"] and np.isnan(conformal.interval(empty, np.array([1.0]), 0.5)).all()


def judged():
    """Two wells of one condition, one of another; intervals around 0."""
    return pd.DataFrame({
        "plate": "P", "well": ["A01"] * 4 + ["A02"] * 2 + ["B01"] * 2,
        "condition": ["OVA"] * 6 + ["ConA"] * 2, "target": [0, 1, 2, 9, 0, 9, 9, 9.0],
        "predicted": 0.0, "low": -2.0, "high": 2.0,
    })  # fmt: skip


def test_coverage_by_hand():
    result = held.coverage(judged())
    assert result["overall"]["coverage"] == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    ova, cona = result["by_condition"]["OVA"], result["by_condition"]["ConA"]
    assert ova["coverage"] == pytest.approx(0.625) and ova["wells"] == 2 and ova["rows"] == 6
    assert ova["interval"] == pytest.approx([0.5, 0.75])
    assert cona["interval"] is None and "one well" in cona["reason"]
    assert result["overall"]["mean_width"] == 4
    nothing = held.coverage(judged().assign(low=np.nan))
    assert nothing["overall"]["coverage"] is None and nothing["overall"]["reason"]
    wells = judged().drop_duplicates("well").assign(truth=[0.0, 9.0, 0.0])
    assert held.coverage(wells, "truth")["overall"]["coverage"] == pytest.approx(2 / 3)


def test_the_curve_agrees_with_intervals_drawn_at_each_level():
    random = np.random.default_rng(5)
    table = pd.DataFrame(
        {
            "plate": "P",
            "well": np.repeat(np.arange(12), 30),
            "condition": "OVA",
            "predicted": random.exponential(3, 360),
        }
    )
    table["target"] = table["predicted"] + random.normal(0, 0.2 + 0.1 * table["predicted"])
    table.loc[5, "predicted"] = np.nan
    scale = conformal.fit_scale(table["predicted"], table["predicted"] - table["target"])
    calibration = conformal.calibrate(
        conformal.well_numbers(table), table["target"], table["predicted"], scale
    )
    curve = held.calibration_curve([(calibration, table)], (0.5, 0.9, 0.95))
    assert curve["levels"] == [0.5, 0.9] and curve["left_out"] == [0.95]
    for place, level in enumerate(curve["levels"]):
        low, high = conformal.interval(calibration, table["predicted"], level, lowest=None)
        drawn = held.coverage(table.assign(low=low, high=high))["overall"]
        assert curve["overall"]["observed"][place] == pytest.approx(drawn["coverage"])
        assert curve["overall"]["low"][place] == pytest.approx(drawn["interval"][0])
    assert curve["by_condition"] == {"OVA": curve["overall"]}
    assert held.calibration_curve([(calibration, table)], (0.99,))["reason"]
    assert held.calibration_curve([(calibration, table[:0])])["reason"]
