"""A well measured in a notebook: the command's own numbers, and a picture of them."""

import numpy as np
import pandas as pd
import pytest
import tifffile
from drawing import ink, words
from matplotlib.figure import Figure

import jaxcell
from jaxcell.configs import measure as defaults
from jaxcell.experiments.measurement.measure import measure_plates
from jaxcell.measures.catalogue import MEASURES
from jaxcell.simulator.plates import simulate_plates


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook") / "plates"
    simulate_plates(folder, rows=1, columns=2, fields=2, field_size=256, droplet_share=0.0,
                    association={"OVA": 0.1, "ConA": 0.5})  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def commanded(folder):
    """What the command leaves of the same plate, all its settings the default."""
    config = defaults.get_config()
    config.plates.folder, config.measurement.labels = str(folder), True
    measure_plates(config, folder.parent / "out", None)
    return folder.parent / "out"


@pytest.fixture(scope="module")
def found(folder):
    return jaxcell.measure(jaxcell.read_plate(folder)["B03"])


def test_numbers_are_those_of_the_command_to_the_last_digit(found, commanded):
    wells = pd.read_csv(commanded / "wells.csv", float_precision="round_trip")
    row = wells[wells["well"] == "B03"].iloc[0]
    assert set(MEASURES) | {"t_cells", "dendritic_cells", "chance_p"} <= set(found.measures.index)
    for name, value in found.measures.items():
        assert value == row[name], name
    assert found.answer == row["answer"]
    cells = pd.read_parquet(commanded / "cells.parquet")
    cells = cells[cells["well"] == "B03"].reset_index(drop=True)
    assert len(cells) > 20 and "granularity_6" in found.cells
    pd.testing.assert_frame_equal(found.cells, cells[list(found.cells)], check_exact=True)


def test_labels_are_those_of_the_command(found, commanded):
    assert list(found.labels) == [1, 2]
    for field, kinds in found.labels.items():
        assert list(kinds) == ["t_cell", "dendritic_cell"]
        for kind, labels in kinds.items():
            assert labels.dtype == np.int32
            path = commanded / "labels" / "SIM01" / f"B03_f{field}_{kind}.tif"
            np.testing.assert_array_equal(labels, tifffile.imread(path))


def test_every_number_has_a_unit(found):
    units = found.measures.attrs["units"]
    assert set(units) == set(found.measures.index) and found.measures.dtype == float
    assert units["contact_share"] == "%" and units["distance_um"] == "µm"
    assert "1.5 µm" in found.measures.attrs["definitions"]["contact_share"]
    said = repr(found)
    assert f"{found.measures['contact_share']:.5g} %" in said and found.answer in said


def test_settings_change_what_is_measured_and_said(folder):
    well = jaxcell.read_plate(folder)["B02"]
    usual = jaxcell.measure(well, granularity_steps=0)
    wide = jaxcell.measure(well, contact_um=20, granularity_steps=0)
    assert wide.measures["contact_share"] > usual.measures["contact_share"]
    assert "20 µm" in wide.measures.attrs["definitions"]["contact_share"]
    assert "granularity_1" not in wide.cells
    few = jaxcell.measure(well, minimum_area_um2=60.0, granularity_steps=0)
    assert few.measures["t_cells"] < usual.measures["t_cells"]
    # No setting stays behind.
    assert jaxcell.measure(well, granularity_steps=0).measures.equals(usual.measures)


@pytest.mark.parametrize(
    "settings, error, words",
    [
        ({"contact": 2.0}, TypeError, "no setting 'contact'.*mean contact_um"),
        ({"threads": 2}, TypeError, "no setting 'threads'"),
        ({"contact_um": -1.0}, ValueError, "contact_um is -1"),
        ({"mask_method": "by_eye"}, ValueError, "by_eye.*two_means"),
        ({"segmentation": "/nowhere"}, ValueError, "/nowhere"),
    ],
)
def test_settings_that_make_no_sense_are_refused(folder, settings, error, words):
    with pytest.raises(error, match=words):
        jaxcell.measure(jaxcell.read_plate(folder)["B03"], **settings)


def test_the_picture_has_the_cells_their_outlines_and_a_scale_bar(found):
    axes = found.show(field=2)
    said = words(axes.figure)
    counts = {kind: labels.max() for kind, labels in found.labels[2].items()}
    assert f"SIM01 B03, field 2 {counts['t_cell']} T cells" in said
    assert f"{counts['dendritic_cell']} dendritic cells" in said
    assert "50 µm" in said and ink(axes.figure) > 0.5
    (bar,) = axes.lines
    assert np.ptp(bar.get_xdata()) * 0.741 == pytest.approx(50)
    # In pixels, so that the places of the table of cells fall on their cells.
    assert axes.get_xlim() == (-0.5, 255.5) and axes.get_ylim() == (255.5, -0.5)
    # A line round every cell, of its own kind, where the cell is.
    assert len(axes.collections) == 2
    for lines, labels in zip(axes.collections, found.labels[2].values()):
        assert len(lines.get_paths()) >= labels.max() > 0
        corners = np.concatenate([path.vertices for path in lines.get_paths()])
        y, x = np.nonzero(labels)
        assert np.ptp(corners, axis=0) == pytest.approx((np.ptp(x) + 1, np.ptp(y) + 1))


def test_it_draws_where_it_is_told_to(found):
    axes = Figure().add_subplot()
    assert found.show(axes=axes) is axes and "field 1" in axes.get_title("left")
    with pytest.raises(ValueError, match="SIM01 B03 has no field 3: its fields are 1, 2"):
        found.show(field=3)


def test_a_broken_image_is_named(folder, tmp_path):
    plate = jaxcell.read_plate(folder)
    plate.images.loc[plate.images["well"] == "B02", "path"] = str(tmp_path / "gone.tif")
    with pytest.raises(ValueError, match="SIM01 B02, field 1: there is no such file.*gone.tif"):
        jaxcell.measure(plate["B02"])
