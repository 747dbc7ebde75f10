"""Commands at once: each ends well or is refused by name, and what is there is whole."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from every_command import COMMANDS, prepare, start_command
from tiny_plates import SETTINGS, finish, latest_arrays, start

# Nothing that is there is replaced: the second is told so.
NEVER_REPLACED = ("label", "plates")
# Commands in groups, and groups in the lines of the Fano plane: any two groups, so any two
# commands, are together in one line, whose five to seven commands all run at the same time. A test
# a pair would start five times as many.
GROUPS = (
    ("train", "build"), ("segmentation", "segment"), ("sweep",), ("measure", "label"),
    ("screen plates", "screen table", "design"), ("evaluate", "evaluate plates", "predict"),
    ("plates", "score"),
)  # fmt: skip
LINES = ((0, 1, 2), (0, 3, 4), (0, 5, 6), (1, 3, 5), (1, 4, 6), (2, 3, 6), (2, 4, 5))
ROUNDS = [[name for group in line for name in GROUPS[group]] for line in LINES]


def test_every_two_commands_are_together_in_a_round():
    together = {pair for names in ROUNDS for pair in itertools.permutations(names, 2)}
    assert together == set(itertools.permutations(COMMANDS, 2))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """What the commands take."""
    home = tmp_path_factory.mktemp("pairs")
    prepare(home)
    return home


def _run(names: list[str], home: Path) -> list[tuple[int, str, str]]:
    """Code, output and errors of commands at once; those of one name write to one place."""
    for name in NEVER_REPLACED:
        shutil.rmtree(home / f"out-{name}", ignore_errors=True)
    processes = [_start(name, home) for name in names]
    said = [process.communicate(timeout=1800) for process in processes]
    return [(each.returncode, *words) for each, words in zip(processes, said, strict=True)]


def _start(name: str, home: Path):
    return start_command(name, home, home / f"out-{name.replace(' ', '-')}")


@pytest.mark.slow
@pytest.mark.parametrize("names", ROUNDS, ids=" and ".join)
def test_commands_that_write_to_different_places_all_end_well(home, names):
    for name, (code, output, errors) in zip(names, _run(names, home), strict=True):
        assert code == 0 and "Traceback" not in errors, f"{name}: {output}{errors}"


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_of_one_command_twice_each_ends_well_or_is_refused_by_name(home, name):
    ended = _run([name, name], home)
    for code, output, errors in ended:
        assert "Traceback" not in errors, errors
        refused = "in use: process" in errors
        refused |= name in NEVER_REPLACED and "overwritten" in errors
        assert code == 0 or refused, output + errors
    assert any(code == 0 for code, *_ in ended)
    if name not in NEVER_REPLACED:
        finish(_start(name, home), 900)  # nothing is left locked


@pytest.mark.slow
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
