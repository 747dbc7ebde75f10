"""Answers in words: what they must say, and never claim."""

import pandas as pd
import pytest

from jaxcell.analysis.strength import strength
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.interaction import verdicts


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


def test_structure_is_told_beside_its_baselines_and_the_leak():
    said = " ".join(verdicts.on_structure(_structure()))
    assert "0.70 to 0.90" in said and "p = 0.0005" in said
    assert "position 1.00" in said and "overlap" not in said
    assert "50 % (balanced; guessing gives 33 %)" in said and "would seem 98 %" in said
    assert "3 faulty patches, 1 patch without condition and LPS (one well each)" in said
    none = _structure(leaky={"probe": {"patch_balanced_accuracy": 0.4}})
    assert "no leakage is seen" in " ".join(verdicts.on_structure(none))


def test_what_cannot_be_said_is_said_once():
    unknown = _structure(
        answer="unknown", answered=None, why="Cannot be said: there is one condition."
    )
    assert verdicts.lead_of(unknown) == "There is one condition."
    assert verdicts.on_structure(unknown) == []


def test_differences_carry_sign_unit_interval_and_p():
    wells = pd.DataFrame({
        "plate": "A", "well": [f"B{n:02d}" for n in range(12)],
        "condition": ["Unstimulated"] * 6 + ["ConA"] * 6, "compound": "DMSO",
        "target_mean": [1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 0.5, 0.6, 0.4, 0.5, 0.55, 0.45],
    })  # fmt: skip
    said = " ".join(verdicts.on_strength(strength(wells, seed=0)))
    assert "Unstimulated 1.00 (" in said and "ConA 0.50 (" in said
    assert "ConA against Unstimulated: −0.50 points (−" in said and "p = 0.00" in said


@pytest.mark.parametrize("wells", [0, 1])
def test_strength_of_too_little_is_a_reason(wells):
    table = pd.DataFrame({"plate": "A", "well": ["B02"], "condition": "OVA", "compound": "",
                          "target_mean": [1.0]}).iloc[:wells]  # fmt: skip
    said = " ".join(verdicts.on_strength(strength(table, seed=0)))
    assert said and "None" not in said and "nan" not in said


def test_intervals_are_told_by_condition_or_why_there_are_none():
    some = {"coverage": 0.914, "interval": [0.88, 0.94], "median_width": 0.5, "reason": None}
    found = {"reason": None, "wells": 18, "halves": True, "overall": some,
             "by_condition": {"OVA": some, "ConA": some}}  # fmt: skip
    said = " ".join(verdicts.on_intervals(found, 0.9, OVERLAP))
    assert "90 %" in said and "91.4 % (over wells 88.0 to 94.0)" in said and "ConA 91 %" in said
    assert "0.50 points wide" in said and "18 wells" in said and "the other half" in said
    none = verdicts.on_intervals({"reason": "there are 3 wells"}, None, OVERLAP)
    assert none == ["There are no prediction intervals: there are 3 wells."]


def test_agreement_is_told_in_the_unit_of_the_target():
    limits = {"n": 9, "r": 0.99, "bias": -1.5, "low": -4.0, "high": 1.0, "reason": None}
    said = " ".join(verdicts.on_agreement(limits, Quantity("d", "distance", "µm")))
    assert "r = 0.990, mean difference −1.50 µm" in said and "−4.00 and 1.00 µm" in said


def test_plates_are_told_before_and_after_standardising():
    plate = {"reason": None, "balanced_accuracy": 0.9, "interval": [0.8, 1.0], "chance": 0.5}
    elsewhere = {"reason": "fewer than two conditions are on two plates each"}
    batches = {"reason": None, "as_is": {"reason": None, "plate": plate, "condition": elsewhere},
               "standardised": {"reason": "plate B has no control wells"}}  # fmt: skip
    first, second = verdicts.on_batches(batches)
    assert "0.90 (95 % interval 0.80 to 1.00), where guessing gives 0.50" in first
    assert "fewer than two conditions" in first
    assert "not possible, since plate B has no control wells." in second
    alone = {"reason": "there is one plate only"}
    assert verdicts.on_batches(alone) == ["There is one plate only."]
