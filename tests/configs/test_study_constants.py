"""Counts of the study's camera stand in its own config and in no other."""

import importlib
from pathlib import Path

import pytest

import jaxcell.configs
from jaxcell.cells.masks import Levels
from jaxcell.configs import default, dissertation
from jaxcell.dataset.source import dataset_config

CONFIGS = sorted(
    path.stem
    for path in Path(jaxcell.configs.__path__[0]).glob("*.py")
    if "def get_config" in path.read_text()
)


@pytest.mark.parametrize("name", CONFIGS)
def test_only_the_dissertation_fixes_counts(name):
    dataset = importlib.import_module(f"jaxcell.configs.{name}").get_config().get("dataset", {})
    counts = ("background", "minimum_contrast", "dark")
    found = [dataset.get(f"{what}_counts", 0) for what in counts]
    assert found == ([255.0, 150.0, 48.0] if name == "dissertation" else [0, 0, 0])
    assert not dataset.get("minimum_contrast", 0)


def test_masks_of_a_run_go_by_its_config_and_those_of_earlier_runs_by_the_counts_they_knew():
    assert dataset_config(default.get_config()).levels == Levels()
    study = dissertation.get_config()
    assert dataset_config(study).levels == Levels(255.0, 150.0)
    earlier = default.get_config()
    for what in ("background", "minimum_contrast", "dark"):
        del earlier.dataset[f"{what}_counts"]
    assert dataset_config(earlier).levels == Levels(255.0, 150.0)
    assert dataset_config(earlier).dark_counts == 48
