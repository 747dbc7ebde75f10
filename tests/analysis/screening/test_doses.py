import numpy as np
import pandas as pd
import pytest
from dose_plates import dose_wells

from jaxcell.analysis.screening.doses import (
    BELOW,
    BEYOND,
    FOUND,
    NO_EFFECT,
    NOT_MONOTONE,
    UNKNOWN,
    respond,
)
from jaxcell.analysis.screening.hits import compare
from jaxcell.analysis.screening.scale import AS_IS, LOG_ODDS, Scale
from jaxcell.analysis.screening.selectivity import (
    AFTER,
    FALL,
    RISES,
    TOGETHER,
    UNCHANGED,
    beside_counts,
)

PLAIN = Scale(AS_IS)


def _respond(wells, scale=PLAIN, bounds=(0, 100), **options):
    hits = compare(wells, "value", scale, correct=False)
    found = respond(hits, scale, bounds, seed=0, **options)
    return {item.row["compound"]: item for item in found}


def test_each_series_gets_its_answer():
    found = _respond(dose_wells(3, curves={
        "acts": (60, 25, 0.3, 1.0), "nothing": (60, 60, 1, 1), "late": (60, 0, 60, 1.5),
        "early": (60, 30, 0.0002, 1.0), "enhances": (60, 90, 1.0, 1.0),
    }, sd=0.7))  # fmt: skip
    answers = {name: item.row["answer"] for name, item in found.items()}
    assert answers == {"acts": FOUND, "nothing": NO_EFFECT, "late": BEYOND, "early": BELOW,
                       "enhances": FOUND}  # fmt: skip
    row = found["acts"].row
    assert row["falls"] and row["half_um_low"] < 0.3 < row["half_um_high"]
    assert row["half_um"] == pytest.approx(0.3, rel=0.6)
    # Half of the way from 60 to 0: 30 = 25 + 35 / (1 + x / 0.3).
    assert row["absolute_um"] == pytest.approx(0.3 * 6, rel=0.8)
    assert row["emax"] == pytest.approx(-35 * (1 - 1 / 101), abs=4)
    assert row["emax_low"] < row["emax"] < row["emax_high"]
    assert 5 < found["late"].row["half_um_low"] < 60
    rising = found["enhances"].row
    assert not rising["falls"] and np.isnan(rising["absolute_um"]) and rising["auc"] > 0


def test_a_hook_is_called_not_monotone():
    wells = dose_wells(1, curves={"1": (60, 25, 0.1, 1.5), "2": (60, 60, 1, 1)}, sd=3.0)
    high = (wells["compound"] == "1") & (wells["concentration_um"] >= 10)
    wells.loc[high, "value"] += 30
    assert _respond(wells)["1"].row["answer"] == NOT_MONOTONE


