import csv
import math
import os

import pandas as pd
import pytest

from jaxcell.plates.findings import BadPlates, Finding, describe
from jaxcell.plates.tables import (  # fmt: skip
    canonical_condition,
    read_images,
    read_wells,
    well_name,
    wells_table,
    write_wells,
)

HEADING = "plate,well,condition,compound,concentration_um,role\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [("d7", "D07"), ("D - 07", "D07"), ("P24", "P24"), ("af-48", "AF48"), ("a001", "A01")],
)
def test_well_names_become_canonical(text, name):
    assert well_name(text) == name


@pytest.mark.parametrize("text", ["Z99", "A49", "A0", "AG1", "D", "7", "", "A1x"])
def test_what_is_no_well_is_refused(text):
    with pytest.raises(ValueError, match="is not a well"):
        well_name(text)


def test_conditions_have_one_spelling():
    spellings = ("OVA peptide", "pOVA", "ova", "Unstim", "unstimulated", "CONA", "medium")
    found = [canonical_condition(text) for text in spellings]
    assert found == ["OVA", "OVA", "OVA", "Unstimulated", "Unstimulated", "ConA", None]


def test_a_wells_table_survives_writing_and_reading(tmp_path):
    wells = wells_table(
        [
            {"plate": "007", "well": "A01", "condition": "ConA", "compound": "4",
             "concentration_um": 0.001, "role": "sample", "stimulus_ug_per_ml": 2.5},
            {"plate": "007", "well": "A02", "condition": "", "compound": "", "role": "empty"},
        ]
    )  # fmt: skip
    write_wells(wells, tmp_path / "wells.csv")
    again, findings = read_wells(tmp_path / "wells.csv")
    assert findings == []
    # Plate '007' must not become the number 7, nor an empty compound a NaN.
    pd.testing.assert_frame_equal(again, wells.fillna({"condition": "", "compound": ""}))


def test_a_table_is_never_overwritten(tmp_path):
    path = tmp_path / "wells.csv"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="not overwritten"):
        write_wells(wells_table(), path)
    assert path.read_text() == "mine"


def test_dose_of_stimulation_may_be_absent_and_aliases_are_read(tmp_path):
    path = tmp_path / "wells.csv"
    # As a spreadsheet program saves it: with a byte order mark.
    path.write_text(HEADING + "CK1,a1,pOVA,DMSO,,vehicle\n", encoding="utf-8-sig")
    wells, findings = read_wells(path)
    row = wells.iloc[0]
    assert findings == []
    assert (row.well, row.condition, row.compound, row.role) == ("A01", "OVA", "DMSO", "vehicle")
    assert math.isnan(row.concentration_um) and math.isnan(row.stimulus_ug_per_ml)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("CK1,Z99,OVA,4,10,sample", "'Z99' is not a well"),
        ("CK1,A02,OVA,4,ten,sample", "concentration_um 'ten'"),
        ("CK1,A02,OVA,4,-1,sample", "concentration_um '-1'"),
        ("CK1,A02,OVA,4,10,sampel", "role 'sampel'"),
        ("CK1,A02,,4,10,sample", "no condition"),
        (",A02,OVA,4,10,sample", "no plate"),
        ("CK1,A02,OVA,4,10,sample,9,9", "more cells"),
        ("CK1,A02", "role ''"),
    ],
)
def test_a_bad_line_is_one_finding_with_its_number(tmp_path, line, words):
    path = tmp_path / "wells.csv"
    path.write_text(HEADING + "CK1,A01,OVA,4,10,sample\n" + line + "\nCK1,A03,OVA,4,10,sample\n")
    wells, (finding,) = read_wells(path)
    assert wells["well"].tolist() == ["A01", "A03"]
    assert finding.fatal and finding.path == str(path) and finding.cure
    assert "line 3" in finding.message and words in finding.message


def test_a_well_described_twice_names_both_lines(tmp_path):
    path = tmp_path / "wells.csv"
    path.write_text(HEADING + "CK1,A1,OVA,4,10,sample\nCK1,A01,ConA,4,10,sample\n")
    wells, (finding,) = read_wells(path)
    assert (finding.plate, finding.well) == ("CK1", "A01") and len(wells) == 1
    assert "line 3" in finding.message and "line 2" in finding.message


