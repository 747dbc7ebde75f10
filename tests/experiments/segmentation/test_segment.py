"""Any images segmented: labels and tables that agree, sizes of pixels, resumed, refused."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image
from skimage.transform import resize_local_mean

from jaxcell.analysis.scores import detection
from jaxcell.cells.kinds import VIEWS
from jaxcell.experiments.segmentation import segment as segment_module
from jaxcell.experiments.segmentation.segment import segment_folder
from jaxcell.inference.segmenter import segment
from jaxcell.measures.morphology import measure_cells
from jaxcell.plates.findings import BadPlates
from jaxcell.simulator.plates import simulate_plates

PIXEL_UM = 0.65  # of the config nuclei


def _images(root):
    """Eight of the run's images and their true cells."""
    paths = sorted((root / "discs").glob("0[0-7]_image.tif"))
    truth = [path.with_name(path.name.replace("image", "labels")) for path in paths]
    return [tifffile.imread(path) for path in paths], [tifffile.imread(path) for path in truth]


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    """Images of several formats, folders and bits, with what is none beside them."""
    images, labels = _images(run[0])
    home = tmp_path_factory.mktemp("images")
    (home / "deep" / "er").mkdir(parents=True)
    tifffile.imwrite(home / "a.tif", images[0])
    Image.fromarray(images[1]).save(home / "b.PNG")
    tifffile.imwrite(home / "deep" / "er" / "a.ome.tif", images[2])
    tifffile.imwrite(home / "wide.tiff", images[3].astype(np.uint16) * 200)
    tifffile.imwrite(home / "d_image.tif", images[4])
    for other in ("a_labels.tif", "d_masks.tif", ".hidden.tif"):
        tifffile.imwrite(home / other, labels[0])
    (home / "notes.txt").write_text("no image")
    return home


def test_labels_and_tables_are_what_the_network_finds(run, folder, tmp_path):
    root, _, segmenter = run
    said = segment_folder(root / "run", folder, tmp_path / "out")
    cells, table = (pd.read_csv(tmp_path / "out" / f"{name}.csv") for name in ("cells", "images"))
    names = ["a", "b", "d_image", "deep/er/a", "wide"]
    assert list(table["image"]) == names
    images = _images(root)[0]
    for name, pixels in zip(names, (images[0], images[1], images[4], images[2], None)):
        labels = tifffile.imread(tmp_path / "out" / "labels" / f"{name}_labels.tif")
        own, row = cells[cells["image"] == name], table[table["image"] == name].iloc[0]
        assert len(own) == labels.max() == row["cells"] and labels.shape == (64, 64)
        assert row["area_share"] == pytest.approx(100 * (labels > 0).mean())
        if pixels is not None:
            np.testing.assert_array_equal(labels, segment(segmenter, pixels[..., None])[..., 0])
            measured = measure_cells(labels, pixels, pixel_um=PIXEL_UM)
            for column in ("area_um2", "y", "mean_intensity", "touches_border"):
                np.testing.assert_allclose(own[column], measured[column], rtol=1e-6)
    # A 16-bit image of the same cells shows the same cells.
    wide = tifffile.imread(tmp_path / "out" / "labels" / "wide_labels.tif")
    expected = segment(segmenter, images[3][..., None])[..., 0]
    assert detection.scores(detection.match(expected, wide))["f1"] > 0.9
    assert f"{len(cells)}" in said and "0.65 µm, as the run's" in said


def _said(folder, *sizes_um):
    """Eight images whose files say how wide their pixels are, each size in turn."""
    folder.mkdir()
    for number in range(8):
        image = np.random.default_rng(number).integers(20, 110, (64, 64), np.uint8)
        resolution = (1e4 / sizes_um[number % len(sizes_um)],) * 2
        tifffile.imwrite(
            folder / f"{number}.tif", image, resolution=resolution, resolutionunit="CENTIMETER"
        )
    return folder