def test_a_curve_without_plateau_has_an_absolute_ic50_and_an_open_relative_one():
    """0.94 falling to 0.15 over 1e-9 to 5e-5 M, never level."""
    dose = np.geomspace(1e-3, 50, 10)
    value = np.interp(np.log10(dose), [-3, np.log10(50)], [0.94, 0.15])
    rows = [("1", "sample", d, v) for d, v in zip(dose, value) for _ in (0, 1)]
    rows += [("DMSO", "vehicle", np.nan, 0.96)] * 6
    table = pd.DataFrame(rows, columns=["compound", "role", "concentration_um", "value"])
    table["value"] += 0.03 * np.random.default_rng(0).normal(size=len(table))
    table["well"] = [f"A{number:02d}" for number in range(1, len(table) // 2 + 1)] * 2
    table = table.assign(plate="P", condition="ConA", row=1, column=range(len(table)), edge=False)
    row = _respond(table)["1"].row
    assert row["answer"] in (FOUND, BEYOND) and row["q"] < 0.01
    # Half of 0.96 is crossed between 0.2 and 2 uM, whatever comes after the last dose.
    assert 0.2 < row["absolute_um_low"] < row["absolute_um"] < row["absolute_um_high"] < 3
    assert 0.05 < row["half_um"] < 1 and row["half_um_high"] > 1.5 * row["half_um_low"]


def test_a_step_that_is_singular_elsewhere_has_an_answer():
    """3 of 160, 1, 1, 5, 8 and 80 of 80 respond."""
    dose = [0.944, 2.18, 4.14, 8.37, 16.1]
    share = [1 / 80, 1 / 80, 5 / 80, 8 / 80, 1.0]
    table = pd.DataFrame({
        "compound": ["1"] * 5 + ["DMSO"], "role": ["sample"] * 5 + ["vehicle"],
        "concentration_um": [*dose, np.nan], "value": [*share, 3 / 160],
        "well": [f"A0{number}" for number in range(1, 7)], "row": 1, "column": range(1, 7),
        "plate": "P", "condition": "ConA", "edge": False,
    })  # fmt: skip
    row = _respond(table, bounds=(0, 1))["1"].row
    assert row["answer"] == FOUND and not row["falls"]
    assert 8.37 < row["half_um"] < 16.1
    assert row["half_um_low"] > 4.14 and row["half_um_high"] < 30


def test_four_points_and_nothing_else_say_nothing():
    table = dose_wells(curves={"1": (60, 20, 0.3, 1)}, doses=(0.01, 0.1, 1, 10), replicates=1,
                       controls=0)  # fmt: skip
    alone = table.assign(role="sample")
    control = table.iloc[:1].assign(compound="DMSO", role="vehicle", well="P24", value=60.0)
    found = _respond(pd.concat([alone, control], ignore_index=True))
    # Five wells for a curve of four numbers: one degree of freedom, so hardly anything is sure.
    row = found["1"].row
    assert row["answer"] in (NO_EFFECT, UNKNOWN) or row["half_um_high"] / row["half_um_low"] > 10
    three = _respond(pd.concat([alone.iloc[:3], control], ignore_index=True))["1"].row
    assert three["answer"] == UNKNOWN and "fewer than 4 different doses" in three["reason"]
    assert three["half_um"] is None


def test_all_flat_is_no_effect_and_claims_no_ic50():
    wells = dose_wells(5, curves={str(number): (60, 60, 1, 1) for number in range(5)})
    assert {item.row["answer"] for item in _respond(wells).values()} == {NO_EFFECT}
    alike = wells.assign(value=60.0)
    assert {item.row["answer"] for item in _respond(alike).values()} == {NO_EFFECT}


def test_doses_of_zero_and_missing_ones_have_a_defined_place():
    wells = dose_wells(2, curves={"1": (60, 25, 0.3, 1), "2": (60, 40, 1, 1)})
    zero = wells[wells["role"] == "vehicle"].iloc[:3].assign(
        role="sample", compound="1", concentration_um=0.0
    )  # fmt: skip
    unknown = zero.assign(concentration_um=np.nan)
    plain = _respond(wells)["1"].row
    more = _respond(pd.concat([wells, zero], ignore_index=True))["1"].row
    same = _respond(pd.concat([wells, unknown], ignore_index=True))["1"].row
    assert more["wells"] == plain["wells"] + 3 and more["doses"] == plain["doses"] == 10
    assert more["half_um"] == pytest.approx(plain["half_um"], rel=0.2)
    assert same["half_um"] == pytest.approx(plain["half_um"])  # of an unknown dose nothing is known


def test_shares_are_fitted_in_their_unit_and_weighed_by_how_they_scatter():
    scale = Scale(LOG_ODDS, 100.0)
    wells = dose_wells(4, curves={"1": (60, 25, 0.3, 1.0), "2": (60, 60, 1, 1)}, sd=0.0)
    noise = 0.1 * np.random.default_rng(0).normal(size=len(wells))
    wells["value"] = scale.backward(scale.forward(wells["value"]) + noise)
    row = _respond(wells, scale)["1"].row
    assert (row["top"], row["bottom"]) == (pytest.approx(60, abs=3), pytest.approx(25, abs=3))
    assert row["half_um_low"] < 0.3 < row["half_um_high"]


def test_plates_are_moved_to_where_their_controls_agree():
    curves = {"1": (60, 25, 0.3, 1.0), "2": (60, 60, 1, 1)}
    first = dose_wells(1, curves=curves, replicates=1, controls=10)
    second = dose_wells(2, curves=curves, replicates=1, controls=10, plate="P2")
    shifted = second.assign(value=second["value"] + 40)
    plain = _respond(pd.concat([first, second], ignore_index=True))["1"].row
    moved = _respond(pd.concat([first, shifted], ignore_index=True))["1"].row
    assert moved["half_um"] == pytest.approx(plain["half_um"], rel=1e-3)
    assert moved["emax"] == pytest.approx(plain["emax"], rel=1e-3)


def test_interaction_is_told_from_toxicity_by_both_curves():
    curves = {
        "clean": (60, 25, 0.1, 1.2), "later": (60, 25, 0.1, 1.2), "toxic": (60, 25, 0.3, 1.2),
        "grows": (60, 25, 0.3, 1.2), "kills": (60, 60, 1, 1),
    }  # fmt: skip
    of_cells = {
        "clean": (1000, 1000, 1, 1), "later": (1000, 200, 5, 1.2), "toxic": (1000, 200, 0.3, 1.2),
        "grows": (1000, 2000, 0.3, 1.2), "kills": (1000, 200, 0.3, 1.2),
    }  # fmt: skip
    wells = dose_wells(0, curves=curves, sd=3)
    wells["t_cells"] = dose_wells(1, curves=of_cells, sd=60)["value"].clip(lower=1)
    hits, counts = (compare(wells, name, PLAIN, correct=False) for name in ("value", "t_cells"))
    found = respond(hits, PLAIN, (0, 100), seed=0)
    pairs = {(item.row["condition"], item.row["compound"]): item for item in found}
    of_counts = respond(counts, PLAIN, (0, None), seed=1, beside=pairs)
    said = {item.row["compound"]: row for item, row in zip(found, beside_counts(found, of_counts))}
    assert {name: row["cells"] for name, row in said.items()} == {
        "clean": UNCHANGED, "later": AFTER, "toxic": TOGETHER, "grows": RISES,
        "kills": FALL,
    }  # fmt: skip
    assert said["later"]["ratio_low"] < 50 < said["later"]["ratio_high"]
    assert said["toxic"]["ratio"] == pytest.approx(1, rel=0.6)


@pytest.mark.slow
def test_intervals_hold_the_true_ic50():
    random = np.random.default_rng(0)
    inside, error = [], []
    for seed in range(25):
        halves = 10 ** random.uniform(-2, 0.7, 7)
        curves = {str(at): (60, 25, half, random.choice([0.8, 1, 1.5])) for at, half in
                  enumerate(halves)}  # fmt: skip
        for name, item in _respond(dose_wells(seed, curves=curves), draws=400).items():
            if item.row["answer"] == FOUND:
                true = halves[int(name)]
                inside.append(item.row["half_um_low"] <= true <= item.row["half_um_high"])
                error.append(abs(np.log10(item.row["half_um"] / true)))
    assert len(inside) > 150
    assert 0.9 <= np.mean(inside) <= 0.985
    assert np.median(error) < 0.2
