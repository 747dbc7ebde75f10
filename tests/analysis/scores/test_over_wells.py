"""Scores over wells agree with plain formulas, and their intervals know that patches are alike."""

import numpy as np
import pytest

from jaxcell.analysis.scores.over_wells import mean_of_other_wells, scores_over_wells
from jaxcell.analysis.scores.regression import scores


def _clustered(random, wells=20, each=10, shared=1.0):
    well = np.repeat(np.arange(wells), each)
    true = random.normal(50, 5, wells * each)
    error = shared * random.normal(0, 2, wells)[well] + random.normal(0, 1, len(well))
    return true, true + error, well


def test_scores_are_those_of_plain_formulas():
    true, estimated, well = _clustered(np.random.default_rng(0))
    true[3], estimated[5] = np.nan, np.nan
    found = scores_over_wells(true, estimated, well)
    known = np.isfinite(true) & np.isfinite(estimated)
    plain = scores(true[known], estimated[known])
    for name in ("rmse", "bias", "rmse_over_sd", "n"):
        assert found[name] == pytest.approx(plain[name])
    assert found["r"] == pytest.approx(np.corrcoef(true[known], estimated[known])[0, 1])
    assert found["wells"] == 20
    for name in ("rmse_over_sd", "bias", "r"):
        low, high = found[f"{name}_interval"]
        assert low < found[name] < high


def test_intervals_hold_the_bias_although_patches_of_a_well_err_alike():
    random = np.random.default_rng(1)
    inside, as_if_independent = 0, 0
    for _ in range(100):
        true, estimated, well = _clustered(random)
        low, high = scores_over_wells(true, estimated, well)["bias_interval"]
        inside += low <= 0 <= high
        low, high = scores_over_wells(true, estimated, np.arange(len(well)))["bias_interval"]
        as_if_independent += low <= 0 <= high
    assert 88 <= inside <= 99 and as_if_independent < 75


def test_what_is_not_defined_is_none():
    constant = scores_over_wells([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], ["a", "b", "c"])
    assert constant["rmse_over_sd"] is None and constant["r"] is None and constant["bias"] == 1
    one = scores_over_wells([1.0, 2.0], [1.0, 2.5], ["a", "a"])
    assert one["bias_interval"] is None and one["rmse_over_sd"] == pytest.approx(np.sqrt(0.5))
    none = scores_over_wells([np.nan], [1.0], ["a"])
    assert none["n"] == 0 and none["rmse"] is None


def test_the_mean_of_other_wells_never_sees_its_own():
    true = np.array([1.0, 3.0, 10.0, np.nan, 20.0])
    wells = ["a", "a", "b", "b", "c"]
    np.testing.assert_allclose(mean_of_other_wells(true, wells), [15, 15, 8, 8, (1 + 3 + 10) / 3])
    assert np.isnan(mean_of_other_wells(true[:2], wells[:2])).all()
