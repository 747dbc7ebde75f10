"""Single cells and pairs, one small TIFF an object and channel, measured one by one."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.configs import measure
from jaxcell.experiments.measurement.measure import measure_plates

PIXEL_UM = 0.5


def _pair(number):
    """Light of a T cell and a dendritic cell, further apart with every object, and the true cells;
    sizes differ."""
    random = np.random.default_rng(number)
    height, width = 40 + number % 5, 30 + number % 3
    y, x = np.mgrid[:height, :width]
    light, cells = [], []
    for row, radius in ((10, 5.0), (15 + number, 6.0)):
        disc = 1 / (1 + np.exp(2 * (np.hypot(y - row, x - 14) - radius)))
        light.append(np.rint(200 + 1500 * disc + random.normal(0, 5, y.shape)))
        cells.append(disc > 0.5)
    return np.array(light, np.uint16), np.array(cells, np.uint16)


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flow")
    for place in ("images", "labels"):
        (folder / place).mkdir()
    for number in range(12):
        for channel, image, cells in zip(("Ch2", "Ch5"), *_pair(number)):
            name = f"S1_{number}_{channel}"
            tifffile.imwrite(folder / "images" / f"{name}.ome.tif", image)
            tifffile.imwrite(folder / "labels" / f"{name}_labels.tif", cells)
    return folder


def _measured(folder, name, **settings):
    config = measure.get_config()
    config.plates.update({"folder": str(folder / "images"), "pixel_um": PIXEL_UM})
    config.plates.views.update({"t_cell": "Ch2", "dendritic_cell": "Ch5"})
    config.measurement.update({"granularity_steps": 2, **settings})
    said = measure_plates(config, folder / name, "stained")
    return folder / name, said


@pytest.fixture(scope="module")
def measured(flow):
    return _measured(flow, "by_labels", labels_from=str(flow / "labels"))


def test_both_cells_of_a_pair_are_found(flow):
    fields = pd.read_csv(_measured(flow, "by_masks")[0] / "fields.csv")
    assert (fields["t_cells"] == 1).all() and (fields["dendritic_cells"] == 1).all()
    assert fields["overlap_share"].is_monotonic_decreasing and fields["overlap_share"].iloc[-1] == 0
    # As with the true cells: the first touch, the last are apart.
    apart = fields["distance_um"].to_numpy()
    assert apart[0] == 0 and apart[-1] > 0 and (np.diff(apart) >= 0).all()


def test_every_pair_has_a_row(measured):
    out, said = measured
    fields, cells = pd.read_csv(out / "fields.csv"), pd.read_parquet(out / "cells.parquet")
    assert list(fields["field"]) == list(range(12)) and set(fields["plate"]) == {"S1"}
    assert (fields["answer"] == "cannot be said").all() and fields["chance_z"].isna().all()
    assert (fields["t_cells"] == 1).all() and (fields["dendritic_cells"] == 1).all()
    # As the two part, overlap falls, and distance rises by a pixel an object.
    assert fields["overlap_share"].is_monotonic_decreasing and fields["overlap_share"].iloc[-1] == 0
    apart = fields["distance_um"].to_numpy()
    np.testing.assert_allclose(np.diff(apart[apart > 0]), PIXEL_UM, atol=0.26)
    assert apart[0] == 0 and apart[-1] > 0
    t_cell = cells[cells["kind"] == "t_cell"].set_index("field")
    np.testing.assert_allclose(fields["t_cell_area_um2"], t_cell["area_um2"], rtol=1e-6)
    # It is the same cell, whatever the crop and wherever the other one lies.
    assert fields["t_cell_area_um2"].std() < 0.01 * fields["t_cell_area_um2"].mean()
    assert np.isfinite(cells["granularity_1"]).all()
    well = pd.read_csv(out / "wells.csv").iloc[0]
    assert well["fields"] == well["t_cells"] == 12 and well["answer"] == "cannot be said"
    assert "no answer in any of 1 wells" in said and (out / "report" / "index.html").exists()
