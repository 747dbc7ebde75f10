"""A whole sweep in one process: members, resumption, shares, what is measured, what is reported."""

import json
import os
import re
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
import tiny_plates
from ml_collections import ConfigDict

from jaxcell.configs import latent_sweep
from jaxcell.experiments import lifecycle
from jaxcell.experiments.interaction import evaluate, train
from jaxcell.experiments.sweep import train as sweep
from jaxcell.experiments.sweep.members import grid
from jaxcell.experiments.sweep.plan import count_patches, time_steps
from jaxcell.inference.trained import load
from jaxcell.training import checkpoint

SIZES, SEEDS = (4, 8), (0, 1)
# One program: compiling is most of what so small a sweep takes.
SMALL = {"latent_dim": (4,), "nested": False}
SCORES = ["bce_excess", "psnr_db", "ssim", "rmse_over_sd", "parameters", "flops"]


def make_config(folder: Path, **axes) -> ConfigDict:
    """The sweep's config on the tiny plates, with axes changed."""
    config = latent_sweep.get_config()
    settings = tiny_plates.SETTINGS | {
        "machine.folder": str(folder),
        "model.autoencoder.patch": 8,
        "model.regressor.hidden": (8, 4),
        "sweep.latent_dim": SIZES,
        "sweep.seed": SEEDS,
        "sweep.nested_epochs": 2,
        **{f"sweep.{name}": value for name, value in axes.items()},
    }
    del settings["model.regressor.features"]
    config.update_from_flattened_dict(settings)
    return config


def start(folder: Path, workdir: Path, **axes) -> str:
    return lifecycle.run(make_config(folder, **axes), workdir)


def weights(folder: Path, name: str = "autoencoder") -> list[np.ndarray]:
    return jax.tree.leaves(checkpoint.best_params(folder / name / "checkpoints"))


