"""Variances that are put into drawn plates come out again."""

import numpy as np
import pandas as pd
import pytest
from screens import screen_wells

from jaxcell.analysis.design.components import Components, components, draw, effect, expected
from jaxcell.analysis.screening.scale import AS_IS, LOG_ODDS, Scale

PLAIN, SHARE = Scale(AS_IS), Scale(LOG_ODDS, 100.0)
USUAL = Components(
    scale=PLAIN,
    controls={"Unstimulated": 0.0, "ConA": 10.0},
    rest=0.0,
    replicate={"Unstimulated": 0.5, "ConA": 1.5},
    row=0.6,
    column=0.0,
    surface=0.8,
    plate=2.0,
    plates=6,
    wells=600,
    rest_is_zero=False,
)


def _layout(plates=6):
    parts = [
        screen_wells(seed, conditions=("Unstimulated", "ConA"), controls=12, plate=f"P{seed}")
        for seed in range(plates)
    ]
    return pd.concat(parts, ignore_index=True).assign(inhibition=0.0)


def test_drawn_plates_have_the_variances_that_they_were_drawn_with():
    layout = _layout()
    wells = layout.assign(value=draw(np.random.default_rng(0), layout, USUAL))
    found = components(wells, "value", PLAIN)
    assert found.plates == 6 and found.wells == len(layout)
    # 6 x (20 + 11) degrees of freedom: an SD within 5 %, two of which are allowed for.
    for name, sd in USUAL.replicate.items():
        assert found.replicate[name] == pytest.approx(sd, rel=0.12)
    assert found.row == pytest.approx(0.6, rel=0.4)
    assert found.column < 0.35
    assert found.surface == pytest.approx(0.8, rel=0.4)
    assert 1.0 < found.plate < 4.0  # five degrees of freedom
    assert found.controls["ConA"] - found.controls["Unstimulated"] == pytest.approx(10, abs=0.3)


def test_one_plate_says_nothing_of_plates():
    wells = screen_wells(0)
    assert components(wells, "value", PLAIN).plate is None


def test_without_unstimulated_controls_the_measure_itself_is_taken_away():
    found = components(screen_wells(0, conditions=("ConA",)), "value", PLAIN)
    assert found.rest_is_zero and found.rest == 0


def test_wells_without_replicates_and_controls_are_refused():
    wells = screen_wells(0, replicates=1, controls=0)
    with pytest.raises(ValueError, match="tells no spread"):
        components(wells, "value", PLAIN)


def test_half_of_the_stimulation_taken_away_is_half_way_in_the_unit():
    """From 60 % to 20 % by half: 40 %, whatever the scale."""
    of = USUAL._replace(scale=SHARE, controls={"ConA": float(SHARE.forward([60])[0])}, rest=20.0)
    control, half = np.array([of.controls["ConA"]]), np.array([0.5])
    assert expected(of, control, half) == pytest.approx(40)
    assert effect(of, control, half) == pytest.approx(np.log(40 / 60) - np.log(60 / 40))


def test_conditions_that_the_earlier_plate_had_not_have_no_values():
    layout = _layout(1)
    layout.loc[layout["condition"] == "ConA", "condition"] = "OVA"
    values = draw(np.random.default_rng(0), layout, USUAL)
    assert np.isnan(values[layout["condition"] == "OVA"]).all()
    assert np.isfinite(values[layout["condition"] != "OVA"]).all()
