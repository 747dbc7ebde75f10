"""Layouts are whole, even in every way that a report claims, and made again by their seed."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.design.balance import balance
from jaxcell.analysis.design.layout import in_blocks, lay_out, shuffled
from jaxcell.analysis.design.plan import Experiment

STUDY = Experiment(45, 2, ("Unstimulated", "OVA", "ConA"), (10.0,))
GROUP = ["condition", "compound", "concentration_um", "role"]


@pytest.fixture(scope="module")
def study():
    return lay_out(STUDY, 384, rim=False, seed=0)


def test_the_plate_of_the_study_is_even(study):
    """What CK19 is not: replicates apart, vehicle in every twelfth, conditions in every line."""
    found = balance(study)
    assert (found.same_row, found.same_column, found.same_quadrant) == (0, 0, 0)
    assert found.vehicle_quadrant == (3, 3) and found.vehicle_tile == (1, 1)
    assert found.condition_row[0] >= 6 and found.condition_row[1] <= 9  # 306 / 14 / 3 = 7.3
    assert found.condition_column[0] >= 4 and found.condition_column[1] <= 6  # 4.6
    lot, blocks = balance(shuffled(study, np.random.default_rng(0))), balance(in_blocks(study))
    assert found.gradient < 0.6 * min(lot.gradient, blocks.gradient)
    assert found.precision > lot.precision > blocks.precision


def test_every_treatment_has_its_wells_and_no_well_two(study):
    assert not study.duplicated(["plate", "well"]).any()
    samples = study[study["role"] == "sample"]
    assert (samples.groupby(GROUP).size() == 2).all() and len(samples) == 45 * 2 * 3
    assert set(samples["compound"]) == {str(number) for number in range(1, 46)}
    vehicle = study[study["role"] == "vehicle"]
    assert (vehicle.groupby("condition").size() == 12).all()
    assert (vehicle["compound"] == "DMSO").all() and vehicle["concentration_um"].isna().all()
    assert study["row"].between(2, 15).all() and study["column"].between(2, 23).all()
    places = zip(study["row"], study["column"])
    names = [f"{'ABCDEFGHIJKLMNOP'[row - 1]}{column:02d}" for row, column in places]
    assert study["well"].tolist() == names


@pytest.mark.parametrize(
    "experiment,wells,rim",
    [
        (Experiment(3, 2, ("Unstimulated", "ConA"), (1.0,)), 24, True),
        (Experiment(12, 2, ("ConA",), (1.0,)), 96, False),
        (Experiment(3, 4, ("ConA",), (0.1, 1.0, 10.0)), 96, True),
    ],
)
def test_smaller_plates_and_doses_are_even_too(experiment, wells, rim):
    found = balance(lay_out(experiment, wells, rim=rim, seed=1))
    assert (found.same_row, found.same_column, found.same_quadrant) == (0, 0, 0)
    assert found.vehicle_quadrant[0] >= 1


def test_a_seed_makes_the_same_layout_again_and_another_another():
    experiment = Experiment(8, 2, ("ConA",), (1.0,))
    first, again, other = (lay_out(experiment, 96, rim=False, seed=seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first, again)
    assert (first["compound"] != other["compound"]).any()


def test_several_plates_share_out_replicates_and_take_names():
    layout = lay_out(Experiment(11, 2, ("ConA",), (1.0,)), 24, rim=True, seed=0, names=["CK30"])
    assert layout["plate"].unique().tolist() == ["CK30", "P2"]
    samples = layout[layout["role"] == "sample"]
    assert (samples.groupby("compound")["plate"].nunique() == 2).all()
    assert (layout[layout["role"] == "vehicle"].groupby("plate").size() >= 4).all()


def test_other_arrangements_move_treatments_and_keep_wells(study):
    for other in (shuffled(study, np.random.default_rng(1)), in_blocks(study)):
        assert set(zip(other["plate"], other["well"])) == set(zip(study["plate"], study["well"]))
        counts = [table.groupby(GROUP, dropna=False).size() for table in (study, other)]
        pd.testing.assert_series_equal(*counts)
    spans = in_blocks(study).groupby("condition")["column"].agg(["min", "max"])
    spans = spans.sort_values("min")
    assert (spans["max"].to_numpy()[:-1] <= spans["min"].to_numpy()[1:]).all()
