"""The same simulated plate in other formats gives the same tables, to the last bit."""

from pathlib import Path

import pandas as pd
import pytest
import vendor_plates as vendor
from tiny_plates import make_config

from jaxcell.configs.settings import load_config
from jaxcell.dataset.source import load_plates
from jaxcell.experiments.measurement.measure import measure_plates
from jaxcell.plates.folder import Plates, content_digest, read_plates
from jaxcell.plates.images import read_view
from jaxcell.plates.tables import write_wells

KEY = ["plate", "well", "field", "role"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> tuple[Path, Plates, Path]:
    """A folder of a plate, its tables, and where it was measured."""
    home = tmp_path_factory.mktemp("simulated")
    config = make_config(
        home, plates__simulate__rows=2, plates__simulate__columns=3, plates__simulate__fields=2
    )
    plates = load_plates(config)
    folder = Path(plates.images["path"].iloc[0]).parents[1]
    return folder, plates, _measure(folder, home / "measured")


def _measure(plates: Path, out: Path) -> Path:
    config = load_config("measure")
    config.plates.folder = str(plates)
    config.measurement.granularity_steps = 0
    measure_plates(config, out, None)
    return out


def _xdce(folder, planes):
    vendor.write_incell(folder, planes)


def _zarr(version):
    return lambda folder, planes: vendor.write_ome_zarr(folder, planes, version=version)


@pytest.mark.parametrize(
    "write",
    [_xdce, vendor.write_opera, _zarr("0.4"), _zarr("0.5")],
    ids=["xdce", "opera", "zarr 0.4", "zarr 0.5"],
)
def test_tables_and_measures_are_those_of_the_tiff_plate(tmp_path, monkeypatch, simulated, write):
    _, plates, measured = simulated
    (plate,) = set(plates.images["plate"])
    monkeypatch.setattr(vendor, "PLATE", plate)
    monkeypatch.setattr(vendor, "PIXEL_UM", 0.741)
    images = plates.images[plates.images["role"] != "brightfield"]
    write(
        tmp_path / "plate",
        [
            vendor.Plane(
                row.well, row.field, 1 + (row.role == "dendritic_cell"), read_view(row.path)
            )
            for row in images.itertuples()
        ],
    )
    write_wells(plates.wells, tmp_path / "plate" / "wells.csv")
    views = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
    found = read_plates(tmp_path / "plate", views)
    assert not found.findings
    same = [table.sort_values(KEY)[KEY].reset_index(drop=True) for table in (images, found.images)]
    pd.testing.assert_frame_equal(*same)
    pd.testing.assert_frame_equal(plates.wells, found.wells)
    assert content_digest(found) != content_digest(plates)  # other files, though the same pixels
    out = _measure(tmp_path / "plate", tmp_path / "out")
    tables = [pd.read_csv(home / "wells.csv") for home in (measured, out)]
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds") for table in tables))
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(home / "cells.parquet") for home in (measured, out))
    )
