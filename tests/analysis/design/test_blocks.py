"""Where nothing acts: blocks of columns find what is not there, lots and designs do not."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from jaxcell.analysis.design.blocks import (
    BLOCKS,
    BY_LOT,
    DESIGNED,
    STRIPES,
    false_positives,
    proofs,
)


def _plate(rows=9, columns=12, conditions=3):
    row, column = (part.ravel() + 1 for part in np.indices((rows, columns)))
    return pd.DataFrame({
        "row": row, "column": column, "role": np.where((row + column) % 6, "sample", "vehicle"),
        "condition": [f"C{number}" for number in (row + column) % conditions],
    })  # fmt: skip


def test_blocks_of_columns_prove_nothing_and_a_design_does():
    found = {proof.arrangement: proof for proof in proofs(_plate(), seed=0)}
    assert list(found) == [BLOCKS, STRIPES, BY_LOT, DESIGNED]
    for proof in found.values():
        assert proof.false_positives[0.0] == pytest.approx(0.05, abs=0.02)
    assert found[BLOCKS].false_positives[0.5] > 0.6
    assert found[BY_LOT].false_positives[0.5] == pytest.approx(0.05, abs=0.02)
    assert found[DESIGNED].false_positives[0.5] <= 0.06
    # A Latin arrangement loses nothing to rows and columns; whole columns lose everything.
    assert found[DESIGNED].information == pytest.approx(1)
    assert found[BLOCKS].information == found[STRIPES].information == 0
    assert 0.5 < found[BY_LOT].information < 1


def test_false_positives_of_two_halves_are_those_of_a_shifted_normal():
    """Two halves of 500 wells whose means differ by the trend's, over their standard error."""
    column = np.tile(np.arange(20), 50)
    group, size = (column >= 10).astype(int), 0.1
    trend = (column - column.mean()) / column.std()
    shift = size * (trend[group == 1].mean() - trend[group == 0].mean())
    z = shift / np.sqrt(2 * (1 + size**2 * trend[group == 0].var()) / 500)
    expected = norm.sf(1.96 - z) + norm.cdf(-1.96 - z)
    assert 0.5 < expected < 0.95
    found = false_positives(group, column, size, np.random.default_rng(0))
    assert found == pytest.approx(expected, abs=0.05)


def test_with_one_condition_vehicle_wells_are_what_lies_in_blocks():
    found = {proof.arrangement: proof for proof in proofs(_plate(conditions=1), seed=0)}
    assert found[BLOCKS].false_positives[1.0] > 0.9
    assert found[DESIGNED].information > found[BLOCKS].information == 0


def test_the_same_seed_says_the_same():
    assert proofs(_plate(), seed=1) == proofs(_plate(), seed=1)
