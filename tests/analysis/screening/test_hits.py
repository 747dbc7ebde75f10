import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control
from screens import CONDITIONS, screen_wells

from jaxcell.analysis.screening.hits import (
    ENHANCER,
    INHIBITOR,
    NO_EFFECT,
    call,
    compare,
    known_doses,
    selective_q,
)
from jaxcell.analysis.screening.scale import AS_IS, LOG_ODDS, Scale

PLAIN = Scale(AS_IS)


def _row(effects, condition, compound):
    chosen = (effects["condition"] == condition) & (effects["compound"] == compound)
    return effects[chosen].iloc[0]


def test_an_effect_is_the_difference_of_means_and_the_interval_holds_it():
    wells = screen_wells(effects={("ConA", "3"): -5.0, ("OVA", "7"): 6.0})
    effects = compare(wells, "value", PLAIN, correct=False).effects
    of = wells[wells["condition"] == "ConA"]
    by_hand = of.loc[of["compound"] == "3", "value"].mean()
    by_hand -= of.loc[of["role"] == "vehicle", "value"].mean()
    row = _row(effects, "ConA", "3")
    assert row["effect"] == pytest.approx(by_hand)
    assert row["difference"] == pytest.approx(by_hand)
    assert row["low"] < -5.0 < row["high"] and row["q"] < 0.05
    assert call(row["effect"], row["q"]) == INHIBITOR
    assert call(*_row(effects, "OVA", "7")[["effect", "q"]]) == ENHANCER
    assert call(*_row(effects, "OVA", "8")[["effect", "q"]]) == NO_EFFECT
    assert len(effects) == 60 and (effects["wells"] == 2).all()


def test_a_smaller_distance_is_more_interaction():
    assert call(-1.0, 0.01, less_is_more=True) == ENHANCER


def test_what_all_wells_of_a_plate_share_makes_no_difference():
    first = screen_wells(seed=1, compounds=12, effects={("OVA", "2"): 6.0})
    second = screen_wells(seed=2, compounds=12, effects={("OVA", "2"): 6.0}, plate="P2")
    both = pd.concat([first, second], ignore_index=True)
    shifted = both.assign(value=both["value"] + 50.0 * (both["plate"] == "P2"))
    plain = compare(both, "value", PLAIN).effects
    moved = compare(shifted, "value", PLAIN).effects
    np.testing.assert_allclose(plain["effect"], moved["effect"], atol=1e-4)
    np.testing.assert_allclose(plain["p"], moved["p"], atol=1e-4)
    assert (plain["plates"] == 2).all() and (plain["wells"] == 4).all()


def test_one_replicate_on_each_of_two_plates_is_enough():
    parts = [
        screen_wells(seed=seed, replicates=1, plate=f"P{seed}", effects={("ConA", "1"): 8.0})
        for seed in (1, 2)
    ]
    effects = compare(pd.concat(parts, ignore_index=True), "value", PLAIN, correct=False).effects
    assert _row(effects, "ConA", "1")["q"] < 0.05
    assert _row(effects, "ConA", "1")["wells"] == 2


@pytest.mark.parametrize("slope", [0.0, 3.0])
def test_places_are_corrected_so_that_a_slope_costs_no_hits(slope):
    effects = {(name, str(number)): 5.0 for name in CONDITIONS for number in (1, 2, 3)}
    wells = screen_wells(seed=5, effects=effects, slope=slope)
    found = compare(wells, "value", PLAIN).effects
    acting = found["compound"].isin(["1", "2", "3"])
    assert (found.loc[acting, "q"] <= 0.05).mean() > 0.8
    assert found.loc[acting, "effect"].mean() == pytest.approx(5.0, abs=0.8)


@pytest.mark.slow
@pytest.mark.parametrize("slope", [0.0, 1.75])  # a gradient with an SD of half the noise
def test_few_null_plates_have_a_hit(slope):
    found = [
        (compare(screen_wells(seed, slope=slope), "value", PLAIN).effects["q"] <= 0.05).any()
        for seed in range(150)
    ]
    assert np.mean(found) <= 0.09  # 5 % expected at most; 150 plates


def test_controls_are_vehicle_wells_or_else_untreated_ones():
    wells = screen_wells(conditions=("OVA", "ConA"))
    untreated = wells.assign(
        role=wells["role"].where(~((wells["condition"] == "OVA") & (wells["role"] == "vehicle")),
                                 "untreated")
    )  # fmt: skip
    effects = compare(untreated, "value", PLAIN, correct=False).effects
    controls = effects.groupby("condition")["control"].first()
    assert controls.to_dict() == {"OVA": "untreated", "ConA": "vehicle"}
    neither = wells[(wells["condition"] != "OVA") | (wells["role"] != "vehicle")]
    found = compare(neither, "value", PLAIN, correct=False)
    assert found.reasons == ["plate P1 has no vehicle and no untreated well in OVA"]
    assert set(found.effects["condition"]) == {"ConA"}


def test_empty_wells_and_missing_values_are_no_part_of_it():
    wells = screen_wells()
    more = wells.assign(role="empty", value=1e6, row=wells["row"] + 10)
    gone = wells.assign(value=np.nan, compound="99")
    plain = compare(wells, "value", PLAIN).effects
    same = compare(pd.concat([wells, more, gone], ignore_index=True), "value", PLAIN).effects
    pd.testing.assert_frame_equal(plain, same)


def test_a_dose_that_nobody_wrote_is_the_compounds_only_one():
    table = pd.DataFrame({
        "role": ["sample", "sample", "sample", "sample", "vehicle"],
        "compound": ["1", "1", "2", "2", "DMSO"],
        "concentration_um": [10.0, np.nan, 1.0, 3.0, np.nan],
    })  # fmt: skip
    assert known_doses(table).tolist()[:4] == [10.0, 10.0, 1.0, 3.0]
    table.loc[1, "compound"] = "2"
    assert np.isnan(known_doses(table)[1])  # of a compound with two doses it is not known


def test_q_of_one_family_is_benjamini_and_hochbergs():
    p = np.random.default_rng(0).uniform(size=30) ** 2
    np.testing.assert_allclose(selective_q(p, np.zeros(30)), false_discovery_control(p))


def test_a_family_without_hits_costs_the_other_as_much_as_two_families_cost():
    p = np.array([1e-4, 2e-4, 0.5, 0.4, 0.6, 0.7])
    family = np.array([0, 0, 0, 1, 1, 1])
    # Benjamini and Bogomolov 2014: one of two families is entered, so the level inside is halved.
    assert selective_q(p, family)[:2] == pytest.approx(2 * np.array([3e-4, 3e-4]))
    assert (selective_q(p, family)[3:] > 0.4).all()


def test_values_are_given_in_the_unit_of_the_measure():
    wells = screen_wells(noise=0.1, effects={("ConA", "1"): -2.0})
    scale = Scale(LOG_ODDS, 100.0)
    wells["value"] = scale.backward(wells["value"] - 3.0)
    row = _row(compare(wells, "value", scale).effects, "ConA", "1")
    assert row["control_mean"] == pytest.approx(100 / (1 + np.exp(-3)), abs=1.0)
    assert row["mean"] == pytest.approx(100 / (1 + np.exp(-1)), abs=3.0)
    assert row["low"] < row["difference"] < row["high"] < 0
