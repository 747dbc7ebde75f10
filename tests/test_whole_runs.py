"""The two commands as a user runs them: whole, again, wrongly, and killed at any moment."""

import json
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from tiny_plates import SETTINGS, finish, latest_arrays, start

from jaxcell.dataset.batches import open_examples
from jaxcell.dataset.immune_cells import open_built
from jaxcell.dataset.source import dataset_config, tfds_folder
from jaxcell.inference.trained import NETWORKS, load
from jaxcell.simulator.plates import simulate_plates

pytestmark = pytest.mark.slow
WALL_CLOCK = ("patches_per_second", "seconds")


def _train(folder: Path, **changes):
    """Starts training in `folder/run`, with simulated plates and data set in `folder/data`."""
    changes = {name.replace("__", "."): value for name, value in changes.items()}
    settings = {**SETTINGS, "machine.folder": str(folder / "data"), **changes}
    return start("train", f"--workdir={folder / 'run'}", settings=settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, str, float]:
    """A folder with a whole run, what it printed, and how long it took in seconds."""
    folder, began = tmp_path_factory.mktemp("whole"), time.monotonic()
    output = finish(_train(folder))
    return folder, output, time.monotonic() - began


def _metrics(folder: Path, report: str = "report") -> dict:
    return json.loads((folder / "run" / report / "metrics.json").read_text())


def _times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_one_command_from_nothing_to_a_report(trained):
    folder, output, _ = trained
    for word in ("RMSE", "reconstruction", "Unstimulated", "OVA", "ConA", "index.html"):
        assert word in output
    report = folder / "run" / "report"
    assert "<html" in (report / "index.html").read_text()
    metrics = _metrics(folder)
    assert {"rmse", "sd_pred", "sd_true", "r2", "by_condition"} <= set(metrics["regressor"])
    assert {"bce", "bce_floor", "psnr_db", "ssim"} <= set(metrics["autoencoder"])
    patches = pd.read_parquet(report / "patches.parquet")
    wells = pd.read_csv(report / "wells.csv")
    assert len(patches) == metrics["patches"]["test"]
    assert len(wells) == metrics["wells"]["test"]
    # IN Cell's form, truth beside it, and nothing half-written.
    simulated = folder / "data" / "simulated"
    assert len(list(simulated.glob("[!.]*"))) == 1 and not list(simulated.glob(".*unfinished*"))


def test_the_wells_of_the_report_were_never_trained_on(trained):
    folder, _, _ = trained
    config, run = load(folder / "run")
    builder = open_built(dataset_config(config), run.dataset["name"], tfds_folder(config))
    table = open_examples(builder, memory_gib=0).table
    seen = table[table["split"] != "test"]
    key = ["plate", "well"]
    seen = set(seen[key].itertuples(index=False, name=None))
    patches = pd.read_parquet(folder / "run" / "report" / "patches.parquet")
    judged = set(patches[key].itertuples(index=False, name=None))
    assert seen and judged and not seen & judged
    assert len(seen | judged) == 18


def test_the_same_command_again_trains_nothing_and_says_the_same(trained):
    folder, output, seconds = trained
    before, metrics = _times(folder / "run" / "regressor" / "checkpoints"), _metrics(folder)
    data, began = _times(folder / "data"), time.monotonic()
    again = finish(_train(folder))
    assert time.monotonic() - began < seconds
    assert _metrics(folder) == metrics
    assert _times(folder / "run" / "regressor" / "checkpoints") == before
    assert _times(folder / "data") == data

    def overlaps(text: str) -> list[str]:
        return [line for line in text.splitlines() if "RMSE" in line]

    assert overlaps(again) == overlaps(output) != []


def test_another_config_in_the_same_folder_is_refused(trained):
    folder, _, _ = trained
    before = _times(folder)
    process = _train(folder, training__seed=1)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "training.seed: there 0, here 1" in errors and "another folder" in errors
    assert "Traceback" not in errors
    assert _times(folder) == before


def test_a_word_that_is_no_flag_is_refused(tmp_path):
    process = start("train", f"--workdir={tmp_path / 'run'}", "plates/")
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0 and "has no argument plates/" in errors
    assert not (tmp_path / "run").exists()


def test_evaluating_a_run_again_gives_its_metrics(trained):
    folder, _, _ = trained
    metrics = _metrics(folder)
    output = finish(start("evaluate", str(folder / "run")))
    assert "RMSE" in output
    assert _metrics(folder) == metrics


def test_evaluating_on_other_plates(trained, tmp_path):
    folder, _, _ = trained
    plates = tmp_path / "another"
    simulate_plates(plates, plates=1, rows=2, columns=3, field_size=192, seed=9)
    before = _metrics(folder)
    output = finish(start("evaluate", str(folder / "run"), str(plates)))
    assert "report-another" in output
    other = _metrics(folder, "report-another")
    assert other["wells"] == {"test": 6} and other["patches"] == {"test": 24}
    assert (folder / "run" / "report-another" / "index.html").exists()
    assert _metrics(folder) == before


def test_evaluating_what_is_no_run_is_refused(tmp_path):
    process = start("evaluate", str(tmp_path))
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0 and "is not a run" in errors
    assert "Traceback" not in errors


def _moments(folder: Path) -> list:
    """What to wait for before killing; each but the last is well before the next."""
    data, run = folder / "data", folder / "run"
    return [
        lambda: any((data / "simulated").glob(".*/SIM01/*.tif")),
        lambda: any((data / "tfds").rglob("*.array_record*")),
        lambda: any((run / "autoencoder" / "checkpoints").glob("*tmp*")),
        lambda: (run / "autoencoder" / "checkpoints" / "4").exists(),
        lambda: (run / "regressor" / "metrics.jsonl").exists(),
        lambda: len(_rows(folder, "regressor")) == 1,
        lambda: any(run.glob(".jaxcell-unfinished-report-*")),
    ]


def _rows(folder: Path, name: str) -> list[dict]:
    path = folder / "run" / name / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in rows]


def test_a_run_killed_at_any_moment_ends_bitwise_as_one_that_was_not(trained, tmp_path):
    whole, _, _ = trained
    for number, moment in enumerate(_moments(tmp_path)):
        process = _train(tmp_path)
        deadline = time.monotonic() + 200
        while not moment() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"moment {number} never came"
    finish(_train(tmp_path))

    for name in NETWORKS:
        assert _rows(tmp_path, name) == _rows(whole, name)
        assert len(_rows(whole, name)) == SETTINGS[f"training.{name}.epochs"]
        step, arrays = latest_arrays(tmp_path / "run", name)
        expected_step, expected = latest_arrays(whole / "run", name)
        assert step == expected_step and len(arrays) == len(expected) > 0
        for one, other in zip(arrays, expected):
            np.testing.assert_array_equal(one, other)
    ours, theirs = (load(folder / "run")[1].params for folder in (tmp_path, whole))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    assert _metrics(tmp_path) == _metrics(whole)
