"""Each instrument's plate, with the traps that its files hold."""

import json
import math
import shutil

import numpy as np
import pytest
import vendor_plates as vendor
from vendor_plates import NAMES, PIXEL_UM, PLATE, planes

from jaxcell.plates.find import find_images
from jaxcell.plates.folder import leave_out, read_plates, read_tables
from jaxcell.plates.images import inspect_images, read_view
from jaxcell.plates.stacks import one_plane_a_view

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
LISTING = [
    vendor.write_incell, vendor.write_imagexpress, vendor.write_opera, vendor.write_cellvoyager,
    vendor.write_cq1, vendor.write_ome_zarr,
]  # fmt: skip
EVERY = [*LISTING, vendor.write_cytation]


def _old_opera(folder, some, listed=()):
    return vendor.write_opera(folder, some, listed, new=False)


def _zarr_0_4(folder, some, listed=()):
    return vendor.write_ome_zarr(folder, some, listed, version="0.4")


def _expected(some):
    return {(PLATE, one.well, one.field, NAMES[one.channel - 1]): one.counts for one in some}


def _check(images, expected):
    key = ["plate", "well", "field", "view"]
    rows = images.set_index(key)["path"].to_dict()
    assert len(images) == len(rows) and set(rows) == set(expected)
    for place, counts in expected.items():
        np.testing.assert_array_equal(read_view(rows[place]), counts)


@pytest.mark.parametrize("write", [*EVERY, _old_opera, _zarr_0_4])
def test_a_plate_of_unequal_wells_is_read_as_it_lies_there(tmp_path, write):
    """Fields, sizes and views are each well's own; thumbnails are none."""
    some = planes()
    write(tmp_path, some)
    images, findings = find_images(tmp_path)
    _check(images, _expected(some))
    assert not [finding for finding in findings if finding.fatal]
    seen, said = inspect_images(images)
    assert not said and seen["pixel_um"].to_numpy() == pytest.approx(PIXEL_UM)


@pytest.mark.parametrize("write", [*LISTING, _zarr_0_4])
def test_a_listed_well_without_images_stays_missing_and_is_said(tmp_path, write):
    some = planes()
    write(tmp_path, some, ("B03", "D05"))
    images, findings = find_images(tmp_path)
    _check(images, _expected(some))
    (note,) = [finding for finding in findings if finding.problem == "listed without images"]
    assert "2 wells, B03 ... D05" in note.message and not note.fatal and note.plate == PLATE


@pytest.mark.parametrize("write", EVERY)
def test_a_stack_of_one_view_alone(tmp_path, write):
    """The maximum of the view that has a stack, the single plane of the other, never swapped."""
    some = planes(z=3)
    write(tmp_path, some)
    if write is vendor.write_ome_zarr:
        pytest.skip("an array has as many planes in every channel")
    every, _ = find_images(tmp_path)
    images, findings = one_plane_a_view(every)
    assert [finding.problem for finding in findings] == ["z stack"]
    assert set(images["view"]) == {"TexasRed"}
    images, findings = one_plane_a_view(every, "max")
    expected = {}
    for one in some:
        place = (PLATE, one.well, one.field, NAMES[one.channel - 1])
        expected[place] = np.maximum(expected.get(place, 0), one.counts)
    assert not findings
    _check(images, expected)
    images, _ = one_plane_a_view(every, 2)
    first = {place: counts for place, counts in _expected(some).items()}
    first |= {
        (PLATE, one.well, one.field, "FITC"): one.counts
        for one in some
        if one.channel == 1 and one.z == 2
    }
    _check(images, first)


def _without_one(folder, some):
    """Removes the file of TexasRed of field 2 of B02."""
    images, _ = find_images(folder)
    row = images[(images["field"] == 2) & (images["view"] == "TexasRed")].iloc[0]
    path = row["path"].partition("#")[0]
    if path.endswith(("zarr.json", ".zattrs")):
        shutil.rmtree(path.rpartition("/")[0] + "/0/c/1")
    else:
        __import__("os").unlink(path)
    return path


