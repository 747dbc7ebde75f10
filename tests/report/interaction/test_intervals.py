"""Figures of uncertainty are drawn from ordinary and from poor input, and say what they show."""

import numpy as np
import pandas as pd
import pytest
from drawing import ink, words

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.intervals import conformal
from jaxcell.analysis.intervals import coverage as held
from jaxcell.analysis.scores.agreement import limits_of_agreement
from jaxcell.analysis.strength import strength
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.interaction import intervals as figures
from jaxcell.report.interaction import plates

LONG = ("Unstimulated", "OVA", "ConA", "anti-CD3 and anti-CD28 beads", "LPS 100 ng/mL", "Y3-P")
PEARSON = Quantity("pearson", "Pearson correlation", "")


@pytest.fixture(autouse=True)
def fewer_draws(monkeypatch):
    monkeypatch.setattr("jaxcell.analysis.strength.DRAWS", 499)


def patches_of(names, wells=10, each=9, seed=0):
    """Patches of wells of these conditions, each a field of three by three."""
    random, count = np.random.default_rng(seed), len(names) * wells
    table = pd.DataFrame(
        {
            "plate": "P1",
            "well": np.repeat([f"{'ABCDEF'[w % 6]}{w // 6 + 1:02d}" for w in range(count)], each),
            "condition": np.repeat(names, wells * each),
            "faulty": False,
            "role": "sample",
            "compound": "1",
            "y": np.tile(192 * (np.arange(each) // 3), count),
            "x": np.tile(192 * (np.arange(each) % 3), count),
            "target": random.exponential(np.repeat(1.0 + np.arange(len(names)), wells * each)),
        }
    )
    table["row"] = table["well"].str[0].map("ABCDEF".index) + 1
    table["column"] = table["well"].str[1:].astype(int)
    noise = random.normal(0, 0.1 + 0.1 * table["target"])
    return table.assign(predicted=table["target"] + noise)


def means_of(patches, calibration):
    of_a_well = ["plate", "well", "row", "column", "condition", "role", "compound"]
    wells = patches.groupby(of_a_well, dropna=False)
    wells = wells.agg(
        target_mean=("target", "mean"),
        predicted_mean=("predicted", "mean"),
        patches=("target", "size"),
    ).reset_index()
    wells["low"], wells["high"] = conformal.well_interval(
        calibration, wells["predicted_mean"], wells["patches"]
    )
    return wells


def all_figures(patches, target=OVERLAP) -> dict:
    palette = style.palette(conditions(patches))
    scale = conformal.fit_scale(patches["predicted"], patches["predicted"] - patches["target"])
    calibration = conformal.calibrate(
        conformal.well_numbers(patches), patches["target"], patches["predicted"], scale
    )
    wells = means_of(patches, calibration)
    limits = limits_of_agreement(wells["target_mean"], wells["predicted_mean"])
    result = strength(wells, seed=0)
    return {
        "calibration": figures.calibration(
            held.calibration_curve([(calibration, patches)]), palette
        ),
        "wells": figures.wells_with_intervals(wells, palette, target),
        "agreement": figures.bland_altman(wells, palette, target, limits),
        "strength": figures.strength(result, wells, palette, target),
        "field": plates.field_map(patches[patches["well"] == "A01"], target),
    }


def poor(name):
    patches = patches_of(("Unstimulated", "OVA", "ConA"))
    if name == "six long names":
        patches = patches_of(LONG, each=4)
    elif name == "one well a condition":
        patches = patches_of(("Unstimulated", "OVA"), wells=1)
    elif name == "one patch":
        patches = patches_of(("OVA",), wells=1, each=1)
    elif name == "without condition":
        patches = patches.assign(condition=None)
    elif name == "not finite":
        patches = patches.assign(predicted=np.nan)
    elif name == "all the same":
        patches = patches.assign(target=0.0, predicted=0.0)
    return patches


@pytest.mark.parametrize("name", [
    "six long names", "one well a condition", "one patch", "without condition", "not finite",
    "all the same",
])  # fmt: skip
def test_every_figure_is_drawn(name):
    for figure in all_figures(poor(name)).values():
        assert ink(figure) > 0.005
        assert "nan" not in words(figure).lower()


def test_figures_say_what_they_show():
    drawn = {name: words(figure) for name, figure in all_figures(poor("ordinary")).items()}
    assert "ConA (10)" in drawn["calibration"] and "95 % band" in drawn["calibration"]
    assert "30 wells lie inside" in drawn["wells"] and "A01" in drawn["wells"]
    assert "mean overlap (IoU) of a well, %" in drawn["wells"]
    assert "upper limit +" in drawn["agreement"] and "r = " in drawn["agreement"]
    assert "mean overlap (IoU) of a well, %" in drawn["strength"] and "ConA" in drawn["strength"]
    assert "x, µm" in drawn["field"] and "error, percentage points" in drawn["field"]


def test_a_target_without_a_unit_has_none_on_its_axes():
    patches = patches_of(("Unstimulated", "OVA"), wells=3)
    drawn = {name: words(figure) for name, figure in all_figures(patches, PEARSON).items()}
    assert "mean Pearson correlation of a well" in drawn["wells"]
    assert not any("," + unit in text for unit in (" %", " points") for text in drawn.values())


def test_wells_are_drawn_in_order_and_missed_ones_ringed():
    wells = pd.DataFrame({
        "plate": "P1", "well": ["A01", "A02", "A03"], "condition": ["ConA", "OVA", "ConA"],
        "target_mean": [9.0, 1.0, 2.0], "predicted_mean": [5.0, 1.2, 2.1],
        "low": [4.0, 0.5, 1.0], "high": [6.0, 2.0, 3.0],
    })  # fmt: skip
    figure = figures.wells_with_intervals(wells, style.palette(["OVA", "ConA"]))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["A02", "A03", "A01"]
    rings = axes.collections[-1].get_offsets()
    assert rings.tolist() == [[2, 9]]
    assert axes.get_title(loc="left").startswith("2 of 3 wells")
    plain = figures.wells_with_intervals(
        wells.drop(columns=["low", "high"]), style.palette(["OVA", "ConA"])
    )
    assert "there are no intervals" in words(plain)


def test_patches_lie_where_they_were_cut_in_micrometres():
    patches = pd.DataFrame(
        {
            "y": [64, 64, 160],
            "x": [32, 128, 128],
            "target": [1.0, 2.0, 3.0],
            "predicted": [1.5, 2.0, 2.0],
            "faulty": [False, False, True],
        }
    )
    figure = plates.field_map(patches, window=96, micrometres_per_pixel=0.5)
    measured, _, error = (axes.images[0] for axes in figure.axes[:3])
    assert measured.get_extent() == [16, 112, 128, 32]
    image = np.ma.filled(measured.get_array(), np.nan)
    np.testing.assert_array_equal(image, [[1, 2], [np.nan, 3]])
    assert error.get_array()[1, 1] == -1 and error.get_clim() == (-1, 1)
    crosses = figure.axes[0].collections[0].get_offsets()
    assert crosses.tolist() == [[88, 104]]  # the middle of the faulty patch
    alone = plates.field_map(patches[:1], window=96, micrometres_per_pixel=0.5)
    assert alone.axes[0].images[0].get_extent() == [16, 64, 80, 32]
