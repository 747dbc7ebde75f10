from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from vendor_plates import planes, write_cq1, write_incell, write_ome_zarr, write_opera

from jaxcell.experiments.plates.describe import describe_plates
from jaxcell.plates.folder import read_plates
from jaxcell.plates.images import read_view
from jaxcell.plates.tables import read_images

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}


def _describe(folder, out="", z="", time="", condition=""):
    return describe_plates(str(folder), str(out) if out else "", z, time, condition)


def test_it_says_what_it_sees(tmp_path):
    write_opera(tmp_path, planes())
    said = _describe(tmp_path)
    for words in (
        "plate P7", "Opera", "2 wells: B02 ... C11", "1 to 2 a well", "FITC (3), TexasRed (3)",
        "20 x 30, 24 x 30, uint16", "0.65 µm", "0 wells described", "--out TABLES",
    ):  # fmt: skip
        assert words in said


def test_images_that_cannot_be_read_have_no_size(tmp_path):
    write_opera(tmp_path, planes())
    paths = sorted(tmp_path.rglob("*.tiff"))
    paths[0].write_bytes(paths[0].read_bytes()[:-10])  # its heading is whole
    said = _describe(tmp_path)
    assert "pixels      20 x 30, 24 x 30, uint16, up to" in said and "truncated" in said
    for path in paths[1:]:
        path.write_bytes(path.read_bytes()[:-10])
    assert "no image can be read" in _describe(tmp_path)


def test_its_tables_are_read_as_the_folder_is(tmp_path):
    some = planes(z=3)
    write_opera(tmp_path / "raw", some)
    out = tmp_path / "tables"
    assert "jaxcell plates FOLDER --z max" in _describe(tmp_path / "raw")
    said = _describe(tmp_path / "raw", out, z="max", condition="OVA")
    assert "6 images" in said and "2 wells in" in said and "jaxcell measure" in said
    table = pd.read_csv(out / "images.csv")
    assert table.loc[table["view"] == "FITC", "z"].eq("max").all()
    assert not table["path"].str.startswith("/").any() and table["pixel_um"].eq(0.65).all()
    plates = read_plates(out, VIEWS)
    assert not [finding for finding in plates.findings if finding.fatal]
    assert plates.wells["condition"].eq("OVA").all()
    rows = plates.images.set_index(["well", "field", "view"])
    stack = [one.counts for one in some if (one.well, one.field, one.channel) == ("B02", 2, 1)]
    np.testing.assert_array_equal(
        read_view(rows["path"]["B02", 2, "FITC"]), np.maximum.reduce(stack)
    )
    with pytest.raises(FileExistsError, match="images.csv exists"):
        _describe(tmp_path / "raw", out, z="max")


