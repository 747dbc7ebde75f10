"""Files are whole or not there, whatever happens while they are written."""

import shutil
from pathlib import Path

import pytest

from jaxcell.storage.atomic import clear_unfinished, recover, whole, whole_folder, write


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


def test_a_folder_is_replaced_as_a_whole_and_keeps_what_others_put_into_it(tmp_path):
    folder = tmp_path / "report"
    for mine in ("report.old", "report.tmp", "report.txt"):
        (tmp_path / mine).mkdir()
        (tmp_path / mine / "thesis.tex").write_text("mine")
    for number in range(3):
        with whole_folder(folder) as new:
            (new / "index.html").write_text(str(number))
            (new / f"only-{number}").write_text("ours")
            assert not (folder / f"only-{number}").exists()
        if number == 0:
            (folder / "notes").mkdir()
            (folder / "notes" / "mine.txt").write_text("mine")
    assert (folder / "index.html").read_text() == "2"
    assert (folder / "notes" / "mine.txt").read_text() == "mine"
    assert not (folder / "only-1").exists() and (folder / "only-2").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report", "report.old", "report.tmp", "report.txt"
    ]  # fmt: skip
    assert len(list(tmp_path.rglob("thesis.tex"))) == 3


def test_a_folder_that_could_not_be_written_leaves_the_earlier_one(tmp_path):
    with whole_folder(tmp_path / "report") as new:
        (new / "index.html").write_text("earlier")
    with pytest.raises(OSError), whole_folder(tmp_path / "report") as new:
        (new / "index.html").write_text("half")
        raise OSError
    assert (tmp_path / "report" / "index.html").read_text() == "earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


class Killed(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("moment", range(1, 5))
def test_killed_at_any_rename_one_whole_folder_is_found_again(tmp_path, monkeypatch, moment):
    folder = tmp_path / "report"
    with whole_folder(folder) as new:
        (new / "index.html").write_text("earlier")
    (folder / "mine.txt").write_text("mine")
    rename, count = Path.rename, []

    def counted(path, target):
        count.append(target)
        if len(count) == moment:
            raise Killed
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", counted)
    monkeypatch.setattr(shutil, "rmtree", lambda *given, **options: None)
    try:
        with whole_folder(folder) as new:
            (new / "index.html").write_text("later")
    except Killed:
        pass
    monkeypatch.undo()
    recover(folder)
    clear_unfinished(tmp_path)
    assert (folder / "index.html").read_text() in ("earlier", "later")
    assert (folder / "mine.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_leftovers_are_cleared_and_counted_and_nothing_else_is_touched(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".jaxcell-unfinished-x-1").write_bytes(b"x" * 100)
    (tmp_path / ".jaxcell-unfinished-y-2" / "deep").mkdir(parents=True)
    (tmp_path / ".jaxcell-unfinished-y-2" / "deep" / "file").write_bytes(b"x" * 11)
    (tmp_path / "mine.tmp").write_text("mine")
    assert clear_unfinished(tmp_path) == 111
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "mine.tmp"]


def test_names_may_be_as_long_as_the_disk_takes(tmp_path):
    for name in ("n" * 250, "µ" * 120):
        with whole(tmp_path / name) as partial:
            partial.write_text("x")
        with whole_folder(tmp_path / f"f{name[:-1]}") as partial:
            (partial / "file").write_text("x")
        with whole_folder(tmp_path / f"f{name[:-1]}") as partial:
            (partial / "file").write_text("y")
    assert len(list(tmp_path.iterdir())) == 4
