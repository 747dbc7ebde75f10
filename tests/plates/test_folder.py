import os

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile

from jaxcell.plates.findings import BadPlates, Finding, gathered
from jaxcell.plates.folder import in_words, leave_out, read_plates, require_good
from jaxcell.plates.tables import well_at, wells_table, write_wells

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}

COUNTS = np.random.default_rng(0).integers(100, 900, (16, 16), np.uint16)


def _image(folder, well, view, plate="CK50", field=1, array=None):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{plate} - {well[0]} - {well[1:]}(fld {field} wv {view} - {view}).tif"
    seed = [*path.name.encode()]
    counts = np.random.default_rng(seed).integers(100, 900, (16, 16), np.uint16)
    tifffile.imwrite(path, counts if array is None else array)
    return path


WELLS = ("B02", "B03", "C02")


def _plate(folder, wells=WELLS, plate="CK50", views=("FITC", "TexasRed"), fields=(1,)):
    for well in wells:
        for view in views:
            for field in fields:
                _image(folder, well, view, plate, field)
    return folder


def _wells(path, wells=WELLS, plate="CK50", condition="OVA", role="sample"):
    row = {"plate": plate, "condition": condition, "compound": "", "role": role}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wells(wells_table({**row, "well": well} for well in wells), path)


def _workbook(path, title="CK50", well="C5"):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet["A1"] = title
    for number in range(1, 25):
        sheet.cell(3, 2 + number, number)
    for place, letter in enumerate("ABCDEFGHIJKLMNOP"):
        sheet.cell(4 + place, 2, letter)
    sheet[well], sheet["C20"] = "DMSO", "ConA"
    sheet.merge_cells("C20:Z20")
    book.save(path)


def _fatal(plates):
    return [finding for finding in plates.findings if finding.fatal]


def _listing(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path), path.stat().st_mtime_ns, path.read_bytes()) for path in paths]


def test_a_good_folder_has_no_findings_and_is_left_as_it_was(tmp_path):
    _plate(tmp_path / "CK50", fields=(1, 2))
    _plate(tmp_path / "CK51", wells=("A01",), plate="CK51")
    _wells(tmp_path / "wells.csv")
    _workbook(tmp_path / "CK51" / "CK51 plate layout.xlsx", "CK51", "C4")
    before = _listing(tmp_path)
    plates = require_good(read_plates(tmp_path, VIEWS))
    # No brightfield anywhere: it is optional, and not worth a word.
    assert plates.findings == [] and leave_out(plates).images.equals(plates.images)
    assert len(plates.images) == 14 and set(plates.images["role"]) == {"t_cell", "dendritic_cell"}
    assert all(os.path.isabs(path) for path in plates.images["path"])
    conditions = plates.wells.set_index(["plate", "well"])["condition"]
    assert conditions["CK50", "B03"] == "OVA" and conditions["CK51", "A01"] == "ConA"
    assert _listing(tmp_path) == before


def test_views_are_mapped_by_the_caller_and_others_left_out_silently(tmp_path):
    _plate(tmp_path, views=("GFP", "Texas Red", "DAPI"))
    _wells(tmp_path / "wells.csv")
    views = {"t_cell": "gfp", "dendritic_cell": "TexasRed", "brightfield": None}
    plates = read_plates(tmp_path, views)
    assert plates.findings == [] and set(plates.images["view"]) == {"GFP", "Texas Red"}


def test_every_trouble_is_listed_at_once(tmp_path):
    folder = _plate(tmp_path / "CK50", wells=("B02", "B03", "C02", "C03", "D02", "D03"))
    layout = ("B02", "B03", "C02", "C03", "D02", "E05")
    _wells(tmp_path / "wells.csv", layout)
    names = {
        well: folder / f"CK50 - {well[0]} - {well[1:]}(fld 1 wv FITC - FITC).tif" for well in layout
    }
    names["B02"].unlink()
    names["B03"].write_bytes(names["B03"].read_bytes()[:-100])
    names["C02"].write_text("no image")
    tifffile.imwrite(names["C03"], COUNTS.astype(np.uint8))
    tifffile.imwrite(names["D02"], COUNTS[:8])
    plates = read_plates(tmp_path, VIEWS)
    with pytest.raises(BadPlates) as caught:
        require_good(plates)
    said = {finding.well: finding for finding in caught.value.findings}
    words = {
        "B02": "well B02, field 1 has no FITC view", "B03": "truncated", "C02": "not a TIFF",
        "C03": "another scale", "D02": "differ in size", "D03": "no layout says",
        "E05": "has no images",
    }  # fmt: skip
    assert sorted(said) == sorted(words) and len(caught.value.findings) == len(words)
    for well, text in words.items():
        assert text in said[well].message and said[well].path and said[well].cure
        assert f"CK50 {well}: " in str(caught.value) and text in str(caught.value)
    rest = leave_out(plates)
    assert rest.images.empty and rest.wells.empty and rest.findings == plates.findings


