"""Trained runs scored on a sheet say what they say of the same patches anywhere else."""

import numpy as np
import pandas as pd
import pytest
from tiny_plates import make_config

from jaxcell.configs import labelling, segmentation
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.experiments.interaction import train
from jaxcell.experiments.interaction.predict import predict_folder
from jaxcell.experiments.labelling.draw import draw_sheet
from jaxcell.experiments.labelling.score import score_sheet
from jaxcell.experiments.labelling.sheet import ANSWERS
from jaxcell.experiments.segmentation.train import train as train_segmentation
from jaxcell.inference.segmenter import load, segment
from jaxcell.plates.folder import read_plates
from jaxcell.simulator.plates import simulate_plates


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Plates, a trained run, and a sheet with an answer for every patch."""
    home = tmp_path_factory.mktemp("scored")
    simulate_plates(home / "plates", rows=3, columns=6, field_size=192, seed=1)
    run = make_config(home, plates__folder=str(home / "plates"))
    run.training.autoencoder.epochs = run.training.regressor.epochs = 1
    train.train(run, home / "run")
    config = labelling.get_config()
    config.plates.folder = str(home / "plates")
    config.labelling.update({"patches": 40, "window": 96, "enlarged": 1})
    draw_sheet(config, home / "sheet")
    answers = pd.read_csv(home / "sheet" / ANSWERS)
    answers["overlap_percent"] = np.arange(len(answers)) % 7
    answers.to_csv(home / "sheet" / ANSWERS, index=False)
    return home


def test_a_run_answers_as_jaxcell_predict_does(home):
    table = score_sheet(home / "sheet", "", [home / "run"])
    predict_folder(home / "run", str(home / "plates"), home / "predicted", {}, False)
    predicted = pd.read_parquet(home / "predicted" / "patches.parquet")
    estimates = pd.read_csv(home / "sheet" / "scores" / "estimates.csv")
    words = f"prediction of {home / 'run'}"
    own = estimates[(estimates["estimator"] == words) & (estimates["quantity"] == "iou")]
    assert len(own) == 40 and words in table
    both = own.merge(predicted, on=["plate", "well", "field", "y", "x"], validate="one_to_one")
    assert len(both) == 40
    np.testing.assert_allclose(both["estimate"], both["predicted"], rtol=1e-4, atol=1e-4)
    # A network of truth says how many T cells there are too.
    cells = estimates[(estimates["estimator"] == words) & (estimates["quantity"] == "t_cells")]
    both = cells.merge(predicted, on=["plate", "well", "field", "y", "x"], validate="one_to_one")
    np.testing.assert_allclose(both["estimate"], both["t_cells"], rtol=1e-4, atol=1e-4)


def test_a_segmentation_answers_with_the_cells_that_it_finds_in_the_whole_field(home):
    config = segmentation.get_config()
    config.machine.folder = str(home)
    config.plates.folder = str(home / "plates")
    config.model.features = (8, 12)
    changes = {"crop": 64, "epochs": 1, "steps_per_epoch": 120, "batch_size": 8}
    config.training.update(changes)
    config.training.optimizer.update({"warmup_steps": 5, "learning_rate": 5e-3})
    train_segmentation(config, home / "cells")
    score_sheet(home / "sheet", "", [home / "cells"])
    estimates = pd.read_csv(home / "sheet" / "scores" / "estimates.csv")
    own = estimates[estimates["estimator"] == f"cells of {home / 'cells'}"]
    own = own[own["quantity"] == "iou"].set_index(["well", "y", "x"])["estimate"]
    plates = read_plates(home / "plates", config.plates.views.to_dict())
    field = next(select_fields(plates, ImmuneCellsConfig(name="all")).itertuples())
    _, segmenter = load(home / "cells")
    masks = segment(segmenter, read_field(field, {})) > 0
    found = [place for place in own.index if place[0] == field.well]
    assert found and own.max() > 0
    for _, y, x in found:
        t_cell, dendritic_cell = np.moveaxis(masks[y : y + 96, x : x + 96], -1, 0)
        shared, either = (t_cell & dendritic_cell).sum(), (t_cell | dendritic_cell).sum()
        expected = 100 * shared / max(either, 1)
        assert own[field.well, y, x] == pytest.approx(expected, abs=1e-3)


def test_patches_of_another_size_are_refused(home):
    config = labelling.get_config()
    config.plates.folder = str(home / "plates")
    config.labelling.update({"patches": 2, "window": 64, "enlarged": 1})
    draw_sheet(config, home / "small")
    answers = pd.read_csv(home / "small" / ANSWERS).assign(overlap_percent=1)
    answers.to_csv(home / "small" / ANSWERS, index=False)
    with pytest.raises(ValueError, match="--config.labelling.window=96"):
        score_sheet(home / "small", "", [home / "run"])
    with pytest.raises(ValueError, match="not a run"):
        score_sheet(home / "small", "", [home / "nowhere"])
