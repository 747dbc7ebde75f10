"""Files are whole or not there, whatever happens while they are written."""

import pytest

from jaxcell.storage.atomic import whole, write


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "folder" / "file.json"
    with whole(path) as partial:
        partial.write_text("half")
        assert not path.exists() and partial.parent == path.parent
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]


def test_after_an_error_the_earlier_file_stays_and_nothing_lies_beside_it(tmp_path):
    path = tmp_path / "file.json"
    path.write_text("earlier")
    with pytest.raises(OSError, match="full"), whole(path) as partial:
        partial.write_text("half")
        raise OSError("the disk is full")
    assert path.read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == ["file.json"]


def test_what_is_no_json_replaces_nothing(tmp_path):
    write(tmp_path / "file.json", {"a": 1})
    before = (tmp_path / "file.json").read_text()
    with pytest.raises(TypeError):
        write(tmp_path / "file.json", {"a": object()})
    assert (tmp_path / "file.json").read_text() == before
