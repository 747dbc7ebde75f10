"""A run opened in a notebook: the command's own predictions, of a plate and of one well."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from ml_collections import ConfigDict
from tiny_plates import make_config

import jaxcell
from jaxcell.experiments.interaction import train
from jaxcell.experiments.interaction.predict import predict_folder
from jaxcell.plates.findings import BadPlates
from jaxcell.simulator.plates import simulate_plates


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebook") / "plates"
    simulate_plates(folder, rows=2, columns=6, fields=2, field_size=192)
    return folder


@pytest.fixture(scope="module")
def workdir(folder):
    config = make_config(folder.parent, plates__folder=str(folder))
    config.training.autoencoder.epochs = config.training.regressor.epochs = 1
    train.train(config, folder.parent / "run")
    return folder.parent / "run"


@pytest.fixture(scope="module")
def predicted(folder, workdir):
    return jaxcell.open_run(workdir).predict(jaxcell.read_plate(folder))


def test_a_plate_has_the_predictions_of_the_command(predicted, workdir, folder):
    out = workdir / "predictions-plates"
    predict_folder(workdir, str(folder), out, {}, skip=False)
    pd.testing.assert_frame_equal(
        predicted.patches, pd.read_parquet(out / "patches.parquet"), check_exact=True
    )
    wells = pd.read_csv(out / "wells.csv", float_precision="round_trip", keep_default_na=False,
                        na_values={"concentration_um": "", "stimulus_ug_per_ml": ""})  # fmt: skip
    assert len(wells) == 12 and list(wells) == list(predicted.wells)
    for name in wells:
        given = wells[name].astype(predicted.wells[name].dtype)
        pd.testing.assert_series_equal(predicted.wells[name], given, check_exact=True)


def test_a_well_has_its_row_of_the_plate(predicted, workdir, folder):
    well = jaxcell.read_plate(folder)["C05"]
    alone = jaxcell.open_run(workdir).predict(well)
    row = predicted.wells[predicted.wells["well"] == "C05"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.wells, row, rtol=1e-5)
    patches = predicted.patches[predicted.patches["well"] == "C05"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.patches, patches, rtol=1e-5)
    assert len(patches) == 8 and alone.patches["predicted"].std() > 0


def test_the_light_of_a_well_is_that_of_its_plate(workdir, folder):
    """A run that corrects fields learns from the whole plate how they are lit, for one well too."""
    plate, plain_run = jaxcell.read_plate(folder), jaxcell.open_run(workdir)
    config = ConfigDict(plain_run.config.to_dict())
    config.dataset.flat_field = True
    run = dataclasses.replace(plain_run, config=config)
    whole = run.predict(plate).wells.set_index("well")["predicted_mean"]
    plain = plain_run.predict(plate["C05"]).wells["predicted_mean"][0]
    alone = run.predict(plate["C05"]).wells["predicted_mean"][0]
    assert alone == pytest.approx(whole["C05"], rel=1e-5)
    assert not np.isclose(alone, plain, rtol=1e-5)


def test_what_is_wrong_stops_a_prediction_of_what_it_concerns(workdir, folder, tmp_path):
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    next(damaged.glob("SIM01/SIM01 - B - 03(fld 1 wv FITC*.tif")).unlink()
    plate, run = jaxcell.read_plate(damaged), jaxcell.open_run(workdir)
    for chosen in (plate, plate["B03"]):
        with pytest.raises(BadPlates, match="B03, field 1 has no FITC view"):
            run.predict(chosen)
    assert len(run.predict(plate["B02"]).wells) == 1


def test_what_is_no_such_run_is_said(tmp_path, workdir):
    with pytest.raises(ValueError, match="no trained.json"):
        jaxcell.open_run(tmp_path)
    config = json.loads((workdir / "config.json").read_text()) | {"experiment": "segmentation"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "trained.json").touch()
    with pytest.raises(ValueError, match="run of segmentation, not of interaction"):
        jaxcell.open_run(tmp_path)
    assert "predicts true_iou" in repr(jaxcell.open_run(workdir))
