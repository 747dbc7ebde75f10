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
    FlatField,
    correct,
    correct_field,
    estimate_flat_field,
    estimate_flat_fields,
    read_flat_fields,
    write_flat_fields,
)
from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build
from jaxcell.dataset.patches import label
from jaxcell.plates.folder import Plates, read_plates, require_good
from jaxcell.simulator.plates import simulate_plates

KEY = ["plate", "role"]
DARK = 48
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
            field, dark = found[f"P {plate}", role]
            assert dark == pytest.approx(DARK, abs=60)
            assert field.dtype == np.float32 and field.mean() == pytest.approx(1, abs=1e-3)
            np.testing.assert_allclose(field, _light(plate, view), atol=0.06)


def test_fields_are_taken_from_all_over_the_plate(images, monkeypatch):
    seen = []
    monkeypatch.setattr(flat_field, "MOST_FIELDS", 12)
    monkeypatch.setattr(
        flat_field, "estimate_flat_field", lambda fields, _: seen.append(len(list(fields)))
    )
    read = flat_field.read_view
    paths = []
    monkeypatch.setattr(flat_field, "read_view", lambda path: paths.append(path) or read(path))
    estimate_flat_fields(images)
    assert seen == [12] * 4 and len(set(paths)) == 48
    wells = sorted(int(Path(path).stem.split()[1]) for path in paths[:12])
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
    levels = {("P 1 b", "t_cell"): 100.5, ("dark", "counts"): 7.0}
    write_flat_fields(
        tmp_path,
        {key: FlatField(np.full((3, 4), dark, np.float32), dark) for key, dark in levels.items()},
    )
    assert os.listdir(tmp_path) == ["flat_fields.npz"]
    found = read_flat_fields(tmp_path)
    assert {key: dark for key, (_, dark) in found.items()} == levels
    for light, dark in found.values():
        assert light.dtype == np.float32 and light.shape == (3, 4) and (light == dark).all()


def test_estimates_of_earlier_versions_have_the_level_they_were_made_with(tmp_path):
    np.savez(tmp_path / "flat_fields.npz", **{"P t_cell": np.ones((3, 4), np.float32)})
    assert read_flat_fields(tmp_path)["P", "t_cell"].dark == 48


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
            light, dark = flat[row.plate, name]
            field = FlatField(light[row.y : row.y + 96, row.x : row.x + 96], dark)
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

    def estimate(images, dark_counts):
        looked.append(images)
        even = FlatField(np.ones((200, 200), np.float32), dark_counts)
        return {key: even for key, _ in images.groupby(KEY)}

    monkeypatch.setattr(immune_cells, "estimate_flat_fields", estimate)
    settings = {"subset": "dmso", "split_by": "none", "flat_field": True}
    build(plates, ImmuneCellsConfig(name="x", window=96, **settings), tmp_path)
    (images,) = looked
    assert set(images["role"]) == set(VIEWS)
    assert set(images.groupby(KEY)["well"].nunique()) == {12}


SIZE = 640


