"""Plate-shaped blocks in CSV and sheets, and tidy tables as any program writes them."""

import csv
import math
import struct

import numpy as np
import openpyxl
import pytest

from jaxcell.plates.layouts.blocks import find_blocks, read_blocks
from jaxcell.plates.layouts.choose import read_layouts
from jaxcell.plates.layouts.results_table import read_results
from jaxcell.plates.layouts.sheets import cell_name, read_csv_cells, read_sheets
from jaxcell.plates.layouts.workbook import read_layout
from jaxcell.plates.tables import images_table, read_wells, row_name, well_at, wells_table

SIZES = [(2, 3), (4, 6), (8, 12), (16, 24), (32, 48)]


def _block(name, size, says):
    """Lines of a block; `says` gives the text of a well by row and column, from 1."""
    height, width = size
    lines = [[name, *range(1, width + 1)]]
    for row in range(1, height + 1):
        lines.append([row_name(row), *(says(row, column) for column in range(1, width + 1))])
    return lines


def _write(path, lines, separator=",", encoding="utf-8", end="\n"):
    with open(path, "w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=separator, lineterminator=end).writerows(lines)
    return path


def _images(*plates):
    return images_table(
        {"plate": plate, "well": "A01", "field": 1, "view": "x", "path": f"/x/{plate}.tif"}
        for plate in plates
    )


def _condition(row, column):
    return "e" if column == 1 else ("Unstim", "pOVA", "ConA")[(row + column) % 3]


@pytest.mark.parametrize("size", SIZES)
def test_a_block_of_conditions_needs_no_name(tmp_path, size):
    path = _write(tmp_path / "P1 map.csv", _block("", size, _condition))
    wells, findings = read_layouts(tmp_path, _images("P1"))
    assert not findings and len(wells) == size[0] * size[1]
    said = wells.set_index("well")
    assert (said["role"] == "empty").sum() == size[0]
    for row in range(1, size[0] + 1):
        for column in range(2, size[1] + 1):
            known = ("Unstimulated", "OVA", "ConA")[(row + column) % 3]
            assert said.loc[well_at(row, column), "condition"] == known
    assert said["source"].eq(str(path)).all()


def _four(size, sep="."):
    """Blocks of conditions, compounds and doses, with trailing lines."""
    compounds = lambda row, column: "DMSO" if column == 2 else f"drug {row}"  # noqa: E731
    doses = lambda row, column: "" if column == 2 else f"0{sep}{column}"  # noqa: E731
    return [
        ["made by Anna"], [],
        *_block("Condition", size, _condition), [],
        *_block("compound", size, compounds), [],
        *_block("Dose (nM)", size, doses), [], ["", "", ""],
    ]  # fmt: skip


def _check_four(wells, size):
    said = wells.set_index("well")
    assert len(said) == size[0] * size[1]
    assert said.loc["A02", ["role", "compound"]].tolist() == ["vehicle", "DMSO"]
    assert math.isnan(said.loc["A02", "concentration_um"])
    assert said.loc["B03", "compound"] == "drug 2"
    assert said.loc["B03", "concentration_um"] == pytest.approx(0.3e-3)
    assert said.loc["B03", "role"] == "sample" and said.loc["B03", "condition"] == "ConA"


@pytest.mark.parametrize(
    ("separator", "encoding", "end", "point"),
    [
        (",", "utf-8", "\n", "."), (";", "utf-8-sig", "\r\n", ","), ("\t", "utf-16", "\r\n", ","),
    ],
)  # fmt: skip
def test_blocks_of_several_things_in_any_countrys_csv(tmp_path, separator, encoding, end, point):
    _write(tmp_path / "layout P1.csv", _four((8, 12), point), separator, encoding, end)
    wells, findings = read_layouts(tmp_path, _images("P1"))
    assert not findings
    _check_four(wells[wells["well"].str[1:] != "01"], (8, 11))


def test_blocks_in_a_sheet(tmp_path):
    book = openpyxl.Workbook()
    for line in _four((16, 24)):
        book.active.append(line)
    book.save(tmp_path / "CK50 map.xlsx")
    wells, findings = read_layout(tmp_path / "CK50 map.xlsx")
    assert not findings and set(wells["plate"]) == {"CK50"}
    _check_four(wells[wells["well"].str[1:] != "01"], (16, 23))


def test_a_role_of_its_own_stands(tmp_path):
    size = (4, 6)
    lines = [
        *_block("condition", size, lambda *_: "OVA"),
        *_block("role", size, lambda row, column: "vehicle" if column == 1 else "Sample"),
    ]
    _write(tmp_path / "P1.csv", lines)
    rows, findings = read_blocks(find_blocks(read_csv_cells(tmp_path / "P1.csv")))
    assert not findings and [row["role"] for row in rows[:2]] == ["vehicle", "sample"]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (_block("condition", (8, 11), lambda *_: "OVA"), "8 rows and 11 columns"),
        (_block("condition", (4, 6), lambda *_: "OVA") * 2, "two blocks of condition"),
        (_block("compound", (4, 6), lambda *_: "x"), "no block says the condition of well A01"),
        (
            _block("condition", (4, 6), lambda *_: "OVA") + _block("dose", (4, 6), lambda *_: "3"),
            "has no unit",
        ),
        (_block("role", (4, 6), lambda *_: "drug"), "role 'drug'"),
        (_block("condition", (4, 6), lambda *_: "all"), "what reports call all wells"),
    ],
)
def test_what_blocks_do_not_say_plainly_is_fatal_and_names_the_cell(tmp_path, lines, words):
    path = _write(tmp_path / "P1.csv", lines)
    _, findings = read_layouts(tmp_path, _images("P1"))
    fatal = [finding for finding in findings if finding.fatal]
    assert fatal and words in fatal[0].message and "P1.csv!" in fatal[0].message
    assert all(finding.path == str(path) for finding in fatal)


