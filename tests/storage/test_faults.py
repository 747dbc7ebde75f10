"""What a disk does is said in a sentence, whoever noticed it and however."""

import errno
import os
import shutil

import pytest

from jaxcell.storage import faults


def _raised(make):
    try:
        make()
    except BaseException as error:
        return error
    raise AssertionError


def _deep():
    try:
        raise OSError(errno.ENOSPC, "No space left on device", "/big/file")
    except OSError as error:
        raise RuntimeError("Event loop is closed") from error


def _words():
    raise ValueError("RESOURCE_EXHAUSTED: write of 12 bytes: No space left on device [os_error='']")


@pytest.mark.parametrize("make", [_deep, _words])
def test_a_full_disk_is_found_at_the_bottom_of_what_libraries_say(make, tmp_path):
    said = faults.sentence(_raised(make), [tmp_path])
    assert "is full" in said and "kept" in said and "\n" not in said
    assert "Event loop" not in said and "RESOURCE" not in said


def test_an_unknown_error_on_a_full_disk_is_the_disks(tmp_path, monkeypatch):
    error = RuntimeError("Event loop is closed")
    assert faults.sentence(error, [tmp_path]) is None
    monkeypatch.setattr(faults, "FULL", 2**60)
    assert "is full" in faults.sentence(error, [tmp_path])
    # What says what it is stays what it is.
    assert faults.sentence(ValueError("training.seed is -1"), [tmp_path]) is None


def test_a_fault_of_the_program_is_not_explained_away(tmp_path):
    assert faults.sentence(KeyError("x"), [tmp_path]) is None
    assert faults.sentence(ZeroDivisionError(), []) is None


@pytest.mark.parametrize(
    "number",
    [errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.ENOENT, errno.EIO, errno.ENAMETOOLONG],
)
def test_every_number_is_a_sentence_with_the_path(number):
    said = faults.sentence(OSError(number, os.strerror(number), "/a/b"), [])
    assert "/a/b" in said and "\n" not in said and "Errno" not in said


def test_a_place_is_judged_before_anything_is_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="no folder"):
        faults.require_place(tmp_path / "file" / "run")
    with pytest.raises(ValueError, match="left and .* are needed for plates"):
        faults.require_place(tmp_path / "new" / "run", 10**24, "plates")
    monkeypatch.setattr(os, "access", lambda *given: False)  # of a read-only disk, also for root
    with pytest.raises(ValueError, match="may not be written to"):
        faults.require_place(tmp_path / "new")
    monkeypatch.undo()
    faults.require_place(tmp_path / "new" / "run", shutil.disk_usage(tmp_path).free // 2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
