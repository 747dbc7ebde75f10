"""A run's folder that this version of the program did not write is refused in a sentence."""

import json
import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from tiny_plates import make_config

from jaxcell.experiments import lifecycle
from jaxcell.inference.trained import load
from jaxcell.models.build import make_models, parameters_of
from jaxcell.training import checkpoint
from jaxcell.training.state import TrainState

DATASET = {"name": "none", "training_mean": 3.0, "training_sd": 2.0, "simulated": True}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """The folder of a run whose training has ended, of networks that learnt nothing."""
    folder = tmp_path_factory.mktemp("written")
    workdir, config = folder / "run", make_config(folder)
    notes = {"dataset.json": DATASET, "findings.json": [], "images.json": []}
    lifecycle.begin(config, workdir, notes)
    for name, model in make_models(config)._asdict().items():
        shapes = parameters_of(model, config.dataset.window, channels=2)
        params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        one = jnp.float32(1)
        state = TrainState(
            jnp.int32(4), params, (), (), jax.random.key(0), one, one, one, jnp.int32(0),
            jnp.bool_(True),
        )  # fmt: skip
        manager = checkpoint.open(workdir / name / "checkpoints")
        checkpoint.save(manager, state, 1.0)
        manager.close()
        (workdir / name / "metrics.jsonl").write_text('{"step": 4}\n')
    (workdir / "trained.json").write_text('{"autoencoder": 4, "regressor": 4}')
    return workdir


@pytest.fixture
def workdir(written, tmp_path) -> Path:
    return shutil.copytree(written, tmp_path / "run")


def _edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_a_whole_run_is_opened(workdir):
    config, run = load(workdir)
    assert run.dataset == DATASET and config.dataset.window == 96
    assert jax.tree.leaves(run.params["regressor"])


@pytest.mark.parametrize(
    "network, section, features",
    [("regressor", "regressor", (8, 16)), ("autoencoder", "autoencoder", (16, 16))],
)
def test_parameters_of_another_network_are_named_with_a_cure(workdir, network, section, features):
    def widen(config: dict) -> None:
        config["model"][section]["features"] = features

    _edit(workdir / "config.json", widen)
    with pytest.raises(ValueError) as error:
        load(workdir)
    said = str(error.value)
    assert f"{workdir / network} holds another network" in said and "train again" in said
    assert len(said.splitlines()) == 1
    assert re.search(r"\d+ arrays differ; \S+ is \d+( x \d+)* in the folder", said)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda config: config["model"].update(depth=3), "no setting model.depth"),
        (lambda config: config["model"].pop("dtype"), "has no model.dtype"),
        (lambda config: config["dataset"].update(window="96"), "dataset.window is '96'"),
        (lambda config: config.pop("evaluation"), "has no evaluation."),
    ],
)
def test_a_config_of_other_settings_is_named_with_a_cure(workdir, change, message):
    _edit(workdir / "config.json", change)
    with pytest.raises(ValueError, match=message) as error:
        load(workdir)
    assert f"{workdir / 'config.json'} does not fit this version" in str(error.value)


@pytest.mark.parametrize(
    "name, content",
    [(f"{name}.json", content) for name in ("dataset", "findings", "images")
     for content in ("7", "null", '{"a": 1}', '[1, "b"]')]
    + [("dataset.json", json.dumps({k: v for k, v in DATASET.items() if k != missing}))
       for missing in DATASET]
    + [("findings.json", '[["P1"]]'), ("images.json", '[["P1", "B02", 3]]')],
)  # fmt: skip
def test_notes_of_another_version_are_refused_in_a_sentence(workdir, name, content):
    (workdir / name).write_text(content)
    with pytest.raises(ValueError, match="not those of this version of jaxcell") as error:
        load(workdir)
    assert str(workdir) in str(error.value)
