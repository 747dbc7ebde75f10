"""Plates and wells by name: what is asked for and no more, and errors that name what there is."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

import jaxcell
from jaxcell.plates.findings import BadPlates
from jaxcell.plates.readers import tiff
from jaxcell.simulator.plates import simulate_plates


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook") / "made"
    simulate_plates(folder, rows=2, columns=3, fields=2, field_size=128)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """One to be damaged."""
    return shutil.copytree(made, tmp_path / "plates")


def _image(folder, well, field, view):
    place = f"{well[0]} - {well[1:]}"
    return folder / "SIM01" / f"SIM01 - {place}(fld {field} wv {view} - {view}).tif"


def test_a_well_has_its_images_and_its_layout(made):
    plate = jaxcell.read_plate(made)
    assert [well.name for well in plate] == ["B02", "B03", "B04", "C02", "C03", "C04"]
    assert len(plate) == 6 and "B02" in plate and "B05" not in plate and "nonsense" not in plate
    well = plate["B03"]
    assert (well.plate, well.name) == ("SIM01", "B03")
    assert list(well.images) == [1, 2]
    for field, views in well.images.items():
        assert views.dtype == np.uint16 and views.shape == (128, 128, 2)
        for at, view in enumerate(("FITC", "TexasRed")):
            expected = tifffile.imread(_image(made, "B03", field, view))
            np.testing.assert_array_equal(views[..., at], expected)
        with pytest.raises(ValueError, match="read-only"):
            views[0, 0] = 0
    row = plate.wells.set_index("well").loc["B03"]
    assert (well.condition, well.compound, well.role) == (row.condition, row.compound, row.role)
    assert well.condition and well.role in ("sample", "vehicle", "untreated")
    np.testing.assert_equal(well.concentration_um, row.concentration_um)
    assert "SIM01 B03" in repr(well) and well.condition in repr(well)
    assert "6 wells with images" in repr(plate)


@pytest.mark.parametrize("name", ["B02", "b2", "B2", "B - 02"])
def test_a_well_is_found_however_it_is_written(made, name):
    assert jaxcell.read_plate(made)[name].name == "B02"


def test_no_image_is_opened_before_it_is_asked_for(folder, monkeypatch):
    _image(folder, "B02", 1, "FITC").write_bytes(b"not an image")
    opened = []
    real = tiff._opened
    monkeypatch.setattr(tiff, "_opened", lambda path, act: opened.append(path) or real(path, act))
    plate = jaxcell.read_plate(folder)
    assert plate["B02"].condition and list(plate) and not opened
    assert plate["B03"].images and len(opened) == 4
    with pytest.raises(ValueError, match=r"SIM01 B02, field 1: .*not a TIFF.*B - 02\(fld 1"):
        plate["B02"].images  # noqa: B018


def test_what_is_not_there_is_said_with_what_is(made, tmp_path):
    plate = jaxcell.read_plate(made)
    with pytest.raises(
        KeyError, match="made has no images of a well 'B2x': there are B02.*C04.*mean B02"
    ) as e:
        plate["B2x"]
    assert not str(e.value).startswith('"')
    with pytest.raises(KeyError, match="has no plate 'SIM1': there are SIM01"):
        plate["SIM1", "B02"]
    with pytest.raises(ValueError, match=r"views .*GFP(.|\n)*its views are Brightfield, FITC"):
        jaxcell.read_plate(
            made, views={"t_cell": "GFP", "dendritic_cell": "RFP", "brightfield": ""}
        )
    with pytest.raises(ValueError, match="no kind 'tcell'.* t_cell"):
        jaxcell.read_plate(made, views={"tcell": "FITC"})
    with pytest.raises(ValueError, match="no such folder.*nowhere"):
        jaxcell.read_plate(tmp_path / "nowhere")


def test_of_several_plates_one_is_named(folder):
    other = folder / "SIM02"
    other.mkdir()
    for image in (folder / "SIM01").glob("*B - 02*.tif"):
        shutil.copy(image, other / image.name.replace("SIM01", "SIM02"))
    plate = jaxcell.read_plate(folder)
    with pytest.raises(KeyError, match=r'2 plates, SIM01, SIM02.*plate\["SIM01", "B02"\]'):
        plate["B02"]
    assert plate["SIM02", "B02"].plate == "SIM02" and plate["SIM02", "B02"].condition == ""
    assert plate["SIM01", "B02"].condition and len(plate) == 7
    assert ("SIM02", "B02") in plate and ("SIM02", "B03") not in plate


def test_the_views_are_those_that_are_named(folder):
    for image in folder.rglob("*FITC*.tif"):
        image.rename(image.with_name(image.name.replace("FITC", "GFP")))
    with pytest.raises(BadPlates, match="no image of the plate is a FITC view.*GFP"):
        jaxcell.read_plate(folder)["B02"].images  # noqa: B018
    well = jaxcell.read_plate(folder, views={"t_cell": "GFP"})["B02"]
    expected = tifffile.imread(_image(folder, "B02", 1, "GFP"))
    np.testing.assert_array_equal(well.images[1][..., 0], expected)


def test_a_problem_stops_only_what_needs_what_is_wrong(folder):
    _image(folder, "B02", 2, "TexasRed").unlink()
    plate = jaxcell.read_plate(folder)
    assert "problem" in repr(plate) and plate["B02"].condition
    with pytest.raises(BadPlates, match="B02, field 2 has no TexasRed view"):
        plate["B02"].images  # noqa: B018
    assert plate["B03"].images


def test_a_layout_that_contradicts_another_is_believed_nowhere(folder):
    table = jaxcell.read_plate(folder).wells
    for name, condition in (("one", "OVA"), ("two", "ConA")):
        (folder / name).mkdir()
        changed = table.assign(
            condition=table["condition"].where(table["well"] != "B02", condition)
        )
        changed.to_csv(folder / name / "wells.csv", index=False)
        # A table counts where it lies on the way to an image.
        image = _image(folder, "B02" if name == "one" else "B03", 1, "FITC")
        shutil.move(image, folder / name / image.name)
    plate = jaxcell.read_plate(folder)
    with pytest.raises(BadPlates, match="differ"):
        plate["B02"].condition  # noqa: B018
    assert plate["B02"].images and plate["B03"].condition


def test_tables_are_tidy(made):
    plate = jaxcell.read_plate(made)
    assert list(plate.images)[:5] == ["plate", "well", "field", "view", "path"]
    assert set(plate.images["role"]) == {"t_cell", "dendritic_cell", "brightfield"}
    assert not plate.wells.duplicated(["plate", "well"]).any()
    assert isinstance(plate.wells["concentration_um"].dtype, type(pd.Series([0.5]).dtype))
