"""Small simulated plates, read once."""

from pathlib import Path

import pytest

from jaxcell.plates.folder import Plates, read_plates, require_good
from jaxcell.simulator.plates import simulate_plates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}


@pytest.fixture(scope="session")
def plates_folder(tmp_path_factory) -> Path:
    """Four plates of two wells a condition, fields of four windows of 96."""
    folder = tmp_path_factory.mktemp("plates") / "simulated"
    simulate_plates(folder, plates=4, rows=2, columns=3, field_size=200)
    return folder


@pytest.fixture(scope="session")
def plates(plates_folder) -> Plates:
    """The tables of `plates_folder`."""
    return require_good(read_plates(plates_folder, VIEWS))


@pytest.fixture(scope="session")
def tfds_folder(tmp_path_factory) -> Path:
    """Where the tests' data sets lie; what one test built the next opens."""
    return tmp_path_factory.mktemp("tfds")
