"""A new measure is one entry: wells, patches, data sets, tables and the report follow from it."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.cells.labelling import label_cells
from jaxcell.configs import measure as settings
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.dataset.patches import label
from jaxcell.experiments.measurement.measure import measure_plates
from jaxcell.measures.catalogue import MEASURES, TARGETS, Measure, Quantity
from jaxcell.measures.field import Field
from jaxcell.measures.patch import measure_patches
from jaxcell.measures.well import measure_well, record_field
from jaxcell.simulator.field import simulate_field
from jaxcell.simulator.plates import simulate_plates

DEFINITION = "Largest T cell of all fields, in hundreds of pixels <over> all."


@pytest.fixture
def toy(monkeypatch) -> str:
    """The name of a measure that is in the catalogue for the length of a test."""

    def record(field: Field) -> int:
        return int(np.bincount(field.cells(0).ravel(), minlength=2)[1:].max())

    def reduce(records) -> float:
        return max(records) / 100

    quantity = Quantity("toy", "largest T cell", "hundreds", 0, None, DEFINITION)
    monkeypatch.setitem(MEASURES, "toy", Measure(quantity, record, reduce))
    return "toy"


def _largest(mask: np.ndarray) -> float:
    return np.bincount(label_cells(mask).ravel())[1:].max() / 100


def test_every_measure_is_entered_under_its_own_name_with_bounds_in_order():
    for name, measure in TARGETS.items():
        quantity = measure.quantity
        assert quantity.name == name
        if None not in (quantity.minimum, quantity.maximum):
            assert quantity.minimum < quantity.maximum


def test_units_and_digits_of_differences():
    share, correlation = (MEASURES[name].quantity for name in ("iou", "pearson"))
    assert (share.difference_unit, share.digits) == ("percentage points", 2)
    assert (correlation.difference_unit, correlation.digits) == ("", 3)


def test_wells_and_patches_follow_from_an_entry(toy):
    field = simulate_field(np.random.default_rng(0), 256, 0.3, droplet_share=0)
    views, masks = field.views[:2], field.labels > 0
    labels = np.stack([label_cells(mask) for mask in masks])
    records = [record_field(views, masks, labels, pixel_um=0.741)]
    records.append(record_field(views, masks[::-1], labels[::-1], pixel_um=0.741))
    assert measure_well(records)[toy] == max(map(_largest, masks))
    assert measure_well(records[:1])[toy] == _largest(masks[0])

    patch, inside = (np.moveaxis(each, 0, -1)[None] for each in (views, masks))
    found = measure_patches(patch, inside, toy, pixel_um=0.741)
    np.testing.assert_array_equal(found, np.float32(_largest(masks[0])))
    coded = (masks[0] + 2 * masks[1]).astype(np.uint8)[None]
    np.testing.assert_array_equal(label(patch, coded, toy)["target"], found)
    assert ImmuneCellsConfig(name="unnamed", target=toy).target == toy


def test_the_tables_and_the_page_of_a_measurement_follow_from_an_entry(toy, tmp_path):
    simulate_plates(tmp_path / "plates", rows=1, columns=3, fields=1, field_size=192)
    config = settings.get_config()
    config.plates.folder, config.measurement.granularity_steps = str(tmp_path / "plates"), 0
    measure_plates(config, tmp_path / "out", None)
    wells = pd.read_csv(tmp_path / "out" / "wells.csv").set_index("well")
    cells = pd.read_parquet(tmp_path / "out" / "cells.parquet")
    largest = cells[cells["kind"] == "t_cell"].groupby("well")["area_um2"].max() / 0.741**2 / 100
    assert len(wells) == 3
    np.testing.assert_allclose(wells[toy], largest.reindex(wells.index), rtol=1e-5)
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Largest T cell, hundreds" in page and "&lt;over&gt; all." in page
