"""Data sets built before a training: it finds them, and what is no training's is said."""

import pytest
from tiny_plates import make_config

from jaxcell.configs.settings import load_config
from jaxcell.dataset import source
from jaxcell.distributed.workers import Workers
from jaxcell.experiments.building.build import build_data_sets


def test_a_training_finds_what_shares_have_made(tmp_path, monkeypatch):
    config = make_config(tmp_path)
    said = [build_data_sets(config, Workers(shard=f"{number}/2")) for number in (1, 2)]
    assert "files are not there yet" in said[0] and " 0 of " in said[1]
    assert not list(tmp_path.rglob("dataset_info.json"))
    opened = source.open_data(config)
    assert len(opened.examples.table) == 18 * 4
    # By a call without a share too, which finds it built.
    monkeypatch.setattr("jaxcell.dataset.immune_cells._build", None)
    assert opened.dataset["name"] in build_data_sets(config)


def test_a_sweep_has_a_data_set_for_each_window(tmp_path):
    config = load_config("latent_sweep")
    config.machine.folder, config.sweep.window = str(tmp_path), (48, 96)
    config.plates.simulate.update(
        {"plates": 1, "rows": 3, "columns": 6, "fields": 1, "field_size": 192}
    )
    said = build_data_sets(config, Workers(shard="1/1"))
    assert said.count("0 of 3 files are not there yet") == 2


def test_a_training_on_whole_fields_has_none():
    with pytest.raises(ValueError, match="segmentation reads its fields as they are"):
        build_data_sets(load_config("segmentation"))
