"""No well on two sides; every condition on every side."""

import itertools

import pandas as pd
import pytest

from jaxcell.dataset.splits import FRACTIONS, assign, assign_wells


def _wells(plates: int, a_condition: int) -> pd.DataFrame:
    rows = itertools.product(range(plates), ("Unstimulated", "OVA", "ConA"), range(a_condition))
    return pd.DataFrame(
        [
            {"plate": f"P{plate}", "condition": condition, "well": f"{condition[0]}{number:02d}"}
            for plate, condition, number in rows
        ]
    )


@pytest.mark.parametrize("seed", range(3))
def test_shares_hold_within_every_plate_and_condition(seed):
    wells = _wells(2, 20)
    wells["split"] = assign_wells(wells, "well", seed)
    shares = wells.groupby(["plate", "condition"])["split"].value_counts(normalize=True)
    for (_, _, split), share in shares.items():
        assert share == pytest.approx(FRACTIONS[split], abs=0.06)


def test_small_strata_still_reach_every_split():
    wells = _wells(3, 3)
    splits = assign_wells(wells, "well", 0)
    counts = pd.Series(splits).value_counts()
    for name, fraction in FRACTIONS.items():
        assert counts[name] == pytest.approx(fraction * len(wells), abs=2)


def test_the_seed_decides():
    wells = _wells(1, 20)
    first, again, other = (assign_wells(wells, "well", seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


def test_whole_plates_can_be_held_out():
    wells = _wells(6, 4)
    wells["split"] = assign_wells(wells, "plate", 0)
    assert (wells.groupby("plate")["split"].nunique() == 1).all()
    assert set(wells["split"]) == set(FRACTIONS)


def test_too_few_wells_or_plates_are_an_error():
    with pytest.raises(ValueError, match="Add wells"):
        assign_wells(_wells(1, 3).head(2), "well", 0)
    with pytest.raises(ValueError, match="dataset.split_by to well"):
        assign_wells(_wells(2, 9), "plate", 0)


def test_assign_deals_exact_shares_of_one_stratum():
    splits = assign(["x"] * 100, 0)
    assert {name: (splits == name).sum() for name in FRACTIONS} == {
        "train": 60,
        "validation": 15,
        "test": 25,
    }
