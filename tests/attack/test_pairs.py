"""Two commands at once: each ends well or is refused by name, and what is there is whole."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from tiny_plates import SETTINGS, finish, latest_arrays, start

from jaxcell.simulator.plates import simulate_plates

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Plates, and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("pairs")
    simulate_plates(folder / "plates", plates=1, rows=3, columns=6, field_size=192)
    finish(_command("train", folder, "trained"))
    return folder


def _command(name: str, folder: Path, run: str = "trained"):
    """A command of the pair, started; those of one name write to one place."""
    plates, settings = str(folder / "plates"), SETTINGS | {"machine.folder": folder / "data"}
    if name == "train":
        words = (f"--workdir={folder / run}", f"--plates={plates}")
        return start("train", *words, settings=settings)
    if name == "measure":
        words = (plates, f"--out={folder / 'measured'}")
        return start(
            "measure", *words, settings={"measurement.granularity_steps": 1}, config="measure"
        )
    words = {
        "evaluate": (str(folder / "trained"),),
        "evaluate plates": (str(folder / "trained"), plates),
        "predict": (str(folder / "trained"), plates),
    }[name]
    return start(name.split()[0], *words)


NAMES = ("train", "measure", "evaluate", "evaluate plates", "predict")


@pytest.mark.parametrize(
    "pair", itertools.combinations_with_replacement(NAMES, 2), ids=lambda pair: " and ".join(pair)
)
def test_each_ends_well_or_is_refused_by_name(folder, pair):
    processes = [_command(name, folder) for name in pair]
    said = [process.communicate(timeout=900) for process in processes]
    for process, (output, errors) in zip(processes, said, strict=True):
        assert "Traceback" not in errors, errors
        assert process.returncode == 0 or "in use: process" in errors, output + errors
    assert any(process.returncode == 0 for process in processes)
    finish(_command(pair[0], folder))  # nothing is left locked


def test_two_trainings_that_begin_on_one_data_folder_share_it(folder, tmp_path):
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
