"""The sentences say what the numbers say."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.scores.regression import by_condition, scores_of
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import words


def regressor(predicted, training_mean=2.0, true=(0.0, 2.0, 4.0, 6.0)):
    table = pd.DataFrame({"condition": "OVA", "target": true, "predicted": predicted})
    return scores_of(table, training_mean) | {"by_condition": by_condition(table, training_mean)}


def test_a_good_regressor_is_praised_with_its_numbers():
    text = " ".join(words.on_regression(regressor([0.1, 2.1, 4.1, 5.9])))
    assert "off by 0.10 percentage points" in text
    assert "very closely" in text and "removes 96 %" in text


def test_a_regressor_that_loses_against_the_mean_is_called_useless():
    text = " ".join(words.on_regression(regressor([9.0, 9.0, 0.0, 0.0])))
    assert "of no use here" in text and "hardly at all" in text


def test_a_regressor_that_always_says_too_much():
    assert "2.00 points too much" in " ".join(words.on_regression(regressor([2.0, 4.0, 6.0, 8.0])))


def test_other_targets_have_their_words_and_units():
    distance = Quantity("nearest_um", "distance to the nearest dendritic cell", "µm")
    text = " ".join(words.on_regression(regressor([9.0, 9.0, 7.0, 7.0]), distance))
    assert "The prediction of distance to the nearest dendritic cell is off by" in text
    assert "5.92 µm" in text and "5.00 µm too much" in text
    assert "overlap" not in text and "points" not in text
    correlation = Quantity("pearson", "Pearson correlation", "")
    text = " ".join(words.on_regression(regressor([0.1, 2.1, 4.1, 5.9]), correlation))
    assert "off by 0.100 (root mean square)" in text
    evaluated = {"wells": 1, "patches": 2, "faulty": 1}
    text = " ".join(words.on_input(evaluated, {}, 0, 0, correlation))
    assert "table of Pearson correlation leaves them out" in text


def test_constant_truth_and_no_patches_are_said():
    text = " ".join(words.on_regression(regressor([1.0] * 4, true=(1.0,) * 4)))
    assert "no spread" in text and "all equal" in text
    assert "nothing to score" in words.on_regression(regressor([], true=()))[0]


def test_conditions_where_the_mean_wins_are_named():
    table = pd.DataFrame(
        {
            "condition": ["OVA"] * 3 + ["ConA"] * 3,
            "target": [2.0, 2.0, 2.1, 0.0, 5.0, 9.0],
            "predicted": [3.0, 3.0, 3.0, 0.1, 5.1, 9.1],
        }
    )
    item = scores_of(table, 2.0) | {"by_condition": by_condition(table, 2.0)}
    text = " ".join(words.on_regression(item))
    assert "no better than the training mean for OVA." in text
    assert "smallest for ConA" in text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 2, "–"),
        (float("nan"), 2, "–"),
        (1234, 2, "1,234"),
        (-0.5, 1, "−0.5"),
        (2.0, 3, "2.000"),
        ("well", 2, "well"),
    ],
)
def test_numbers_as_text(value, digits, text):
    assert words.number(value, digits) == text


def test_counts_and_lists_are_english():
    assert words.count(1, "well") == "1 well"
    assert words.count(2000, "patch", "patches") == "2,000 patches"
    assert words.joined(["a", "b", "c"]) == "a, b and c"
    assert words.joined(["a"]) == "a" and words.joined([]) == ""


def test_reconstruction_without_finite_scores_is_said():
    assert "no score" in words.on_reconstruction({"bce": None, "bce_floor": np.float64(1)})[0]


@pytest.mark.parametrize(
    ("left_out", "listed", "sentence"),
    [
        (0, 0, "Nothing was left out."),
        (0, 3, "noticed in the plates is listed"),
        (2, 3, "Left out for the reasons listed: 2 findings."),
    ],
)
def test_what_was_left_out_is_said_and_what_was_only_noticed_is_not_called_so(
    left_out, listed, sentence
):
    evaluated = {"wells": 1, "patches": 200, "faulty": 1}
    text = " ".join(words.on_input(evaluated, {"OVA": {"n": 200}}, left_out, listed))
    assert sentence in text
    assert "200 patches of 1 well: 200 OVA." in text and "1 patch is faulty (0.5 %)" in text
