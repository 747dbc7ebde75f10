"""Flat fields: found again from fields lit unevenly, one a plate and view, kept with the data."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.dataset import flat_field, immune_cells
from jaxcell.dataset.batches import open_examples
from jaxcell.dataset.flat_field import (
    correct,
    estimate_flat_fields,
    read_flat_fields,
    write_flat_fields,
)
from jaxcell.dataset.illumination import DARK, correct_field
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.dataset.patches import label
from jaxcell.plates.folder import Plates, read_plates, require_good
from jaxcell.simulator.plates import simulate_plates

KEY = ["plate", "role"]
VIEWS = ("t_cell", "dendritic_cell")


def _light(plate: int, view: int) -> np.ndarray:
    """Light that falls off towards another side on each plate and in each view."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    side = (y, x, -y, -x)[2 * plate + view]
    light = 1 + 0.3 * side
    return light / light.mean()


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> pd.DataFrame:
    """Two plates of twenty-four fields: a background of 1,000 counts and a few bright squares."""
    folder, rows = tmp_path_factory.mktemp("lit"), []
    random = np.random.default_rng(0)
    for plate in (0, 1):
        for well in range(24):
            for view, role in enumerate(VIEWS):
                field = np.full((96, 96), 952.0)
                for y, x in random.integers(0, 88, (4, 2)):
                    field[y : y + 8, x : x + 8] = 3000
                field = field * _light(plate, view) + random.normal(DARK, 10, field.shape)
                path = folder / f"{plate} {well} {role}.tif"
                tifffile.imwrite(path, field.round().astype(np.uint16))
                rows.append((f"P {plate}", f"A{well + 1:02d}", 1, role, str(path)))
    return pd.DataFrame(rows, columns=["plate", "well", "field", "role", "path"])


def test_the_light_of_each_plate_and_view_is_found(images):
    found = estimate_flat_fields(images)
    assert set(found) == {(f"P {plate}", role) for plate in (0, 1) for role in VIEWS}
    for plate in (0, 1):
        for view, role in enumerate(VIEWS):
            field = found[f"P {plate}", role]
            assert field.dtype == np.float32 and field.mean() == pytest.approx(1, abs=1e-3)
            np.testing.assert_allclose(field, _light(plate, view), atol=0.06)


def test_fields_are_taken_from_all_over_the_plate(images, monkeypatch):
    seen = []
    monkeypatch.setattr(flat_field, "MOST_FIELDS", 12)
    monkeypatch.setattr(
        flat_field, "estimate_flat_field", lambda fields: seen.append(len(list(fields)))
    )
    read = flat_field.read_view
    paths = []
    monkeypatch.setattr(flat_field, "read_view", lambda path: paths.append(path) or read(path))
    estimate_flat_fields(images)
    assert seen == [12] * 4 and len(set(paths)) == 48
    wells = sorted(int(path.stem.split()[1]) for path in paths[:12])
    assert wells[0] == 0 and wells[-1] == 23 and max(np.diff(wells)) <= 3


def test_a_field_is_corrected_view_by_view(images):
    flat = estimate_flat_fields(images)
    views = np.stack([DARK + 952 * _light(1, view) for view in (0, 1)], axis=-1)
    views = views.astype(np.uint16)
    corrected = correct(views, "P 1", VIEWS, flat)
    assert corrected.dtype == np.uint16 and corrected.shape == views.shape
    assert corrected.std() < 0.2 * views.std()
    for view, role in enumerate(VIEWS):
        expected = correct_field(np.ascontiguousarray(views[..., view]), flat["P 1", role])
        np.testing.assert_array_equal(corrected[..., view], expected)


def test_too_few_fields_name_the_plate_and_the_cure(images):
    few = images[images["well"] == "A01"]
    with pytest.raises(ValueError, match="plate P 0, view .*flat_field=False"):
        estimate_flat_fields(few)


def test_fields_of_two_sizes_name_the_plate_and_the_cure(images, tmp_path):
    odd = tmp_path / "odd.tif"
    tifffile.imwrite(odd, np.zeros((64, 96), np.uint16))
    changed = images.copy()
    changed.loc[0, "path"] = str(odd)
    with pytest.raises(ValueError, match="plate P 0, view t_cell.*64 x 96.*flat_field=False"):
        estimate_flat_fields(changed)


def test_estimates_are_kept_whole_and_read_back(images, tmp_path):
    assert read_flat_fields(tmp_path) == {}
    flat = {("P 1 b", "t_cell"): np.ones((3, 4), np.float32)}
    write_flat_fields(tmp_path, flat)
    assert os.listdir(tmp_path) == ["flat_fields.npz"]
    (key,), (field,) = zip(*read_flat_fields(tmp_path).items())
    assert key == ("P 1 b", "t_cell") and field.dtype == np.float32 and field.shape == (3, 4)


@pytest.fixture(scope="module")
def plates(tmp_path_factory) -> Plates:
    """A plate of twelve wells."""
    folder = tmp_path_factory.mktemp("plates") / "simulated"
    simulate_plates(folder, plates=1, rows=2, columns=6, field_size=200)
    return require_good(read_plates(folder, {"t_cell": "FITC", "dendritic_cell": "TexasRed"}))


def test_a_data_set_is_of_corrected_fields_and_keeps_what_they_were_corrected_by(
    plates, tfds_folder
):
    plain, even = (
        ImmuneCellsConfig(name="x", split_by="none", window=96, flat_field=flat)
        for flat in (False, True)
    )
    builder = build(plates, even, tfds_folder)
    flat = read_flat_fields(Path(builder.data_path))
    names = plates.wells["plate"].unique()
    assert set(flat) == {(plate, view) for plate in names for view in VIEWS}
    before = open_examples(build(plates, plain, tfds_folder), 1.0)
    after = open_examples(builder, 1.0)
    for row in after.table.itertuples():
        for view, name in enumerate(VIEWS):
            field = flat[row.plate, name][row.y : row.y + 96, row.x : row.x + 96]
            expected = correct_field(
                np.ascontiguousarray(before.images[row.Index, ..., view]), field
            )
            np.testing.assert_array_equal(after.images[row.Index, ..., view], expected)
    np.testing.assert_array_equal(
        after.table["overlap"].to_numpy(np.float32), label(after.images)["overlap"]
    )
    assert read_flat_fields(Path(build(plates, plain, tfds_folder).data_path)) == {}


def test_the_whole_plate_is_looked_at_for_the_light_of_a_subset(plates, tmp_path, monkeypatch):
    looked = []

    def estimate(images):
        looked.append(images)
        return {key: np.ones((200, 200), np.float32) for key, _ in images.groupby(KEY)}

    monkeypatch.setattr(immune_cells, "estimate_flat_fields", estimate)
    settings = {"subset": "dmso", "split_by": "none", "flat_field": True}
    build(plates, ImmuneCellsConfig(name="x", window=96, **settings), tmp_path)
    (images,) = looked
    assert set(images["role"]) == set(VIEWS)
    assert set(images.groupby(KEY)["well"].nunique()) == {12}
