"""What goes wrong with disks, said before it does where it can be known, else in a sentence."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

# A disk with less than this left, in bytes, is full: what else fails on it, fails for that.
FULL = 2**20
# Libraries that do not hand on the number of an error say its words.
_WORDS = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "Read-only file system": errno.EROFS,
}
_KEPT = "What was finished is kept: {cure}, then start the same command again"


def require_place(folder: Path, needed: int = FULL, what: str = "results") -> None:
    """Finds out, and makes nothing, whether a folder can be written to and has room.

    Args:
      folder: need not be there yet.
      needed: bytes.
      what: is written there, for the message.

    Raises:
      ValueError: it is a file, may not be written to, or has too little room.
    """
    place = Path(os.path.abspath(folder))
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise ValueError(f"{place} is no folder, so {what} cannot go to {folder}: choose another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(
            f"{place} may not be written to, so {what} cannot go to {folder}: choose another "
            "folder, or give yourself the right to write there"
        )
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ValueError(
            f"the disk of {folder} has {_amount(free)} left and "
            f"{_amount(needed)} are needed for {what}: "
            "make room, or choose a folder on another disk"
        )


def sentence(error: BaseException, folders: Iterable[Path] = ()) -> str | None:
    """What to say of an error that a disk is at the bottom of; None for any other.

    Args:
      error: with all that led to it.
      folders: that a command writes to; one that is full explains what is not understood.
    """
    for each in _chain(error):
        number = each.errno if isinstance(each, OSError) else None
        words = str(each)
        number = number or next((code for text, code in _WORDS.items() if text in words), None)
        if number is not None:
            name = getattr(each, "filename", None)
            return _said(number, name if isinstance(name, str) else None, folders)
    if isinstance(error, (ValueError, FileExistsError, FloatingPointError)):
        return None  # it says what it is
    return _said(errno.ENOSPC, None, folders) if any(map(_is_full, folders)) else None


def _said(number: int, name: str | None, folders: Iterable[Path]) -> str:
    where = name or next((str(folder) for folder in folders), "a folder")
    if number in (errno.ENOSPC, errno.EDQUOT):
        full = next((folder for folder in folders if _is_full(folder)), None)
        disk = full or (Path(name).parent if name else where)
        kept = _KEPT.format(cure="make room")
        return f"the disk of {disk} is full, {_amount(_free(Path(disk)))} are left. {kept}"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM):
        kept = _KEPT.format(cure="give yourself the right to, or choose another folder")
        return f"{where} may not be read or written to ({os.strerror(number)}). {kept}"
    if number in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
        return f"{where} is in the way ({os.strerror(number)}): move it, or choose another folder"
    if number == errno.ENOENT:
        kept = _KEPT.format(cure="put it back")
        return f"{where} is not there, or not any more. {kept}"
    kept = _KEPT.format(cure="look after the disk or the connection to it")
    return f"{where} cannot be used ({os.strerror(number)}). {kept}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]


def _is_full(folder: Path) -> bool:
    return _free(folder) < FULL


def _free(folder: Path) -> int:
    place = Path(os.path.abspath(folder))
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _amount(size: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