def test_leaving_out_costs_a_field_and_no_more(tmp_path):
    _plate(tmp_path, fields=(1, 2))
    _wells(tmp_path / "wells.csv", ("B02", "B03", "C02"))
    _image(tmp_path, "B02", "FITC", field=2, array=COUNTS - np.float32(500))
    (tmp_path / "CK50 - B - 03(fld 1 wv TexasRed - TexasRed).tif").unlink()
    left = leave_out(read_plates(tmp_path, VIEWS))
    fields = set(left.images[["well", "field"]].itertuples(index=False, name=None))
    assert fields == {("B02", 1), ("B03", 2), ("C02", 1), ("C02", 2)}
    assert len(left.images) == 8 and set(left.wells["well"]) == {"B02", "B03", "C02"}


def test_a_plate_of_two_pixel_sizes_is_left_out_whole(tmp_path):
    """Nobody says which of its images are right: measured together, lengths would be wrong."""
    for name, sizes in (("CK50", {"B02": 0.5, "B03": 1.0}), ("CK51", {"B02": 0.5})):
        for well, pixel_um in sizes.items():
            for number, view in enumerate(VIEWS.values()):
                path = tmp_path / f"{name} - {well[0]} - {well[1:]}(fld 1 wv {view} - {view}).tif"
                counts = COUNTS + np.uint16(number + 10 * pixel_um) + np.uint16(name == "CK51")
                size = {"resolution": (1e4 / pixel_um,) * 2, "resolutionunit": "CENTIMETER"}
                tifffile.imwrite(path, counts, **size)
    plates = read_plates(tmp_path, VIEWS, condition="OVA")
    (finding,) = _fatal(plates)
    assert finding.plate == "CK50" and "0.5 and 1 µm" in finding.message
    left = leave_out(plates)
    assert set(left.images["plate"]) == set(left.wells["plate"]) == {"CK51"}


def test_the_same_image_twice_names_both_files(tmp_path):
    _plate(tmp_path, wells=("B02",))
    _plate(tmp_path / "copy", wells=("B2",), views=("FITC",))
    _wells(tmp_path / "wells.csv", ("B02",))
    (finding,) = _fatal(read_plates(tmp_path, VIEWS))
    assert (finding.problem, finding.well) == ("duplicate image", "B02")
    for column in ("02", "2"):
        name = f"CK50 - B - {column}(fld 1 wv FITC - FITC).tif"
        assert name in finding.message + finding.path
    assert leave_out(read_plates(tmp_path, VIEWS)).images.empty


def test_a_view_that_the_whole_plate_lacks_is_said_once(tmp_path):
    _plate(tmp_path, views=("FITC", "Cy5"))
    _wells(tmp_path / "wells.csv")
    plates = read_plates(tmp_path, VIEWS)
    (finding,) = _fatal(plates)
    assert all(words in finding.message for words in ("TexasRed", "Cy5", "3 wells"))
    assert leave_out(plates).images.empty


def test_a_missing_brightfield_is_only_a_note(tmp_path):
    _plate(tmp_path)
    _wells(tmp_path / "wells.csv")
    _image(tmp_path, "B02", "Brightfield")
    plates = read_plates(tmp_path, VIEWS)
    assert _fatal(plates) == [] and {found.well for found in plates.findings} == {"B03", "C02"}
    assert len(leave_out(plates).images) == 7


def test_wells_without_layout_take_the_condition_given(tmp_path):
    _plate(tmp_path)
    (finding,) = _fatal(read_plates(tmp_path, VIEWS))
    assert "no layout of this plate" in finding.message and "3 wells" in finding.message
    _wells(tmp_path / "wells.csv", ("B02",), role="vehicle")
    plates = require_good(read_plates(tmp_path, VIEWS, condition="ConA"))
    wells = plates.wells.set_index("well")
    assert wells["condition"].to_dict() == {"B02": "OVA", "B03": "ConA", "C02": "ConA"}
    assert wells["role"].to_dict() == {"B02": "vehicle", "B03": "sample", "C02": "sample"}
    assert wells["compound"].eq("").all() and wells["concentration_um"].isna().all()


