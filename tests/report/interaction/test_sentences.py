"""What the page says in words follows from the numbers, and never claims more."""

import pandas as pd
import pytest

from jaxcell.analysis.scores.regression import by_condition, scores_of
from jaxcell.analysis.strength import strength
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common.page import environment
from jaxcell.report.interaction import sentences


def paragraph(name: str, *arguments) -> str:
    """A paragraph of the page, on one line."""
    macros = environment().get_template("interaction/sentences.jinja").module
    return " ".join(getattr(macros, name)(*arguments).split())


def _structure(**changes) -> dict:
    probe = {
        "auroc": 0.8,
        "auroc_interval": [0.7, 0.9],
        "p": 0.0005,
        "patch_balanced_accuracy": 0.5,
    }
    return {
        "answer": "confounded", "why": "Because of this.", "chance": 1 / 3,
        "answered": "codes", "p": 0.0005,
        "scores": {"codes": {"reason": None, "probe": probe},
                   "position": {"reason": None, "probe": probe | {"auroc": 1.0}},
                   "overlap": {"reason": "no numbers", "probe": None}},
        "leaky": {"probe": {"patch_balanced_accuracy": 0.975}}, "left_out_faulty": 3,
        "left_out_without_condition": 1, "left_out_conditions": ["LPS"],
    } | changes  # fmt: skip


def test_the_answer_on_structure_has_the_p_that_decided_it_beside_its_threshold():
    said = sentences.on_structure(_structure(p=0.87))
    assert said.startswith("Because of this. ") and "p = 0.87, above 0.05" in said
    assert "p < 0.001, below 0.05" in sentences.on_structure(_structure())
    unknown = _structure(answer="unknown", p=None, why="Cannot be said: there is one condition.")
    assert sentences.on_structure(unknown) == "There is one condition."


def test_the_ceiling_of_simulated_plates_stands_beside_the_answer_on_structure():
    ceiling = {"association": 0.874, "cells": 0.957, "pairs": {}}
    said = sentences.on_structure(_structure(ceiling=ceiling))
    assert "the best AUROC possible is 0.87" in said and "0.96 by its association and" in said
    without = sentences.on_structure(_structure())
    nothing = {"association": None, "cells": None, "pairs": {}}
    for other in (None, nothing):
        assert sentences.on_structure(_structure(ceiling=other)) == without


def test_structure_is_set_against_its_baselines_and_the_leak():
    said = paragraph("on_baselines", _structure())
    assert "0.70 to 0.90" in said and "doubled" not in said
    assert "position 1.00" in said and "overlap" not in said
    assert "50 % of single patches (balanced accuracy; guessing gives 33 %)" in said
    assert "recognise 98 %: the difference is leakage" in said
    assert "3 faulty patches, 1 patch without condition and LPS (one well)" in said
    none = _structure(leaky={"probe": {"patch_balanced_accuracy": 0.4}})
    assert "no leakage is seen" in paragraph("on_baselines", none)
    two = _structure()
    two["scores"]["codes, averaged over places"] = two["scores"]["codes"]
    assert "two forms, so their p is doubled" in paragraph("on_baselines", two)


def _wells(**changes) -> pd.DataFrame:
    return pd.DataFrame({
        "plate": "A", "well": [f"B{n:02d}" for n in range(12)],
        "row": 2, "column": [5, 0, 8, 11, 3, 6, 10, 1, 4, 9, 2, 7],
        "condition": ["Unstimulated"] * 6 + ["ConA"] * 6, "compound": "DMSO",
        "target_mean": [1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 0.5, 0.6, 0.4, 0.5, 0.55, 0.45],
    } | changes)  # fmt: skip


def test_a_difference_carries_sign_unit_and_p_and_the_others_their_threshold():
    (said,) = sentences.on_strength(strength(_wells(), seed=0))
    assert said.startswith(
        "The mean overlap (IoU) of a well differs from Unstimulated in ConA (−0.50 percentage "
        "points, q = 0.00"
    )
    (said,) = sentences.on_strength(strength(_wells(column=range(12)), seed=0))
    assert said.startswith("Confounded with plate position: the mean overlap (IoU) of a well")
    assert "gives its condition away (AUROC 1.00)" in said
    same = [1.0, 1.2, 0.8, 1.1, 0.9, 1.0] * 2
    (said,) = sentences.on_strength(strength(_wells(target_mean=same), seed=0))
    assert said == "For ConA no difference from Unstimulated is shown (q above 0.05)."
    apart = strength(_wells(plate=["A"] * 6 + ["B"] * 6), seed=0)
    assert sentences.on_strength(apart) == ["Not tested: ConA."]


@pytest.mark.parametrize("wells", [0, 1])
def test_strength_of_too_little_is_a_reason(wells):
    table = pd.DataFrame({"plate": "A", "well": ["B02"], "condition": "OVA", "compound": "",
                          "target_mean": [1.0]}).iloc[:wells]  # fmt: skip
    said = " ".join(sentences.on_strength(strength(table, seed=0)))
    assert said and "None" not in said and "nan" not in said


