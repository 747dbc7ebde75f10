import pytest

from jaxcell.plates.find import find_images
from jaxcell.plates.readers.incell import parse


@pytest.mark.parametrize(
    ("name", "well", "field", "view"),
    [
        ("CK19 - B - 02(fld 1 wv FITC - FITC).tif", "B02", 1, "FITC"),
        ("CK19 - B - 2(fld 1 wv FITC - FITC).tif", "B02", 1, "FITC"),
        ("CK19 - P - 24(fld 01 wv TexasRed - TexasRed).TIF", "P24", 1, "TexasRed"),
        ("CK19-B-02 (fld 12 wv FITC - FITC).tiff", "B02", 12, "FITC"),
        ("CK19 -  B  - 02( fld  3  wv Texas Red - TexasRed ).Tiff", "B02", 3, "Texas Red"),
        ("CK19 - B - 02(fld 1 wv TL-Brightfield - FITC).tif", "B02", 1, "TL-Brightfield"),
        ("CK19 - B - 02(fld 1 wv Brightfield).tif", "B02", 1, "Brightfield"),
    ],
)
def test_names_in_the_grammar(name, well, field, view):
    row = {"plate": "CK19", "well": well, "field": field, "view": view, "path": name}
    assert parse(name) == row


@pytest.mark.parametrize(
    ("inside", "more"),
    [
        ("fld 1 wv FITC - FITC z 5", {"z": 5}),
        ("fld 001 wv FITC - FITC z 12 time 003 - 1500 ms", {"z": 12, "time": 3}),
        ("fld 1 wv FITC - FITC time 2", {"time": 2}),
    ],
)
def test_planes_of_focus_and_times_are_read_off_names(inside, more):
    name = f"P1 - AF - 48({inside}).tif"
    assert parse(name) == {
        "plate": "P1", "well": "AF48", "field": 1, "view": "FITC", "path": name
    } | more  # fmt: skip


def test_a_name_without_plate_takes_that_of_its_folder(tmp_path):
    path = tmp_path / "Screen 7" / "B - 2(fld 1 wv DAPI - DAPI).tif"
    path.parent.mkdir()
    path.write_bytes(b"")
    images, findings = find_images(tmp_path)
    assert images[["plate", "well"]].to_numpy().tolist() == [["Screen 7", "B02"]] and not findings


def test_a_plate_id_may_hold_hyphens():
    assert parse("2020-01 CK - B - 02(fld 1 wv FITC - FITC).tif")["plate"] == "2020-01 CK"


@pytest.mark.parametrize(
    "name",
    [
        "overview.tif",
        "CK19 - AG - 02(fld 1 wv FITC - FITC).tif",
        "CK19 - B - 49(fld 1 wv FITC - FITC).tif",
        "CK19 - B - 02(fld x wv FITC - FITC).tif",
        "CK19 - B - 02(fld 1 wv FITC - FITC).png",
        "CK19 - B - 02(fld 1 wv FITC - FITC) copy.tif",
    ],
)
def test_names_outside_the_grammar(name):
    assert parse(name) is None


def test_search_goes_down_and_passes_hidden_files_over(tmp_path):
    good = "CK19 - B - 02(fld 1 wv FITC - FITC).tif"
    for path in (
        f"run/CK19/{good}", f"run/CK19/._{good}", f".trash/{good}", "run/.DS_Store",
        "run/overview.tif", "run/notes.txt", "run/CK19/truth/labels.tif",
    ):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    images, findings = find_images(tmp_path)
    assert images["path"].tolist() == [str(tmp_path / "run" / "CK19" / good)]
    assert [(found.path, found.fatal) for found in findings] == [
        (str(tmp_path / "run" / "overview.tif"), False)
    ]
