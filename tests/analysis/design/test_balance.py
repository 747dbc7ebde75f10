"""Figures of balance by hand."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.design.balance import balance, precision


def _lines(row, column):
    return np.column_stack([row[:, None] == np.unique(row), column[:, None] == np.unique(column)])


def _pairs(given):
    members = (given[:, None] == np.unique(given)).astype(float)
    means = (members / members.sum(axis=0)).T
    return np.array([means[i] - means[j] for i in range(len(means)) for j in range(i)])


def test_a_latin_square_loses_nothing_and_blocks_lose_all():
    row, column = (part.ravel() for part in np.indices((3, 3)))
    latin = (row + column) % 3
    assert precision(latin, _lines(row, column), _pairs(latin)) == pytest.approx(1)
    assert precision(column, _lines(row, column), _pairs(column)) == 0


def test_precision_is_the_ratio_of_variances_of_two_fits():
    """The same by ordinary least squares, with and without rows and columns."""
    random = np.random.default_rng(0)
    row, column = (part.ravel() for part in np.indices((5, 6)))
    given = random.permutation(np.repeat(np.arange(5), 6))
    members = (given[:, None] == np.arange(5)).astype(float)
    variances = []
    for design in (members, np.column_stack([members, _lines(row, column)])):
        inverse, one = np.linalg.pinv(design.T @ design), np.eye(design.shape[1])
        weights = np.array([one[i] - one[j] for i in range(5) for j in range(i)])
        variances.append(((weights @ inverse) * weights).sum(axis=1).mean())
    expected = variances[0] / variances[1]
    assert precision(given, _lines(row, column), _pairs(given)) == pytest.approx(expected)


def test_counts_and_gradient_of_four_wells():
    """A row of four: compound at columns 1 and 2, vehicle at 3 and 4.

    Columns scaled to mean 0 and SD 1 are -3, -1, 1 and 3 over root 5; the compound's mean less the
    vehicle's is -4 over root 5. Rows add nothing: root mean square over both 4 over root 10.
    """
    layout = pd.DataFrame({
        "plate": "P1", "row": 1, "column": [1, 2, 3, 4], "condition": "ConA",
        "compound": ["1", "1", "DMSO", "DMSO"], "concentration_um": [1, 1, np.nan, np.nan],
        "role": ["sample", "sample", "vehicle", "vehicle"],
    })  # fmt: skip
    found = balance(layout)
    assert (found.same_row, found.same_column, found.same_quadrant) == (1, 0, 1)
    assert found.condition_row == (4, 4) and found.condition_column == (1, 1)
    assert found.vehicle_quadrant == (0, 2)
    assert found.gradient == pytest.approx(4 / np.sqrt(10))
    assert found.precision == 0