def test_compounds_are_called_different_by_their_q():
    item = {"compound": "4", "condition": "OVA", "difference": -1.5, "q": 0.012, "verdict": "yes"}
    others = [item | {"compound": "5", "q": 0.2, "verdict": "no"},
              item | {"compound": "6", "q": None, "verdict": "unknown"}]  # fmt: skip
    said = sentences.on_compounds({"compounds_reason": None, "compounds": [*others, item]})
    assert "Of 2 pairs" in said and "1 differ at a false discovery rate of 5 % (q)" in said
    assert "1 of them beyond what the place of their wells could explain" in said
    assert said.endswith("4 with OVA (−1.50, q = 0.012, yes).")
    none = sentences.on_compounds({"compounds_reason": "there are no vehicle controls"})
    assert none == "Compounds are not compared with their vehicle: there are no vehicle controls."


def test_intervals_are_told_by_condition_or_why_there_are_none():
    some = {"coverage": 0.914, "interval": [0.88, 0.94], "median_width": 0.5, "reason": None}
    found = {"reason": None, "wells": 18, "halves": True, "level": 0.9, "overall": some,
             "by_condition": {"OVA": some, "ConA": some},
             "own": ["ConA"], "pooled": ["OVA"], "needed": 9}  # fmt: skip
    line = "91.4 % of intervals contain the true value; 90 % promised"
    assert sentences.on_coverage(found) == line
    said = paragraph("on_intervals", found, OVERLAP)
    assert "91.4 % of intervals contain the true value (95 % interval over wells 88.0 to" in said
    assert "94.0 %); 90 % were promised." in said
    assert "OVA 91 % (88 to 94 %), ConA 91 % (88 to 94 %)." in said
    assert "narrower than 0.50 percentage points" in said
    assert "18 wells" in said and "the other half" in said
    assert "It holds within ConA too, which have at least the 9 calibration wells" in said
    assert "It is not made within OVA, of which there are fewer than 9 calibration wells" in said
    none = {"reason": "there are 3 wells"}
    said = paragraph("on_intervals", none, OVERLAP)
    assert said == "There are no prediction intervals: there are 3 wells."
    assert sentences.on_coverage(none) == "there are 3 wells"


def test_agreement_is_told_in_the_unit_of_the_target():
    limits = {"n": 9, "r": 0.99, "bias": -1.5, "low": -4.0, "high": 1.0, "reason": None}
    said = paragraph("on_agreement", limits, Quantity("d", "distance", "µm"))
    assert "by −1.50 µm on average (r = 0.990)" in said and "−4.00 and 1.00 µm" in said
    few = limits | {"low": None, "reason": "limits of agreement need at least 3 wells"}
    assert "no limits of agreement: limits" in paragraph("on_agreement", few, OVERLAP)


def regressor(predicted, training_mean=2.0, true=(0.0, 2.0, 4.0, 6.0)):
    table = pd.DataFrame({"condition": "OVA", "target": true, "predicted": predicted})
    return scores_of(table, training_mean) | {"by_condition": by_condition(table, training_mean)}


def test_a_good_regressor_is_praised_with_its_numbers():
    text = " ".join(sentences.on_regression(regressor([0.1, 2.1, 4.1, 5.9])))
    assert "off by 0.10 percentage points" in text
    assert "very closely" in text and "removes 96 %" in text


def test_a_regressor_that_loses_against_the_mean_is_called_useless():
    text = " ".join(sentences.on_regression(regressor([9.0, 9.0, 0.0, 0.0])))
    assert "of no use here" in text and "hardly at all" in text


def test_a_regressor_that_always_says_too_much():
    text = " ".join(sentences.on_regression(regressor([2.0, 4.0, 6.0, 8.0])))
    assert "2.00 percentage points too much" in text


def test_other_targets_have_their_words_and_units():
    distance = Quantity("nearest_um", "distance to the nearest dendritic cell", "µm")
    text = " ".join(sentences.on_regression(regressor([9.0, 9.0, 7.0, 7.0]), distance))
    assert "The prediction of distance to the nearest dendritic cell is off by" in text
    assert "5.92 µm" in text and "5.00 µm too much" in text
    assert "overlap" not in text and "points" not in text
    correlation = Quantity("pearson", "Pearson correlation", "")
    text = " ".join(sentences.on_regression(regressor([0.1, 2.1, 4.1, 5.9]), correlation))
    assert "off by 0.100 (RMSE)" in text


def test_constant_truth_and_no_patches_are_said():
    text = " ".join(sentences.on_regression(regressor([1.0] * 4, true=(1.0,) * 4)))
    assert "no spread" in text and "all equal" in text
    assert "nothing to score" in sentences.on_regression(regressor([], true=()))[0]


def test_conditions_where_the_mean_wins_are_named():
    table = pd.DataFrame(
        {
            "condition": ["OVA"] * 3 + ["ConA"] * 3,
            "target": [2.0, 2.0, 2.1, 0.0, 5.0, 9.0],
            "predicted": [3.0, 3.0, 3.0, 0.1, 5.1, 9.1],
        }
    )
    item = scores_of(table, 2.0) | {"by_condition": by_condition(table, 2.0)}
    text = " ".join(sentences.on_regression(item))
    assert "no better than the training mean for OVA." in text
    assert "smallest for ConA" in text
