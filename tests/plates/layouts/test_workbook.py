import math

import openpyxl
import pytest
from openpyxl.styles import Color, PatternFill

from jaxcell.plates.layouts.colours import fill_colour, theme_colours
from jaxcell.plates.layouts.workbook import main, read_layout
from jaxcell.plates.tables import read_wells

ORANGE, BLUE, PURPLE, GOLD = "ED7D31", "5B9BD5", "7030A0", "FFC000"


def _sheet(title="CK50", conditions=(("C21:N21", "Unstim"), ("O21:Z21", "pOVA")), top=3, left=3):
    """A workbook and its sheet: empty wells, headers merged over two blocks, doses of 10 uM."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"], sheet["A4"] = title, "Compound Conc. uM"
    for number in range(1, 25):
        sheet.cell(top, left + number - 1, number)
        sheet.cell(top + 1, left + number - 1, 10)
    for place, letter in enumerate("ABCDEFGHIJKLMNOP"):
        sheet.cell(top + 2 + place, left - 1, letter)
        for number in range(24):
            sheet.cell(top + 2 + place, left + number, "e")
    for cells, condition in conditions:
        sheet[cells.split(":")[0]] = condition
        sheet.merge_cells(cells)
    return book, sheet


def _read(book, tmp_path, name="CK50 plate layout.xlsx", plate=None):
    book.save(tmp_path / name)
    wells, findings = read_layout(tmp_path / name, plate)
    return wells.set_index("well"), findings


def _fatal(findings):
    return [finding for finding in findings if finding.fatal]


def test_vehicle_and_untreated_take_no_dose_and_a_merged_header_covers_its_columns(tmp_path):
    book, sheet = _sheet()
    sheet["C5"], sheet["N6"], sheet["O7"], sheet["Z20"] = 4, "DMSO", "Control", 36
    wells, findings = _read(book, tmp_path)
    assert findings == [] and len(wells) == 384 and set(wells["plate"]) == {"CK50"}
    columns = ["condition", "compound", "role"]
    assert wells.loc["A01", columns].tolist() == ["Unstimulated", "4", "sample"]
    assert wells.loc["B12", columns].tolist() == ["Unstimulated", "DMSO", "vehicle"]
    assert wells.loc["C13", columns].tolist() == ["OVA", "", "untreated"]
    assert wells.loc["P24", columns].tolist() == ["OVA", "36", "sample"]
    assert wells.loc["P23", columns].tolist() == ["", "", "empty"]
    assert wells.loc[["A01", "P24"], "concentration_um"].tolist() == [10, 10]
    assert wells.loc[["B12", "C13", "P23"], "concentration_um"].isna().all()


def test_the_grid_is_found_wherever_it_stands(tmp_path):
    book, sheet = _sheet()
    sheet["C5"] = 4
    shifted, moved = _sheet(conditions=(), top=9, left=6)
    moved["F11"], moved["F27"], moved["A10"] = 4, "Unstimulated", "Compound Conc. uM"
    moved["A4"] = None
    here, _ = _read(book, tmp_path)
    there, findings = _read(shifted, tmp_path, "CK50 moved.xlsx")
    assert findings == []
    assert there.equals(here)


@pytest.mark.parametrize("value", ["#REF!", "DSMO", 0.5, -3, True, "ConA", "TRUE"])
def test_an_unreadable_cell_is_named(tmp_path, value):
    book, sheet = _sheet()
    sheet["D5"] = value
    wells, (finding,) = _read(book, tmp_path)
    assert finding.fatal and (finding.plate, finding.well) == ("CK50", "A02")
    assert "Sheet!D5" in finding.message and finding.path.endswith("CK50 plate layout.xlsx")
    assert "A02" not in wells.index and len(wells) == 383


def test_a_column_without_header_is_fatal_and_its_cells_named(tmp_path):
    book, sheet = _sheet(conditions=(("C21:N21", "Unstim"),))
    sheet["O5"], sheet["O6"] = 4, 5
    _, findings = _read(book, tmp_path)
    assert [finding.problem for finding in findings] == ["no condition"] and findings[0].fatal
    assert "Sheet!O5 ... O6" in findings[0].message


def test_headers_that_disagree_are_fatal(tmp_path):
    book, sheet = _sheet()
    sheet["D22"], sheet["E22"], sheet["D5"], sheet["E5"] = "ConA", "Unstimulated", 4, 5
    wells, (finding,) = _read(book, tmp_path)
    assert finding.fatal and "Sheet!C21" in finding.message and "Sheet!D22" in finding.message
    assert "A02" not in wells.index and wells.loc["A03", "condition"] == "Unstimulated"


def test_an_unknown_header_is_fatal_but_a_legend_is_not(tmp_path):
    book, sheet = _sheet(conditions=(("C21:N21", "Stimulated with LPS (1 ug/mL)"),))
    sheet["O22"] = "e = empty well"
    sheet["C5"] = 4
    _, (finding,) = _read(book, tmp_path)
    assert finding.fatal and "Sheet!C21" in finding.message and "LPS" in finding.message


def test_doses_need_a_unit_and_must_be_numbers(tmp_path):
    book, sheet = _sheet()
    sheet["C5"], sheet["D5"], sheet["D4"] = 4, 4, "ten"
    wells, (finding,) = _read(book, tmp_path)
    assert finding.fatal and "Sheet!D4: 'ten'" in finding.message and "A02" not in wells.index
    sheet["A4"] = "Compound Conc. nM"
    assert "no unit" in _fatal(_read(book, tmp_path)[1])[0].message


def test_a_number_that_cannot_be_read_does_not_shorten_the_plate(tmp_path):
    book, sheet = _sheet()
    sheet["Z3"] = "#REF!"
    (finding,) = _fatal(_read(book, tmp_path)[1])
    assert "Sheet!Y3" in finding.message and "23 numbered columns" in finding.message


def test_what_is_no_workbook_or_no_layout(tmp_path):
    (tmp_path / "CK50 broken.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    wells, (finding,) = read_layout(tmp_path / "CK50 broken.xlsx")
    assert finding.fatal and finding.plate == "CK50" and "cannot be opened" in finding.message
    openpyxl.Workbook().save(tmp_path / "CK50 notes.xlsx")
    wells, (finding,) = read_layout(tmp_path / "CK50 notes.xlsx")
    assert finding.fatal and wells.empty and "no sheet holds a plate layout" in finding.message


def test_no_plate_id_anywhere(tmp_path):
    book, _ = _sheet(title="Exp 1 (George)")
    wells, (finding,) = _read(book, tmp_path, "layout.xlsx")
    assert finding.fatal and wells.empty and "--plate" in finding.cure
    wells, findings = _read(book, tmp_path, "layout.xlsx", plate="CK50")
    assert findings == [] and len(wells) == 384


def _coloured(fills, legend):
    """A sheet that shows the stimulation by colour: one filled cell for each of `fills`."""
    book, sheet = _sheet(title="Titration", conditions=())
    sheet["A4"] = None
    for place, fill in enumerate(fills):
        sheet.cell(5 + place, 3).value = None
        sheet.cell(5 + place, 3).fill = PatternFill("solid", fgColor=fill)
    for place, text in enumerate(legend):
        sheet.cell(25 + place, 2, text)
    sheet["B28"] = "ConA at a range of concentrations in ug/mL (see under the column numbers)"
    return book


def test_fills_match_the_legend_by_hue(tmp_path):
    # Pastels and dark tones of the same hue are the same word to whoever wrote the legend.
    book = _coloured(["F4B183", "1F4E79", PURPLE], ["ConA = Purple", "pOVA = blue and orange"])
    wells, findings = _read(book, tmp_path)
    assert findings == []
    assert wells.loc[["A01", "B01", "C01"], "condition"].tolist() == ["OVA", "OVA", "ConA"]
    assert wells.loc[["A01", "B01", "C01"], "stimulus_ug_per_ml"].tolist() == [10, 10, 10]
    assert wells.loc[["A01", "B01", "C01"], "concentration_um"].isna().all()


def test_one_fill_and_one_name_left_over_belong_together_and_two_do_not(tmp_path):
    legend = ["ConA = Purple and green", "pOVA = blue and orange"]
    wells, (finding,) = _read(_coloured([ORANGE, BLUE, "70AD47", GOLD], legend), tmp_path)
    assert not finding.fatal and wells.loc["D01", "condition"] == "ConA"
    assert "Sheet!C8" in finding.message and "Sheet!B25" in finding.message
    wells, (finding,) = _read(_coloured([ORANGE, BLUE, GOLD], legend), tmp_path)
    assert finding.fatal and "purple" in finding.message and "green" in finding.message
    assert "C01" not in wells.index and wells.loc["A01", "condition"] == "OVA"
    wells, (finding,) = _read(_coloured([ORANGE, BLUE, PURPLE, GOLD, "FF0000"], legend), tmp_path)
    assert finding.fatal and "Sheet!C8 gold; Sheet!C9 red" in finding.message
    wells, (finding,) = _read(_coloured([ORANGE, BLUE, GOLD, "FF0000"], legend), tmp_path)
    assert finding.fatal and not {"C01", "D01"} & set(wells.index)


@pytest.mark.parametrize(
    ("theme", "tint", "rgb"),
    # As a spreadsheet program shows them in the theme that openpyxl writes; white is no fill.
    [
        (0, 0.0, None),
        (1, 0.0, (0, 0, 0)),
        (4, 0.0, (0x4F, 0x81, 0xBD)),
        (4, -0.25, (0x36, 0x60, 0x92)),
        (9, 0.6, (0xFC, 0xD5, 0xB4)),
    ],
)
def test_theme_colours_and_tints_are_resolved(tmp_path, theme, tint, rgb):
    book = openpyxl.Workbook()
    book.active["A1"].fill = PatternFill("solid", fgColor=Color(theme=theme, tint=tint))
    book.save(tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    found = fill_colour(book.active["A1"], theme_colours(book.loaded_theme))
    assert found == rgb or all(abs(a - b) <= 2 for a, b in zip(found, rgb, strict=True))


def test_text_on_a_colour_nobody_explains_is_not_unstimulated(tmp_path):
    book = _coloured([ORANGE, GOLD], ["pOVA = orange"])
    book.active["C6"] = "Control"
    book.active["C7"] = "Control"
    wells, findings = _read(book, tmp_path)
    assert [finding.problem for finding in _fatal(findings)] == ["unreadable colour"]
    assert "B01" not in wells.index and wells.loc["C01", "condition"] == "Unstimulated"


def test_doses_of_stimulation_under_headers(tmp_path):
    book, sheet = _sheet(conditions=(("C21:N21", "Unstim"), ("O21:Z21", "ConA")))
    sheet["A4"], sheet["C5"], sheet["O5"] = None, "Control", "Control"
    sheet["B28"] = "ConA at concentrations in ug/mL"
    wells, findings = _read(book, tmp_path)
    assert findings == [] and wells.loc["A13", "stimulus_ug_per_ml"] == 10
    assert math.isnan(wells.loc["A01", "stimulus_ug_per_ml"])


def test_a_colour_and_a_header_that_disagree(tmp_path):
    book = _coloured([ORANGE], ["pOVA = orange"])
    book.active["C21"] = "ConA"
    _, findings = _read(book, tmp_path)
    assert "Sheet!C5" in _fatal(findings)[0].message


def test_the_command_writes_a_table_once(tmp_path, capsys):
    book, sheet = _sheet(title="CK49")
    sheet["C5"] = 4
    path, out = str(tmp_path / "CK50 layout.xlsx"), tmp_path / "wells.csv"
    book.save(path)
    assert main([path, "--out", str(out)]) == 1 and not out.exists()
    assert "CK49" in capsys.readouterr().err
    assert main([path, "--plate", "CK50", "--out", str(out)]) == 0
    again, findings = read_wells(out)
    assert findings == [] and again.equals(read_layout(path, "CK50")[0])
    written = out.read_bytes()
    assert main([path, "--plate", "CK50", "--out", str(out)]) == 1
    assert out.read_bytes() == written and "not overwritten" in capsys.readouterr().err
