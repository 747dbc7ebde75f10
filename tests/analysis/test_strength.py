"""Differences between groups of wells against scipy, hand calculation and known truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxcell.analysis import strength as module
from jaxcell.analysis.strength import compared, strength


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 1999)


def group(values, plate="P"):
    return pd.DataFrame({"plate": plate, "value": np.asarray(values, float)})


def wells(spec, plates=("P1",), seed=0):
    """Wells of (condition, role, compound, mean) -> so many a plate, SD 1, plates shifted.

    They stand in an order drawn by lot, 24 to a row.
    """
    random, rows = np.random.default_rng(seed), []
    for shift, plate in enumerate(plates):
        for (condition, role, compound, mean), count in spec.items():
            for value in mean + 3 * shift + random.normal(size=count):
                rows.append((plate, f"W{len(rows)}", condition, role, compound, 10.0, value))
    names = ["plate", "well", "condition", "role", "compound", "concentration_um", "target_mean"]
    row, column = np.divmod(random.permutation(len(rows)), 24)
    return pd.DataFrame(rows, columns=names).assign(row=row, column=column)


def test_one_plate_agrees_with_textbook_formulas():
    random = np.random.default_rng(1)
    first, second = random.normal(3, 1, 14), random.normal(2, 0.5, 20)
    result = compared(group(first), group(second), seed=0)
    assert result["difference"] == pytest.approx(first.mean() - second.mean())
    assert result["ratio"] == pytest.approx(first.mean() / second.mean())
    pooled = np.sqrt((13 * first.var(ddof=1) + 19 * second.var(ddof=1)) / 32)
    g = (first.mean() - second.mean()) / pooled * (1 - 3 / (4 * 32 - 1))
    assert result["hedges_g"] == pytest.approx(g)
    welch = stats.ttest_ind(first, second, equal_var=False).confidence_interval()
    assert result["interval"] == pytest.approx(list(welch), abs=0.12)


def test_p_agrees_with_welch_and_counts_the_arrangement_itself():
    random = np.random.default_rng(2)
    first, second = random.normal(0.8, 1, 12), random.normal(0, 1, 12)
    welch = stats.ttest_ind(first, second, equal_var=False).pvalue
    assert compared(group(first), group(second), seed=0)["p"] == pytest.approx(welch, abs=0.02)
    apart = compared(group(first + 99), group(second), seed=0)
    assert apart["p"] == 1 / 2000
    alike = compared(group([1, 2, 3, 4, 5, 6]), group([6, 5, 4, 3, 2, 1]), seed=0)
    assert alike["p"] == 1 and alike["difference"] == pytest.approx(0)


def test_p_is_uniform_without_a_difference_even_where_spreads_differ(monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 299)
    random = np.random.default_rng(3)
    p = [
        compared(group(random.normal(0, 2, 6)), group(random.normal(0, 1, 18)), seed=i)["p"]
        for i in range(60)
    ]
    assert np.mean(np.array(p) <= 0.1) <= 0.2
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_plates_are_compared_with_themselves():
    # The second plate is 100 brighter and holds most wells of the first group.
    first = pd.concat([group([2, 3], "A"), group([101, 102, 103, 104], "B")])
    second = pd.concat([group([1, 1, 2, 2], "A"), group([100, 102], "B")])
    result = compared(first, second, seed=0)
    weights = np.array([2 * 4 / 6, 4 * 2 / 6])
    by_plate = np.array([2.5 - 1.5, 102.5 - 101])
    assert result["difference"] == pytest.approx(np.average(by_plate, weights=weights))
    design = np.column_stack([[0] * 2 + [1] * 4 + [0] * 4 + [1] * 2, [1] * 6 + [0] * 6, [1] * 12])
    value = np.concatenate([first["value"], second["value"]])
    assert result["difference"] == pytest.approx(np.linalg.lstsq(design, value)[0][1])
    assert abs(np.diff(result["interval"])[0]) < 6  # not the 100 between plates
    apart = compared(group([1, 2, 3], "A"), group([5, 6, 7], "B"), seed=0)
    assert apart["difference"] is None and "no plate holds both" in apart["reason"]


def test_thousands_of_wells_are_drawn_in_parts(monkeypatch):
    random = np.random.default_rng(4)
    pair = group(random.normal(1, 1, 20)), group(random.normal(0, 1, 20))
    whole = compared(*pair, seed=0)
    monkeypatch.setattr(module, "AT_A_TIME", 40 * 300)
    parts = compared(*pair, seed=0)
    assert parts["interval"] == pytest.approx(whole["interval"], abs=0.1)
    assert parts["p"] == pytest.approx(whole["p"], abs=0.01)


def test_what_cannot_be_said_is_none_with_a_reason():
    single = compared(group([3.0]), group([1.0, 2.0, 3.0]), seed=0)
    assert single["difference"] == 1 and single["interval"] is None
    assert "only 1 well of one of the two" in single["reason"]
    few = compared(group([1, 2, 3], "A"), group([4, 5.0], "A"), seed=0)
    assert few["p"] is None and "only 2 wells" in few["reason"]
    thirds = [
        pd.concat([group([value], plate) for value, plate in zip(values, "ABC")])
        for values in ([1, 2, 4], [0, 1, 2])
    ]
    shuffles = compared(*thirds, seed=0)
    assert shuffles["p"] is None and "only 8 ways to shuffle" in shuffles["reason"]
    assert shuffles["interval"] is not None
    flat = compared(group([2.0] * 4), group([1.0] * 4), seed=0)
    assert flat["hedges_g"] is None and "all alike" in flat["reason"]
    assert compared(group([1, 2, 3]), group([-1, -2, -3]), seed=0)["ratio"] is None


def test_conditions_against_unstimulated():
    spec = {
        ("Unstimulated", "sample", "1", 1): 9,
        ("ConA", "sample", "1", 5): 9,
        ("OVA", "sample", "1", 1): 9,
        ("ConA", "empty", None, -50): 4,
    }
    table = wells(spec, plates=("P1", "P2"))
    table.loc[0, "target_mean"] = np.nan
    result = strength(table, seed=0)
    assert result["reference"] == "Unstimulated" and result["left_out"] == 9
    assert list(result["conditions"]) == ["Unstimulated", "OVA", "ConA"]
    strong, none = (result["against_reference"][name] for name in ("ConA", "OVA"))
    assert strong["p"] == 1 / 2000 and strong["interval"][0] < 4 < strong["interval"][1]
    assert none["interval"][0] < 0 < none["interval"][1] and none["p"] > 0.05
    assert (strong["verdict"], none["verdict"]) == ("yes", "no")
    assert strong["q"] == 2 * strong["p"] and none["q"] == none["p"]
    mean = result["conditions"]["ConA"]
    assert mean["wells"] == 18 and mean["interval"][0] < mean["mean"] < mean["interval"][1]
    assert strength(table, seed=0) == result
    other = strength(table, seed=0, reference="ConA")
    assert other["against_reference"]["Unstimulated"]["difference"] == pytest.approx(
        -strong["difference"]
    )
    with pytest.raises(ValueError, match="none of the conditions: Unstimulated, OVA, ConA"):
        strength(table, seed=0, reference="LPS")


def test_poor_tables_survive():
    spec = {("OVA", "sample", "1", 1): 2}
    one = strength(wells(spec).drop(columns="role"), seed=0)
    assert "not two conditions" in one["reason"] and one["against_reference"] == {}
    assert "3 wells" in one["conditions"]["OVA"]["reason"] and one["compounds_reason"]
    unnamed = strength(wells(spec).assign(condition=None), seed=0)
    assert unnamed["reference"] is None and list(unnamed["conditions"]) == ["without condition"]
    nothing = strength(wells(spec).assign(target_mean=np.nan), seed=0)
    assert nothing["reason"] == "no well has a finite value" and nothing["conditions"] == {}


def test_compounds_against_their_own_vehicle():
    spec = {
        ("OVA", "vehicle", "DMSO", 5): 12,
        ("OVA", "sample", "blocker", 1): 6,
        ("OVA", "sample", "idle", 5): 6,
        ("OVA", "sample", "rare", 5): 2,
        ("ConA", "vehicle", "DMSO", 50): 12,
        ("ConA", "sample", "blocker", 50): 6,
    }
    rows = strength(wells(spec), seed=0)["compounds"]
    assert [(r["condition"], r["compound"]) for r in rows] == [
        ("OVA", "blocker"),
        ("OVA", "idle"),
        ("ConA", "blocker"),
    ]
    blocker, idle, other = rows
    assert blocker["difference"] == pytest.approx(-4, abs=1) and blocker["q"] < 0.05
    assert idle["q"] > 0.05 and other["q"] > 0.05 and abs(other["difference"]) < 2
    assert blocker["reference_wells"] == 12 and blocker["highest_um"] == 10
    named = wells({("OVA", "sample", "x", 1): 4, ("ConA", "sample", "x", 2): 4})
    assert "no vehicle" in strength(named, seed=0)["compounds_reason"]
