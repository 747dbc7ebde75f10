"""Killed at random moments and started again, every command ends as if it had not been."""

import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from every_command import assert_same, content, leftovers, prepare, result_folder, start_command
from tiny_plates import finish

pytestmark = pytest.mark.slow
# Kills of each command, 130 in all; tests/experiments/sweep/test_killed.py chooses its moments.
KILLS = {
    "train": 25, "measure": 20, "predict": 10, "evaluate": 10, "evaluate plates": 5, "sweep": 15,
    "segmentation": 10, "segment": 10, "screen plates": 10, "screen table": 5, "design": 5,
    "label": 3, "score": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("kills")
    prepare(home)
    return home


@pytest.mark.parametrize("name", KILLS)
def test_killed_at_random_it_ends_as_if_never_killed(home, name):
    draw, word = random.Random(name), name.replace(" ", "-")
    began = time.monotonic()
    finish(start_command(name, home, home / "whole" / word), 900)
    seconds = time.monotonic() - began
    folder = result_folder(name, home, home / "whole" / word)
    wanted = content(folder)
    out = home / "killed" / word
    if name in ("evaluate", "evaluate plates", "score"):
        out = folder
        shutil.rmtree(folder)
    for _ in range(KILLS[name]):
        if name == "label":  # what is there is never replaced
            shutil.rmtree(out, ignore_errors=True)
        process = start_command(name, home, out)
        time.sleep(draw.uniform(0, seconds))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert "Traceback" not in errors, errors
    if name == "label":
        shutil.rmtree(out, ignore_errors=True)
    finish(start_command(name, home, out), 900)
    assert_same(content(result_folder(name, home, out)), wanted)
    assert not leftovers(out)