def test_a_block_that_breaks_off_is_refused_and_not_passed_over(tmp_path):
    """Doses of row A alone: without them the wells would have none, and no word."""
    lines = _block("condition", (4, 6), lambda *_: "OVA") + [[]]
    _write(tmp_path / "P1.csv", lines + _block("dose (nM)", (4, 6), lambda *_: 10)[:2])
    wells, (finding,) = read_layouts(tmp_path, _images("P1"))
    assert wells.empty and finding.fatal and "1 row and 6 columns" in finding.message
    assert "A7" in finding.message


def test_a_block_of_another_name_is_said(tmp_path):
    lines = _block("condition", (4, 6), lambda *_: "OVA") + [[]]
    _write(tmp_path / "P1.csv", lines + _block("dosis", (4, 6), lambda *_: 10))
    wells, (note,) = read_layouts(tmp_path, _images("P1"))
    assert len(wells) == 24 and not note.fatal and note.plate == "P1"
    assert "'dosis' means nothing here" in note.message and "dose with its unit" in note.cure


def test_whose_blocks_they_are(tmp_path):
    lines = _block("condition", (4, 6), lambda *_: "OVA")
    _write(tmp_path / "layout.csv", lines)
    wells, findings = read_layouts(tmp_path, _images("P1"))
    assert set(wells["plate"]) == {"P1"} and not findings  # the only plate there is
    _, findings = read_layouts(tmp_path, _images("P1", "P10"))
    assert "which plate" in findings[0].message and findings[0].fatal
    (tmp_path / "layout.csv").unlink()
    _write(tmp_path / "P10 layout.csv", lines)
    wells, _ = read_layouts(tmp_path, _images("P1", "P10"))
    assert set(wells["plate"]) == {"P10"}
    for plates in (("P1",), ("P1", "P2")):
        wells, (note,) = read_layouts(tmp_path, _images(*plates))
        assert wells.empty and "layout of plate P10, but there are no images" in note.message


def test_other_tables_are_no_layouts(tmp_path):
    _write(tmp_path / "results.csv", [["well", "count"], ["A01", 3]])
    _write(tmp_path / "matrix.csv", _block("intensity", (8, 12), lambda row, column: row * column))
    wells, findings = read_layouts(tmp_path, _images("P1"))
    assert wells.empty and not findings