def _illumination(height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """A tilted bowl of mean 1, brightest near the middle, float64 [height, width]."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    light = 1 + 0.1 * x - 0.06 * y - 0.1 * (x * x + y * y)
    return light / light.mean()


def _field(seed: int, illumination: np.ndarray, cells: int = 110) -> np.ndarray:
    """Bright discs on a glow that differs from field to field, under a lamp, uint16."""
    rng = np.random.default_rng(seed)
    height, width = illumination.shape
    light = np.full((height, width), 230 * np.exp(0.3 * rng.standard_normal()))
    y, x = np.mgrid[-7:8, -7:8]
    disc = y * y + x * x < 49
    for top, left in rng.integers(0, (height - 15, width - 15), (cells, 2)):
        light[top : top + 15, left : left + 15][disc] += rng.lognormal(7, 0.5)
    light *= illumination
    noisy = light + rng.normal(0, np.sqrt(0.3 * light + 16))
    return np.clip(np.rint(noisy + DARK), 0, 4095).astype(np.uint16)


@pytest.mark.parametrize("shape", [(SIZE, SIZE), (500, 637)])
def test_a_known_illumination_is_recovered(shape):
    truth = _illumination(*shape)
    fields = [_field(seed, truth) for seed in range(12)]
    known, flat = (estimate_flat_field(fields, dark).light for dark in (DARK, 0))
    assert flat.dtype == np.float32 and flat.shape == shape
    assert flat.mean() == pytest.approx(1, abs=1e-5) and flat.min() > 0
    assert np.abs(known / truth - 1).max() < 0.02 and np.std(known / truth) < 0.005
    assert np.abs(flat / truth - 1).max() < 0.03 and np.std(flat / truth) < 0.01


def test_even_fields_stay_even():
    even = np.ones((SIZE, SIZE))
    flat = estimate_flat_field(np.stack([_field(seed, even) for seed in range(8)])).light
    assert np.abs(flat - 1).max() < 0.015
    exact = estimate_flat_field(np.full((8, 40, 40), 700, np.uint16)).light
    np.testing.assert_array_equal(exact, 1)


def test_correction_evens_the_background_and_keeps_the_dark_level():
    truth = _illumination()
    flat = estimate_flat_field(_field(seed, truth) for seed in range(12))
    field = _field(99, truth, cells=0)

    def unevenness(image):
        """Range of the means of blocks, as a share of their mean."""
        blocks = image.reshape(8, SIZE // 8, 8, SIZE // 8).mean((1, 3)) - DARK
        return np.ptp(blocks) / blocks.mean()

    even = correct_field(field, flat)
    assert even.dtype == np.uint16
    assert unevenness(field) > 0.25 and unevenness(even) < 0.03
    known = estimate_flat_field((_field(seed, truth) for seed in range(12)), DARK)
    dark = np.full(truth.shape, DARK, np.uint16)
    np.testing.assert_array_equal(correct_field(dark, known), dark)


def test_droplets_in_a_few_fields_and_wells_without_light_do_not_matter():
    truth = _illumination()
    fields = [_field(seed, truth) for seed in range(12)]
    clean = estimate_flat_field(fields).light
    fields[3][40:160, 40:160] = 50
    fields[7][100:300, 20:200] = 60
    fields.append(np.zeros_like(fields[0]))
    assert np.abs(estimate_flat_field(fields).light / clean - 1).max() < 0.02


def test_correction_rounds_and_clips():
    flat = FlatField(np.array([[0.5, 2.0, 1.0]], np.float32), 48.0)
    field = np.array([[65535, 0, 77]], np.uint16)
    np.testing.assert_array_equal(correct_field(field, flat), [[65535, 24, 77]])


def test_too_few_dark_or_differing_fields_are_refused_with_the_cure():
    fields = np.full((8, 32, 32), 500, np.uint16)
    with pytest.raises(ValueError, match="7 of 7 fields.*give more fields"):
        estimate_flat_field(fields[:7])
    with pytest.raises(ValueError, match="0 of 0"):
        estimate_flat_field([])
    with pytest.raises(ValueError, match="0 of 8 fields.*dark level"):
        estimate_flat_field(np.full_like(fields, DARK), DARK)
    with pytest.raises(ValueError, match="field 9 has 32 x 31"):
        estimate_flat_field([*fields, fields[0][:, 1:]])
    with pytest.raises(ValueError, match="replace NaN"):
        estimate_flat_field(fields.astype(np.float32))
    with pytest.raises(ValueError, match="of this size"):
        correct_field(fields[0], FlatField(np.ones((32, 31), np.float32), 0.0))
    for bad in (0, -1, np.nan):
        light = np.ones((32, 32), np.float32)
        light[3, 3] = bad
        with pytest.raises(ValueError, match="positive"):
            correct_field(fields[0], FlatField(light, 0.0))


@pytest.mark.parametrize("shape", [(1, 1), (7, 40), (16, 16)])
def test_fields_smaller_than_a_block(shape):
    fields = np.full((8, *shape), 300, np.uint16)
    np.testing.assert_allclose(estimate_flat_field(fields).light, np.ones(shape), rtol=1e-6)
