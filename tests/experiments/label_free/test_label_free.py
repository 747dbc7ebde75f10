"""A whole label-free run, small: trained, evaluated, used on plates that are stained in part."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.configs.settings import changed, load_config
from jaxcell.dataset.unstained_fields import Seen
from jaxcell.experiments import lifecycle
from jaxcell.experiments.label_free.baselines import FEATURES, answer_linear, fit_linear
from jaxcell.plates.folder import read_plates
from jaxcell.storage.atomic import read

SMALL = {
    "plates.simulate.plates": "1",
    "plates.simulate.rows": "5",
    "plates.simulate.columns": "3",
    "plates.simulate.field_size": "128",
    "plates.simulate.unstained_cells": "0",
    "model.features": "(8, 12)",
    "dataset.window": "64",
    "training.crop": "32",
    "training.epochs": "1",
    "training.steps_per_epoch": "3",
    "training.batch_size": "4",
    "training.optimizer.warmup_steps": "0",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("label_free")
    config = changed(load_config("label_free"), SMALL | {"machine.folder": str(home / "data")})
    said = lifecycle.run(config, home / "run")
    return home, said


def _plates(home, target, stained):
    """The run's plate with brightfield alone, but for some wells."""
    source = next((home / "data" / "simulated").glob("*/SIM01"))
    folder = target / "P1"
    folder.mkdir(parents=True)
    for path in source.glob("*.tif"):
        well = path.name.split(" - ")[1] + path.name.split(" - ")[2][:2]
        if "Brightfield" in path.name or well in stained:
            shutil.copy(path, folder / path.name.replace("SIM01", "P1"))
    wells = pd.read_parquet(source / "truth" / "wells.parquet")
    wells.assign(plate="P1", role="sample")[
        ["plate", "well", "condition", "compound", "concentration_um", "role"]
    ].to_csv(folder / "wells.csv", index=False)
    return target


def test_a_run_trains_and_judges_itself_beside_everything_else(run):
    home, said = run
    metrics = read(home / "run" / "report" / "metrics.json")
    assert set(metrics["measure"]) == {
        "network", "drawn_stain", "filter_bank", "rim_and_grain", "mean", "stained",
    }  # fmt: skip
    assert metrics["cells"]["t_cell"]["stained_true"]["f1"] > 0.6
    assert metrics["measure"]["mean"]["r"] is None
    page = (home / "run" / "report" / "index.html").read_text()
    assert "without stain" in page and "rim and grain alone" in said


def test_plates_without_stain_become_tables_and_plates(run, tmp_path):
    home, _ = run
    plates = _plates(home, tmp_path / "plates", stained=())
    lifecycle.predict(home / "run", str(plates), tmp_path / "out", {}, False)
    wells = pd.read_csv(tmp_path / "out" / "wells.csv")
    assert len(wells) == 15 and not wells["stained"].any() and wells["by_stain"].isna().all()
    patches = pd.read_parquet(tmp_path / "out" / "patches.parquet")
    assert patches["predicted"].between(0, 100).all()
    views = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
    drawn = read_plates(tmp_path / "out" / "stained", views)
    assert len(drawn.images) == 30 and not [one for one in drawn.findings if one.fatal]
    assert tifffile.imread(drawn.images["path"][0]).shape == (128, 128)
    assert set(drawn.wells["condition"]) == {"Unstimulated", "OVA", "ConA"}


def test_stained_wells_of_a_plate_are_used_for_the_others(run, tmp_path):
    home, _ = run
    names = [f"{row}{column:02d}" for row in "BCDEF" for column in (2, 3, 4)]
    plates = _plates(home, tmp_path / "plates", stained=names[:12])
    said = lifecycle.predict(home / "run", str(plates), tmp_path / "out", {}, False)
    wells = pd.read_csv(tmp_path / "out" / "wells.csv").set_index("well")
    assert wells["stained"].sum() == 12 and "by its 12 stained wells" in said
    assert wells.loc[names[:12], "by_stain"].notna().all()
    assert wells.loc[names[12:], "by_stain"].isna().all()
    others = wells.loc[names[12:]]
    assert (others["low"] <= others["predicted"]).all()
    assert (others["predicted"] <= others["high"]).all()
    # What the stains say is on the scale of the predictions, whatever the network's own.
    stained = wells.loc[names[:12], "by_stain"]
    assert abs(others["predicted"].mean() - stained.mean()) < 3 * stained.std()


def test_a_field_without_brightfield_is_refused_by_name(run, tmp_path):
    home, _ = run
    plates = _plates(home, tmp_path / "plates", stained=("C03",))
    next(plates.rglob("P1 - C - 03*Brightfield*")).unlink()
    with pytest.raises(ValueError, match="C03"):
        lifecycle.predict(home / "run", str(plates), tmp_path / "out", {}, False)
    assert not (tmp_path / "out").exists()


def test_a_run_that_predicts_nothing_says_so(tmp_path):
    (tmp_path / "config.json").write_text('{"experiment": "segmentation"}')
    with pytest.raises(ValueError, match="predicts no plates"):
        lifecycle.predict(tmp_path, "plates", tmp_path / "out", {}, False)


@pytest.mark.parametrize("name", FEATURES)
def test_baselines_see_what_their_features_hold(name):
    random = np.random.default_rng(0)
    labels = np.zeros((96, 96, 2), np.int32)
    labels[20:60, 20:60, 0] = 1
    image = (labels[..., :1] > 0) * random.standard_normal((96, 96, 1)).astype(np.float32)
    stain = np.where(labels > 0, 2000, 200).astype(np.uint16)
    model = fit_linear(
        name, [Seen(image, stain, labels, labels)], ((200.0, 2000.0), (200.0, 2000.0))
    )
    answer = answer_linear(model, image)
    np.testing.assert_allclose(answer.chances.sum(axis=-1), 1)
    inside, outside = answer.stain[25:55, 25:55, 0].mean(), answer.stain[70:, 70:, 0].mean()
    # Grain tells here; a mean image cannot.
    assert inside > 1.5 * outside if name != "mean" else inside == pytest.approx(outside)
