"""Predictions in one pass: those of an evaluation, from few fields at a time, in two tables."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict
from tiny_plates import ROOT, make_config
from tqdm import tqdm

from jaxcell.dataset import fields
from jaxcell.dataset.source import load_plates
from jaxcell.experiments.interaction import evaluate, train
from jaxcell.experiments.interaction.predict import predict_folder
from jaxcell.inference import mapping, windows
from jaxcell.inference import plates as prediction
from jaxcell.inference.patches import EvaluatedPatches
from jaxcell.inference.trained import Run, load
from jaxcell.models.interaction_unet import AMOUNTS, TARGETS, code
from jaxcell.plates.folder import Plates
from jaxcell.simulator.plates import simulate_plates

KEY = ["plate", "well", "field", "y", "x"]


@pytest.fixture(scope="module", autouse=True)
def _no_bars():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A plate of eighteen wells of four windows each."""
    folder = tmp_path_factory.mktemp("plates") / "good"
    simulate_plates(folder, plates=1, rows=3, columns=6, field_size=192, seed=1)
    return folder


@pytest.fixture(scope="module")
def workdir(folder, tmp_path_factory) -> Path:
    """A trained run."""
    base = tmp_path_factory.mktemp("run")
    config = make_config(base, plates__folder=str(folder))
    config.training.autoencoder.epochs = config.training.regressor.epochs = 1
    train.train(config, base / "run")
    return base / "run"


@pytest.fixture(scope="module")
def opened(workdir) -> tuple[ConfigDict, Run, Plates]:
    """Its config, itself, and its plates."""
    config, run = load(workdir)
    return config, run, load_plates(config)


@pytest.fixture
def loaded(opened) -> tuple[ConfigDict, Run, Plates]:
    """The same, each test its own config, with batches that no field and no plate fills evenly."""
    config = ConfigDict(opened[0].to_dict())
    config.evaluation.batch_size = 10
    return config, *opened[1:]


@pytest.fixture
def damaged(folder, tmp_path) -> Path:
    """The plate with one view missing and one file cut short, in two wells."""
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    next(damaged.glob("SIM01/SIM01 - B - 02*FITC*.tif")).unlink()
    cut = next(damaged.glob("SIM01/SIM01 - C - 03*TexasRed*.tif"))
    cut.write_bytes(cut.read_bytes()[:1000])
    return damaged


def _seen_by_evaluation(workdir, config, run, plates) -> EvaluatedPatches:
    """What `evaluate_plates` has once both networks have run over its patches."""

    class Evaluated(Exception):
        pass

    def stop(*given):
        raise Evaluated(evaluate_patches(*given))

    evaluate_patches = evaluate.evaluate_patches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "evaluate_patches", stop)
        with pytest.raises(Evaluated) as caught:
            evaluate.evaluate_plates(workdir, config, run, plates, "good")
    return caught.value.args[0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"masked": True, "stride": 48},
        {
            "masked": True,
            "mask_method": "instrument",
            "mask_scope": "field",
            "flat_field": True,
        },
    ],
    ids=["plain", "masked", "flat"],
)
def test_patches_have_the_predictions_of_an_evaluation(loaded, workdir, settings):
    config, run, plates = loaded
    config.dataset.update(settings)
    expected = _seen_by_evaluation(workdir, config, run, plates).patches
    # An evaluation's own subset and split are those of its training.
    config.dataset.update({"subset": "dmso", "split_by": "plate"})
    found = prediction.predict_plates(run, config, plates).patches
    assert list(found) == [*KEY, "faulty", "predicted", "doubt", *AMOUNTS]
    pd.testing.assert_frame_equal(found[KEY], expected[KEY], check_dtype=False)
    np.testing.assert_array_equal(found["faulty"], expected["faulty"])
    np.testing.assert_allclose(found["predicted"], expected["predicted"], atol=1e-3)
    assert found["predicted"].dtype == np.float32 and found["predicted"].std() > 0.01


def test_codes_are_of_the_network_that_the_config_names(loaded, workdir):
    config, run, plates = loaded
    spatial = _seen_by_evaluation(workdir, config, run, plates)
    config.evaluation.codes = "regressor"
    found = _seen_by_evaluation(workdir, config, run, plates)
    assert spatial.places > 1 and found.places == 1
    amounts = found.patches[list(AMOUNTS)].to_numpy(np.float32)
    np.testing.assert_allclose(found.codes, code(amounts), rtol=1e-4, atol=1e-4)
    pd.testing.assert_frame_equal(found.patches, spatial.patches)


def test_a_batch_larger_than_all_patches_changes_nothing(loaded):
    config, run, plates = loaded
    small = prediction.predict_plates(run, config, plates)
    config.evaluation.batch_size = 100
    large = prediction.predict_plates(run, config, plates)
    assert len(large.patches) == 72
    np.testing.assert_allclose(large.patches["predicted"], small.patches["predicted"], atol=1e-4)


