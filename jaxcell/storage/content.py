"""What is in a file, all of it, as a digest that is kept as long as the file does not change.

A file is known again by its path, size, inode and times. The time of its last change of state
counts too, which, unlike that of its content, no program sets: an image that was written over is
read again whatever its date says.
"""

import json
import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

import xxhash

from jaxcell.storage.atomic import write

# In a folder of our own: what is in each of its files.
LIST = ".jaxcell-content.json"
# Read at a time, in bytes.
_PART = 2**20
# Columns by which a file is known again.
_KEY = ("size", "mtime_ns", "ctime_ns", "inode")


def digest(path: Path, *, kept: bool = True) -> str:
    """Digest of the whole content of a file, 32 hexadecimal digits.

    Args:
      path: of the file.
      kept: whether a digest that is kept of the same file is believed.

    Raises:
      OSError: the file cannot be read, or is none: a pipe is not waited for.
      ValueError: it changed while it was read.
    """
    path = Path(os.path.abspath(path))
    before = identity(path)
    if kept and (known := _look_up(path, before)):
        return known
    found = _read(path)
    if identity(path) != before:
        raise ValueError(f"{path} changed while it was read: wait until it is copied, start again")
    _keep(path, before, found)
    return found


def _read(path: Path) -> str:
    hashed = xxhash.xxh3_128()
    with path.open("rb", buffering=0) as file:
        while part := file.read(_PART):
            hashed.update(part)
    return hashed.hexdigest()


def list_content(folder: Path, *, kept: bool = False) -> None:
    """Writes into a folder of our own what is in each of its files; whole or not there.

    Args:
      folder: all of its files are read.
      kept: whether digests are kept, so that `damage` need not read a file that did not change.
    """
    read = digest if kept else _read
    write(folder / LIST, {name: read(folder / name) for name in _listed(folder)})


def damage(folder: Path, *, kept: bool = False) -> str | None:
    """What is wrong with a folder of our own, by its list: the first file that is not as written.

    Args:
      folder: of `list_content`.
      kept: as for `list_content`.

    Returns:
      Path and fault; None where all is as it was written, or nothing was listed.
    """
    path, read = folder / LIST, digest if kept else _read
    if not path.exists():
        return None
    try:
        listed = dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return f"{path} cannot be read"
    there = set(_listed(folder))  # a list may be a stranger's: nothing outside is opened
    for name, wanted in listed.items():
        if name not in there:
            return f"{folder / name} is missing"
        try:
            if read(folder / name) != wanted:
                return f"{folder / name} is not as it was written"
        except OSError as error:
            return f"{folder / name} cannot be read ({error.strerror or error})"
    return None


def listed(folder: Path) -> dict[str, str]:
    """What `list_content` listed: file -> digest."""
    return dict(json.loads((folder / LIST).read_text()))


def _listed(folder: Path) -> list[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in files if not path.name.startswith("."))


def identity(path: Path) -> tuple[int, ...]:
    """Size, times and inode of a file, by which a change is noticed without reading it.

    Raises:
      OSError: it is not there, or is no regular file.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise OSError(f"{path} is no regular file")
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def forget() -> None:
    """Forgets all digests that are kept, so that every file is read again."""
    _ask("DELETE FROM content")


def _look_up(path: Path, about: tuple[int, ...]) -> str | None:
    where = " AND ".join(f"{name} = ?" for name in _KEY)
    rows = _ask(f"SELECT digest FROM content WHERE path = ? AND {where}", os.fsencode(path), *about)
    return rows[0][0] if rows else None


def _keep(path: Path, about: tuple[int, ...], found: str) -> None:
    _ask(
        "INSERT OR REPLACE INTO content VALUES (?, ?, ?, ?, ?, ?)", os.fsencode(path), *about, found
    )


def _ask(question: str, *values: bytes | int | str) -> list[tuple]:
    """Rows of an answer from the table in the user's cache; none where there can be no table."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(home) / "jaxcell" / "content.sqlite"
    columns = ", ".join(f"{name} INTEGER" for name in _KEY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=5)) as table, table:
            # A table that a power cut spoils is no loss, and waiting for the disk takes longer than
            # reading most images.
            table.execute("PRAGMA synchronous = OFF")
            table.execute(
                f"CREATE TABLE IF NOT EXISTS content (path BLOB PRIMARY KEY, {columns}, digest)"
            )
            return table.execute(question, values).fetchall()
    except sqlite3.OperationalError:  # in use for long, full, or not to be written to
        return []
    except sqlite3.DatabaseError:  # spoilt
        with suppress(OSError):
            path.unlink()
        return []
    except OSError:
        return []
