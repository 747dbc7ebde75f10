"""What a run is, and what may change between two calls of it."""

import shutil

import jax
import numpy as np
import pytest
from tiny_plates import make_config

from jaxcell.experiments.interaction import train
from jaxcell.inference.trained import load
from jaxcell.simulator.plates import simulate_plates
from jaxcell.training import loop


class Cut(Exception):
    """Stands for a kill."""


def test_moved_plates_other_memory_and_other_figures_go_on_to_the_same_weights(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TQDM_DISABLE", "1")
    simulate_plates(tmp_path / "plates", plates=1, rows=3, columns=6, field_size=192, seed=1)
    config = make_config(tmp_path / "data", plates__folder=str(tmp_path / "plates"))
    train.train(config, tmp_path / "whole")

    save, saves = loop.checkpoint.save, []

    def save_twice(*given):
        save(*given)
        saves.append(given)
        if len(saves) == 2:
            raise Cut

    monkeypatch.setattr(loop.checkpoint, "save", save_twice)
    with pytest.raises(Cut):
        train.train(config, tmp_path / "cut")
    monkeypatch.setattr(loop.checkpoint, "save", save)
    assert not (tmp_path / "cut" / "trained.json").exists()

    shutil.move(tmp_path / "plates", tmp_path / "elsewhere")
    other = make_config(
        tmp_path / "other data",
        plates__folder=str(tmp_path / "elsewhere"),
        machine__memory_gib=0.0,
        evaluation__batch_size=4,
        evaluation__projections=("UMAP",),
    )
    train.train(other, tmp_path / "cut")
    (_, whole), (loaded, cut) = load(tmp_path / "whole"), load(tmp_path / "cut")
    jax.tree.map(np.testing.assert_array_equal, cut.params, whole.params)
    # The newest settings are kept.
    assert loaded.plates.folder == str(tmp_path / "elsewhere")
    assert loaded.evaluation.batch_size == 4


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"training__regressor__epochs": 3}, "training.regressor.epochs: there 2, here 3"),
        ({"training__seed": 1}, "training.seed: there 0, here 1"),
        ({"model__autoencoder__code_features": 8}, "model.autoencoder.code_features"),
        ({"dataset__stride": 48}, "dataset.stride"),
        ({"plates__pixel_um": 0.5}, "pixel_um"),
    ],
)
def test_another_model_training_or_data_set_is_another_run(tmp_path, changes, named):
    config = make_config(tmp_path / "data")
    train.lifecycle.begin(config, tmp_path / "run", {"dataset.json": {"name": "x"}})
    (tmp_path / "run" / "autoencoder").mkdir()  # training has begun
    with pytest.raises(ValueError, match=named):
        train.train(make_config(tmp_path / "data", **changes), tmp_path / "run")
    assert not (tmp_path / "data").exists()
