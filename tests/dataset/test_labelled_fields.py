"""Fields with known cells: pairs, truth of simulated plates, and crops that stay aligned."""

import itertools

import jax
import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.transform import resize, resize_local_mean

from jaxcell.dataset.crops import train_crops, validation_crops
from jaxcell.dataset.labelled_fields import (
    Labelled,
    device_fields,
    prepare_labelled,
    read_pairs,
    read_simulated,
    scale_field,
    scale_view,
)
from jaxcell.plates.folder import read_plates, require_good
from jaxcell.simulator.plates import simulate_plates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}


def _write_pairs(folder, count=12, side=48):
    random = np.random.default_rng(0)
    for number in range(count):
        labels = np.zeros((side, side), np.uint16)
        labels[5:15, 5:15], labels[20:40, 22:30] = 1, 2
        image = (40 * (labels > 0) + random.integers(0, 9, labels.shape)).astype(np.uint8)
        tifffile.imwrite(folder / f"{number:03d}_image.tif", image)
        tifffile.imwrite(folder / f"{number:03d}_labels.tif", labels)


def _fields(*sizes):
    random = np.random.default_rng(3)
    images = [random.integers(200, 4000, (*size, 2)).astype(np.uint16) for size in sizes]
    # Each pixel its own cell, numbered by place: a crop shows where it was cut.
    labels = [np.arange(1, np.prod(size) + 1, dtype=np.int32).reshape(*size, 1).repeat(2, 2)
              for size in sizes]  # fmt: skip
    splits = np.array(["train", "train", "validation"][: len(sizes)], object)
    return Labelled([str(s) for s in sizes], splits, images, labels, ("a", "b"))


def test_pairs_are_read_and_split_by_image(tmp_path):
    _write_pairs(tmp_path)
    fields = read_pairs(tmp_path, "nucleus", seed=0)
    assert fields.images[0].shape == (48, 48, 1) and fields.labels[3].max() == 2
    parts = [set(fields.rows(split)) for split in ("train", "validation", "test")]
    assert all(parts) and len(set().union(*parts)) == sum(map(len, parts)) == 12
    assert (read_pairs(tmp_path, "nucleus", seed=0).splits == fields.splits).all()


def test_missing_labels_sizes_and_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="holds no NAME_image.tif"):
        read_pairs(tmp_path, "nucleus", 0)
    _write_pairs(tmp_path, 2)
    tifffile.imwrite(tmp_path / "001_labels.tif", np.zeros((5, 5), np.uint16))
    with pytest.raises(ValueError, match="same size"):
        read_pairs(tmp_path, "nucleus", 0)
    (tmp_path / "001_labels.tif").unlink()
    with pytest.raises(ValueError, match="no 001_labels.tif beside it"):
        read_pairs(tmp_path, "nucleus", 0)


