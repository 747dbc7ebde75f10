"""Scores of found cells, by hand calculation."""

import tracemalloc

import numpy as np
import pytest
import tifffile
from scipy.optimize import linear_sum_assignment

from jaxcell.analysis.scores.detection import Matches, match, scores, scores_of_fields, total


def _boxes(*boxes, shape=(20, 40)):
    labels = np.zeros(shape, np.int32)
    for number, (top, left, bottom, right) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = number
    return labels


TRUE = _boxes((0, 0, 10, 10), (0, 10, 10, 20), (12, 0, 18, 6))


def test_the_same_cells_under_other_numbers_score_one():
    renamed = np.array([0, 30, 7, 1], np.int32)[TRUE]
    result = scores(match(TRUE, renamed))
    assert result == {
        "pixel_iou": 1.0, "f1": 1.0, "precision": 1.0, "recall": 1.0, "mean_ap": 1.0,
        "count_ratio": 1.0, "true_cells": 3,
    }  # fmt: skip


def test_two_cells_taken_for_one():
    merged = np.where(TRUE == 2, 1, TRUE)
    matches = match(TRUE, merged)
    # The merged cell covers each of the two at an IoU of exactly one half: one of them counts.
    assert matches.found[0] == 2 and (matches.found[1:] == 1).all()
    result = scores(matches)
    assert result["f1"] == pytest.approx(2 * 2 / 5)
    assert result["pixel_iou"] == 1.0
    # 2 of 3 true at 0.5; above it 1 found, 1 false, 2 missed.
    assert result["mean_ap"] == pytest.approx((2 / 3 + 9 * 1 / 4) / 10)


def test_a_cell_found_too_large():
    predicted = _boxes((0, 0, 10, 10), (0, 10, 10, 20), (12, 0, 18, 9))  # IoU 36 / 54
    matches = match(TRUE, predicted)
    np.testing.assert_array_equal(matches.found, [3, 3, 3, 3, 2, 2, 2, 2, 2, 2])
    assert scores(matches)["pixel_iou"] == pytest.approx(236 / 254)


def test_sums_over_images_weigh_cells_alike():
    nothing = np.zeros_like(TRUE)
    both = total([match(TRUE, TRUE), match(nothing, _boxes((0, 0, 3, 3)))])
    result = scores(both)
    assert result["precision"] == pytest.approx(3 / 4) and result["recall"] == 1.0
    assert result["f1"] == pytest.approx(6 / 7)


def test_nothing_to_find_and_nothing_found_is_perfect():
    nothing = np.zeros((5, 5), np.int32)
    result = scores(match(nothing, nothing))
    assert result["f1"] == result["mean_ap"] == result["pixel_iou"] == 1.0


def test_nothing_found_of_something_is_zero():
    result = scores(match(TRUE, np.zeros_like(TRUE)))
    assert result["f1"] == result["mean_ap"] == result["recall"] == result["precision"] == 0.0


def test_pairs_are_those_of_the_hungarian_method_on_the_full_table():
    random = np.random.default_rng(4)
    for _ in range(20):
        true, predicted = (np.kron(random.integers(0, 9, (6, 6)), np.ones((2, 2), int))
                           for _ in range(2))  # fmt: skip
        table = np.zeros((9, 9))
        for row in range(1, 9):
            for column in range(1, 9):
                one, other = true == row, predicted == column
                table[row, column] = (one & other).sum() / max((one | other).sum(), 1)
        chosen = linear_sum_assignment(table >= 0.5, maximize=True)
        assert match(true, predicted).found[0] == (table >= 0.5)[chosen].sum()


def test_seventy_thousand_cells_are_matched_in_little_memory(shared_data):
    labels = tifffile.imread(shared_data / "cases" / "labels_70000" / "labels.tif")
    tracemalloc.start()
    matches = match(labels, labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (matches.found == 70_000).all() and peak < 200e6


def test_an_image_that_is_all_one_cell():
    full = np.ones((6, 6), np.int32)
    assert scores(match(full, full))["f1"] == 1.0


def test_the_interval_of_f1_is_that_of_other_fields():
    random = np.random.default_rng(1)
    share = random.uniform(0.5, 0.9, (400, 12))  # of 100 cells in each of 12 fields of 400 runs
    fields = [
        [Matches(np.full(10, round(100 * part)), 100, 100, 1, 1) for part in run] for run in share
    ]
    results = [scores_of_fields(run, draws=300) for run in fields]
    assert results[0]["f1"] == scores(total(fields[0]))["f1"]
    held = [low <= 0.7 <= high for low, high in (result["f1_interval"] for result in results)]
    assert 0.88 < np.mean(held) < 0.98
    assert scores_of_fields(fields[0][:1])["f1_interval"] is None
