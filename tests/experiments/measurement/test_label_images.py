"""Label images: every number as it was, the width of a pixel, and wells kept with their images."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.configs import measure
from jaxcell.experiments.measurement import measure as measurement
from jaxcell.experiments.measurement.label_images import label_paths, write_label_image
from jaxcell.simulator.plates import simulate_plates

KINDS = ("t_cell", "dendritic_cell")


@pytest.mark.parametrize(
    "largest, dtype",
    [(0, np.uint16), (65_535, np.uint16), (65_536, np.uint32), (89_999, np.uint32)],
)
def test_labels_are_never_wrapped(tmp_path, largest, dtype):
    labels = np.minimum(np.arange(90_000, dtype=np.int32), largest).reshape(300, 300)
    write_label_image(tmp_path / "labels.tif", labels, 0.741)
    read = tifffile.imread(tmp_path / "labels.tif")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, labels)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tif"]


@pytest.mark.parametrize("largest", [7, 70_000])
def test_the_width_of_a_pixel_is_said_as_imagej_reads_it(tmp_path, largest):
    write_label_image(tmp_path / "labels.tif", np.full((20, 30), largest, np.int32), 0.325)
    with tifffile.TiffFile(tmp_path / "labels.tif") as file:
        page = file.pages.first
        for name in ("XResolution", "YResolution"):
            pixels, micrometres = page.tags[name].value
            assert pixels / micrometres == pytest.approx(1 / 0.325, rel=1e-6)
        # 1: no unit of TIFF's own; ImageJ then takes the one that it finds in the description.
        assert page.tags["ResolutionUnit"].value == 1
        assert file.is_imagej and file.imagej_metadata["unit"] == "um"


def test_a_failed_write_leaves_the_old_image(tmp_path, monkeypatch):
    path, old = tmp_path / "labels.tif", np.ones((4, 4), np.int32)
    write_label_image(path, old, 1.0)
    monkeypatch.setattr(tifffile, "imwrite", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_label_image(path, 2 * old, 1.0)
    np.testing.assert_array_equal(tifffile.imread(path), old)


def test_plates_of_any_name_have_a_folder_of_their_own(tmp_path):
    names = ("CK19", "CK.19", "CK/19", "CK 19")
    paths = [label_paths(tmp_path, name, "B02", [1])[1, "t_cell"] for name in names]
    assert len({path.parent for path in paths}) == len(names)
    assert all(path.parent.parent == tmp_path for path in paths)
    assert paths[0].relative_to(tmp_path).as_posix() == "CK19/B02_f1_t_cell.tif"


@pytest.fixture
def plates(tmp_path, monkeypatch):
    # Its figures take longer than all else.
    monkeypatch.setattr(measurement, "write_measurement_report", lambda *_, **__: None)
    folder = tmp_path / "plates"
    simulate_plates(folder, rows=1, columns=2, fields=2, field_size=192, droplet_share=0.0,
                    association={"OVA": 0.1, "ConA": 0.5})  # fmt: skip
    return folder


def _measure(plates, labels):
    config = measure.get_config()
    config.plates.folder = str(plates)
    config.measurement.granularity_steps, config.measurement.labels = 0, labels
    out = plates.parent / "out"
    return out, measurement.measure_plates(config, out, None)


def _listing(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "labels" / "SIM01").iterdir()}


def test_label_images_hold_the_cells_of_the_table(plates):
    out, said = _measure(plates, labels=True)
    assert "labels/PLATE/WELL_f1_t_cell.tif" in said
    cells = pd.read_parquet(out / "cells.parquet")
    assert len(_listing(out)) == 2 * 2 * 2
    for (well, field, kind), own in cells.groupby(["well", "field", "kind"]):
        image = tifffile.imread(out / "labels" / "SIM01" / f"{well}_f{field}_{kind}.tif")
        numbers, pixels = np.unique(image[image > 0], return_counts=True)
        np.testing.assert_array_equal(numbers, own["cell"])
        np.testing.assert_allclose(pixels * 0.741**2, own["area_um2"], rtol=1e-5)


def test_they_are_made_when_asked_for_later_and_kept_like_all_else(plates):
    out, said = _measure(plates, labels=False)
    assert not (out / "labels").exists() and "labels" not in said
    before = pd.read_csv(out / "wells.csv").drop(columns="seconds")
    _measure(plates, labels=True)
    first = _listing(out)
    assert len(first) == 8
    # One image is lost, as by a kill: its well alone is measured anew.
    (out / "labels" / "SIM01" / "B02_f2_t_cell.tif").unlink()
    _measure(plates, labels=True)
    second = _listing(out)
    assert {name for name in first if first[name] != second[name]} == {
        f"B02_f{field}_{kind}.tif" for field in (1, 2) for kind in KINDS
    }
    # Finished numbers need no images, and do not cost those that are there.
    _measure(plates, labels=False)
    assert _listing(out) == second
    after = pd.read_csv(out / "wells.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(after, before)


def test_no_image_outlives_the_field_that_it_is_of(plates):
    out, _ = _measure(plates, labels=True)
    for image in plates.rglob("SIM01 - B - 02(fld 2 *.tif"):
        image.unlink()
    for image in plates.rglob("SIM01 - B - 03(fld 1 wv FITC*.tif"):
        image.write_bytes(image.read_bytes()[:-2] + b"\1\0")
    _measure(plates, labels=False)
    assert not _listing(out)
    _measure(plates, labels=True)
    wells = {"B02": [1], "B03": [1, 2]}
    assert set(_listing(out)) == {
        f"{well}_f{field}_{kind}.tif"
        for well, fields in wells.items() for field in fields for kind in KINDS
    }  # fmt: skip