@pytest.mark.parametrize("write", LISTING)
def test_a_file_that_is_gone_is_named_and_nothing_comes_into_its_place(tmp_path, write):
    some = planes()
    write(tmp_path, some)
    gone = _without_one(tmp_path, some)
    plates = read_plates(tmp_path, VIEWS, condition="OVA")
    wrong = [finding for finding in plates.findings if finding.fatal]
    assert len(wrong) == 1 or write is vendor.write_ome_zarr
    assert all(finding.well == "B02" for finding in wrong)
    if write is not vendor.write_imagexpress:  # whose companion lists no files
        assert gone in wrong[0].path
    left = leave_out(plates)
    assert set(left.images[["well", "field"]].itertuples(index=False, name=None)) == {
        ("B02", 1), ("C11", 1)
    }  # fmt: skip


@pytest.mark.parametrize("write", [vendor.write_incell, vendor.write_opera])
def test_without_the_companion_names_say_what_they_can(tmp_path, write):
    some = planes()
    write(tmp_path, some).unlink()
    images, findings = find_images(tmp_path)
    views = NAMES if write is vendor.write_incell else ("ch1", "ch2")
    plate = PLATE if write is vendor.write_incell else tmp_path.name
    _check(
        images,
        {(plate, one.well, one.field, views[one.channel - 1]): one.counts for one in some},
    )
    assert all(not finding.fatal for finding in findings)
    assert images["pixel_um"].isna().all()
    if write is vendor.write_opera:
        assert "Index.idx.xml" in findings[0].message


@pytest.mark.parametrize("write", [vendor.write_imagexpress, vendor.write_cellvoyager])
def test_views_have_numbers_where_their_names_are_gone(tmp_path, write):
    some = planes()
    companion = write(tmp_path, some)
    companion.unlink()
    images, findings = find_images(tmp_path)
    views = ("w1", "w2") if write is vendor.write_imagexpress else ("C01", "C02")
    _check(
        images,
        {(PLATE, one.well, one.field, views[one.channel - 1]): one.counts for one in some},
    )
    (note,) = [finding for finding in findings if finding.problem == "companion missing"]
    assert companion.suffix.casefold() in note.message.casefold() and not note.fatal


def test_numbered_wells_without_their_companion_are_never_guessed(tmp_path):
    vendor.write_cq1(tmp_path, planes()).unlink()
    images, (finding,) = find_images(tmp_path)
    assert images.empty and finding.fatal and ".ome.xml" in finding.message
    assert finding.problem == "companion missing" and "6 files" in finding.message


def test_details_that_are_gone_are_named(tmp_path):
    vendor.write_cellvoyager(tmp_path, planes())
    (tmp_path / "MeasurementDetail.mrf").unlink()
    images, findings = find_images(tmp_path)
    assert images["pixel_um"].isna().all() and set(images["view"]) == {"C01", "C02"}
    assert any("MeasurementDetail.mrf" in finding.message for finding in findings)


@pytest.mark.parametrize("write", [vendor.write_incell, vendor.write_opera, vendor.write_cq1,
                                   vendor.write_cellvoyager, vendor.write_imagexpress])  # fmt: skip
def test_a_damaged_companion_is_named_and_its_images_are_read_by_no_other_way(tmp_path, write):
    path = write(tmp_path, planes())
    path.write_bytes(path.read_bytes()[40:])
    images, findings = find_images(tmp_path)
    fatal = [finding for finding in findings if finding.fatal]
    assert images.empty and [finding.path for finding in fatal] == [str(path)]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_damaged_group_is_named(tmp_path, version):
    group = vendor.write_ome_zarr(tmp_path, planes(), version=version)
    file = group / ("zarr.json" if version == "0.5" else ".zattrs")
    file.write_text(file.read_text().replace("rowIndex", "rowindex"))
    images, (finding,) = find_images(tmp_path)
    assert images.empty and finding.fatal and file.name in finding.message


def test_places_of_fields_are_in_um_and_downwards(tmp_path):
    for name, write, expected in (
        ("incell", vendor.write_incell, lambda field: (10 * field, -5 * field)),
        ("opera", vendor.write_opera, lambda field: (100 * field, -200 * field)),
        ("cellvoyager", vendor.write_cellvoyager, lambda field: (field, -2 * field)),
    ):
        write(tmp_path / name, planes())
        images, _ = find_images(tmp_path / name)
        for row in images.itertuples():
            assert (row.x_um, row.y_um) == pytest.approx(expected(row.field))


