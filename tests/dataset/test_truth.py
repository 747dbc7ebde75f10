from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.dataset.fields import cut_fields, select_fields
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.dataset.truth import MASKS, light_of, read_ceiling, read_labels, read_truth
from jaxcell.measures import truth
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.plates.folder import read_plates
from jaxcell.simulator.ceiling import ceiling
from jaxcell.simulator.plates import simulate_plates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("truth") / "plates"
    simulate_plates(
        folder, plates=2, rows=1, columns=3, field_size=384, seed=3, light=("base", "dim")
    )
    return read_plates(folder, VIEWS)


def _fields(plates, target="bound_share"):
    config = ImmuneCellsConfig(name="t", split_by="none", target=target)
    return select_fields(plates, config), config


def test_the_ceiling_is_of_all_wells_and_of_no_plate_without_their_truth(plates):
    homes = sorted({Path(path).parent for path in plates.images["path"]})
    wells = pd.concat(pd.read_parquet(home / "truth" / "wells.parquet") for home in homes)
    assert len(homes) == 2 and read_ceiling(plates) == ceiling(wells)
    elsewhere = plates.images.assign(path="/nowhere/a.tif")
    assert read_ceiling(plates._replace(images=elsewhere)) is None


def test_the_map_of_a_field_holds_its_masks_and_every_t_cell(plates):
    fields, _ = _fields(plates)
    for field in fields.itertuples():
        found, labels = read_truth(field), read_labels(field)
        assert np.array_equal(found & 1 > 0, labels[..., 0] > 0)
        assert np.array_equal(found & 2 > 0, labels[..., 1] > 0)
        folder = Path(field.t_cell).parent / "truth"
        cells, contacts = (pd.read_parquet(folder / f"{n}.parquet") for n in ("cells", "contacts"))
        own = cells[(cells["well"] == field.well) & (cells["type"] == "t_cell")]
        touching = contacts[contacts["well"] == field.well]["t_cell"].nunique()
        amounts = truth.record(found)
        assert amounts[3:].tolist() == [len(own), touching, own["bound"].sum()]


def test_patches_carry_the_truth_and_what_every_mask_says(plates):
    for target in TRUTHS:
        fields, config = _fields(plates, target)
        for field, patches, corners, labels in cut_fields(fields[:1], config, {}):
            whole = read_truth(field)
            for patch, (y, x), value in zip(labels["masks"], corners, labels["target"]):
                assert np.array_equal(patch, whole[y : y + 192, x : x + 192])
                assert value == pytest.approx(TRUTHS[target].reduce([truth.record(patch)]))
            assert {f"by_{name}" for name in MASKS} <= labels.keys()
            assert len(patches) == len(labels["by_otsu"]) == 4


def test_each_plate_has_the_next_light(plates):
    fields, _ = _fields(plates)
    assert {field.plate: light_of(field) for field in fields.itertuples()} == {
        "SIM01": "base",
        "SIM02": "dim",
    }


def test_plates_without_truth_are_refused_by_name(tmp_path):
    path = tmp_path / "P - A - 01(fld 1 wv FITC - FITC).tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint16))
    field = SimpleNamespace(plate="P", well="A01", field=1, t_cell=str(path))
    with pytest.raises(ValueError, match="P A01.*field 1 are not known"):
        read_truth(field)
