import numpy as np
import pandas as pd
import pytest
from screens import screen_wells

from jaxcell.analysis.screening.hits import compare
from jaxcell.analysis.screening.replicates import agreement
from jaxcell.analysis.screening.scale import AS_IS, Scale


def test_r_and_the_share_of_noise_are_those_of_the_simulation():
    random = np.random.default_rng(0)
    effects = {("ConA", str(number)): 3 * random.normal() for number in range(1, 61)}
    wells = screen_wells(compounds=60, conditions=("OVA", "ConA"), effects=effects)
    hits = compare(wells, "value", Scale(AS_IS), correct=False)
    inert, acting = agreement(hits.wells, seed=0)
    assert (inert["condition"], acting["condition"]) == ("OVA", "ConA")
    assert acting["compounds"] == 60 and acting["wells"] == 120
    assert acting["r"] == pytest.approx(0.9, abs=0.06)  # 9 / (9 + 1)
    assert acting["noise_share"] == pytest.approx(0.1, abs=0.06)
    assert acting["interval"][0] < acting["r"] < acting["interval"][1]
    assert abs(inert["r"]) < 0.35 and inert["noise_share"] > 0.7


def test_pairs_are_correlated_as_numpy_does():
    wells = screen_wells(compounds=10)
    hits = compare(wells, "value", Scale(AS_IS), correct=False)
    own = hits.wells[(hits.wells["condition"] == "OVA") & (hits.wells["role"] == "sample")]
    pairs = own.sort_values(["plate", "well"]).groupby("group")["corrected"].apply(list)
    by_numpy = np.corrcoef(np.array(pairs.tolist()).T)[0, 1]
    assert agreement(hits.wells, seed=0)[1]["r"] == pytest.approx(by_numpy)


def test_single_wells_have_nothing_to_agree_with():
    wells = screen_wells(replicates=1)
    hits = compare(wells, "value", Scale(AS_IS), correct=False)
    assert all("have two wells" in row["reason"] for row in agreement(hits.wells, seed=0))


def test_what_all_wells_of_a_plate_share_is_no_noise():
    effects = {("ConA", str(number)): 0.5 * number for number in range(1, 21)}
    given = {"compounds": 20, "replicates": 1, "controls": 60, "conditions": ("ConA",)}
    plates = [screen_wells(seed, **given, effects=effects, plate=f"P{seed}") for seed in range(2)]
    plates[1]["value"] += 50
    hits = compare(pd.concat(plates, ignore_index=True), "value", Scale(AS_IS), correct=False)
    (found,) = agreement(hits.wells, seed=0)
    assert found["noise_share"] < 0.3 and found["r"] > 0.7
