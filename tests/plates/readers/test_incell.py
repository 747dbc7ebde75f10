import pytest

from jaxcell.plates.readers.incell import find_images, parse


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
    assert parse(name) == {"plate": "CK19", "well": well, "field": field, "view": view}


def test_a_plate_id_may_hold_hyphens():
    assert parse("2020-01 CK - B - 02(fld 1 wv FITC - FITC).tif")["plate"] == "2020-01 CK"


@pytest.mark.parametrize(
    "name",
    [
        "overview.tif",
        "CK19 - Q - 02(fld 1 wv FITC - FITC).tif",
        "CK19 - B - 25(fld 1 wv FITC - FITC).tif",
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
