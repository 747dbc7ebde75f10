"""Swaps cost what they say, and what is arranged is even."""

import numpy as np
import pytest

from jaxcell.analysis.design import arrangement
from jaxcell.analysis.design.arrangement import BEND, Label, arrange, regions, surface

ROW, COLUMN = (part.ravel() + 2 for part in np.indices((6, 9)))


def _labels(random):
    weights = random.uniform(0.1, 2, (3, 5))
    return [Label(random.integers(-1, 5, len(ROW)), *weight) for weight in weights]


def _cost(labels, treatment):
    """The cost by its definition: squared counts of every label, squared sums of the surface."""
    lines = (ROW, COLUMN, *regions(ROW, COLUMN))
    terms = surface(ROW, COLUMN) * (1, 1, BEND, BEND)
    total = 0.0
    for label in labels:
        given = label.of[treatment]
        for number in range(given.max() + 1):
            own = given == number
            for line, weight in zip(lines, label[1:5]):
                total += weight * sum((own & (line == one)).sum() ** 2 for one in np.unique(line))
            total += label.surface * (terms[own].sum(axis=0) ** 2).sum()
    return total


def test_a_swap_costs_the_difference_of_two_arrangements():
    random = np.random.default_rng(0)
    labels, treatment = _labels(random), random.permutation(len(ROW))
    ledger = arrangement._ledger(ROW, COLUMN, labels, treatment)
    for one, other in random.integers(len(ROW), size=(60, 2)).tolist():
        before = _cost(labels, np.array(ledger.treatment))
        said = arrangement._cost_of_swap(ledger, one, other)
        arrangement._swap(ledger, one, other)
        after = _cost(labels, np.array(ledger.treatment))
        assert said == pytest.approx(after - before, abs=1e-8)


def test_every_treatment_is_given_once_and_the_same_lot_gives_the_same():
    labels = _labels(np.random.default_rng(1))
    found = [arrange(ROW, COLUMN, labels, np.random.default_rng(seed)) for seed in (3, 3, 4)]
    assert sorted(found[0]) == list(range(len(ROW)))
    assert (found[0] == found[1]).all() and (found[0] != found[2]).any()


def test_five_labels_on_five_by_five_become_a_latin_square():
    row, column = (part.ravel() for part in np.indices((5, 5)))
    label = Label(np.repeat(np.arange(5), 5), 1.0, 1.0, 0.0, 0.0, 0.0)
    given = label.of[arrange(row, column, [label], np.random.default_rng(0))]
    for line in (row, column):
        assert all(len(set(given[line == one])) == 5 for one in range(5))


def test_surface_terms_have_mean_0_and_sd_1():
    terms = surface(ROW, COLUMN)
    np.testing.assert_allclose(terms.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(terms.std(axis=0), 1)
    assert not surface(np.ones(4, int), np.arange(4))[:, 0].any()


def test_regions_are_quadrants_and_twelfths_of_the_wells_in_use():
    quadrant, tile = regions(ROW, COLUMN)
    assert np.bincount(quadrant).tolist() == [15, 12, 15, 12]  # 3 rows x 5 or 4 columns
    assert np.bincount(tile).tolist() == [6, 4, 4, 4] * 3  # 2 rows x 3 or 2 columns
