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

from jaxcell.configs import dissertation
from jaxcell.dataset.source import load_plates
from jaxcell.experiments.interaction import evaluate, train
from jaxcell.inference.trained import load
from jaxcell.plates.findings import BadPlates
from jaxcell.report.common.terminal import closing_table
from jaxcell.simulator.plates import simulate_plates


def test_a_folder_is_claimed_once_and_opened_again_by_the_same_config(tmp_path):
    config, workdir = make_config(tmp_path), tmp_path / "run"
    for _ in range(2):
        train.claim(workdir, "config.json", config.to_dict(), "config")
        assert json.loads((workdir / "config.json").read_text())["data"]["window"] == 96
    assert [path.name for path in workdir.iterdir()] == ["config.json"]


def test_another_config_is_refused_with_what_differs(tmp_path):
    workdir = tmp_path / "run"
    train.claim(workdir, "config.json", make_config(tmp_path).to_dict(), "config")
    (workdir / "autoencoder").mkdir()  # training has begun
    before = (workdir / "config.json").read_text()
    other = make_config(
        tmp_path, regressor__optimizer__learning_rate=0.5, data__conditions=("OVA", "ConA")
    )
    with pytest.raises(ValueError) as error:
        train.claim(workdir, "config.json", other.to_dict(), "config")
    message = str(error.value)
    assert "regressor.optimizer.learning_rate: there 0.01, here 0.5" in message
    assert "data.conditions" in message and "autoencoder" not in message
    assert "--workdir" in message and str(workdir) in message
    assert (workdir / "config.json").read_text() == before


def test_a_field_that_only_one_config_has_is_a_difference(tmp_path):
    train.claim(tmp_path / "run", "config.json", {"a": {"b": 1}}, "config")
    (tmp_path / "run" / "autoencoder").mkdir()
    with pytest.raises(ValueError, match="a.c: there None, here 2"):
        train.claim(tmp_path / "run", "config.json", {"a": {"b": 1, "c": 2}}, "config")


def test_a_folder_in_which_no_training_began_is_free(tmp_path):
    workdir = tmp_path / "run"
    for content in ({"data": {"window": 30}}, {"data": {"window": 32}}):
        train.claim(workdir, "config.json", content, "config")
        assert json.loads((workdir / "config.json").read_text()) == content


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("model__architecture", "plain", "configs/dissertation.py"),
        ("data__target", "pearson", "configs/dense.py"),
        ("data__target", "overlap", "target 'overlap' is not one of iou"),
        ("data__mask_method", "instrument", "--config.data.mask_scope=field"),
        ("model__architecture", "resnet", "plain or residual"),
        ("model__dtype", "bf16", "float32 or bfloat16"),
        ("data__window", 30, "config.data.window"),
    ],
)
def test_settings_that_do_not_fit_stop_before_anything_is_read(tmp_path, setting, value, message):
    config = make_config(tmp_path, **{setting: value})
    with pytest.raises(ValueError, match=message):
        train.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists() and not (tmp_path / "data").exists()


def test_a_folder_of_other_things_is_not_written_to(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="not empty and is not a run"):
        train.claim(tmp_path, "config.json", {}, "config")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_is_no_run_cannot_be_loaded(tmp_path):
    with pytest.raises(ValueError, match="training has ended.*check --workdir"):
        load(tmp_path / "nowhere")
    train.claim(tmp_path / "run", "config.json", make_config(tmp_path).to_dict(), "config")
    with pytest.raises(ValueError, match="has no trained.json"):
        load(tmp_path / "run")


def test_a_run_of_an_earlier_version_is_refused_with_a_sentence(tmp_path):
    train.claim(tmp_path / "run", "config.json", make_config(tmp_path).to_dict(), "config")
    (tmp_path / "run" / "trained.json").write_text("{}")
    with pytest.raises(ValueError, match="earlier version"):
        load(tmp_path / "run")


def test_plates_that_are_not_there_are_an_error(tmp_path):
    config = make_config(tmp_path, data__plates=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="no folder of plates .*nowhere.*--config.data.plates"):
        load_plates(config)


def test_networks_that_do_not_exist_are_errors(tmp_path):
    for field in ("architecture", "regression"):
        config = make_config(tmp_path, **{f"model__{field}": "transformer"})
        with pytest.raises(ValueError, match=f"model.{field} is 'transformer': use"):
            train.make_models(config)


def test_the_dense_regressor_takes_mean_and_sd_of_other_targets_than_the_studys(tmp_path):
    dataset = {"name": "x", "training_mean": 55.0, "training_sd": 20.0}
    config = make_config(tmp_path, model__regression="dense", data__target="overlap_share")
    model = train.make_models(config, dataset).regressor
    assert (model.mean, model.sd) == (55.0, 20.0)
    model = train.make_models(config, {**dataset, "training_sd": 0.0}).regressor
    assert (model.mean, model.sd) == (55.0, 1.0)
    config.data.target = "iou"
    model = train.make_models(config, dataset).regressor
    assert (model.mean, model.sd) == (0.0, 1.0)
    study = train.make_models(dissertation.get_config(), dataset).regressor
    assert (study.mean, study.sd) == (0.0, 1.0)