HEADING = ["plate", "well", "condition", "compound", "concentration_um", "role"]
ROWS = [
    ["P1", "A1", "pOVA", "drug, blue", "0.5", "sample"], ["P1", "A02", "ConA", "µ", "", "vehicle"],
]  # fmt: skip


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_tidy_tables_of_any_program(tmp_path, separator, encoding):
    point = "." if separator == "," else ","
    rows = [[cell.replace("0.5", f"0{point}5") for cell in row] for row in ROWS]
    lines = [HEADING + [""], *(row + [""] for row in rows), [""] * 7, []]
    path = tmp_path / "wells.csv"
    _write(path, lines, separator, encoding, "\r\n")
    if encoding == "utf-16-be":
        path.write_bytes(b"\xfe\xff" + path.read_bytes())
    wells, findings = read_wells(path)
    assert not findings and wells["well"].tolist() == ["A01", "A02"]
    assert wells["compound"].tolist() == ["drug, blue", "µ"]
    assert wells["concentration_um"].tolist()[0] == 0.5
    if encoding != "utf-16-be":
        again = read_results(path)
        assert again["concentration_um"].tolist()[0] == 0.5 and len(again) == 2


def test_a_comma_between_columns_is_no_decimal_point(tmp_path):
    _write(tmp_path / "wells.csv", [HEADING, [*ROWS[0][:4], "1,000", "sample"]])
    wells, (finding,) = read_wells(tmp_path / "wells.csv")
    assert wells.empty and "'1,000'" in finding.message


def test_a_tidy_table_by_another_name_is_read_and_contradictions_are_refused(tmp_path):
    _write(tmp_path / "my layout.csv", [HEADING, *ROWS])
    wells, findings = read_layouts(tmp_path, _images("P1"))
    assert len(wells) == 2 and not findings
    # A1 and A01 are one well: what two tables say of it must agree.
    _write(tmp_path / "wells.csv", [HEADING, ["P1", "A01", "ConA", "", "", "sample"], ROWS[1]])
    wells, (finding,) = read_layouts(tmp_path, _images("P1"))
    assert wells["well"].tolist() == ["A02"] and finding.problem == "layouts disagree"
    assert "my layout.csv" in finding.path + finding.message and finding.fatal


def _biff(cells):
    """An `.xls` of one sheet: BIFF2, which Excel 2 wrote and every version reads."""
    records = struct.pack("<HHHH", 0x0009, 4, 2, 0x10)
    for (row, column), value in cells.items():
        place = struct.pack("<HH3x", row - 1, column - 1)
        if isinstance(value, str):
            text = value.encode("latin-1")
            content, code = place + bytes([len(text)]) + text, 0x0004
        else:
            content, code = place + struct.pack("<d", value), 0x0003
        records += struct.pack("<HH", code, len(content)) + content
    return records + struct.pack("<HH", 0x000A, 0)


def test_an_xls_beside_the_images_is_read(tmp_path):
    lines = _block("condition", (8, 12), _condition)
    cells = {
        (row, column): float(value) if isinstance(value, int) else value
        for row, line in enumerate(lines, 1)
        for column, value in enumerate(line, 1)
        if value != ""
    }
    (tmp_path / "P1 plate.xls").write_bytes(_biff(cells))
    (sheet,) = read_sheets(tmp_path / "P1 plate.xls")
    assert sheet[1, 2].value == 1 and sheet[2, 3].name.endswith("!C2")
    wells, findings = read_layouts(tmp_path, _images("P1"))
    assert not findings and len(wells) == 96
    assert wells.set_index("well").loc["A02", "condition"] == "Unstimulated"


def test_an_xls_that_cannot_be_read_is_named_with_its_cure(tmp_path):
    (tmp_path / "CK50 plate.xls").write_bytes(b"no workbook")
    wells, (finding,) = read_layouts(tmp_path, _images("CK50"))
    assert wells.empty and finding.fatal and "opened as .xls" in finding.message
    assert "save it again as .xlsx" in finding.cure


def test_names_of_cells():
    assert [cell_name(1, column) for column in (1, 26, 27, 52, 703)] == [
        "A1", "Z1", "AA1", "AZ1", "AAA1"
    ]  # fmt: skip
    assert well_at(27, 48) == "AA48" and wells_table().empty and np.isnan(math.nan)
