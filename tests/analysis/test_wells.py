"""Wells by condition: counts, shares and medians, with intervals that hold."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.wells import by_condition, median_interval
from jaxcell.measures.chance import ANSWERS


def test_counts_and_their_interval():
    interaction, no_more, less, too_few = ANSWERS
    answers = [interaction] * 3 + [no_more] * 6 + [less] + [too_few] * 2
    wells = pd.DataFrame(
        {
            "condition": "OVA",
            "answer": answers,
            "overlap_share": np.arange(12.0),
            "chance_excess": 1.0,
            "contact_share": 50.0,
            "chance_z": 2.0,
        }
    )
    lonely = wells.iloc[-1:].assign(condition="")
    first, last = by_condition(pd.concat([wells, lonely], ignore_index=True))
    assert (first["wells"], first["answered"], first["interacting"], first["less"]) == (
        12,
        10,
        3,
        1,
    )
    # Wilson's interval of 3 in 10, from a table.
    assert [first["share"], first["low"], first["high"]] == pytest.approx([30, 10.8, 60.3], abs=0.1)
    assert first["overlap"] == 4.5 and first["chance"] == 3.5
    assert first["overlap_interval"] == [1.0, 8.0]  # 2nd and 9th of 10: 97.9 %
    assert last["answered"] == 0 and last["share"] is last["overlap"] is None
    assert last["overlap_interval"] is None


@pytest.mark.parametrize("number", [6, 9, 20])
def test_the_interval_of_a_median_holds(number):
    samples = np.random.default_rng(0).exponential(size=(2000, number))
    ends = np.array([median_interval(sample) for sample in samples])
    inside = (ends[:, 0] <= np.log(2)) & (np.log(2) <= ends[:, 1])
    assert 0.94 < inside.mean() < 0.99


def test_five_values_give_no_interval():
    assert median_interval(range(5)) is None and median_interval([]) is None
    assert median_interval([3, 1, 2, 6, 5, 4]) == (1, 6)
