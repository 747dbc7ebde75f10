"""Every byte of a file counts, and a file is read once unless it changed."""

import os

import pytest
import xxhash

from jaxcell.storage import content


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _file(folder, size=300_001):
    path = folder / "image.tif"
    path.write_bytes(bytes(range(256)) * (size // 256 + 1))
    return path


def _reads(monkeypatch):
    made, create = [], xxhash.xxh3_128
    monkeypatch.setattr(content.xxhash, "xxh3_128", lambda: made.append(1) or create())
    return made


def test_it_is_the_digest_of_the_whole(tmp_path):
    path = _file(tmp_path)
    assert content.digest(path) == xxhash.xxh3_128_hexdigest(path.read_bytes())


@pytest.mark.parametrize("place", [0, 70_000, 150_000, 300_000])
def test_a_byte_anywhere_changes_it_even_at_the_same_size_and_date(tmp_path, place):
    path = _file(tmp_path)
    before, about = content.digest(path), path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_mtime_ns == about.st_mtime_ns and path.stat().st_size == about.st_size
    assert content.digest(path) != before


def test_an_unchanged_file_is_read_once_unless_told_otherwise(tmp_path, monkeypatch):
    path, read = _file(tmp_path), _reads(monkeypatch)
    first = content.digest(path)
    assert content.digest(path) == content.digest(path) == first and len(read) == 1
    content.digest(path, kept=False)
    assert len(read) == 2
    content.forget()
    content.digest(path)
    assert len(read) == 3


@pytest.mark.parametrize("harm", ["file in the way", "spoilt", "read-only place"])
def test_without_a_cache_every_file_is_read(tmp_path, monkeypatch, harm):
    path, table = _file(tmp_path), tmp_path / "cache" / "jaxcell" / "content.sqlite"
    first = content.digest(path)
    if harm == "file in the way":
        monkeypatch.setenv("XDG_CACHE_HOME", str(path))
    elif harm == "spoilt":
        table.write_bytes(b"no table" * 1000)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc")
    assert content.digest(path) == first
    assert content.digest(path) == first


def test_a_pipe_is_not_waited_for_and_a_missing_file_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "x.tif")
    with pytest.raises(OSError, match="no regular file"):
        content.digest(tmp_path / "x.tif")
    with pytest.raises(FileNotFoundError):
        content.digest(tmp_path / "gone.tif")


@pytest.mark.parametrize("kept", [False, True])
def test_a_folder_of_ours_is_found_damaged_file_by_file(tmp_path, kept):
    folder = tmp_path / "step"
    (folder / "deep").mkdir(parents=True)
    names = ("a", "deep/b")
    for name in names:
        (folder / name).write_bytes(bytes(1000))
    assert content.damage(folder, kept=kept) is None  # nothing was listed
    content.list_content(folder, kept=kept)
    assert content.damage(folder, kept=kept) is None
    (folder / "mine.txt").write_text("mine")
    assert content.damage(folder, kept=kept) is None
    for name in names:
        sound = (folder / name).read_bytes()
        for harm in (b"\1" + sound[1:], sound[:-1], None):
            if harm is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(harm)
            assert str(folder / name) in content.damage(folder, kept=kept)
            (folder / name).write_bytes(sound)
    assert content.damage(folder, kept=kept) is None
    (folder / content.LIST).write_text("{")
    assert content.LIST in content.damage(folder, kept=kept)


def test_a_strangers_list_opens_nothing_outside(tmp_path):
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / content.LIST).write_text('{"/dev/zero": "x", "../mine": "x"}')
    assert "is missing" in content.damage(tmp_path / "step")