def test_an_image_on_a_server_is_said_to_be_one(tmp_path):
    path = tmp_path / "images.csv"
    path.write_text("plate,well,field,view,path\nP1,B02,1,GFP,s3://bucket/P1/B02.tif\n")
    images, (finding,) = read_images(path)
    assert images.empty and finding.fatal
    assert "s3://bucket/P1/B02.tif is an address" in finding.message


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "wells.csv"
    path.write_text("plat;well;condition;compound;concentration_um;role\n")
    _, (finding,) = read_wells(path)
    assert "no column plate" in finding.message and "commas" in finding.cure


def test_image_paths_count_from_the_table(tmp_path):
    table = tmp_path / "plates" / "images.csv"
    table.parent.mkdir()
    table.write_text("plate,well,field,view,path\nX,B2,1,GFP,a/b.tif\nX,B2,one,GFP,c.tif\n")
    images, (finding,) = read_images(table)
    assert images["path"].tolist() == [str(tmp_path / "plates" / "a" / "b.tif")]
    assert images["field"].tolist() == [1]
    assert (finding.plate, finding.well) == (
        "X",
        "B02",
    ) and "line 3: field 'one'" in finding.message


def test_bad_plates_list_every_finding():
    findings = [
        Finding("p", "CK1", f"A0{n}", f"f{n}.tif", f"trouble {n}", "mend it") for n in (1, 2)
    ]
    text = str(BadPlates(findings))
    assert "CK1 A01: trouble 1 [f1.tif] -> mend it" in text
    assert "CK1 A02: trouble 2 [f2.tif] -> mend it" in text


def _read(tmp_path, text):
    path = tmp_path / "wells.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return read_wells(path)


@pytest.mark.parametrize(
    "name", ["a\0b", "O\u202eVA", "O\u200bVA", "O\x07VA", '"O\nVA"', "O\ufeffVA", "O\x1bVA"]
)
def test_what_cannot_be_seen_in_a_name_is_refused_by_line(tmp_path, name):
    wells, findings = _read(tmp_path, f"{HEADING}P1,B02,{name},,,sample\nP1,B03,OVA,,,sample\n")
    assert list(wells["well"]) == ["B03"] or len(wells) == 0
    assert len(findings) == 1 and findings[0].fatal
    line = describe(findings[0])
    assert line.isprintable() and ("U+" in line or "cannot be read" in line)


def test_spaces_of_any_width_are_spaces(tmp_path):
    wells, findings = _read(tmp_path, f"{HEADING}P1,B02,my\u00a0drug\u2009x,,,sample\n")
    assert not findings and list(wells["condition"]) == ["my drug x"]


def test_a_column_named_twice_is_refused(tmp_path):
    text = "plate,well,condition,condition,compound,concentration_um,role\nP1,B02,a,b,,,sample\n"
    wells, findings = _read(tmp_path, text)
    assert wells.empty and "'condition' twice" in findings[0].message


@pytest.mark.parametrize("name", ["All", "ALL", "all"])
def test_no_condition_is_called_as_the_row_of_all_wells(tmp_path, name):
    wells, findings = _read(tmp_path, f"{HEADING}P1,B02,{name},,,sample\n")
    assert wells.empty and "another name" in findings[0].message


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "wells.csv")
    wells, findings = read_wells(tmp_path / "wells.csv")
    assert wells.empty and "no file" in findings[0].message


def test_cells_that_a_spreadsheet_would_run_are_written_as_text_and_read_back(tmp_path):
    names = ["=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", "'=1", "''+2", "'quoted'", "plain", "a=b"]
    rows = [
        {"plate": "P1", "well": f"B{2 + number:02d}", "condition": name, "compound": name,
         "concentration_um": 1.5, "role": "sample"}
        for number, name in enumerate(names)
    ]  # fmt: skip
    table = wells_table(rows)
    write_wells(table, tmp_path / "wells.csv")
    with open(tmp_path / "wells.csv", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    again, findings = read_wells(tmp_path / "wells.csv")
    assert not findings
    pd.testing.assert_frame_equal(again, table)
