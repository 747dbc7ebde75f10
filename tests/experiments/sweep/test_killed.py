"""A sweep as a program: killed, started again, and by hand in two processes at once."""

import json
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny_plates

SETTINGS = tiny_plates.SETTINGS | {
    "model.autoencoder.patch": 8,
    "model.regressor.hidden": (8, 4),
    "sweep.latent_dim": (4, 8),
    "sweep.seed": (0, 1),
    "sweep.nested_epochs": 2,
    # At every step, so that there is a moment at which one seed is saved and the other not.
    "training.autoencoder.checkpoint_every_steps": 1,
}
del SETTINGS["model.regressor.features"]


def start(folder: Path, run: str):
    settings = SETTINGS | {"machine.folder": folder / "data"}
    return tiny_plates.start(
        "train", f"--workdir={folder / run}", settings=settings, config="latent_sweep"
    )


def moments(workdir: Path) -> list:
    """What to wait for before killing: each is well before the next."""
    members = workdir / "members"
    return [
        lambda: (members / "latent_4-seed_0" / "autoencoder" / "checkpoints" / "3").exists(),
        lambda: (members / "latent_4-seed_1" / "measured.json").exists(),
        lambda: any(members.glob("latent_8-seed_1/autoencoder/checkpoints/*tmp*")),
        lambda: (members / "nested-seed_0" / "regressor" / "metrics.jsonl").exists(),
        lambda: any(workdir.glob(".jaxcell-unfinished-report-*")),
    ]


def table(workdir: Path, name: str = "members") -> pd.DataFrame:
    """A table of the report, without seconds."""
    found = pd.read_csv(workdir / "report" / f"{name}.csv")
    return found.drop(columns=[column for column in found if "seconds" in column])


def without_seconds(content):
    """JSON without what is of seconds."""
    if isinstance(content, dict):
        return {
            name: without_seconds(value)
            for name, value in content.items()
            if not any(word in name for word in ("seconds", "time_share"))
        }
    return [without_seconds(item) for item in content] if isinstance(content, list) else content


@pytest.mark.slow
def test_killed_and_started_again_it_goes_on_and_ends_as_if_never_killed(tmp_path):
    output = tiny_plates.finish(start(tmp_path, "whole"), seconds=600)
    assert "6 of 6 members done" in output and "jaxcell evaluate " in output
    killed, finished = tmp_path / "killed", {}
    for number, moment in enumerate(moments(killed)):
        process = start(tmp_path, "killed")
        deadline = time.monotonic() + 300
        while not moment() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, f"moment {number} never came"
        for path, moment_made in finished.items():
            assert path.stat().st_mtime_ns == moment_made, f"{path} was made again"
        for path in killed.rglob("measured.json"):
            finished[path] = path.stat().st_mtime_ns
    tiny_plates.finish(start(tmp_path, "killed"), seconds=600)
    assert (killed / "sweep.json").read_bytes() == (tmp_path / "whole/sweep.json").read_bytes()
    for name in ("members", "sizes"):
        pd.testing.assert_frame_equal(table(killed, name), table(tmp_path / "whole", name),
                                      check_exact=True)  # fmt: skip
    one, other = (
        without_seconds(json.loads((tmp_path / run / "report/metrics.json").read_text()))
        for run in ("whole", "killed")
    )
    assert one == other
    for name in ("latent_4-seed_0", "latent_8-seed_1", "nested-seed_1"):
        places = (tmp_path / run / "members" / name for run in ("whole", "killed"))
        (step, one), (other_step, other) = (
            tiny_plates.latest_arrays(place, "autoencoder") for place in places
        )
        assert step == other_step
        for first, second in zip(one, other, strict=True):
            np.testing.assert_array_equal(first, second)
        lines = (killed / "members" / name / "autoencoder" / "metrics.jsonl").open()
        assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


@pytest.mark.slow
def test_two_calls_at_once_share_the_work(tmp_path):
    first, second = start(tmp_path, "run"), start(tmp_path, "run")
    output = tiny_plates.finish(first, 600) + tiny_plates.finish(second, 600)
    assert output.count("6 of 6 members done") >= 1
    tiny_plates.finish(start(tmp_path, "run"), 600)
    assert (table(tmp_path / "run")["state"] == "done").all()
