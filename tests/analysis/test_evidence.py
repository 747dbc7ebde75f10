"""One standard: what place explains is no evidence, and what it cannot explain is."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from jaxcell.analysis import strength as module
from jaxcell.analysis.evidence import Place, false_discovery, verdict
from jaxcell.analysis.strength import strength
from jaxcell.analysis.structure.answer import structure


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr(module, "DRAWS", 499)
    monkeypatch.setattr("jaxcell.analysis.evidence.SHUFFLES", 199)


def plate(layout, *, gradient=0.0, effect=0.0, seed=0, wells=12, name="P"):
    """Two conditions of wells of unit noise, four rows, under a gradient of so many SDs."""
    random = np.random.default_rng(seed)
    column, row = np.divmod(np.arange(2 * wells), 4)
    condition = np.repeat([0, 1], wells)
    if layout == "lot":
        condition = random.permutation(condition)
    side = (column - column.mean()) / column.std()
    value = random.normal(size=2 * wells) + gradient * side + effect * condition
    return pd.DataFrame({
        "plate": name, "well": [f"{'ABCD'[r]}{c + 1:02d}" for r, c in zip(row, column)],
        "row": row + 1, "column": column + 1, "compound": "", "target_mean": value,
        "condition": np.where(condition, "ConA", "Unstimulated"),
    })  # fmt: skip


def found(table):
    return strength(table, seed=0)["against_reference"]["ConA"]


def test_the_rule_by_hand():
    told, hidden = Place(0.9, 0.01, False, None), Place(0.6, 0.06, False, None)
    assert verdict(None, None) == "unknown"
    assert verdict(0.051, told) == verdict(0.051, None) == "no"
    assert verdict(0.05, told) == "confounded"
    assert verdict(0.05, hidden) == verdict(0.05, told._replace(beyond=True)) == "yes"
    assert verdict(0.05, told._replace(p=0.05)) == "confounded"
    assert verdict(0.05, hidden._replace(reason="too few wells")) == "unknown"


def test_blocks_under_a_gradient_are_confounded_and_a_lot_is_not():
    blocks = found(plate("blocks", gradient=2))
    assert blocks["p"] == 1 / 500 and blocks["verdict"] == "confounded"
    assert blocks["place_auroc"] > 0.95
    # The same holds of a true effect: nobody can know.
    assert found(plate("blocks", effect=3))["verdict"] == "confounded"
    assert found(plate("lot", effect=3))["verdict"] == "yes"
    assert found(plate("lot", gradient=0.5, seed=2))["verdict"] == "no"


def test_strength_and_structure_give_the_same_verdict_of_the_same_number():
    for layout, effect in (("blocks", 4), ("lot", 4), ("lot", 0)):
        table = plate(layout, effect=effect, seed=3)
        patches = table.loc[np.repeat(table.index, 3)].assign(faulty=False, overlap=1.0)
        codes = patches["target_mean"].to_numpy()[:, None]
        codes = codes + np.random.default_rng(1).normal(0, 0.05, codes.shape)
        answer = structure({"codes": codes}, patches, permutations=199, bootstraps=200)["answer"]
        assert found(table)["verdict"] == answer


def test_few_wells_cannot_be_told_from_their_place():
    few = plate("lot", effect=20, wells=4)
    item = found(few)
    assert item["p"] <= 0.05 and item["verdict"] == "unknown"
    assert "shuffled in 36 ways only" in item["place_reason"] and item["place_auroc"] is None


def test_a_level_of_a_plate_is_no_difference_and_hides_none():
    tables = [plate("lot", effect=3, seed=seed, name=str(seed)) for seed in (1, 2)]
    tables[1]["target_mean"] += 1000
    assert found(pd.concat(tables))["verdict"] == "yes"
    # On plates of one condition each there is nothing to compare.
    apart = pd.concat([table[table["condition"] == name]
                       for table, name in zip(tables, ("ConA", "Unstimulated"))])  # fmt: skip
    assert found(apart)["verdict"] == "unknown"


@pytest.mark.slow
def test_null_plates_seldom_get_an_unqualified_answer():
    yes = {
        layout: np.mean([found(plate(layout, gradient=0.5, seed=seed))["verdict"] == "yes"
                         for seed in range(150)])
        for layout in ("blocks", "lot")
    }  # fmt: skip
    assert yes["blocks"] <= 0.06 and yes["lot"] <= 0.1


def test_false_discovery_rates_agree_with_a_hand_calculation():
    p = [0.01, 0.04, 0.03, 0.2]
    assert false_discovery(p) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.2])
    assert false_discovery([]) == []
    many = np.random.default_rng(0).uniform(size=30) ** 2
    assert false_discovery(many) == pytest.approx(stats.false_discovery_control(many))