def test_a_well_has_mean_and_spread_of_its_patches(loaded):
    config, run, plates = loaded
    patches, wells, seconds = prediction.predict_plates(run, config, plates)
    assert len(wells) == 18 and (wells["fields"] == 1).all() and (wells["patches"] == 4).all()
    for well in wells.itertuples():
        own = patches[(patches["plate"] == well.plate) & (patches["well"] == well.well)]
        assert well.predicted_mean == pytest.approx(own["predicted"].mean(), rel=1e-5)
        assert well.predicted_sd == pytest.approx(np.std(own["predicted"]), rel=1e-4)
        _, _, both, cells, _, bound = own[list(AMOUNTS)].sum()
        assert well.pooled_bound_share == pytest.approx(100 * bound / cells, rel=1e-4)
        assert well.shared_pixels == pytest.approx(both, rel=1e-4)
        assert well.faulty == own["faulty"].sum()
    assert {f"pooled_{target}" for target in TARGETS} <= set(wells)
    about = wells[["plate", "well", "condition", "compound", "concentration_um", "role"]]
    given = plates.wells[plates.wells["role"] != "empty"][list(about)]
    given = given.sort_values(["plate", "well"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(about, given)
    assert 0 <= seconds.waiting_share <= 1 and min(seconds) > 0


def test_fields_are_read_as_they_are_used(loaded, monkeypatch):
    config, run, plates = loaded
    config.evaluation.batch_size = 8  # two fields
    read, read_by_then = [], []
    real = fields.read_field

    def counted(*given):
        read.append(1)
        return real(*given)

    class SlowBar(tqdm):
        def update(self, n=1):
            time.sleep(0.05)  # long enough for threads without a bound to run away
            read_by_then.append(len(read))
            super().update(n)

    monkeypatch.setattr(windows, "THREADS", 1)
    monkeypatch.setattr(fields, "read_field", counted)
    monkeypatch.setattr(prediction, "tqdm", SlowBar)
    prediction.predict_plates(run, config, plates)
    ahead = 2 * (mapping.BATCHES_AHEAD + mapping.IN_FLIGHT) + fields.AHEAD + 1
    assert len(read) == 18 and read_by_then[0] < 18
    assert all(count <= 2 * (number + 1) + ahead for number, count in enumerate(read_by_then))


def test_a_file_that_breaks_on_the_way_is_an_error_that_names_it(loaded, damaged):
    config, run, _ = loaded
    config.plates.update({"folder": str(damaged), "on_bad_image": "skip"})
    plates = load_plates(config)
    gone = next(damaged.glob("SIM01/SIM01 - D - 05*FITC*.tif"))
    gone.unlink()
    with pytest.raises(ValueError, match="SIM01 D05, field 1: there is no such file.*- D - 05"):
        prediction.predict_plates(run, config, plates)


def test_bad_plates_write_nothing_or_are_left_out_and_listed(workdir, damaged):
    with pytest.raises(ValueError, match="B02(.|\n)*C03"):
        predict_folder(workdir, str(damaged), workdir / "predictions-damaged", {}, skip=False)
    assert not list(workdir.glob("predictions-damaged*"))
    said = predict_folder(workdir, str(damaged), workdir / "predictions-damaged", {}, skip=True)
    wells = pd.read_csv(workdir / "predictions-damaged" / "wells.csv")
    assert len(wells) == 16 and not {"B02", "C03"} & set(wells["well"])
    listed = said.split("left out")[1]
    assert "B02" in listed and "C03" in listed


def test_a_folder_without_layout_takes_the_place_of_an_earlier_one(workdir, folder, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns("*.xlsx"))
    out = workdir / "predictions-bare"
    out.mkdir()
    for name in ("wells.csv", "patches.parquet"):
        (out / name).write_text("of an earlier call")
    said = predict_folder(workdir, str(bare), out, {}, skip=False)
    patches, wells = pd.read_parquet(out / "patches.parquet"), pd.read_csv(out / "wells.csv")
    assert len(patches) == 72 and len(wells) == 18 and wells["condition"].isna().all()
    assert "18 without layout" in said and "wells a second" in said and str(out) in said
    assert [path.name for path in workdir.glob("predictions-bare*")] == ["predictions-bare"]
    (out / "wells.csv").unlink()
    with pytest.raises(FileExistsError, match="predictions-bare.*move it away"):
        predict_folder(workdir, str(bare), out, {}, skip=False)
    assert (out / "patches.parquet").exists()


def test_a_run_of_something_else_is_refused(tmp_path):
    config = '{"experiment": "segmentation", "plates": {}, "machine": {}}'
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "trained.json").write_text("{}")
    with pytest.raises(ValueError, match="run of segmentation"):
        predict_folder(tmp_path, "anywhere", tmp_path / "out", {}, skip=False)


def test_help_is_there_before_anything_heavy_is_imported():
    code = "import sys, jaxcell.cli; print([m for m in ('jax', 'pandas') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