def test_a_place_whose_direction_nobody_says_is_left_out(tmp_path):
    vendor.write_incell(tmp_path, planes(wells=(("B02", 1, 20), ("B03", 1, 20))))
    images, _ = find_images(tmp_path)
    assert images["y_um"].isna().all()


def test_images_that_a_companion_does_not_list_are_left_out_and_said_once(tmp_path):
    some = planes()
    vendor.write_incell(tmp_path, some)
    for well in ("E05", "E06"):
        extra = vendor.Plane(well, 1, 1, some[0].counts)
        vendor._tiff(tmp_path / vendor.incell_name(extra), extra.counts)
    images, (note,) = find_images(tmp_path)
    _check(images, _expected(some))
    assert "2 image files are not listed" in note.message and not note.fatal
    # Below another companion it is the nearer one that should list an image.
    vendor.write_opera(tmp_path / "inner", some)
    vendor._tiff(tmp_path / "inner" / "Images" / "extra.tif", some[0].counts)
    _, findings = find_images(tmp_path)
    assert [("1 image" in note.message, note.path[-9:]) for note in findings] == [
        (False, "FITC).tif"), (True, "extra.tif")
    ]  # fmt: skip


def test_projections_of_the_microscope_stand_for_the_maximum(tmp_path):
    some = planes(z=2)
    path = vendor.write_cellvoyager(tmp_path, some)
    name = f"{PLATE}_B02_T0001F001L01A01Z01C01"
    shown = some[0].counts // 2
    vendor._tiff(tmp_path / f"{name}_MIP.tif", shown)
    record = (
        '<bts:MeasurementRecord bts:Type="IMG" bts:Column="2" bts:Row="2" bts:TimePoint="1" '
        'bts:FieldIndex="1" bts:ZIndex="1" bts:Ch="1" bts:ZImageProcessing="MIP">'
        f"{name}_MIP.tif</bts:MeasurementRecord></bts:MeasurementData>"
    )
    path.write_text(path.read_text().replace("</bts:MeasurementData>", record))
    every, _ = find_images(tmp_path)
    images, _ = one_plane_a_view(every, "max")
    row = images.set_index(["well", "field", "view"])["path"]["B02", 1, "FITC"]
    np.testing.assert_array_equal(read_view(row), shown)


@pytest.mark.parametrize("write", [*LISTING, vendor.write_cytation])
@pytest.mark.parametrize("well", ["B03", "P24", "AF48"])
def test_plates_of_6_to_1536_wells(tmp_path, write, well):
    if write is vendor.write_imagexpress and well == "AF48":
        pytest.skip("its file lists 16 rows here")
    some = planes(wells=((well, 1, 20),))
    write(tmp_path, some)
    images, _ = find_images(tmp_path)
    _check(images, _expected(some))


def test_two_plates_of_two_instruments_in_one_folder(tmp_path):
    vendor.write_incell(tmp_path / "one", planes())
    vendor.write_opera(tmp_path / "two", planes())
    index = tmp_path / "two" / "Images" / "Index.xml"
    index.write_text(index.read_text().replace(f">{PLATE}<", ">Q9<"))
    plates = read_tables(tmp_path, VIEWS, condition="OVA")
    assert plates.images.groupby("plate").size().to_dict() == {PLATE: 6, "Q9": 6}
    assert not [finding for finding in plates.findings if finding.fatal]


def test_a_chunk_that_is_missing_is_not_read_as_zeros(tmp_path):
    group = vendor.write_ome_zarr(tmp_path, planes())
    (group / "B" / "2" / "0" / "0" / "c" / "1" / "0" / "0" / "1").unlink()
    images, _ = find_images(tmp_path)
    _, findings = inspect_images(images)
    assert {finding.well for finding in findings} == {"B02"}
    assert all("1 of its 8 chunks are missing" in finding.message for finding in findings)


