"""Agreement with the truth, by hand calculation."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.scores.agreement import (
    agreement,
    contact_share_with_truth,
    limits_of_agreement,
    with_truth,
)


def test_bias_spread_and_correlation_by_hand():
    result = agreement(np.array([10.0, 20.0, 30.0]), np.array([12.0, 21.0, 33.0]))
    assert result["n"] == 3 and result["true_mean"] == 20
    assert result["bias"] == pytest.approx(2) and result["bias_share"] == pytest.approx(0.1)
    assert result["sd"] == pytest.approx(np.sqrt(2 / 3))
    assert result["r"] == pytest.approx(np.corrcoef([10, 20, 30], [12, 21, 33])[0, 1])


def test_what_is_not_defined_is_none_and_never_nan():
    assert agreement(np.array([5.0, 5.0]), np.array([4.0, 6.0]))["r"] is None
    assert agreement(np.zeros(2), np.array([0.0, 2.0]))["bias_share"] is None
    empty = agreement(np.array([]), np.array([]))
    assert empty["n"] == 0 and empty["bias"] is None


def _cells(rows, name):
    return pd.DataFrame(rows, columns=["plate", "well", name, "area_um2"])


def test_wells_are_compared_kind_by_kind():
    truth = _cells([("P", "A01", "t_cell", 40.0)] * 3 + [("P", "A02", "t_cell", 50.0)]
                   + [("P", "A01", "dendritic_cell", 90.0)], "type")  # fmt: skip
    found = _cells([("P", "A01", "t_cell", 44.0)] * 2 + [("P", "A09", "t_cell", 1.0)], "kind")
    result = with_truth(found, truth)
    count = result["t_cell"]["count"]
    assert (count["n"], count["bias"]) == (2, -1.0)  # 2 of 3, 0 of 1; A09 has no truth
    area = result["t_cell"]["mean_area_um2"]
    assert (area["n"], area["bias"]) == (1, 4.0)  # A02 has no found cell to be compared
    assert result["dendritic_cell"]["count"]["bias"] == -0.5
    assert with_truth(found, truth[:0]) == {}


def test_a_t_cell_with_two_contacts_counts_once():
    truth = pd.DataFrame(
        [("P", "A01", 1, cell, "t_cell") for cell in (1, 2, 3, 4)]
        + [("P", "A01", 1, 1, "dendritic_cell"), ("P", "A02", 1, 1, "t_cell")],
        columns=["plate", "well", "field", "cell", "type"],
    )
    contacts = pd.DataFrame(
        [("P", "A01", 1, 2, 1), ("P", "A01", 1, 2, 2), ("P", "A01", 1, 3, 1)],
        columns=["plate", "well", "field", "t_cell", "dendritic_cell"],
    )
    names = ["A01", "A02", "A03"]
    wells = pd.DataFrame({"plate": "P", "well": names, "contact_share": [40, 10, 9]})
    result = contact_share_with_truth(wells, truth, contacts)
    assert (result["n"], result["true_mean"], result["bias"]) == (2, 25.0, 0.0)  # 50 and 0


def test_limits_of_agreement_by_hand():
    true = np.array([10.0, 20.0, 30.0, 40.0])
    result = limits_of_agreement(true, true + [1.0, 3.0, 2.0, 6.0])
    sd = np.sqrt(14 / 3)  # deviations -2, 0, -1, 3
    assert result["n"] == 4 and result["bias"] == 3 and result["sd"] == pytest.approx(sd)
    assert result["low"] == pytest.approx(3 - 1.96 * sd)
    t = 3.18245  # of 3 degrees of freedom
    assert result["bias_interval"] == pytest.approx([3 - t * sd / 2, 3 + t * sd / 2], rel=1e-5)
    # Bland and Altman 1999: the variance of a limit is about 3 SD^2 / n.
    half = result["high_interval"][1] - result["high"]
    assert half == pytest.approx(t * sd * np.sqrt(1 / 4 + 1.96**2 / 6), rel=1e-5)
    assert result["reason"] is None
    mirrored = limits_of_agreement(-true, -(true + [1.0, 3.0, 2.0, 6.0]))
    assert mirrored["high"] == pytest.approx(-result["low"])


def test_limits_that_are_not_defined_are_none_with_a_reason():
    two = limits_of_agreement(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    assert two["bias"] == 1.5 and two["low"] is None and "3 wells" in two["reason"]
    spoilt = limits_of_agreement(np.array([1.0, np.nan, 2.0]), np.ones(3))
    assert spoilt["bias"] is None and "1 of 3" in spoilt["reason"]
    assert "no well" in limits_of_agreement(np.array([]), np.array([]))["reason"]
    flat = limits_of_agreement(np.ones(4), np.arange(4.0))
    assert flat["r"] is None and flat["low"] is not None and "never varies" in flat["reason"]
    with pytest.raises(ValueError, match="shape"):
        limits_of_agreement(np.ones(3), np.ones(4))
