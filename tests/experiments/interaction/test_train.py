"""A run: whose folder it is, which plates it takes, and the whole way in one process."""

import html
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from tiny_plates import make_config

from jaxcell.configs import dense, dissertation, histogram
from jaxcell.configs.default import with_label_of_masks
from jaxcell.dataset.source import load_plates
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction import evaluate, train
from jaxcell.inference import segmenter
from jaxcell.inference.trained import load
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.models.build import make_models
from jaxcell.plates.findings import BadPlates
from jaxcell.report.interaction.sentences import summary_lines
from jaxcell.simulator.plates import simulate_plates


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("model__architecture", "plain", "config dissertation"),
        ("dataset__target", "pearson", "config dense"),
        ("dataset__target", "overlap", "target 'overlap' is not one of iou"),
        ("dataset__mask_method", "instrument", "needs dataset.mask_scope field"),
        ("model__architecture", "resnet", "plain or residual"),
        ("model__dtype", "bf16", "float32 or bfloat16"),
        ("dataset__window", 30, "dataset.window"),
    ],
)
def test_settings_that_do_not_fit_stop_before_anything_is_read(tmp_path, setting, value, message):
    config = make_config(tmp_path, **{setting: value})
    with pytest.raises(ValueError, match=message):
        train.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists() and not (tmp_path / "data").exists()


def test_what_is_no_run_cannot_be_loaded(tmp_path):
    with pytest.raises(ValueError, match="not a run whose training has ended"):
        load(tmp_path / "nowhere")
    _begin(tmp_path / "run", make_config(tmp_path))
    with pytest.raises(ValueError, match="has no trained.json"):
        load(tmp_path / "run")


def test_a_run_of_an_earlier_version_is_refused_with_a_sentence(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"experiment": "interaction", "data": {}}')
    (tmp_path / "run" / "trained.json").write_text("{}")
    with pytest.raises(ValueError, match="earlier version"):
        load(tmp_path / "run")


def test_a_run_of_another_kind_is_refused(tmp_path):
    _begin(tmp_path / "run", make_config(tmp_path))
    (tmp_path / "run" / "trained.json").write_text("{}")
    with pytest.raises(ValueError, match="a run of interaction, not of segmentation"):
        segmenter.load(tmp_path / "run")


def _begin(workdir: Path, config) -> None:
    lifecycle.begin(config, workdir, {"dataset.json": {"name": "none"}})


def test_plates_that_are_not_there_are_an_error(tmp_path):
    config = make_config(tmp_path, plates__folder=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="no folder of plates .*nowhere"):
        load_plates(config)


def test_networks_that_do_not_exist_are_errors(tmp_path):
    for field in ("architecture", "regression"):
        config = make_config(tmp_path, **{f"model__{field}": "transformer"})
        with pytest.raises(ValueError, match=f"model.{field} is 'transformer': use"):
            make_models(config)


def test_the_dense_regressor_takes_mean_and_sd_of_other_targets_than_the_studys():
    dataset = {"name": "x", "training_mean": 55.0, "training_sd": 20.0}
    config = with_label_of_masks(dense.get_config())
    config.dataset.target = "overlap_share"
    model = make_models(config, dataset).regressor
    assert (model.mean, model.sd) == (55.0, 20.0)
    model = make_models(config, {**dataset, "training_sd": 0.0}).regressor
    assert (model.mean, model.sd) == (55.0, 1.0)
    config.dataset.target = "iou"
    model = make_models(config, dataset).regressor
    assert (model.mean, model.sd) == (0.0, 1.0)
    study = make_models(dissertation.get_config(), dataset).regressor
    assert (study.mean, study.sd) == (0.0, 1.0)


def test_a_network_answers_the_targets_that_it_can(tmp_path):
    for target in TRUTHS:
        config = make_config(tmp_path, dataset__target=target)
        assert make_models(config).regressor.target == target
    soft = histogram.get_config()
    for target in ("iou", "overlap_share"):
        soft.dataset.target = target
        assert make_models(soft).regressor.target == target
    for config, target in ((soft, "true_iou"), (make_config(tmp_path), "iou")):
        config.dataset.target = target
        with pytest.raises(ValueError, match=f"not the dataset.target '{target}'"):
            make_models(config)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory) -> Path:
    """One small plate of eighteen wells."""
    folder = tmp_path_factory.mktemp("plates") / "good"
    simulate_plates(folder, plates=1, rows=3, columns=6, field_size=192, seed=1)
    return folder


@pytest.fixture
def damaged(simulated, tmp_path) -> Path:
    """The plate with one view missing and one file cut short, in two wells."""
    folder = tmp_path / "damaged"
    shutil.copytree(simulated, folder)
    next(folder.glob("SIM01/SIM01 - B - 02*FITC*.tif")).unlink()
    cut = next(folder.glob("SIM01/SIM01 - C - 03*TexasRed*.tif"))
    cut.write_bytes(cut.read_bytes()[:1000])
    return folder