def test_pixels_are_as_wide_as_the_files_say_unless_a_person_says_otherwise(run, tmp_path):
    root, _, segmenter = run
    folder = _said(tmp_path / "images", 1.3)
    said = segment_folder(root / "run", folder, tmp_path / "out")
    assert "pixels of 1.3 µm, as the files say" in said
    image = tifffile.imread(folder / "0.tif")[..., None]
    labels = tifffile.imread(tmp_path / "out" / "labels" / "0_labels.tif")
    np.testing.assert_array_equal(labels, segment(segmenter, image, 1.3)[..., 0])
    said = segment_folder(root / "run", folder, tmp_path / "given", pixel_um=0.65)
    assert "pixels of 0.65 µm, as --pixel-um says" in said
    labels = tifffile.imread(tmp_path / "given" / "labels" / "0_labels.tif")
    np.testing.assert_array_equal(labels, segment(segmenter, image)[..., 0])
    two = _said(tmp_path / "two", 0.5, 1.0)
    with pytest.raises(ValueError, match="of 0 are of 0.5 µm, those of 7 of 1 µm"):
        segment_folder(root / "run", two, tmp_path / "none")


def _f1(segmenter, images, truth, pixel_um=None):
    matches = [
        detection.match(labels, segment(segmenter, image[..., None], pixel_um)[..., 0])
        for image, labels in zip(images, truth)
    ]
    return detection.scores(detection.total(matches))


def test_pixels_of_another_size_are_resampled_and_labels_come_back(run):
    root, _, segmenter = run
    images, truth = _images(root)
    usual = _f1(segmenter, images, truth)
    for factor in (4, 3):
        block = np.ones((factor, factor), int)
        large = [np.kron(image, block).astype(np.uint8) for image in images]
        labels = [np.kron(own, block) for own in truth]
        found = _f1(segmenter, large, labels, PIXEL_UM / factor)
        assert abs(found["f1"] - usual["f1"]) < 0.03
        assert found["pixel_iou"] > usual["pixel_iou"] - 0.02
        # A network that is not told takes such discs for something else.
        assert _f1(segmenter, large, labels)["f1"] < usual["f1"] - 0.1
    half = [
        np.rint(resize_local_mean(image.astype(float), (32, 32), preserve_range=True))
        for image in images
    ]
    small = [own[::2, ::2] for own in truth]
    found = _f1(segmenter, [image.astype(np.uint8) for image in half], small, 2 * PIXEL_UM)
    assert found["f1"] > usual["f1"] - 0.15
    # Numbers have no gaps, whatever resampling leaves of a cell.
    for image in half:
        labels = segment(segmenter, image.astype(np.uint8)[..., None], 2 * PIXEL_UM)
        assert len(np.unique(labels)) == labels.max() + 1 and labels.shape == (32, 32, 1)
    with pytest.raises(ValueError, match="times as wide"):
        segment(segmenter, half[0].astype(np.uint8)[..., None], 65.0)


def test_outlines_of_enlarged_cells_are_round(run):
    """Nearer to the disc than the squares that its pixels would make."""
    from jaxcell.inference.segmenter import _at_size

    y, x = np.mgrid[:40, :40]
    depth = 1 / (1 + np.exp(np.hypot(y - 19.5, x - 19.5) - 9))
    small = (depth > 0.5).astype(np.int32)
    large = _at_size(small, depth.astype(np.float32), 0.5, (200, 200))
    y, x = (np.mgrid[:200, :200] + 0.5) / 5 - 0.5
    disc = np.hypot(y - 19.5, x - 19.5) <= 9
    squares = np.kron(small, np.ones((5, 5), int)) > 0

    def wrong(mask):
        return np.count_nonzero(mask != disc)

    assert wrong(large > 0) < 0.4 * wrong(squares)


def test_what_is_segmented_is_kept_and_what_changed_is_not(run, folder, tmp_path, monkeypatch):
    root, out, home = run[0], tmp_path / "out", tmp_path / "images"
    home.mkdir()
    for number, image in enumerate(_images(root)[0][:3]):
        tifffile.imwrite(home / f"{number}.tif", image)
    again = []
    one = segment_module.segment
    monkeypatch.setattr(segment_module, "segment", lambda *some: again.append(1) or one(*some))
    segment_folder(root / "run", home, out)
    before = (out / "cells.csv").read_text()
    assert len(again) == 3
    (out / "labels" / "1_labels.tif").unlink()
    segment_folder(root / "run", home, out)
    assert len(again) == 4 and (out / "cells.csv").read_text() == before
    tifffile.imwrite(home / "2.tif", _images(root)[0][5])
    (home / "0.tif").unlink()
    segment_folder(root / "run", home, out)
    assert len(again) == 5 and list(pd.read_csv(out / "images.csv")["image"]) == [1, 2]
    assert not (out / "labels" / "0_labels.tif").exists()
    with pytest.raises(ValueError, match="other settings.*pixel_um"):
        segment_folder(root / "run", home, out, pixel_um=0.3)
    (tmp_path / "else").mkdir()
    tifffile.imwrite(tmp_path / "else" / "9.tif", _images(root)[0][0])
    with pytest.raises(ValueError, match="results of other plates"):
        segment_folder(root / "run", tmp_path / "else", out)


