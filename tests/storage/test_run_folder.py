"""Whose a run folder is: claimed once, opened again by the same run, refused to any other."""

import json

import pytest

from jaxcell.storage.run_folder import claim


def _claim(workdir, content):
    claim(workdir, "identity.json", content, "other settings")


def test_a_folder_is_claimed_once_and_opened_again_by_the_same_settings(tmp_path):
    workdir = tmp_path / "run"
    for _ in range(2):
        _claim(workdir, {"dataset": {"window": 96, "conditions": ("OVA", "ConA")}})
        assert json.loads((workdir / "identity.json").read_text())["dataset"]["window"] == 96
    assert [path.name for path in workdir.iterdir()] == ["identity.json"]


def test_other_settings_are_refused_with_what_differs(tmp_path):
    workdir = tmp_path / "run"
    _claim(workdir, {"training": {"rate": 0.01, "epochs": 2}, "dataset": {"conditions": ["OVA"]}})
    (workdir / "autoencoder").mkdir()  # training has begun
    before = (workdir / "identity.json").read_text()
    other = {"training": {"rate": 0.5, "epochs": 2}, "dataset": {"conditions": ["ConA"]}}
    with pytest.raises(ValueError) as error:
        _claim(workdir, other)
    message = str(error.value)
    assert "training.rate: there 0.01, here 0.5" in message
    assert "dataset.conditions" in message and "epochs" not in message
    assert str(workdir) in message and "--" not in message
    assert (workdir / "identity.json").read_text() == before


def test_a_setting_that_only_one_of_them_has_is_a_difference(tmp_path):
    _claim(tmp_path / "run", {"a": {"b": 1}})
    (tmp_path / "run" / "autoencoder").mkdir()
    with pytest.raises(ValueError, match="a.c: there None, here 2"):
        _claim(tmp_path / "run", {"a": {"b": 1, "c": 2}})


def test_a_folder_in_which_no_training_began_is_free(tmp_path):
    for content in ({"dataset": {"window": 30}}, {"dataset": {"window": 32}}):
        _claim(tmp_path / "run", content)
        assert json.loads((tmp_path / "run" / "identity.json").read_text()) == content


def test_a_folder_of_other_things_is_not_written_to(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="not empty and is not a run"):
        _claim(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
