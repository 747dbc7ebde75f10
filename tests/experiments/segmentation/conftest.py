"""A segmentation run, tiny, trained once for all tests."""

import numpy as np
import pytest
import tifffile

from jaxcell.configs import nuclei
from jaxcell.experiments.segmentation import train
from jaxcell.inference.segmenter import load


def _write_discs(folder, count=14, side=64):
    """Bright discs on a dim ground, two of which touch in every image."""
    y, x = np.mgrid[:side, :side]
    folder.mkdir()
    for number in range(count):
        random = np.random.default_rng(number)
        labels = np.zeros((side, side), np.uint16)
        places = [(20, 20), (20, 33), *random.integers(6, side - 6, (4, 2))]
        for row, column in places:
            disc = (y - row) ** 2 + (x - column) ** 2 <= 6.5**2
            if not (labels[disc] > 0).any() or len(np.unique(labels)) < 3:
                labels[disc & (labels == 0)] = labels.max() + 1
        image = 20 + 90 * (labels > 0) + random.normal(0, 6, labels.shape)
        tifffile.imwrite(folder / f"{number:02d}_image.tif", image.clip(0, 255).astype(np.uint8))
        tifffile.imwrite(folder / f"{number:02d}_labels.tif", labels)


def _config(folder):
    config = nuclei.get_config()
    config.plates.pairs = str(folder)
    config.model.features = (8, 12, 16)
    config.training.update({"crop": 32, "epochs": 2, "steps_per_epoch": 50, "batch_size": 16})
    config.training.optimizer.learning_rate = 5e-3
    return config


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("segmentation")
    _write_discs(root / "discs")
    config = _config(root / "discs")
    train.train(config, root / "run")
    return root, config, load(root / "run")[1]
