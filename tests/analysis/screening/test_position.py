import numpy as np
import pytest
from screens import screen_wells

from jaxcell.analysis.screening.hits import places_of
from jaxcell.analysis.screening.position import line_tests, plate_effect


def _plate(**changes):
    """Wells, their values and places; every group inert."""
    wells = screen_wells(**changes)
    keys = ["condition", "compound"]
    wells["group"] = wells.groupby(keys).ngroup()
    active = np.zeros(wells["group"].max() + 1, bool)
    return wells, wells["value"].to_numpy(), places_of(wells, active)


def test_a_slope_over_the_columns_is_found_and_conditions_stay():
    wells, values, places = _plate(slope=6.0)
    found = plate_effect(values, places)
    side = (wells["column"] - 1) / (wells["column"].max() - 1)
    assert np.polyfit(side, found.effect, 1)[0] == pytest.approx(6.0, abs=1.0)
    for condition in np.unique(places.condition):
        assert found.effect[places.condition == condition].mean() == pytest.approx(0, abs=1e-9)
    assert found.noise == pytest.approx(1.0, abs=0.2)


def test_what_is_added_to_a_condition_changes_no_place():
    _, values, places = _plate(slope=2.0)
    shifted = values + np.array([5.0, -40.0, 3.0])[places.condition]
    first, second = plate_effect(values, places), plate_effect(shifted, places)
    np.testing.assert_allclose(first.effect, second.effect, atol=1e-5)


def test_compounds_that_act_in_one_corner_do_not_tilt_the_surface():
    wells, values, places = _plate(seed=3)
    corner = ((wells["row"] <= 4) & (wells["column"] <= 6)).to_numpy()
    groups = np.unique(places.group[corner & (wells["role"] == "sample")])
    hit = np.isin(places.group, groups) & corner
    # Whole groups act; those are not inert.
    acting = np.isin(places.group, groups)
    places = places._replace(inert=~acting)
    plain = plate_effect(values, places).effect
    pushed = plate_effect(values + 8.0 * acting, places).effect
    assert hit.any()
    np.testing.assert_allclose(plain, pushed, atol=0.02)


def test_without_a_place_effect_hardly_anything_is_taken_away():
    sizes = [plate_effect(*_plate(seed=seed)[1:]).effect.std() for seed in range(10)]
    # Five terms of 138 wells: sqrt(5 / 138) of the noise, if nothing is drawn towards zero.
    assert np.mean(sizes) < 0.35


def test_a_row_that_differs_is_found_and_a_quiet_plate_is_not():
    wells, values, places = _plate(seed=1)
    pushed = values + 3.0 * (wells["row"] == 2)
    assert line_tests(pushed, places)["row"].p < 1e-6
    p = [line_tests(*_plate(seed=seed)[1:])["row"].p for seed in range(60)]
    assert 0.2 < np.mean(np.array(p) < 0.5) < 0.8
    assert np.mean(np.array(p) < 0.05) < 0.2


def test_the_edge_is_tested_where_it_was_measured():
    wells, values, places = _plate()
    assert line_tests(values, places)["edge"].reason == (
        "no well at the edge of the plate was measured"
    )
    edge = (wells["row"] == 1).to_numpy()
    found = line_tests(values - 4.0 * edge, places._replace(edge=edge))["edge"]
    assert found.p < 1e-6 and found.size == pytest.approx(-4.0, abs=1.0)


def test_columns_that_each_hold_one_condition_can_only_be_compared_within():
    wells, values, places = _plate(
        by_lot=False, conditions=("OVA", "ConA"), compounds=16, controls=0
    )
    one_column_each = places._replace(condition=places.column - 1)
    assert "conditions or compounds of their own" in line_tests(values, one_column_each)[
        "column"
    ].reason  # fmt: skip


def test_few_wells_are_left_as_they_are():
    wells, values, places = _plate(compounds=1, conditions=("OVA",), controls=1, columns=3)
    found = plate_effect(values, places)
    assert found.reason and not found.effect.any()
