import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.screening.quality import (
    plate_quality,
    robust_z_prime,
    signal_to_background,
    ssmd,
    variation,
    z_prime,
)

HIGH, LOW = np.array([10.0, 12.0, 14.0]), np.array([1.0, 2.0, 3.0])


def test_scores_are_those_of_a_hand_calculation():
    assert z_prime(HIGH, LOW) == pytest.approx(1 - 3 * (2 + 1) / 10)
    assert robust_z_prime(HIGH, LOW) == pytest.approx(1 - 3 * 1.4826 * (2 + 1) / 10)
    assert ssmd(HIGH, LOW) == pytest.approx(10 / np.sqrt(5))
    assert signal_to_background(HIGH, LOW) == pytest.approx(6.0)
    assert variation(HIGH) == pytest.approx(100 / 6)


def _wells(high=HIGH, low=LOW, role="vehicle"):
    values = np.concatenate([high, low])
    names = ["ConA"] * len(high) + ["Unstimulated"] * len(low)
    return pd.DataFrame({"plate": "P", "condition": names, "role": role, "value": values})


def test_intervals_hold_the_score_and_narrow_with_more_wells():
    random = np.random.default_rng(0)
    few, many = (
        plate_quality(
            _wells(random.normal(10, 1, count), random.normal(0, 1, count)), "value", seed=0
        )[0]
        for count in (8, 200)
    )
    for row in (few, many):
        low, high = row["z_prime"]["interval"]
        assert low <= row["z_prime"]["value"] <= high
    assert np.ptp(many["z_prime"]["interval"]) < 0.5 * np.ptp(few["z_prime"]["interval"])
    assert many["z_prime"]["value"] == pytest.approx(1 - 3 * 2 / 10, abs=0.1)


def test_too_few_controls_are_said_and_untreated_ones_stand_in():
    row = plate_quality(_wells(HIGH[:2]), "value", seed=0)[0]
    assert "fewer than 3" in row["reason"] and row["z_prime"] is None
    assert plate_quality(_wells(role="untreated"), "value", seed=0)[0]["control"] == "untreated"


def test_controls_that_are_all_alike_have_no_score_that_is_no_number():
    row = plate_quality(_wells(np.ones(3), np.ones(3)), "value", seed=0)[0]
    assert row["z_prime"] == {"value": None, "interval": None}