def test_the_soft_regressor_learns_what_two_masks_tell(tmp_path):
    for target in ("iou", "overlap_share"):
        config = make_config(tmp_path, data__target=target)
        assert train.make_models(config).regressor.target == target


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
    config = make_config(tmp_path / "data", data__plates=str(damaged))
    with pytest.raises(BadPlates) as error:
        train.train(config, tmp_path / "run")
    assert "B02" in str(error.value) and "C03" in str(error.value)
    assert {finding.well for finding in error.value.findings} == {"B02", "C03"}
    assert not (tmp_path / "run" / "autoencoder").exists()
    assert not (tmp_path / "data").exists()


def test_bad_plates_are_left_out_when_asked(damaged, tmp_path):
    config = make_config(tmp_path, data__plates=str(damaged), data__on_bad_image="skip")
    plates = load_plates(config)
    wells = plates.wells[plates.wells["role"] != "empty"]
    assert len(wells) == 16 and not {"B02", "C03"} & set(wells["well"])
    assert not {"B02", "C03"} & set(plates.images["well"])
    assert {finding.well for finding in plates.findings if finding.fatal} == {"B02", "C03"}
    config.data.on_bad_image = "ignore"
    with pytest.raises(ValueError, match="use stop or skip"):
        load_plates(config)


def test_the_whole_way(damaged, simulated, tmp_path, monkeypatch):
    """From plates, two of whose wells are left out, to a report; then on other plates."""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    config = make_config(tmp_path, data__plates=str(damaged), data__on_bad_image="skip")
    config.autoencoder.epochs = config.regressor.epochs = 1
    workdir = tmp_path / "run"
    run = train.train(config, workdir)
    metrics = evaluate.evaluate_run(workdir, config, run)
    assert sum(metrics["wells"].values()) == 16 and metrics["left_out"] == 2
    assert metrics["regressor"]["rmse"] > 0
    assert "report" in closing_table(metrics, workdir / "report" / "index.html", 1.0)
    page = (workdir / "report" / "index.html").read_text()
    assert "B02" in page and "C03" in page
    # Half of four test wells is too few for any interval, and that is said.
    assert "calibration wells, and there are" in metrics["coverage"]["reason"]
    assert metrics["coverage"]["reason"] in html.unescape(page)

    report = workdir / "report"
    assert json.loads((report / "metrics.json").read_text())["left_out"] == 2
    patches = pd.read_parquet(report / "patches.parquet")
    wells = pd.read_csv(report / "wells.csv")
    assert len(patches) == metrics["patches"]["test"] == 4 * metrics["wells"]["test"]
    assert set(wells["well"]) == set(patches["well"])
    assert np.isfinite(patches[["overlap", "predicted", "bce", "psnr_db", "ssim"]]).all(axis=None)

    loaded_config, loaded = load(workdir)
    assert loaded_config.to_dict() == json.loads(config.to_json())
    assert loaded.histories == run.histories and loaded.dataset == run.dataset
    jax.tree.map(np.testing.assert_array_equal, loaded.params, run.params)

    loaded_config.data.update({"plates": str(simulated), "on_bad_image": "stop"})
    plates = load_plates(loaded_config)
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
        "data__plates": str(simulated),
        "data__target": "contact_share",
        "data__mask_scope": "field",
        "data__flat_field": True,
        "model__regression": "dense",
    }
    config, workdir = make_config(tmp_path, **settings), tmp_path / "run"
    config.autoencoder.epochs = config.regressor.epochs = 1
    run = train.train(config, workdir)
    metrics = evaluate.evaluate_run(workdir, config, run)
    report = workdir / "report"
    patches = pd.read_parquet(report / "patches.parquet")
    assert {"overlap", "target", "predicted"} <= set(patches)
    assert (patches["overlap"] != patches["target"]).any()
    error = np.sqrt(np.mean((patches["predicted"] - patches["target"]) ** 2))
    assert metrics["regressor"]["rmse"] == pytest.approx(error, rel=1e-4)
    assert metrics["target"]["name"] == "contact_share"
    assert metrics["target"]["label"] in closing_table(metrics, report / "index.html", 1.0)
    page = (report / "index.html").read_text()
    assert f"How good is the prediction of {metrics['target']['label']}?" in page
    assert "Uneven light" in page and (report / "figures" / "flat_fields.png").exists()

    _, loaded = load(workdir)
    dataset = json.loads((workdir / "dataset.json").read_text())
    assert loaded.models.regressor.mean == dataset["training_mean"]
    assert loaded.models.regressor.sd == dataset["training_sd"] > 0
    assert evaluate.evaluate_run(workdir, config, loaded)["regressor"] == metrics["regressor"]