def test_images_of_empty_wells_are_left_out_unread(tmp_path):
    _plate(tmp_path, wells=("B02", "P24"))
    _image(tmp_path, "P24", "FITC", array=COUNTS.astype(np.uint8))
    _wells(tmp_path / "wells.csv", ("B02",))
    with open(tmp_path / "wells.csv", "a") as file:
        file.write("CK50,P24,,,,empty,\nCK50,P23,,,,empty,\n")
    plates = read_plates(tmp_path, VIEWS)
    assert set(plates.images["well"]) == {"B02"}
    (note,) = plates.findings
    assert not note.fatal and "P24" in note.message and "P23" not in note.message
    assert set(leave_out(plates).wells["well"]) == {"B02", "P23", "P24"}
    kept = read_plates(tmp_path, VIEWS, keep_empty=True)
    assert set(kept.images["well"]) == {"B02", "P24"}
    assert not any(finding.problem == "empty wells" for finding in kept.findings)


def test_a_tidy_table_makes_a_doubtful_workbook_harmless(tmp_path):
    _plate(tmp_path, wells=("A01",))
    _workbook(tmp_path / "CK50 layout.xlsx", title="CK49", well="C4")
    plates = read_plates(tmp_path, VIEWS)
    (finding,) = _fatal(plates)
    assert "CK49" in finding.message and leave_out(plates).images.empty
    _wells(tmp_path / "wells.csv", ("A01",))
    assert read_plates(tmp_path, VIEWS).findings == []


def test_an_unreadable_workbook_cell_costs_its_well(tmp_path):
    _plate(tmp_path, wells=("A01", "A02"))
    _workbook(tmp_path / "CK50 layout.xlsx", well="C4")
    book = openpyxl.load_workbook(tmp_path / "CK50 layout.xlsx")
    book.active["D4"] = "#REF!"
    book.save(tmp_path / "CK50 layout.xlsx")
    plates = read_plates(tmp_path, VIEWS)
    (finding,) = _fatal(plates)
    assert finding.well == "A02" and "Sheet!D4" in finding.message
    assert set(leave_out(plates).images["well"]) == {"A01"}


def test_layouts_that_disagree_are_not_chosen_between(tmp_path):
    _plate(tmp_path, wells=("A01",))
    _wells(tmp_path / "wells.csv", ("A01",))
    _wells(tmp_path / "sub" / "wells.csv", ("A01",), condition="ConA")
    _image(tmp_path / "sub", "A01", "Brightfield")
    plates = read_plates(tmp_path, VIEWS)
    (finding,) = _fatal(plates)
    assert finding.problem == "layouts disagree" and "sub" in finding.message + finding.path
    assert leave_out(plates).images.empty
    (tmp_path / "sub" / "wells.csv").unlink()
    _wells(tmp_path / "sub" / "wells.csv", ("A01",))
    assert _fatal(read_plates(tmp_path, VIEWS)) == []


def test_a_layout_beside_no_image_that_contradicts_is_not_passed_over(tmp_path):
    _plate(tmp_path, wells=("A01",))
    _wells(tmp_path / "wells.csv", ("A01",))
    _wells(tmp_path / "old" / "wells.csv", ("A01",), condition="ConA")
    plates = read_plates(tmp_path, VIEWS)
    (finding,) = _fatal(plates)
    assert finding.problem == "layouts disagree" and "old" in finding.message
    # Results have further columns, and are no layout.
    table = pd.read_csv(tmp_path / "old" / "wells.csv").assign(answer="interact")
    table.to_csv(tmp_path / "old" / "wells.csv", index=False)
    assert _fatal(read_plates(tmp_path, VIEWS)) == []
    (tmp_path / "old" / "wells.csv").unlink()
    _wells(tmp_path / "old" / "wells.csv", ("A01",))
    assert _fatal(read_plates(tmp_path, VIEWS)) == []


def test_layouts_of_other_plates_are_not_errors(tmp_path):
    _plate(tmp_path, wells=("A01",))
    _workbook(tmp_path / "CK50 layout.xlsx", well="C4")
    _workbook(tmp_path / "CK77 layout.xlsx", title="CK77")
    openpyxl.Workbook().save(tmp_path / "shopping list.xlsx")
    plates = read_plates(tmp_path, VIEWS)
    (note,) = plates.findings
    assert not note.fatal and note.plate == "CK77" and set(plates.wells["plate"]) == {"CK50"}


