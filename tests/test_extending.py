"""The recipes of docs/extending: what a new thing of each kind touches, tried with a toy of each.

A new measure is tried in tests/measures/test_catalogue.py.
"""

import json
import shutil
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from tiny_plates import make_config

from jaxcell.experiments import lifecycle
from jaxcell.models import build
from jaxcell.plates import images
from jaxcell.plates.readers.planes import BadImage, Header
from jaxcell.report.common import page

PAGE = """{% extends "common/base.html.jinja" %}
{% block main %}
<p>The answer is {{ metrics.answer }}.</p>
{% call figure("toy", "a line") %}One figure.{% endcall %}
{% endblock %}
"""
TRAIN = """
from jaxcell.experiments import lifecycle

def train(config, workdir):
    lifecycle.train(config, workdir, check=lambda config: None, open_data=lambda config: 7,
                    notes=lambda data: {"dataset.json": {"number": data}}, fit=fit)

def fit(config, workdir, data):
    (workdir / "autoencoder").mkdir()
    with (workdir / "fitted").open("a") as file:
        file.write("once")
    return {"answer": 6 * data}
"""
EVALUATE = """
import json
from jaxcell.experiments.lifecycle import Outcome
from jaxcell.report.common import style
from jaxcell.report.common.page import write_page

def toy_analysis(number):
    return {"answer": number}

def evaluate(workdir, **options):
    metrics = toy_analysis(json.loads((workdir / "trained.json").read_text())["answer"])
    index = write_page(workdir / "report", "toy/page.html.jinja", title="A toy", metrics=metrics,
                       simulated=True, figures={"toy": lambda: style.sentence_figure("A line.")},
                       files={}, content={}, made={}, config={})
    return Outcome({"answer": str(metrics["answer"])}, index)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Path:
    """A kind of experiment in a package of somebody else's, with a page and an analysis."""
    package = tmp_path / "elsewhere" / "toybox" / "toy"
    package.mkdir(parents=True)
    for name, text in (("__init__", ""), ("train", TRAIN), ("evaluate", EVALUATE)):
        (package / f"{name}.py").write_text(text)
    (package.parent / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    templates = tmp_path / "report"
    shutil.copytree(page.TEMPLATES / "common", templates / "common")
    (templates / "toy").mkdir()
    (templates / "toy" / "page.html.jinja").write_text(PAGE)
    monkeypatch.setattr(page, "TEMPLATES", templates)
    yield package
    for name in [name for name in sys.modules if name.startswith("toybox")]:
        del sys.modules[name]


def test_a_kind_of_experiment_is_a_folder_a_page_and_a_config(toy, tmp_path):
    config = make_config(tmp_path / "data", experiment="toybox.toy")
    for _ in range(2):
        said = lifecycle.run(config, tmp_path / "run")
        assert "answer" in said and "42" in said
    # The second call found the training done.
    assert (tmp_path / "run" / "fitted").read_text() == "once"
    assert "42" in lifecycle.evaluate(tmp_path / "run")


def test_a_run_of_a_stranger_loads_no_package_that_it_names(toy, tmp_path):
    (tmp_path / "run").mkdir()
    ran = tmp_path / "ran"
    (toy / "__init__.py").write_text(f"open({str(ran)!r}, 'w')")
    for kind in ("toybox.toy", 5, "os.path"):
        (tmp_path / "run" / "config.json").write_text(json.dumps({"experiment": kind}))
        with pytest.raises(ValueError, match="not loaded because|says no kind|there is no module"):
            lifecycle.evaluate(tmp_path / "run")
    assert not ran.exists() and "toybox" not in sys.modules


def test_an_analysis_is_a_function_a_figure_and_a_line_of_the_page(toy, tmp_path):
    lifecycle.run(make_config(tmp_path / "data", experiment="toybox.toy"), tmp_path / "run")
    written = (tmp_path / "run" / "report" / "index.html").read_text()
    assert "The answer is 42." in written and "One figure." in written
    assert (tmp_path / "run" / "report" / "figures" / "toy.png").exists()


class ToyEncoder(nn.Module):
    """The mean of each view."""

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        return nn.Dense(4, name="code")(image.mean(axis=(1, 2)))


class ToyAutoencoder(nn.Module):
    """Every pixel is what the code says of its view."""

    encoder: nn.Module

    @nn.compact
    def __call__(self, image: jax.Array) -> jax.Array:
        return (
            jnp.zeros_like(image) + nn.Dense(2, name="decoder")(self.encoder(image))[:, None, None]
        )


def test_a_model_is_a_module_an_entry_and_a_config(tmp_path, monkeypatch):
    made = lambda window, latent_dim, nested, **fields: ToyAutoencoder(ToyEncoder())  # noqa: E731
    monkeypatch.setitem(build.ARCHITECTURES, "toy", made)
    config = make_config(tmp_path, model__architecture="toy")
    models = build.make_models(config)
    params = jax.eval_shape(models.autoencoder.init, jax.random.key(0), jnp.zeros((1, 96, 96, 2)))
    assert set(params["params"]) == {"encoder", "decoder"}


class ToyReader:
    """Reads arrays of numpy as images."""

    SUFFIXES = (".npy",)

    @staticmethod
    def read_plane(path, plane):
        return np.load(path)

    @staticmethod
    def read_header(path, plane):
        try:
            return Header(np.load(path, mmap_mode="r").shape, "uint16")
        except ValueError as error:
            raise BadImage("it is no array", "save it again") from error


def test_an_image_format_is_a_reader(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "READERS", [*images.READERS, ToyReader])
    np.save(tmp_path / "good.npy", 100 * np.arange(6, dtype=np.uint16).reshape(2, 3))
    (tmp_path / "bad.npy").write_text("no array")
    table = pd.DataFrame(
        [("P1", "B02", 1, "FITC", "good.npy"), ("P1", "B03", 1, "FITC", "bad.npy")],
        columns=["plate", "well", "field", "view", "path"],
    )
    table["path"] = [str(tmp_path / name) for name in table["path"]]
    assert images.read_view(tmp_path / "good.npy")[1, 2] == 500
    (finding,) = images.check_images(table)
    assert finding.well == "B03" and "no array" in finding.message
