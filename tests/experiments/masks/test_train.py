"""The mask U-Net from plates to report, tiny: it learns the masks that it is shown."""

import json

import pytest

from jaxcell.configs import mask_unet as mask_unet_config
from jaxcell.experiments.masks import evaluate, train


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("mask_unet")
    config = mask_unet_config.get_config()
    config.machine.folder = str(root / "data")
    config.dataset.window = 48
    config.plates.simulate.update({"plates": 1, "rows": 2, "columns": 6, "field_size": 192})
    config.model.features = (8, 12)
    config.training.update({"epochs": 15, "batch_size": 8})
    config.training.optimizer.learning_rate = 5e-3
    train.train(config, root / "run")
    return root / "run"


@pytest.mark.slow
def test_masks_are_learnt_and_reported(run):
    metrics = evaluate.evaluate_masks(run)
    assert metrics["fields"]["train"] > 64
    for kind in ("t_cell", "dendritic_cell"):
        assert metrics["kinds"][kind]["unet"]["pixel_iou"] > 0.6
    assert metrics["patches_a_second"] > 0
    written = json.loads((run / "report" / "metrics.json").read_text())
    assert written["kinds"] == metrics["kinds"]


def test_a_run_that_has_not_ended_is_not_evaluated(tmp_path):
    with pytest.raises(ValueError, match="whose training has ended"):
        evaluate.evaluate_masks(tmp_path)
