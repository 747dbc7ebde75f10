"""A whole segmentation run, tiny: trained on discs, found again, reported, resumed, refused."""

import json

import numpy as np
import pytest
import tifffile

from jaxcell.analysis.scores import detection
from jaxcell.experiments.segmentation import train
from jaxcell.experiments.segmentation.evaluate import baselines, evaluate_segmentation
from jaxcell.inference import segmenter as segmenter_module
from jaxcell.inference.segmenter import load, segment
from jaxcell.simulator.field import simulate_field


def test_cells_are_found_and_reported(run):
    root, config, segmenter = run
    metrics = evaluate_segmentation(root / "run", config, segmenter)
    scores = metrics["kinds"]["nucleus"]
    assert scores["unet"]["f1"] > 0.85 and scores["unet"]["pixel_iou"] > 0.7
    assert scores["unet"]["true_cells"] == scores["watershed"]["true_cells"] > 6
    written = json.loads((root / "run" / "report" / "metrics.json").read_text())
    assert written["kinds"]["nucleus"]["unet"]["f1"] == scores["unet"]["f1"]
    assert (root / "run" / "report" / "index.html").stat().st_size > 10_000


def test_a_trained_run_is_opened_and_not_trained_again(run):
    root, config, segmenter = run
    made = (root / "run" / "trained.json").stat().st_mtime_ns
    train.train(config, root / "run")
    assert (root / "run" / "trained.json").stat().st_mtime_ns == made
    image = train.read_fields(config).images[0]
    again = load(root / "run")[1]
    np.testing.assert_array_equal(segment(again, image), segment(segmenter, image))


def test_a_field_of_another_size_in_tiles_gives_the_same_cells(run, monkeypatch):
    _, config, segmenter = run
    parts = train.read_fields(config).images[:6]
    field = np.concatenate([np.concatenate(parts[:3], 1), np.concatenate(parts[3:], 1)])
    field = field[:, :-5]
    whole = segment(segmenter, field)
    assert whole.shape == (128, 187, 1) and whole.max() > 10
    monkeypatch.setattr(segmenter_module, "TILE", 2 * segmenter.model.reach + 16)
    np.testing.assert_array_equal(segment(segmenter, field), whole)


def test_constant_saturated_and_empty_images_hold_no_cells(run):
    segmenter = run[2]
    for value in (0, 17, 255):
        assert not segment(segmenter, np.full((64, 64, 1), value, np.uint8)).any()
        assert not baselines(np.full((64, 64, 1), value, np.uint8))["watershed"].any()


def test_a_baseline_smooths_and_fills_holes():
    """Rings of dim grain: a bare threshold finds specks, and none of the discs whole."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96]
    truth = np.zeros((96, 96), np.int32)
    for number, (row, column) in enumerate([(20, 20), (20, 60), (65, 30), (70, 75)], 1):
        truth[(y - row) ** 2 + (x - column) ** 2 <= 144] = number
    hollow = truth > 0
    for row, column in [(20, 20), (20, 60), (65, 30), (70, 75)]:
        hollow &= (y - row) ** 2 + (x - column) ** 2 > 25
    for spread, dtype in ((1, np.uint8), (256, np.uint16)):
        image = spread * (20 + 8 * hollow + random.normal(0, 4, truth.shape)).clip(0, 255)
        found = baselines(image.astype(dtype)[..., None])
        assert set(found) == {"watershed"}
        scores = detection.scores(detection.match(truth, found["watershed"][..., 0]))
        assert scores["f1"] == 1 and scores["pixel_iou"] > 0.8


def test_baselines_find_simulated_cells():
    field = simulate_field(np.random.default_rng(0), 320, 0.1, droplet_share=0.0)
    found = baselines(np.moveaxis(field.views[:2], 0, -1))
    for method in ("watershed", "instrument"):
        scores = detection.scores(detection.match(field.labels[0], found[method][..., 0]))
        assert scores["f1"] > 0.7


def test_another_config_and_another_folder_are_refused(run, tmp_path):
    root, config, _ = run
    other = config.copy_and_resolve_references()
    other.training.epochs = 3
    with pytest.raises(ValueError, match="other settings.*training.epochs"):
        train.train(other, root / "run")
    with pytest.raises(ValueError, match="not a run whose training has ended"):
        load(tmp_path)
    for image in (root / "discs").glob("00_image.tif"):
        before = image.read_bytes()
        tifffile.imwrite(image, 255 - tifffile.imread(image))
        with pytest.raises(ValueError, match="other content.*checksums"):
            train.train(config, root / "run")
        image.write_bytes(before)
    other.training.crop = 36
    with pytest.raises(ValueError, match="multiple of 8"):
        train.train(other, tmp_path / "new")
    assert not (tmp_path / "new").exists()
