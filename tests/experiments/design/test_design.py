"""A design is written once, read by everything that reads layouts, and never written over."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

import jaxcell
from jaxcell import cli
from jaxcell.analysis.design.layout import lay_out
from jaxcell.analysis.design.plan import Experiment
from jaxcell.experiments.design.design import read_conditions, read_doses, whole_plates
from jaxcell.experiments.design.drawing import of_simulator
from jaxcell.experiments.design.law import treatments
from jaxcell.experiments.screening.tables import read_screen_table
from jaxcell.plates.tables import is_layout, read_wells
from jaxcell.simulator import biology, plates
from jaxcell.simulator.layout_workbook import write_wells
from jaxcell.simulator.light import REGIMES, draw_light

WORDS = "design --compounds 6 --plate 96 --conditions Unstimulated,ConA --drawn 0".split()


@pytest.fixture(scope="module")
def designed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design") / "out"
    cli.main([*WORDS, f"--out={folder}", "--names=CK30"])
    return folder


def test_the_layout_is_a_table_of_wells_without_findings(designed):
    assert is_layout(designed / "wells.csv")
    wells, findings = read_wells(designed / "wells.csv")
    assert not findings and len(wells) == 96 and set(wells["plate"]) == {"CK30"}
    used = wells[wells["role"] != "empty"]
    samples = used[used["role"] == "sample"]
    assert (samples.groupby(["condition", "compound"]).size() == 2).all() and len(samples) == 24
    assert (samples["concentration_um"] == 10).all()
    assert (used.groupby(["condition", "role"]).size().unstack()["vehicle"] >= 4).all()
    assert (designed / "report" / "index.html").exists()
    assert not (designed / "power.csv").exists()


def test_the_screen_reads_it_beside_any_table_of_results(designed, tmp_path):
    wells, _ = read_wells(designed / "wells.csv")
    used = wells[wells["role"] != "empty"]
    values = np.random.default_rng(0).uniform(10, 40, len(used))
    used[["plate", "well"]].assign(overlap_share=values).to_csv(
        tmp_path / "results.csv", index=False
    )
    found = read_screen_table([tmp_path / "results.csv"], layouts=[designed / "wells.csv"])
    assert len(found.wells) == 96 and found.measure.name == "overlap_share"
    joined = found.wells.merge(used, on=["plate", "well"], suffixes=("", "_of_design"))
    assert (joined["compound"] == joined["compound_of_design"]).all()
    assert (joined["role"] == joined["role_of_design"]).all()


def test_images_beside_it_are_wells_of_the_design(designed, tmp_path):
    """The images of two wells, named as the instrument does, get what the design says."""
    wells, _ = read_wells(designed / "wells.csv")
    two = wells[wells["role"] != "empty"].iloc[[0, -1]]
    image = np.full((64, 64), 300, np.uint16)
    for well in two["well"]:
        for view in ("FITC", "TexasRed"):
            name = f"CK30 - {well[0]} - {well[1:]}(fld 1 wv {view} - {view}).tif"
            tifffile.imwrite(tmp_path / name, image)
    shutil.copy(designed / "wells.csv", tmp_path)
    plate = jaxcell.read_plate(tmp_path)
    for well in two.itertuples():
        assert plate[well.well].condition == well.condition
        assert plate[well.well].compound == well.compound


def test_the_simulator_fills_it_and_writes_the_same_table(designed, tmp_path):
    wells, _ = read_wells(designed / "wells.csv")
    places = wells.assign(
        row=[ord(well[0]) - 64 for well in wells["well"]],
        column=[int(well[1:]) for well in wells["well"]],
    )
    given = treatments(places)
    assert len(given) == (wells["role"] != "empty").sum()
    write_wells(tmp_path / "wells.csv", "CK30", given)
    again, findings = read_wells(tmp_path / "wells.csv")
    kept = wells[wells["role"] != "empty"].reset_index(drop=True)
    assert not findings
    pd.testing.assert_frame_equal(again, kept)
    random = np.random.default_rng(0)
    light = draw_light(random, REGIMES["base"])
    plate = plates.Plate("CK30", (0, 1), given, "base", light, biology.draw_batch(random))
    place = next(place for place, what in given.items() if what.compound != "DMSO")
    truth, fields = plates.simulate_well(plate, place, biology.CONDITIONS, 1, 192, 0.0)
    row = truth["wells"].iloc[0]
    assert (row["condition"], row["compound"]) == given[place][:2] and len(fields) == 1


def test_the_same_words_write_the_same_and_others_do_not_write_over(designed, capsys):
    before = (designed / "wells.csv").read_bytes()
    cli.main([*WORDS, f"--out={designed}", "--names=CK30"])
    assert (designed / "wells.csv").read_bytes() == before
    with pytest.raises(SystemExit) as refused:
        cli.main([*WORDS, f"--out={designed}", "--names=CK30", "--seed=1"])
    assert "holds another layout, which may be on the bench already" in str(refused.value)
    assert (designed / "wells.csv").read_bytes() == before


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit) as refused:
        cli.main([*WORDS, f"--out={tmp_path}"])
    assert "holds no design" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
def test_power_is_drawn_from_the_simulator_and_from_a_previous_plate(designed, tmp_path):
    wells, _ = read_wells(designed / "wells.csv")
    base = wells["condition"].map({"Unstimulated": 20.0, "ConA": 60.0})
    noise = np.random.default_rng(0).normal(0, 2, len(wells))
    wells.assign(share=base + noise)[wells["role"] != "empty"].to_csv(
        tmp_path / "CK29.csv", index=False
    )
    out = tmp_path / "out"
    cli.main([
        *WORDS[:-1], "4", f"--out={out}", f"--previous={tmp_path / 'CK29.csv'}", "--measure=share",
    ])  # fmt: skip
    found = pd.read_csv(out / "power.csv")
    assert set(found["source"]) == {"simulator", "previous plate"}
    assert set(found["condition"]) == {"ConA"} and set(found["replicates"]) == {2, 3, 4, 6}
    largest = found[found["inhibition"] == found["inhibition"].max()]
    assert (largest["power"] > 0.5).all()
    previous = found[found["source"] == "previous plate"]
    np.testing.assert_allclose(previous["control"], 60, atol=3)
    half = previous[previous["inhibition"] == 0.5]["expected"]
    np.testing.assert_allclose(half, 40, atol=3)


def test_conditions_and_doses_are_read_as_people_write_them():
    assert read_conditions("unstim, pOVA,CD3") == ["Unstimulated", "OVA", "CD3"]
    assert read_doses("0.1,1, 10") == [0.1, 1.0, 10.0]
    assert read_doses("100 nM,1uM") == [0.1, 1.0]
    for wrong in ("", "OVA,,ConA", "all"):
        with pytest.raises(ValueError, match="conditions are"):
            read_conditions(wrong)
    for wrong in ("", "ten", "1,,3", "1,2nM"):
        with pytest.raises(ValueError, match="doses are"):
            read_doses(wrong)


def test_whole_plates_hold_every_well_once():
    layout = lay_out(Experiment(2, 2, ("ConA",), (1.0,)), 24, rim=False, seed=0)
    table = whole_plates(layout, 24)
    assert len(table) == 24 * layout["plate"].nunique()
    assert not table.duplicated(["plate", "well"]).any()
    assert (table["role"] == "empty").sum() == len(table) - len(layout)


def test_conditions_that_nobody_knows_are_said_and_the_known_ones_drawn():
    def source(*conditions):
        return of_simulator(Experiment(2, 2, conditions, (1.0,)), (8, 12))

    assert source("Unstimulated", "ConA").doubt is None
    assert not source("Unstimulated").can_draw and "nothing that" in source("Unstimulated").doubt
    assert not source("CD3").can_draw
    some = source("ConA", "CD3")
    assert some.can_draw
    assert some.doubt == ("the simulator knows nothing of CD3, only of Unstimulated, OVA and ConA")
