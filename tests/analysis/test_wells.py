"""Wells by condition: counts, shares and medians, with intervals that hold."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.wells import by_condition, judged, median_interval
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


def _asked(p, p_less, plate="P"):
    """Wells with the answer that each gets by itself."""
    interaction, no_more, less, _ = ANSWERS
    alone = np.where(np.array(p) <= 0.025, interaction, no_more)
    alone = np.where(np.array(p_less) <= 0.025, less, alone)
    return pd.DataFrame({"plate": plate, "chance_p": p, "chance_p_less": p_less, "answer": alone})


def test_answers_are_corrected_for_the_wells_of_the_plate_by_hand():
    interaction, no_more, less, too_few = ANSWERS
    wells = _asked([0.001, 0.02, 0.5, 0.999, 1e-9], [0.999, 0.98, 0.5, 0.004, 1.0])
    wells.loc[4, "answer"] = too_few  # not asked, and costs the others nothing
    found = judged(wells)
    q = [0.002 * 4, 0.04 * 4 / 3, 1.0, 0.008 * 2]
    assert found["chance_q"][:4].tolist() == pytest.approx(q) and np.isnan(found["chance_q"][4])
    assert found["answer"].tolist() == [interaction, no_more, no_more, less, too_few]
    assert found["chance_p"].equals(wells["chance_p"])


def test_plates_are_corrected_apart_and_a_plate_of_one_well_is_not():
    lonely = _asked([0.02], [0.98], "lonely")
    together = judged(pd.concat([lonely, _asked([0.02] + [0.6] * 20, [0.98] + [0.4] * 20)]
                                ).reset_index(drop=True))  # fmt: skip
    assert together["answer"].tolist()[:2] == ["interaction", "no more than chance"]
    assert together["chance_q"][0] == pytest.approx(0.04)
    none = judged(_asked([], []))
    assert len(none) == 0 and "chance_q" in none


def test_a_plate_without_interaction_seldom_has_an_interacting_well():
    random = np.random.default_rng(0)
    any_well = []
    for _ in range(400):
        p = random.random(384)
        answers = judged(_asked(p, 1 - p))["answer"]
        any_well.append(answers.isin(["interaction", "less than chance"]).any())
    assert np.mean(any_well) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