def test_a_table_is_copied_with_its_labels_and_what_is_wrong_with_it_is_said(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "tables"
    raw.mkdir()
    lines = ["plate,well,field,view,path,labels,compound"]
    for number, view in enumerate(VIEWS.values()):
        counts = np.random.default_rng(number).integers(100, 4000, (16, 16), np.uint16)
        tifffile.imwrite(raw / f"{view}.tif", counts)
        lines.append(f"P,B02,1,{view},{view}.tif,{f'{view}_cells.tif' if number else ''},drug")
    (raw / "images.csv").write_text("\n".join(lines))
    heading = "plate,well,condition,compound,concentration_um,role"
    (raw / "wells.csv").write_text(f"{heading}\nP,B02,OVA,other,1,sample\n")
    said = _describe(raw, out)
    assert "compound of well B02 is 'drug' in images.csv" in said
    assert "a column compound, which is not read" in said
    images, findings = read_images(out / "images.csv")
    assert not findings
    cells = images.set_index("view")["labels"]
    assert cells["FITC"] == ""
    assert Path(cells["TexasRed"]).resolve() == (raw / "TexasRed_cells.tif").resolve()


def test_wells_without_layout_are_a_form_to_fill_in(tmp_path):
    write_opera(tmp_path / "raw", planes())
    said = _describe(tmp_path / "raw", tmp_path / "tables")
    assert "write there the condition of 2 wells" in said
    wells = pd.read_csv(tmp_path / "tables" / "wells.csv")
    assert wells["condition"].isna().all() and wells["role"].eq("sample").all()


def test_stacks_of_channels_and_names_with_a_well(tmp_path):
    """What nobody knows by name: 8-bit stacks of two channels, a file a well."""
    draw = np.random.default_rng(2)
    counts = {well: draw.integers(0, 256, (2, 16, 16), np.uint8) for well in ("A01", "H12")}
    folder = tmp_path / "exp 9"
    folder.mkdir()
    for well, array in counts.items():
        names = {"axes": "CYX", "Channel": {"Name": ["BF", "GFP"]}, "PhysicalSizeX": 0.5}
        tifffile.imwrite(folder / f"scan_{well}_s3.ome.tif", array, metadata=names)
    (folder / "overview.tif").write_bytes(b"")
    said = _describe(folder, tmp_path / "tables", condition="OVA")
    assert "plate exp 9" in said and "by wells in the names" in said and "uint8" in said
    assert "'overview.tif' is no name" in said and "0.5 µm" in said
    table = pd.read_csv(tmp_path / "tables" / "images.csv")
    assert sorted(set(table["view"])) == ["scan BF", "scan GFP"]
    assert table["field"].eq(3).all() and sorted(table["channel"]) == [1, 1, 2, 2]
    plates = read_plates(tmp_path / "tables", {"t_cell": "scan BF", "dendritic_cell": "scan GFP"})
    assert not [finding for finding in plates.findings if finding.fatal]
    rows = plates.images.set_index(["well", "role"])["path"]
    np.testing.assert_array_equal(
        read_view(rows["H12", "dendritic_cell"]), counts["H12"][1].astype(np.uint16) * 16
    )


@pytest.mark.parametrize("write", [write_ome_zarr, write_incell, write_cq1])
def test_tables_beside_the_folder_are_read_from_anywhere(tmp_path, monkeypatch, write):
    """Paths with `..`, in the table and in the name of the folder."""
    some = planes()
    write(tmp_path / "raw", some)
    _describe(tmp_path / "raw", tmp_path / "deep" / "tables", condition="OVA")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for folder in ("../deep/tables", "../raw"):
        plates = read_plates(Path(folder), VIEWS, condition="OVA")
        assert not [finding for finding in plates.findings if finding.fatal]
        rows = plates.images.set_index(["well", "field", "role"])["path"]
        for plane in some:
            path = rows[plane.well, plane.field, list(VIEWS)[plane.channel - 1]]
            np.testing.assert_array_equal(read_view(path), plane.counts)


@pytest.mark.parametrize("ome", [False, True])
def test_colours_in_several_pages_or_channels_are_a_view_each(tmp_path, ome):
    """Their tables are read again as they were seen."""
    counts = np.random.default_rng(2).integers(0, 250, (2, 16, 16, 3), np.uint8)
    about = {"axes": "CYXS", "Channel": {"Name": ["left", "right"]}} if ome else None
    name = f"scan_B02{'.ome' if ome else ''}.tif"
    tifffile.imwrite(tmp_path / name, counts, photometric="rgb", metadata=about)
    out = tmp_path / "tables"
    assert "problem" not in _describe(tmp_path, out, condition="OVA")
    images, findings = read_images(out / "images.csv")
    assert not findings and images["view"].nunique() == 6
    channels = counts.transpose(0, 3, 1, 2).reshape(6, -1).astype(np.uint16) * 16
    read = {read_view(path).tobytes() for path in images["path"]}
    assert read == {channel.tobytes() for channel in channels}
    plates = read_plates(out, dict(zip(VIEWS, images["view"])))
    assert not plates.findings and len(plates.images) == 2


def test_192_stacks_are_one_line_that_names_a_command(tmp_path):
    for number in range(96):
        well = f"{'ABCDEFGH'[number // 12]} - {number % 12 + 1:02d}"
        for view in VIEWS.values():
            name = f"P1 - {well}(fld 1 wv {view} - {view}).tif"
            pages = np.random.default_rng(number).integers(0, 256, (2, 8, 8), np.uint8)
            tifffile.imwrite(tmp_path / name, pages, photometric="minisblack")
    plates = read_plates(tmp_path, VIEWS, condition="OVA")
    from jaxcell.plates.findings import gathered

    fatal = gathered([finding for finding in plates.findings if finding.fatal])
    assert len(fatal) == 1 and "191 more such, 96 wells" in fatal[0].message
    assert "jaxcell plates" in fatal[0].cure


def test_what_cannot_be_told_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no folder of plates"):
        _describe(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="can be told a well"):
        _describe(tmp_path)
    with pytest.raises(ValueError, match="--z middle: give a number"):
        _describe(tmp_path, z="middle")
