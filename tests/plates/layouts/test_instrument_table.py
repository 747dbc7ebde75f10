import math

import openpyxl
import pytest

from jaxcell.plates.layouts.instrument_table import read_instrument_table

HEADINGS = [
    ("FITC", "Count FITC", "Count"),
    ("FITC", "Area FITC", "Mean"),
    ("TR", "Count TR", "Count"),
]


def _book(path, rows, top=6, left=3, headings=HEADINGS):
    """A workbook whose table stands anywhere, below rows of headings."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.cell(1, 1, "some notes of the laboratory")
    for place, heading in enumerate(headings):
        for line, text in enumerate(heading[:-1]):
            sheet.cell(top - 2 + line, left + 2 + place, text)
        sheet.cell(top, left + 2 + place, heading[-1])
    sheet.cell(top, left, "Section")
    sheet.cell(top, left + 1, "Target Set")
    for line, row in enumerate(rows, 1):
        for place, value in enumerate(row):
            sheet.cell(top + line, left + place, value)
    book.save(path)
    return path


def test_the_table_is_found_wherever_it_stands(tmp_path):
    rows = [("B - 3", "Summary", 1200, 101.5, 800), ("A - 24", "Summary", 7, "---", None)]
    table, findings = read_instrument_table(_book(tmp_path / "x.xlsx", rows))
    assert findings == []
    assert table["well"].tolist() == ["A24", "B03"]
    assert table.columns.tolist() == ["well", "Count FITC", "Area FITC", "Count TR"]
    assert table["Count FITC"].tolist() == [7, 1200] and math.isnan(table["Area FITC"][0])


def test_rows_of_fields_and_of_other_target_sets_stay_out(tmp_path):
    rows = [
        ("B - 3", "Cells", 5, 5, 5),
        ("B - 3(fld 1)", "Summary", 6, 6, 6),
        ("B - 3", "Summary", 7, 7, 7),
        ("Total", "Summary", 9, 9, 9),
    ]
    table, findings = read_instrument_table(_book(tmp_path / "x.xlsx", rows))
    assert table["Count FITC"].tolist() == [7]
    assert [(item.problem, item.fatal) for item in findings] == [("no well", False)]


@pytest.mark.parametrize(
    "rows,problem",
    [
        ([("B - 3", "Summary", 1, 1, 1), ("B3", "Summary", 2, 2, 2)], "duplicate well"),
        ([("B - 3(fld 1)", "Summary", 1, 1, 1)], "unreadable table"),
        ([("B - 3", "Summary", "many", 1, 1)], "unreadable number"),
    ],
)
def test_what_is_not_certain_is_fatal_and_names_the_cell(tmp_path, rows, problem):
    _, findings = read_instrument_table(_book(tmp_path / "x.xlsx", rows))
    fatal = [item for item in findings if item.fatal]
    assert [item.problem for item in fatal] == [problem]
    assert "Sheet!" in fatal[0].message


def test_columns_of_one_name_are_told_apart_by_their_statistic(tmp_path):
    headings = [("FITC", "Area", "Mean"), ("FITC", "Area", "Sum"), ("TR", "Area", "Mean")]
    path = _book(tmp_path / "x.xlsx", [("B - 3", "Summary", 1, 2, 3)], headings=headings)
    table, _ = read_instrument_table(path)
    first, second, third = table.columns[1:]
    assert (first, second) == ("Area (mean)", "Area (sum)")
    assert third.startswith("Area (mean) [Sheet!") and table[third].tolist() == [3]


def test_another_workbook_is_none_of_the_instruments(tmp_path):
    book = openpyxl.Workbook()
    book.active["A1"] = "Section"
    book.save(tmp_path / "x.xlsx")
    assert read_instrument_table(tmp_path / "x.xlsx") is None
    (tmp_path / "y.xlsx").write_text("no workbook")
    with pytest.raises(ValueError, match="cannot be opened as .xlsx"):
        read_instrument_table(tmp_path / "y.xlsx")


def test_the_laboratorys_own_table(shared_data):
    path = shared_data / "layouts" / "CK19 BTCure exp 19 INCell data 24h.xlsx"
    table, findings = read_instrument_table(path)
    assert findings == [] and len(table) == 294
    row = table.set_index("well").loc["A03"]
    assert row["Count FITC"] == 1366 and row["Area Overlap/Area FITC"] == 0.197
