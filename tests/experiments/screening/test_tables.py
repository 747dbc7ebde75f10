import json

import pandas as pd
import pytest

from jaxcell.configs import measure
from jaxcell.configs.kinds import with_kinds
from jaxcell.experiments.screening.tables import read_screen_table
from jaxcell.measures.catalogue import TARGETS
from jaxcell.plates.findings import BadPlates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
LAYOUT = (
    "plate,well,condition,compound,concentration_um,role\n"
    "P1,A01,ConA,1,10,sample\nP1,A02,ConA,DMSO,,vehicle\nP1,A03,,,,empty\nP1,A04,ConA,2,10,sample\n"
)


def _files(tmp_path, table="well,value,t_cells\nA1,0.5,900\nA2,0.6,800\nA3,0.2,940\nB1,1,1\n"):
    (tmp_path / "P1.csv").write_text(table)
    (tmp_path / "wells.csv").write_text(LAYOUT)
    return tmp_path / "P1.csv"


def _counts(found):
    return [kind.counts for kind in found.kinds]


def test_the_layout_beside_a_table_says_what_is_in_its_wells(tmp_path):
    found = read_screen_table([_files(tmp_path)], views=VIEWS)
    wells = found.wells.set_index("well")
    assert wells["role"].to_dict() == {
        "A01": "sample", "A02": "vehicle", "A03": "empty", "A04": "sample"
    }  # fmt: skip
    assert wells.loc["A03", "t_cells"] == 940  # an empty well keeps what was found in it
    assert (found.measure.name, _counts(found)) == ("value", ["t_cells"])
    assert [(item.problem, item.well) for item in found.findings] == [
        ("no layout", "B01"), ("no values", "A04")
    ]  # fmt: skip


def test_a_layout_of_another_plate_is_an_error_that_says_how_to_name_it(tmp_path):
    path = _files(tmp_path)
    path.rename(tmp_path / "P2.csv")
    with pytest.raises(BadPlates, match="no layout says .* plate P2 .*--plate"):
        read_screen_table([tmp_path / "P2.csv"], layouts=[tmp_path / "wells.csv"], views=VIEWS)
    found = read_screen_table([tmp_path / "P2.csv"], plate="P1", views=VIEWS)
    assert set(found.wells["plate"]) == {"P1"}


def test_which_column_is_screened_is_said_where_it_is_not_plain(tmp_path):
    path = _files(tmp_path, "well,one,two,t_cells\nA1,0.5,9,900\nA2,0.6,8,800\n")
    with pytest.raises(ValueError, match="--measure NAME: one, two"):
        read_screen_table([path], views=VIEWS)
    with pytest.raises(ValueError, match="did you mean two?"):
        read_screen_table([path], measure="tow", views=VIEWS)
    assert read_screen_table([path], measure="two", views=VIEWS).measure.name == "two"


def test_counts_of_another_program_are_named(tmp_path):
    path = _files(tmp_path, "well,value,Nuclei\nA1,0.5,900\nA2,0.6,800\n")
    found = read_screen_table([path], measure="value", views=VIEWS, counts={"t_cell": "Nuclei"})
    assert _counts(found) == ["t_cells"] and found.wells["t_cells"].max() == 900
    with pytest.raises(ValueError, match="tcell is no kind of cell"):
        read_screen_table([path], measure="value", views=VIEWS, counts={"tcell": "Nuclei"})


def test_kinds_of_cells_are_those_that_were_measured(tmp_path):
    path = _files(
        tmp_path, "well,overlap_share,b_cells,macrophages\nA1,50,900,300\nA2,60,800,310\n"
    )
    config = with_kinds(measure.get_config(), {"b_cell": "GFP", "macrophage": "Cy5"})
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    found = read_screen_table([path], views=VIEWS)
    assert _counts(found) == ["b_cells", "macrophages"]
    assert found.measure.label == "overlap share of B cells"
    (tmp_path / "config.json").unlink()
    assert _counts(read_screen_table([path], views=VIEWS)) == []
    with pytest.raises(ValueError, match="b_cell is no kind of cell of these tables.*--kinds"):
        read_screen_table([path], views=VIEWS, counts={"b_cell": "b_cells"})


def test_several_rows_a_well_are_not_averaged_in_silence(tmp_path):
    path = _files(tmp_path, "well,value\nA1,0.5\nA1,0.7\n")
    with pytest.raises(ValueError, match="well A01 of plate P1 is in the tables more than once"):
        read_screen_table([path], views=VIEWS)


def test_a_prediction_has_the_words_of_what_was_predicted(tmp_path):
    folder = tmp_path / "predictions-P1"
    folder.mkdir()
    table = pd.read_csv(_files(tmp_path)).rename(columns={"value": "predicted_mean"})
    table.to_csv(folder / "P1.csv", index=False)
    (tmp_path / "config.json").write_text(json.dumps({"dataset": {"target": "contact_share"}}))
    found = read_screen_table([folder / "P1.csv"], layouts=[tmp_path / "wells.csv"], views=VIEWS)
    words = TARGETS["contact_share"].quantity
    assert found.measure.label == f"predicted {words.label}"
    assert (found.measure.unit, found.measure.maximum) == ("%", 100)


@pytest.mark.parametrize(
    "name,values,ends", [("share", "0.5 0.25", (0, 1)), ("area %", "5 90", (0, 100)),
                         ("area", "5 900", (0, None)), ("score", "-5 9", (None, None)),
                         ("flag", "0 1", (0, None))],
)  # fmt: skip
def test_bounds_of_an_unknown_column_come_from_its_values(tmp_path, name, values, ends):
    first, second = values.split()
    path = _files(tmp_path, f"well,{name}\nA1,{first}\nA2,{second}\n")
    found = read_screen_table([path], views=VIEWS).measure
    assert (found.minimum, found.maximum) == ends


def test_the_laboratorys_table_and_layout_find_each_other(shared_data):
    path = shared_data / "layouts" / "CK19 BTCure exp 19 INCell data 24h.xlsx"
    found = read_screen_table([path], views=VIEWS)
    assert (found.measure.name, _counts(found)) == ("overlap_share", ["t_cells", "dendritic_cells"])
    assert len(found.wells) == 384
    assert found.wells.set_index("well").loc["A03", "overlap_share"] == pytest.approx(19.7)
    assert found.wells["role"].value_counts().to_dict() == {
        "sample": 270, "empty": 90, "vehicle": 18, "untreated": 6
    }  # fmt: skip
