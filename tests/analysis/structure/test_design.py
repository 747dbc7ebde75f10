"""Wells are split and shuffled so that a shuffle is as likely as the truth."""

import itertools

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.structure import design


def test_every_fold_has_its_share_of_each_label_and_plate():
    labels = np.repeat([0, 1, 2], [24, 12, 6])
    plates = np.tile(["P1", "P2", "P3"], 14)
    folds = design.fold_wells(labels, plates, 3, seed=5)
    for label, count in enumerate((8, 4, 2)):
        assert (np.bincount(folds[labels == label], minlength=3) == count).all()
    counts = pd.crosstab([plates, labels], folds).to_numpy()
    assert (np.ptp(counts, axis=1) <= 1).all()
    assert (folds != design.fold_wells(labels, plates, 3, seed=6)).any()


def test_more_folds_than_a_condition_has_wells_are_refused():
    labels, plates = np.array([0, 0, 0, 1, 1]), np.zeros(5)
    assert design.fold_wells(labels, plates, 2, 0).max() == 1
    for folds in (1, 3):
        with pytest.raises(ValueError, match="the rarest has 2"):
            design.fold_wells(labels, plates, folds, 0)


def test_very_many_wells_and_conditions_are_shuffled_less_often():
    def labellings(wells, conditions):
        patches = pd.DataFrame({
            "plate": "P1", "well": np.arange(wells), "row": 0, "column": np.arange(wells),
            "condition": np.arange(wells) % conditions, "faulty": False,
        }).astype({"condition": str})  # fmt: skip
        return design.design_wells(patches, design.choose(patches), 0, 999, 1).labellings

    assert len(labellings(300, 3)) == 1000
    assert len(labellings(600, 300)) == 1 + design.MOST_READ // (600 * 300)
    assert len(labellings(1500, 500)) == 1 + design.FEWEST_SHUFFLES


def test_arrangements_are_counted_as_they_can_be_listed():
    labels, groups = np.array([0, 0, 1, 0, 1, 2, 1]), np.array([0, 0, 0, 1, 1, 1, 2])
    listed = set()
    for first in itertools.permutations(labels[:3]):
        listed |= {(*first, *second) for second in itertools.permutations(labels[3:6])}
    assert design.arrangements(labels, groups) == len(listed) == 18


def test_shuffles_keep_what_every_plate_and_fold_holds_and_reach_all_arrangements():
    labels, groups = np.array([0, 0, 1, 0, 1, 2]), np.array([0, 1, 0, 1, 0, 1])
    shuffles = design.shuffled(labels, groups, 2_000, seed=1)
    for group in (0, 1):
        own = np.sort(shuffles[:, groups == group], axis=1)
        assert (own == np.sort(labels[groups == group])).all()
    rows, counts = np.unique(shuffles, axis=0, return_counts=True)
    assert len(rows) == design.arrangements(labels, groups) == 9
    assert counts.min() > 160  # 222 expected of each


def test_few_wells_get_fewer_folds_so_that_labels_can_be_shuffled():
    labels = np.repeat([0, 1], 6)
    plates = np.zeros(12)
    folds = design.choose_folds(labels, plates, seed=0)
    # 5 folds leave 2**4 * 6 = 96 ways, 4 leave 2**2 * 6**2 = 144.
    assert folds.max() + 1 == 4
    assert design.choose_folds(np.repeat([0, 1], 20), np.zeros(40), seed=0).max() + 1 == 5
    with pytest.raises(ValueError, match="single well"):
        design.choose_folds(np.array([0, 0, 1]), np.zeros(3), seed=0)


def _patches(rows):
    return pd.DataFrame(rows, columns=["plate", "well", "condition", "faulty"])


def test_what_cannot_be_used_is_left_out_and_what_is_missing_is_said():
    rows = [("P", f"A{i:02d}", "OVA", False) for i in range(3)]
    rows += [("P", f"B{i:02d}", "ConA", False) for i in range(2)]
    rows += [("Q", "A00", "ConA", False), ("P", "C01", "Alone", False)]
    rows += [("P", "C02", None, False), ("P", "C03", "OVA", True)]
    chosen = design.choose(_patches(rows))
    assert chosen.reason is None and chosen.conditions == ["OVA", "ConA"]
    assert chosen.wells == {"OVA": 3, "ConA": 3, "Alone": 1}  # A00 of two plates is two wells
    assert list(chosen.rows) == [0, 1, 2, 3, 4, 5]
    assert "one condition, OVA" in design.choose(_patches(rows[:3])).reason
    assert "two wells each" in design.choose(_patches([*rows[:3], rows[6]])).reason
    assert "all patches are faulty" in design.choose(_patches(rows[-1:])).reason
    assert "no well is known" in design.choose(_patches(rows[7:8])).reason