def test_results_inside_the_images_are_not_segmented(run, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", _images(run[0])[0][0])
    for _ in range(2):
        segment_folder(run[0] / "run", tmp_path, tmp_path / "out")
        assert list(pd.read_csv(tmp_path / "out" / "images.csv")["image"]) == ["a"]


def test_images_that_cannot_be_used_are_listed_or_left_out(run, tmp_path):
    image = _images(run[0])[0][0]
    tifffile.imwrite(tmp_path / "good.tif", image)
    tifffile.imwrite(tmp_path / "float.tif", image.astype(np.float32))
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([image] * 5), photometric="minisblack")
    with pytest.raises(ValueError, match="(?s)2 image.*float.tif.*\n.*stack.tif.*one image a file"):
        segment_folder(run[0] / "run", tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    said = segment_folder(run[0] / "run", tmp_path, tmp_path / "out", skip=True)
    assert "left out" in said and "stack.tif" in said
    assert list(pd.read_csv(tmp_path / "out" / "images.csv")["image"]) == ["good"]
    (tmp_path / "bad").mkdir()
    shutil.copy(tmp_path / "float.tif", tmp_path / "bad")
    with pytest.raises(ValueError, match="1 image.*cannot be used"):
        segment_folder(run[0] / "run", tmp_path / "bad", tmp_path / "none", skip=True)
    shutil.rmtree(tmp_path / "bad")
    tifffile.imwrite(tmp_path / "good.tiff", image)
    with pytest.raises(ValueError, match="good.tif.* and .*good.tiff are of one name"):
        segment_folder(run[0] / "run", tmp_path, tmp_path / "out", skip=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        segment_folder(run[0] / "run", tmp_path / "empty", tmp_path / "none")


def test_an_image_without_cells_has_a_row(run, tmp_path):
    tifffile.imwrite(tmp_path / "dark.tif", np.full((40, 50), 7, np.uint16))
    segment_folder(run[0] / "run", tmp_path, tmp_path / "out")
    row = pd.read_csv(tmp_path / "out" / "images.csv").iloc[0]
    assert row["cells"] == row["area_share"] == 0 and np.isnan(row["area_um2"])
    assert len(pd.read_csv(tmp_path / "out" / "cells.csv")) == 0


def test_a_network_of_two_views_takes_the_fields_of_a_plate(run, tmp_path, monkeypatch):
    simulate_plates(tmp_path / "plates", rows=1, columns=3, field_size=96, droplet_share=0.0)
    seen = []

    def both_views(segmenter, image, pixel_um):
        seen.append((image.shape, pixel_um))
        return (image > 1500).astype(np.int32)

    two = run[2]._replace(kinds=VIEWS)
    monkeypatch.setattr(segment_module, "load", lambda workdir: (run[1], two))
    monkeypatch.setattr(segment_module, "network_of", lambda workdir: "two")
    monkeypatch.setattr(segment_module, "segment", both_views)
    segment_folder(run[0] / "run", tmp_path / "plates", tmp_path / "out", pixel_um=0.741)
    table = pd.read_csv(tmp_path / "out" / "images.csv")
    assert set(table["image"]) == {f"SIM01/B0{column}_f1" for column in (2, 3, 4)}
    assert list(table["kind"][:2]) == list(VIEWS) and set(seen) == {((96, 96, 2), 0.741)}
    for kind in VIEWS:
        assert (tmp_path / "out" / "labels" / "SIM01" / f"B02_f1_{kind}_labels.tif").exists()
    with pytest.raises(BadPlates, match="no .*Cy5 view|Cy5"):
        segment_folder(run[0] / "run", tmp_path / "plates", tmp_path / "other",
                       views={"t_cell": "Cy5"})  # fmt: skip
    with pytest.raises(ValueError, match="not nucleus"):
        segment_folder(run[0] / "run", tmp_path / "plates", tmp_path / "other",
                       views={"nucleus": "FITC"})  # fmt: skip