@pytest.fixture(scope="module", autouse=True)
def _quiet():
    os.environ["TQDM_DISABLE"] = "1"
    yield
    del os.environ["TQDM_DISABLE"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Where simulated plates and data sets are kept."""
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def whole(data) -> Path:
    """A sweep of two sizes and a nested code, two seeds each."""
    workdir = data / "whole"
    assert str(workdir / "report" / "index.html") in start(data, workdir)
    return workdir


@pytest.fixture(scope="module")
def small(data) -> Path:
    """A sweep of one size and two seeds."""
    workdir = data / "small"
    assert str(workdir / "report" / "index.html") in start(data, workdir, **SMALL)
    return workdir


def test_each_seed_is_there_once_with_its_scores(small):
    members = pd.read_csv(small / "report" / "members.csv")
    assert members["member"].tolist() == [f"latent_4-seed_{seed}" for seed in SEEDS]
    assert (members["state"] == "done").all() and np.isfinite(members[SCORES]).all(axis=None)
    assert members["bce_excess"].nunique() == len(SEEDS)


@pytest.mark.slow
def test_every_member_is_there_once_with_its_scores(whole):
    members = pd.read_csv(whole / "report" / "members.csv")
    names = {f"latent_{k}-seed_{s}" for k in SIZES for s in SEEDS} | {
        f"nested-seed_{s}" for s in SEEDS
    }
    assert {path.name for path in (whole / "members").iterdir()} == names == set(members["member"])
    assert (members["state"] == "done").all()
    nested = members[members["kind"] == "nested"]
    assert sorted(zip(nested["seed"], nested["latent_size"])) == [
        (s, k) for s in SEEDS for k in SIZES
    ]
    assert np.isfinite(members[SCORES]).all(axis=None)
    assert (members["bce_excess"] > 0).all() and (members["train_seconds"] > 0).all()
    assert (members["code_bytes"] == 4 * members["latent_size"]).all()


def test_started_again_it_repeats_nothing(small, data):
    made = {path: path.stat().st_mtime_ns for path in (small / "members").rglob("*")}
    start(data, small, **SMALL)
    assert made == {path: path.stat().st_mtime_ns for path in (small / "members").rglob("*")}


@pytest.mark.slow
def test_shares_together_are_the_whole(whole, data, tmp_path):
    workdir = tmp_path / "shared"
    first = start(data, workdir, shard="1/2")
    assert "not there yet" in first and not (workdir / "report").exists()
    assert "All members are there" in start(data, workdir, shard="2/2")
    start(data, workdir)
    one, other = (pd.read_csv(place / "report" / "members.csv") for place in (whole, workdir))
    assert one["member"].tolist() == other["member"].tolist()
    np.testing.assert_allclose(one["bce_excess"], other["bce_excess"], rtol=1e-5)


@pytest.mark.slow
def test_a_members_scores_are_those_of_an_ordinary_evaluation(whole):
    """`jaxcell evaluate` takes a member's folder, and says what the sweep says."""
    name = json.loads((whole / "report" / "metrics.json").read_text())["best_member"]
    folder = whole / "members" / name
    config, run = load(folder)
    metrics = evaluate.evaluate_run(folder, config, run)
    row = pd.read_csv(whole / "report" / "members.csv").set_index("member").loc[name]
    autoencoder, regressor = metrics["autoencoder"], metrics["regressor"]
    for score in ("bce_excess", "psnr_db", "ssim"):
        assert row[score] == pytest.approx(autoencoder[score], rel=1e-4)
    assert row["rmse_over_sd"] == pytest.approx(regressor["rmse"] / regressor["sd_true"], rel=1e-4)
    assert (folder / "report" / "index.html").exists()


@pytest.mark.slow
def test_a_nested_member_at_its_largest_size_is_its_whole_code(whole):
    folder = whole / "members" / "nested-seed_0"
    config, run = load(folder)
    metrics = evaluate.evaluate_run(folder, config, run)
    members = pd.read_csv(whole / "report" / "members.csv")
    own = members[members["member"] == "nested-seed_0"].set_index("latent_size")
    assert own.loc[8, "bce_excess"] == pytest.approx(metrics["autoencoder"]["bce_excess"], rel=1e-4)
    assert own.loc[4, "bce_excess"] != own.loc[8, "bce_excess"]
    assert own.loc[4, "rmse_over_sd"] != own.loc[8, "rmse_over_sd"]


@pytest.mark.slow
def test_a_member_is_what_train_py_makes_of_its_config(whole, tmp_path):
    member = whole / "members" / "latent_4-seed_1"
    config = ConfigDict(json.loads((member / "config.json").read_text()))
    train.train(config, tmp_path / "alone")
    for name in ("autoencoder", "regressor"):
        for one, other in zip(weights(member, name), weights(tmp_path / "alone", name)):
            np.testing.assert_allclose(one, other, atol=1e-3)


def test_another_sweep_is_refused_and_a_sweep_is_no_run(small, data):
    with pytest.raises(ValueError, match="sweep.latent_dim.*another folder"):
        start(data, small, nested=False)
    with pytest.raises(ValueError, match="is a sweep; evaluate one of its runs"):
        lifecycle.evaluate(small, plates="plates")


def test_the_report_of_a_sweep_is_written_anew(small):
    before = pd.read_csv(small / "report" / "members.csv")
    (small / "report" / "members.csv").unlink()
    assert "2 of 2 done" in lifecycle.evaluate(small)
    pd.testing.assert_frame_equal(pd.read_csv(small / "report" / "members.csv"), before)


@pytest.mark.slow
def test_planned_time_is_of_the_order_of_what_training_takes(data, tmp_path):
    config = make_config(data, latent_dim=(4,), seed=(0,), nested=False)
    config.model.autoencoder.features = (64, 64)
    config.training.autoencoder.checkpoint_every_steps = 0
    sweep.train(config, tmp_path)
    history = (tmp_path / "members" / "latent_4-seed_0" / "autoencoder" / "metrics.jsonl").open()
    took = [json.loads(line)["seconds"] for line in history][-1]  # the first epoch compiles
    member = grid(config)[0]
    patches = count_patches(member.config, None)
    step = time_steps(member.config)["autoencoder"].seconds
    planned = step * patches.train / member.config.training.autoencoder.batch_size
    assert took / 10 < planned < 5 * took


def test_a_plan_makes_nothing(data, tmp_path):
    text = start(data, tmp_path / "planned", plan=True)
    assert re.search(r"members +6, of which 0 done", text)
    assert not (tmp_path / "planned").exists()


@pytest.mark.slow
def test_a_member_that_diverges_is_reported_and_the_rest_go_on(data, tmp_path):
    axes = {
        "latent_dim": (4,), "seed": (0,), "nested": False, "learning_rate": (3e-3, 1e37),
    }  # fmt: skip
    closing = start(data, tmp_path / "some", **axes)
    assert "learning_rate_1e+37-latent_4-seed_0: " in closing and "not finite" in closing
    members = pd.read_csv(tmp_path / "some" / "report" / "members.csv").set_index("member")
    assert members["state"].to_dict() == {
        "learning_rate_0.003-latent_4-seed_0": "done",
        "learning_rate_1e+37-latent_4-seed_0": "diverged",
    }
    page = (tmp_path / "some" / "report" / "index.html").read_text()
    assert "learning_rate_1e+37-latent_4-seed_0" in page and "not finite" in page
    began = (tmp_path / "some" / "members").stat().st_mtime_ns
    assert "diverged" in start(data, tmp_path / "some", **axes)  # and nothing is tried again
    assert (tmp_path / "some" / "members").stat().st_mtime_ns == began


@pytest.mark.slow
def test_what_another_call_is_at_is_left_alone(data, tmp_path):
    workdir = tmp_path / "busy"
    axes = {"latent_dim": (4,), "seed": (0,), "nested": False}
    with sweep.locked(workdir / "locks" / "latent_4-seed_0.lock"):
        closing = start(data, workdir, **axes)
    assert "waiting" in closing and not (workdir / "members").exists()


def test_a_sweep_killed_before_its_first_member_began_is_started_again(data, tmp_path):
    workdir = tmp_path / "early"
    with sweep.locked(workdir / "locks" / "latent_4-seed_0.lock"):
        pass  # and killed: all that is there is a lock that nobody holds
    sweep.check_claim(workdir, "sweep.json", {}, "other settings")


def test_runs_of_another_kind_are_refused(small, data):
    with pytest.raises(ValueError, match="another kind"):
        train.train(tiny_plates.make_config(data), small)
    with pytest.raises(ValueError, match="another kind"):
        start(data, small / "members" / "latent_4-seed_0")


def test_an_empty_share_is_said(data, tmp_path):
    assert "No member of the sweep" in start(data, tmp_path / "none", shard="9/9")
