"""Every replicate is on one plate, plates hold what they are given, and what cannot fit is said."""

from collections import Counter

import numpy as np
import pytest

from jaxcell.analysis.design.plan import PLATES, Experiment, plan_plates

STUDY = ("Unstimulated", "OVA", "ConA")


def _plan(experiment, wells=384, rim=False, seed=0):
    return plan_plates(experiment, wells, rim=rim, random=np.random.default_rng(seed))


def test_the_study_fits_on_one_plate_without_its_rim():
    """45 x 2 x 3 = 270 of 14 x 22 = 308 wells; 38 are left for three conditions: 12 each."""
    (plate,) = _plan(Experiment(45, 2, STUDY, (10.0,)))
    assert plate.vehicle == 12
    assert (plate.rows, plate.columns) == (range(2, 16), range(2, 24))


def test_vehicle_wells_are_as_many_as_make_comparisons_most_precise():
    """Dunnett's n sqrt(k): 2 sqrt(16) = 8; 40 wells are 5 x 8, nothing is left over."""
    (plate,) = _plan(Experiment(16, 2, ("ConA",), (10.0,)))
    assert plate.vehicle == 8
    assert len(plate.rows) * len(plate.columns) == 40


@pytest.mark.parametrize("rim", [False, True])
@pytest.mark.parametrize("wells", PLATES)
@pytest.mark.parametrize(
    "experiment",
    [
        Experiment(1, 1, ("ConA",), (10.0,)),
        Experiment(30, 3, ("ConA",), (1.0,)),
        Experiment(100, 2, ("ConA",), (1.0,)),
        Experiment(7, 2, ("ConA",), (1.0, 3.0, 9.0)),
    ],
)
def test_each_replicate_is_on_one_plate_and_replicates_on_different_ones(experiment, wells, rim):
    plates = _plan(experiment, wells, rim)
    everything = [pair for plate in plates for pair in plate.sets]
    assert len(everything) == len(set(everything)) == experiment.compounds * experiment.replicates
    height, width = PLATES[wells]
    rows, columns = (range(1 + (not rim), end + rim) for end in (height, width))
    for plate in plates:
        vehicle = plate.vehicle * len(experiment.conditions)
        used = len(plate.sets) * experiment.wells_of_a_set + vehicle
        assert plate.vehicle >= 4
        assert used <= len(plate.rows) * len(plate.columns)
        assert set(plate.rows) <= set(rows) and set(plate.columns) <= set(columns)
        most = max(Counter(compound for compound, _ in plate.sets).values())
        assert most <= -(-experiment.replicates // len(plates))
    sizes = [len(plate.sets) for plate in plates]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    "experiment,wells,said",
    [
        (Experiment(45, 2, STUDY, (10.0,)), 1536, "use 384 and several plates"),
        (Experiment(45, 2, STUDY, (10.0,)), 100, "there is no plate of 100 wells"),
        (Experiment(0, 2, STUDY, (10.0,)), 384, "give at least 1 of both"),
        (Experiment(1, 0, STUDY, (10.0,)), 384, "give at least 1 of both"),
        (Experiment(1, 2, ("OVA", "OVA"), (10.0,)), 384, "name each once"),
        (Experiment(1, 2, STUDY, (0.0,)), 384, "give numbers above 0"),
        (Experiment(1, 2, STUDY, (1.0, 1.0)), 384, "name each once"),
        # 3 + 3 x 4 = 15 wells, and there are 2 x 4.
        (
            Experiment(1, 2, STUDY, (10.0,)),
            24,
            "need 15 wells, but a plate of 24 has 8 without its",
        ),
        # 30 x 3 + 12 = 102 wells of 6 x 10.
        (Experiment(1, 2, STUDY, range(1, 31)), 96, "need 102 wells, but a plate of 96 has 60"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(experiment, wells, said):
    with pytest.raises(ValueError, match=said):
        _plan(experiment, wells)


def test_the_rim_is_advised_only_where_it_is_not_used():
    large = Experiment(1, 2, STUDY, range(1, 31))
    with pytest.raises(ValueError, match="--rim use"):
        _plan(large, 96)
    with pytest.raises(ValueError) as refused:
        _plan(large, 96, rim=True)
    assert "--rim" not in str(refused.value) and "has 96:" in str(refused.value)