def test_a_changed_chunk_is_another_image(tmp_path):
    from jaxcell.plates.images import fingerprint

    group = vendor.write_ome_zarr(tmp_path, planes())
    images, _ = find_images(tmp_path)
    path = images["path"].iloc[0]
    before = fingerprint(path)
    chunk = group / "B" / "2" / "0" / "0" / "c" / "0" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes() + b"\0")
    assert fingerprint(path) != before
    assert math.isclose(images["pixel_um"].iloc[0], PIXEL_UM)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_stacks_of_ome_zarr_are_chosen_from_as_others(tmp_path, version):
    some = planes()
    deeper = [one._replace(z=2, counts=one.counts[::-1].copy()) for one in some]
    vendor.write_ome_zarr(tmp_path, [*some, *deeper], version=version)
    every, _ = find_images(tmp_path)
    assert [finding.problem for finding in one_plane_a_view(every)[1]] == ["z stack"]
    _check(one_plane_a_view(every, 2)[0], _expected(deeper))
    both = zip(some, deeper)
    highest = [one._replace(counts=np.maximum(one.counts, other.counts)) for one, other in both]
    _check(one_plane_a_view(every, "max")[0], _expected(highest))


def _described_anew(group, change):
    """Changes what each group of OME-Zarr 0.5 says, by `change(ome)`."""
    for file in group.rglob("zarr.json"):
        about = json.loads(file.read_text())
        if ome := about.get("attributes", {}).get("ome"):
            change(ome)
            file.write_text(json.dumps(about))


def _pixels_of(folder, change):
    _described_anew(vendor.write_ome_zarr(folder, planes()), change)
    images, findings = find_images(folder)
    assert not findings
    return images["pixel_um"].to_numpy()


@pytest.mark.parametrize(
    ("unit", "length"),
    [("nanometer", 650), ("millimeter", 0.00065), ("meter", 6.5e-7), ("angstrom", 6500)],
)
def test_ome_zarr_counts_in_any_unit(tmp_path, unit, length):
    def change(ome):
        for scales in ome.get("multiscales", ()):
            for axis in scales["axes"][1:]:
                axis["unit"] = unit
            (step,) = scales["datasets"][0]["coordinateTransformations"]
            step["scale"] = [1, 1, length, length]

    assert _pixels_of(tmp_path, change) == pytest.approx(PIXEL_UM)


def test_the_scale_of_all_resolutions_comes_on_top_of_that_of_the_first(tmp_path):
    """NGFF 0.5, multiscales: the transformations of all levels are applied after those of each."""

    def change(ome):
        for scales in ome.get("multiscales", ()):
            (step,) = scales["datasets"][0]["coordinateTransformations"]
            step["scale"] = [1, 1, 2, 2]
            whole = {"type": "scale", "scale": [1, 1, PIXEL_UM / 2, PIXEL_UM / 2]}
            scales["coordinateTransformations"] = [whole]

    assert _pixels_of(tmp_path, change) == pytest.approx(PIXEL_UM)


def test_acquisitions_of_a_well_do_not_pass_for_its_fields(tmp_path):
    def change(ome):
        for number, image in enumerate(ome.get("well", {}).get("images", ())):
            image["acquisition"] = number
        if "plate" in ome:
            ome["plate"]["acquisitions"] = [{"id": 0}, {"id": 1}]

    _described_anew(vendor.write_ome_zarr(tmp_path, planes()), change)
    images, (finding,) = find_images(tmp_path)
    assert images.empty and finding.fatal and "well B/2 has 2 acquisitions" in finding.message
    assert "images.csv" in finding.cure


def test_an_image_of_ome_zarr_that_is_no_plate_is_said(tmp_path):
    group = vendor.write_ome_zarr(tmp_path / "raw", planes())
    shutil.copytree(group / "B" / "2" / "0", tmp_path / "alone" / "one.zarr")
    images, (note,) = find_images(tmp_path / "alone")
    assert images.empty and not note.fatal and "one.zarr/zarr.json" in note.cure


@pytest.mark.filterwarnings("error")
def test_names_of_fields_beyond_the_specification_are_read_without_a_warning(tmp_path):
    some = planes()
    group = vendor.write_ome_zarr(tmp_path, some)
    for well in ("B/2", "C/11"):
        (group / well / "0").rename(group / well / "field_0")

    def change(ome):
        for image in ome.get("well", {}).get("images", ()):
            image["path"] = image["path"].replace("0", "field_0")

    _described_anew(group, change)
    images, findings = find_images(tmp_path)
    assert not findings
    _check(images, _expected(some))