def test_any_microscope_by_two_tables(tmp_path):
    (tmp_path / "raw").mkdir()
    lines = ["plate,well,field,view,path"]
    for view in ("GFP", "RFP"):
        tifffile.imwrite(tmp_path / "raw" / f"{view}.tif", COUNTS + len(lines))
        lines += [f"P1,b2,7,{view},raw/{view}.tif", f"P1,b3,7,{view},raw/lost {view}.tif"]
    (tmp_path / "images.csv").write_text("\n".join(lines))
    _wells(tmp_path / "wells.csv", ("B02", "B03"), plate="P1")
    plates = read_plates(tmp_path, {"t_cell": "GFP", "dendritic_cell": "RFP"})
    assert [finding.well for finding in _fatal(plates)] == ["B03", "B03"]
    assert all("no such file" in finding.message for finding in _fatal(plates))
    left = leave_out(plates)
    assert set(left.images["well"]) == {"B02"} and set(left.images["field"]) == {7}


def _two_tables(folder, heading, *cells):
    """images.csv with more columns, of two wells, beside a wells.csv of OVA without compound."""
    lines = [f"plate,well,field,view,path,{heading}"]
    for well, more in zip(("B02", "B03"), cells):
        for number, view in enumerate(("FITC", "TexasRed")):
            tifffile.imwrite(folder / f"{well}{view}.tif", COUNTS + number + 10 * int(well[1:]))
            lines.append(f"P1,{well},1,{view},{well}{view}.tif,{more}")
    (folder / "images.csv").write_text("\n".join(lines))
    _wells(folder / "wells.csv", ("B2", "b03"), plate="P1")
    return read_plates(folder, VIEWS)


def test_a_well_that_two_tables_contradict_is_refused_by_name(tmp_path):
    plates = _two_tables(tmp_path, "condition", "pOVA", "ConA")
    (finding,) = _fatal(plates)
    assert finding.well == "B03" and "'ConA' in images.csv" in finding.message
    assert "'OVA' in wells.csv" in finding.message
    assert set(leave_out(plates).images["well"]) == {"B02"}


def test_columns_that_nobody_reads_are_said(tmp_path):
    plates = _two_tables(tmp_path, "operator,role", "anna,sample", "anna,sample")
    (note,) = plates.findings
    assert not note.fatal and "operator, role" in note.message


def test_a_table_of_images_without_its_columns_is_one_finding(tmp_path):
    (tmp_path / "images.csv").write_text("Plate;Well;Field;View;Path\nP1;B02;1;FITC;a.tif\n")
    _wells(tmp_path / "wells.csv", ("B02",), plate="P1")
    (finding, *others) = _fatal(read_plates(tmp_path, VIEWS))
    assert "no column plate, well, field, view, path, but Plate" in finding.message
    assert {other.problem for other in others} <= {"no images"}


def test_the_case_of_two_tables_names_its_well(shared_data):
    plates = read_plates(shared_data / "cases" / "compound_contradiction", VIEWS)
    (finding,) = _fatal(plates)
    assert finding.well == "A02" and "'y' in images.csv, and 'x' in wells.csv" in finding.message


def test_wells_of_1536_are_in_the_order_of_the_plate():
    wells = [well_at(row, column) for row in range(32, 0, -1) for column in range(48, 0, -1)]
    assert in_words(pd.DataFrame({"well": wells})) == "1536 wells: A01 ... AF48"
    many = [Finding("no layout", "P", well, "", "it is bad", "mend it") for well in wells]
    (one,) = gathered(many)
    assert "1535 more such, 1536 wells: A01 ... AF48" in one.message


def test_folders_that_hold_nothing(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        plates = read_plates(folder, VIEWS)
        assert plates.images.empty and plates.wells.empty
        assert [finding.problem for finding in _fatal(plates)] == ["no images"]
        assert leave_out(plates).images.empty


def test_the_unpaired_well(shared_data):
    plates = read_plates(shared_data / "unpaired_well", VIEWS, condition="Unstimulated")
    (finding,) = _fatal(plates)
    assert (finding.plate, finding.well) == ("CK91", "L20")
    assert "TexasRed" in finding.message and "L20" in finding.message and finding.path
    assert leave_out(plates).images.empty


def test_the_real_well(shared_data):
    plates = require_good(read_plates(shared_data / "real_well", VIEWS, condition="Unstimulated"))
    assert plates.findings == []
    assert plates.images.set_index("role")["view"].to_dict() == VIEWS
    assert plates.wells[["plate", "well", "role"]].values.tolist() == [["CK90", "D07", "sample"]]
    (finding,) = _fatal(read_plates(shared_data / "real_well", VIEWS))
    assert finding.well == "D07" and "no layout" in finding.message