@pytest.mark.parametrize(
    "image, labels",
    [("{}_image.png", "{}_labels.png"), ("{}_image.tiff", "{}_labels.tif"),
     ("{}.tif", "{}_cp_masks.png"), ("{}_img.TIF", "{}_masks.TIFF"),
     ("images/{}.png", "masks/{}.png"), ("images/{}.tif", "labels/{}_labels.tif")],
)  # fmt: skip
def test_pairs_go_by_the_names_of_other_programs(tmp_path, image, labels):
    (tmp_path / "plain").mkdir()
    _write_pairs(tmp_path / "plain")
    expected = read_pairs(tmp_path / "plain", "nucleus", 0)
    for name in ("images", "labels", "masks"):
        (tmp_path / name).mkdir()
    for number in range(12):
        for kind, called in (("image", image), ("labels", labels)):
            pixels = tifffile.imread(tmp_path / "plain" / f"{number:03d}_{kind}.tif")
            path = tmp_path / called.format(f"{number:03d}")
            if path.suffix == ".png":
                Image.fromarray(pixels).save(path)
            else:
                tifffile.imwrite(path, pixels)
    found = read_pairs(tmp_path, "nucleus", 0)
    assert (found.splits == expected.splits).all()
    for one, other in zip((*found.images, *found.labels), (*expected.images, *expected.labels)):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def test_pairs_that_would_fail_later_are_refused_at_the_start(tmp_path):
    _write_pairs(tmp_path)
    image = tifffile.imread(tmp_path / "003_image.tif")
    for wrong, said in (
        ((image / 3).astype(np.float32), "fractions.*003_image.tif.*Type > 16-bit"),
        (np.stack([image, image // 2, image], -1), "in colour.*save its channel"),
        (image.astype(np.int32), "int32.*save it as grey"),
    ):
        tifffile.imwrite(tmp_path / "003_image.tif", wrong)
        with pytest.raises(ValueError, match=said):
            read_pairs(tmp_path, "nucleus", 0)
    # Grey values saved as colours are grey.
    tifffile.imwrite(tmp_path / "003_image.tif", np.stack([image] * 3, -1), photometric="rgb")
    np.testing.assert_array_equal(read_pairs(tmp_path, "nucleus", 0).images[3][..., 0], image)
    tifffile.imwrite(tmp_path / "003_labels.tif", (image > 20).astype(np.uint8) * 255)
    with pytest.raises(ValueError, match="003_labels.tif: .*its numbers have wrapped|mask"):
        read_pairs(tmp_path, "nucleus", 0)


def test_labels_that_wrapped_are_refused(shared_data):
    with pytest.raises(ValueError, match="n0_labels.tif: 44 of its 255 numbers.*wrapped in 8 bits"):
        read_pairs(shared_data / "cases" / "labels_wrapped_uint8", "nucleus", 0)


def test_simulated_plates_come_with_their_truth(tmp_path):
    simulate_plates(tmp_path / "p", rows=2, columns=6, field_size=96, droplet_share=0.0)
    plates = require_good(read_plates(tmp_path / "p", VIEWS))
    fields = read_simulated(plates, seed=0)
    assert fields.kinds == ("t_cell", "dendritic_cell") and len(fields.images) == 12
    # Cells are brighter than what surrounds them, in their own view.
    for kind in range(2):
        inside = [
            image[labels[..., kind] > 0, kind].mean()
            for image, labels in zip(fields.images, fields.labels)
            if labels[..., kind].any()
        ]
        outside = [
            image[labels[..., kind] == 0, kind].mean()
            for image, labels in zip(fields.images, fields.labels)
        ]
        assert np.mean(inside) > 2 * np.mean(outside)
    next((tmp_path / "p").rglob("*labels.tif")).unlink()
    with pytest.raises(ValueError, match="true cells of field 1 are not known"):
        read_simulated(plates, seed=0)


@pytest.mark.parametrize("least", [150.0, 0.0])
def test_a_view_is_scaled_by_its_percentiles_and_noise_is_not_blown_up(least):
    random = np.random.default_rng(0)
    cells = np.full((100, 100), 300.0)
    cells[:5] = 3000
    scaled = scale_view((cells + random.normal(0, 5, cells.shape)).astype(np.uint16), least)
    assert abs(np.median(scaled[5:])) < 0.1 and 0.9 < np.median(scaled[:5]) < 1.1
    noise = scale_view(random.normal(300, 5, (100, 100)).astype(np.uint16), least)
    assert np.abs(noise).max() < 0.75
    assert (scale_view(np.full((8, 8), 4095, np.uint16), least) == 0).all()
    with pytest.raises(ValueError, match="not finite"):
        scale_view(np.array([[np.nan, 1.0]]), least)


def test_scaling_by_the_noise_knows_no_camera():
    light = np.random.default_rng(0).normal(300, 9, (200, 200))
    light[:10, :40] += 40  # no more than five times the noise
    view = np.rint(light).astype(np.uint16)
    faint = scale_view(view, 0.0)
    assert faint.max() < 0.9
    for changed in (view * 16, view + 1000):
        np.testing.assert_allclose(scale_view(changed, 0.0), faint, atol=1e-5)


def test_crops_are_cut_where_the_batch_says_image_and_cells_alike():
    fields = _fields((64, 64), (40, 80), (64, 48))
    data = device_fields(fields, 150.0, 32)
    assert data["image"].shape == (3, 64, 80, 2)
    raw = next(train_crops(fields.rows("train"), fields.sizes, 32, 8, seed=1)(0))
    raw |= {"gain": np.ones(8, np.float32), "noise": np.zeros(8, np.float32)}
    symmetry = np.zeros(8, np.int32)
    batch = prepare_labelled(32)(data, raw | {"symmetry": symmetry})
    for number, (row, y, x) in enumerate(zip(raw["index"], raw["y"], raw["x"])):
        height, width = fields.images[row].shape[:2]
        assert 0 <= y <= height - 32 and 0 <= x <= width - 32
        whole = scale_field(fields.images[row], 150.0).astype(np.float16)
        np.testing.assert_array_equal(batch["image"][number], whole[y : y + 32, x : x + 32])
    # Turned, the two still belong together: pixels of the highest cells are found in both.
    marked = data | {"distance": (data["image"][..., :2] > 0.9).astype(np.uint8) * 255}
    turned = prepare_labelled(32)(marked, raw)
    bright = np.asarray(turned["image"]) > 0.9
    np.testing.assert_array_equal(bright, np.asarray(turned["distance"]) == 1)


def test_a_batch_depends_on_seed_and_step_alone():
    fields = _fields((64, 64), (40, 80))
    batches = train_crops(fields.rows("train"), fields.sizes, 32, 4, seed=5)
    later = next(batches(3))
    fourth = next(itertools.islice(batches(0), 3, None))
    jax.tree.map(np.testing.assert_array_equal, later, fourth)
    other = next(train_crops(fields.rows("train"), fields.sizes, 32, 4, seed=6)(3))
    assert not np.array_equal(other["x"], later["x"])


def test_noise_and_gain_change_the_image_and_never_the_cells():
    fields = _fields((64, 64), (40, 80))
    data = device_fields(fields, 150.0, 32)
    raw = next(train_crops(fields.rows("train"), fields.sizes, 32, 4, seed=5)(0)) | {
        "symmetry": np.zeros(4, np.int32)
    }
    still = raw | {"gain": np.ones(4, np.float32), "noise": np.zeros(4, np.float32)}
    loud, quiet = prepare_labelled(32)(data, raw), prepare_labelled(32)(data, still)
    assert not np.allclose(loud["image"], quiet["image"])
    np.testing.assert_array_equal(loud["distance"], quiet["distance"])


def test_coarse_crops_look_like_images_of_wider_pixels():
    fields = _fields((64, 64), (40, 80))
    data = device_fields(fields, 150.0, 32)
    raw = next(train_crops(fields.rows("train"), fields.sizes, 32, 64, seed=5, coarse=0.5)(0))
    assert 15 < raw["coarse"].sum() < 50
    # Nothing else of a batch depends on it.
    plain = next(train_crops(fields.rows("train"), fields.sizes, 32, 64, seed=5)(0))
    jax.tree.map(np.testing.assert_array_equal, {name: raw[name] for name in plain}, plain)
    raw |= {"gain": np.ones(64, np.float32), "noise": np.zeros(64, np.float32)}
    raw["symmetry"] = np.zeros(64, np.int32)
    shown = prepare_labelled(32)(data, raw)
    fine = prepare_labelled(32)(data, {name: raw[name] for name in plain})
    np.testing.assert_array_equal(shown["distance"], fine["distance"])
    for one, other, coarse in zip(*map(np.asarray, (shown["image"], fine["image"])), raw["coarse"]):
        if not coarse:
            np.testing.assert_array_equal(one, other)
            continue
        half = resize_local_mean(other, (16, 16, 2), preserve_range=True)
        expected = resize(half, (32, 32, 2), order=1, mode="edge", preserve_range=True)
        np.testing.assert_allclose(one, expected, atol=1e-4)


def test_validation_covers_its_fields_once_and_fills_the_last_batch():
    fields = _fields((64, 64), (40, 80), (64, 48))
    batches = list(validation_crops(fields.rows("validation"), fields.sizes, 20, 5)())
    weight = np.concatenate([batch["weight"] for batch in batches])
    assert weight.sum() == 4 * 3 and len(weight) == 15
    seen = np.zeros((64, 48), bool)
    for batch in batches:
        for y, x in zip(batch["y"], batch["x"]):
            seen[y : y + 20, x : x + 20] = True
    assert seen.all()


def test_fields_smaller_than_a_crop_are_filled_up():
    fields = _fields((24, 64), (40, 20))
    data = device_fields(fields, 150.0, 32)
    assert data["image"].shape == (2, 40, 64, 2)
    batch = prepare_labelled(32)(
        data, next(train_crops(fields.rows("train"), fields.sizes, 32, 8, seed=1)(0))
    )
    assert np.isfinite(batch["image"]).all()


def test_too_few_pairs_are_refused(tmp_path):
    _write_pairs(tmp_path, 2)
    with pytest.raises(ValueError, match="2 images, nothing is left for"):
        read_pairs(tmp_path, "nucleus", 0)
