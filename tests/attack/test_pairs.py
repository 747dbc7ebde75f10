"""Two commands at once: each ends well or is refused by name, and what is there is whole."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from every_command import COMMANDS, prepare, start_command
from tiny_plates import SETTINGS, finish, latest_arrays, start

pytestmark = pytest.mark.slow
# Nothing that is there is replaced: the second is told so.
NEVER_REPLACED = ("label", "plates")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """What the commands take."""
    home = tmp_path_factory.mktemp("pairs")
    prepare(home)
    return home


def _start(name: str, home: Path):
    """A command of the pair; those of one name write to one place."""
    return start_command(name, home, home / f"out-{name.replace(' ', '-')}")


@pytest.mark.parametrize(
    "pair",
    list(itertools.combinations_with_replacement(COMMANDS, 2)),
    ids=lambda pair: " and ".join(pair),
)
def test_each_ends_well_or_is_refused_by_name(home, pair):
    for name in NEVER_REPLACED:
        shutil.rmtree(home / f"out-{name}", ignore_errors=True)
    processes = [_start(name, home) for name in pair]
    said = [process.communicate(timeout=900) for process in processes]
    for name, process, (output, errors) in zip(pair, processes, said, strict=True):
        assert "Traceback" not in errors, errors
        refused = "in use: process" in errors
        refused |= name in NEVER_REPLACED and "overwritten" in errors
        assert process.returncode == 0 or refused, output + errors
    assert any(process.returncode == 0 for process in processes)
    if pair[0] == pair[1] and pair[0] not in NEVER_REPLACED:
        finish(_start(pair[0], home))  # nothing is left locked


def test_two_trainings_that_begin_on_one_data_folder_share_it(tmp_path):
    settings = SETTINGS | {"machine.folder": tmp_path / "data", "plates.simulate.seed": 7}
    both = [
        start("train", f"--workdir={tmp_path / name}", settings=settings) for name in ("a", "b")
    ]
    for process in both:
        finish(process, 900)
    (step, one), (other_step, other) = (
        latest_arrays(tmp_path / name, "autoencoder") for name in ("a", "b")
    )
    assert step == other_step
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
