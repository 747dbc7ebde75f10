"""The answer on plates whose truth is known, and on input that nothing can be said of."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.structure.answer import conclude, structure

FEW = {"permutations": 199, "bootstraps": 200}


def simulated(layout, effect=0.0, gradient=0.0, wells=12, seed=0, plates=1):
    """Codes [N, 6] and a table: 3 conditions in blocks of columns or drawn by lot, 4 patches."""
    random = np.random.default_rng(seed)
    codes, tables = [], []
    for plate in range(plates):
        condition = np.repeat(np.arange(3), wells)
        if layout == "randomised":
            condition = random.permutation(condition)
        column, row = np.divmod(np.arange(3 * wells), 4)
        means = random.normal(size=(3 * wells, 6))
        means[:, 0] += effect * condition + gradient * column / column.max()
        well = np.repeat(np.arange(3 * wells), 4)
        codes.append(means[well] + random.normal(size=(len(well), 6)))
        tables.append(pd.DataFrame({
            "plate": f"P{plate}", "well": [f"{'ABCD'[row[w]]}{column[w]:02d}" for w in well],
            "row": row[well], "column": column[well], "faulty": False,
            "condition": np.array(["Unstimulated", "OVA", "ConA"])[condition[well]],
            "overlap": random.exponential(2, len(well)),
        }))  # fmt: skip
    return np.concatenate(codes).astype(np.float32), pd.concat(tables, ignore_index=True)


def test_an_effect_on_a_randomised_plate_is_structure():
    codes, patches = simulated("randomised", effect=3)
    result = structure({"codes": codes}, patches, **FEW)
    assert result["answer"] == "yes" and "does not give its condition away" in result["why"]
    read = result["scores"]["codes"]
    assert read["probe"]["auroc"] > 0.9 and read["probe"]["p"] == 1 / 200
    assert read["map"] > read["map_chance"] + 0.1 and read["silhouette"] > 0
    low, high = read["probe"]["auroc_interval"]
    assert low < read["probe"]["auroc"] < high
    assert set(result["scores"]) == {"codes", "overlap", "position"}
    assert result["minus_position"]["interval"][0] > 0
    assert result["chance"] == pytest.approx(1 / 3) and result["folds"] == 5
    json.dumps(result, allow_nan=False)


def test_a_gradient_under_blocks_of_columns_is_no_proof():
    codes, patches = simulated("blocks", gradient=8)
    result = structure({"codes": codes}, patches, **FEW)
    assert result["answer"] == "confounded"
    assert result["scores"]["position"]["probe"]["auroc"] > 0.99
    assert result["scores"]["position"]["probe"]["patch_balanced_accuracy"] > 0.95


@pytest.mark.parametrize("layout", ["blocks", "randomised"])
def test_nothing_is_found_where_nothing_is(layout):
    codes, patches = simulated(layout, gradient=0 if layout == "blocks" else 4, seed=3)
    assert structure({"codes": codes}, patches, **FEW)["answer"] == "no"


def test_blocks_that_move_from_plate_to_plate_are_seen_by_position():
    codes, patches = simulated("blocks", plates=2)
    turned = patches["plate"] == "P1"
    patches.loc[turned, "column"] = 8 - patches.loc[turned, "column"]
    position = structure({"codes": codes}, patches, **FEW)["scores"]["position"]
    assert position["probe"]["auroc"] > 0.95


def test_order_of_patches_and_faulty_ones_change_nothing():
    codes, patches = simulated("randomised", effect=1)
    result = structure({"codes": codes}, patches, **FEW)
    broken = patches.iloc[:20].assign(faulty=True)
    more = pd.concat([patches, broken], ignore_index=True)
    order = np.random.default_rng(0).permutation(len(more))
    wild = np.concatenate([codes, np.full((20, 6), np.nan, np.float32)])
    again = structure({"codes": wild[order]}, more.iloc[order], **FEW)
    assert again["left_out_faulty"] == 20 and again["answer"] == result["answer"]
    for name in ("auroc", "p", "balanced_accuracy"):
        before, after = (r["scores"]["codes"]["probe"][name] for r in (result, again))
        assert after == pytest.approx(before, abs=1e-6)


def test_one_broken_representation_costs_no_other():
    codes, patches = simulated("randomised", effect=3)
    broken = codes.copy()
    broken[5] = np.nan
    result = structure({"codes": codes, "pixels": broken}, patches, **FEW)
    assert result["answer"] == "yes" and "1 of 144" in result["scores"]["pixels"]["reason"]
    result = structure({"codes": broken, "pixels": codes}, patches, **FEW)
    assert result["answer"] == "unknown" and "1 of 144" in result["why"]
    assert result["scores"]["pixels"]["probe"]["auroc"] > 0.9
    assert structure({}, patches, **FEW)["answer"] == "unknown"


def test_a_test_that_cannot_be_made_is_not_made():
    codes, patches = simulated("blocks", effect=3)
    few = patches["well"].isin(["A00", "B00", "A03", "B03"]).to_numpy()
    result = structure({"codes": codes[few]}, patches[few], **FEW)
    assert result["answer"] == "unknown" and "ways only" in result["why"]
    assert result["scores"]["codes"]["probe"]["p"] is None
    apart = patches.assign(plate=patches["condition"])
    result = structure({"codes": codes}, apart, **FEW)
    assert result["answer"] == "unknown" and "no plate holds" in result["why"]
    json.dumps(result, allow_nan=False)


def test_what_nothing_can_be_said_of_is_said_to_be_so():
    codes, patches = simulated("blocks")
    one = (patches["condition"] == "OVA").to_numpy()
    single = patches["well"].isin(["A00", "A03", "A06"]).to_numpy()
    for rows, table, words in (
        (one, patches, "one condition"),
        (single, patches, "two wells each"),
        (slice(None), patches.assign(faulty=True), "faulty"),
        (slice(None), patches.assign(condition=None), "no well is known"),
    ):
        result = structure({"codes": codes[rows]}, table[rows], **FEW)
        assert result["answer"] == "unknown" and words in result["reason"]
        assert result["scores"] == {}
        json.dumps(result, allow_nan=False)


def test_the_rule_by_hand():
    def scores(p, auroc=0.8):
        return {name: {"p": p, "auroc": auroc} for name in ("probe", "neighbours")}

    def answer(p, position, difference, untestable=None):
        given = ("codes", scores(p), p, position, difference, untestable)
        return conclude(*given)[0]

    above, below = {"interval": [0.01, 0.3]}, {"interval": [-0.01, 0.3]}
    assert answer(0.06, scores(0.9), above) == "no"
    assert answer(0.05, scores(0.06), below) == "yes"
    assert answer(0.01, scores(0.05), below) == "confounded"
    assert answer(0.01, scores(0.05), above) == "yes"
    seen_by_one = scores(0.5) | {"neighbours": {"p": 0.01, "auroc": 0.7}}
    assert answer(0.01, seen_by_one, below) == "confounded"
    assert answer(None, scores(None), above, "too few") == "unknown"


def test_a_spatial_code_is_asked_in_two_forms_and_pays_for_it():
    codes, patches = simulated("randomised", effect=3)
    random = np.random.default_rng(1)
    nothing = random.normal(size=codes.shape).astype(np.float32)
    result = structure({"codes": nothing, "codes, averaged over places": codes}, patches, **FEW)
    assert result["answered"] == "codes, averaged over places"
    assert result["p"] == 2 / 200 and result["answer"] == "yes"
    assert "by the codes, averaged over places (" in result["why"]
    alone = structure({"codes": codes}, patches, **FEW)
    assert alone["answered"] == "codes" and alone["p"] == 1 / 200