def test_bad_plates_stop_a_run_before_training_and_are_all_listed(damaged, tmp_path):
    config = make_config(tmp_path / "data", plates__folder=str(damaged))
    with pytest.raises(BadPlates) as error:
        train.train(config, tmp_path / "run")
    assert "B02" in str(error.value) and "C03" in str(error.value)
    assert {finding.well for finding in error.value.findings} == {"B02", "C03"}
    assert not (tmp_path / "run" / "autoencoder").exists()
    assert not (tmp_path / "data").exists()


def test_bad_plates_are_left_out_when_asked(damaged, tmp_path):
    config = make_config(tmp_path, plates__folder=str(damaged), plates__on_bad_image="skip")
    plates = load_plates(config)
    wells = plates.wells[plates.wells["role"] != "empty"]
    assert len(wells) == 16 and not {"B02", "C03"} & set(wells["well"])
    assert not {"B02", "C03"} & set(plates.images["well"])
    assert {finding.well for finding in plates.findings if finding.fatal} == {"B02", "C03"}
    config.plates.on_bad_image = "ignore"
    with pytest.raises(ValueError, match="use stop or skip"):
        load_plates(config)


def test_the_whole_way(damaged, simulated, tmp_path, monkeypatch):
    """From plates, two of whose wells are left out, to a report; then on other plates."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    config = make_config(tmp_path, plates__folder=str(damaged), plates__on_bad_image="skip")
    config.training.autoencoder.epochs = config.training.regressor.epochs = 1
    workdir = tmp_path / "run"
    train.train(config, workdir)
    run = load(workdir)[1]
    metrics = evaluate.evaluate_run(workdir, config, run)
    assert sum(metrics["wells"].values()) == 16 and metrics["left_out"] == 2
    assert metrics["regressor"]["rmse"] > 0
    page = (workdir / "report" / "index.html").read_text()
    assert "B02" in page and "C03" in page
    # Half of four test wells is too few for any interval, and that is said.
    assert "calibration wells, and there are" in metrics["coverage"]["reason"]
    assert metrics["coverage"]["reason"] in html.unescape(page).replace("\xa0", " ")

    report = workdir / "report"
    assert json.loads((report / "metrics.json").read_text())["left_out"] == 2
    patches = pd.read_parquet(report / "patches.parquet")
    wells = pd.read_csv(report / "wells.csv")
    assert len(patches) == metrics["patches"]["test"] == 4 * metrics["wells"]["test"]
    assert set(wells["well"]) == set(patches["well"])
    assert np.isfinite(patches[["overlap", "predicted", "bce", "psnr_db", "ssim"]]).all(axis=None)

    loaded_config, loaded = load(workdir)
    assert json.loads(loaded_config.to_json()) == json.loads(config.to_json())
    assert loaded.histories == run.histories and loaded.dataset == run.dataset
    jax.tree.map(np.testing.assert_array_equal, loaded.params, run.params)

    plates = load_plates(loaded_config, folder=str(simulated), skip=False)
    other, folder = evaluate.evaluate_plates(workdir, loaded_config, loaded, plates, "good")
    assert folder == workdir / "report-good" and (folder / "index.html").exists()
    assert other["wells"] == {"test": 18} and other["patches"] == {"test": 72}
    # The patches of the run's own test wells get the same predictions there.
    key = ["plate", "well", "field", "y", "x"]
    both = patches.merge(pd.read_parquet(folder / "patches.parquet"), on=key)
    assert len(both) == len(patches)
    assert "SIM01 - B - 02(fld 1 wv FITC - FITC).tif" in (folder / "explorer.html").read_text()
    np.testing.assert_allclose(both["predicted_x"], both["predicted_y"], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_another_target_the_whole_way(simulated, tmp_path, monkeypatch):
    """Its masks of corrected fields, its mean and SD kept with the run, its words in the report."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    settings = {
        "plates__folder": str(simulated),
        "dataset__target": "contact_share",
        "dataset__mask_scope": "field",
        "dataset__flat_field": True,
        "model__regression": "dense",
    }
    config, workdir = make_config(tmp_path, **settings), tmp_path / "run"
    config.model.regressor = dense.get_config().model.regressor
    config.training.autoencoder.epochs = config.training.regressor.epochs = 1
    train.train(config, workdir)
    run = load(workdir)[1]
    metrics = evaluate.evaluate_run(workdir, config, run)
    report = workdir / "report"
    patches = pd.read_parquet(report / "patches.parquet")
    assert {"overlap", "target", "predicted"} <= set(patches)
    assert (patches["overlap"] != patches["target"]).any()
    error = np.sqrt(np.mean((patches["predicted"] - patches["target"]) ** 2))
    assert metrics["regressor"]["rmse"] == pytest.approx(error, rel=1e-4)
    assert metrics["target"]["name"] == "contact_share"
    assert metrics["target"]["label"] in summary_lines(metrics)
    page = (report / "index.html").read_text()
    assert f"How well is {metrics['target']['label']} predicted from an image?" in page
    assert "Uneven light" in page and (report / "figures" / "flat_fields.png").exists()

    _, loaded = load(workdir)
    dataset = json.loads((workdir / "dataset.json").read_text())
    assert loaded.models.regressor.mean == dataset["training_mean"]
    assert loaded.models.regressor.sd == dataset["training_sd"] > 0
    assert evaluate.evaluate_run(workdir, config, loaded)["regressor"] == metrics["regressor"]
