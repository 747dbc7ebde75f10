"""A trained network answers the same of one plate in every format."""

from pathlib import Path

import pandas as pd
import pytest
import vendor_plates as vendor
from tiny_plates import make_config

from jaxcell.dataset.source import load_plates
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction.predict import predict_folder
from jaxcell.plates.images import read_view
from jaxcell.plates.tables import write_wells

pytestmark = pytest.mark.slow


def _predicted(run, plates, out):
    predict_folder(run, str(plates), out, {}, skip=False, pixel_um=0.0)
    tables = pd.read_csv(out / "wells.csv"), pd.read_parquet(out / "patches.parquet")
    return [table.sort_values(list(table.columns[:5])) for table in tables]


def test_predictions_are_those_of_the_tiff_plate(tmp_path, monkeypatch):
    config = make_config(tmp_path)
    lifecycle.run(config, tmp_path / "run")
    plates = load_plates(config)
    (plate,) = set(plates.images["plate"])
    monkeypatch.setattr(vendor, "PLATE", plate)
    monkeypatch.setattr(vendor, "PIXEL_UM", config.plates.pixel_um)
    images = plates.images[plates.images["role"] != "brightfield"]
    views = ["t_cell", "dendritic_cell"]
    some = [
        vendor.Plane(row.well, row.field, 1 + views.index(row.role), read_view(row.path))
        for row in images.itertuples()
    ]
    folder = Path(plates.images["path"].iloc[0]).parents[1]
    expected = _predicted(tmp_path / "run", folder, tmp_path / "expected")
    for name, write in (("zarr", vendor.write_ome_zarr), ("xdce", vendor.write_incell)):
        write(tmp_path / name, some)
        write_wells(plates.wells, tmp_path / name / "wells.csv")
        found = _predicted(tmp_path / "run", tmp_path / name, tmp_path / f"{name}-out")
        for ours, theirs in zip(found, expected, strict=True):
            pd.testing.assert_frame_equal(
                ours.reset_index(drop=True), theirs.reset_index(drop=True)
            )
