"""One owner a folder: what two processes must not write to at once.

The locks are those of the operating system, which a process that is killed lets go of; a disk that
several machines share must know them (NFS from version 3 on with its lock service, Lustre with
`flock`).
"""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from jaxcell.storage.atomic import clear_leftovers, clear_unfinished, recover

LOCKS = "locks"
Begun = TypeVar("Begun")
# Waiting for less is not worth a line, in seconds.
PATIENCE = 2.0


def owner_lock(folder: Path) -> Path:
    """The lock of a folder that stays where it is, such as a run's: it lies inside."""
    return folder / LOCKS / "owner.lock"


def lock_beside(folder: Path) -> Path:
    """The lock of a folder that is replaced as a whole, such as a report: it lies beside it."""
    folder = folder.resolve()
    return folder.with_name(f".{folder.name[:100]}.lock")


@contextmanager
def owned(folder: Path, doing: str) -> Iterator[None]:
    """Makes this process the only one that writes to a folder which stays where it is.

    Leftovers of killed processes are cleared first, which is said.

    Args:
      folder: made if absent.
      doing: what is done there, for others that want it: "training it".

    Raises:
      ValueError: another process is at it.
    """
    with _held(owner_lock(folder), folder, doing):
        for lock in sorted((folder / LOCKS).glob(_share_lock("*", "*"))):
            with _held(lock, folder, "looking at it"):
                pass
        say_freed(clear_unfinished(folder), folder)
        yield


@contextmanager
def owned_in_part(
    folder: Path, share: str, doing: str, begin: Callable[[], Begun]
) -> Iterator[Begun]:
    """Makes this process the only one that does a share of what is done in a folder.

    Others may do other shares of it meanwhile, and nobody owns all of it.

    Args:
      folder: made if absent.
      share: `i/n`.
      doing: as for `owned`.
      begin: what each of them does first, one at a time.

    Yields:
      What `begin` returned.

    Raises:
      ValueError: another process does this share.
    """
    with ExitStack() as stack:
        with locked(owner_lock(folder), wait=True, doing=f"beginning share {share}"):
            lock = folder / LOCKS / _share_lock(*share.split("/"))
            stack.enter_context(_held(lock, folder, f"{doing}, share {share}"))
            begun = begin()
        yield begun


def _share_lock(number: str, count: str) -> str:
    return f"share-{number}-of-{count}.lock"


@contextmanager
def replacing(folder: Path, doing: str) -> Iterator[None]:
    """Makes this process the only one that replaces a folder, such as a report, or a file.

    Leftovers of killed processes are cleared first, which is said.

    Args:
      folder: its place; the folder above it is made.
      doing: as for `owned`.

    Raises:
      ValueError: another process is at it.
    """
    with _held(lock_beside(folder), folder, doing):
        recover(folder)
        tidy(folder)
        yield


def check_free(folder: Path) -> None:
    """Finds out, and makes nothing, whether another process is at a folder.

    Raises:
      ValueError: one is.
    """
    if owner_lock(folder).exists():
        with _held(owner_lock(folder), folder, "looking at it"):
            pass


@contextmanager
def locked(path: Path, wait: bool = False, doing: str = "") -> Iterator[bool]:
    """Keeps other processes out, also those of other machines that share the disk.

    Args:
      path: of a file that stands for what is locked; it stays behind. A process that is killed
        lets go of it.
      wait: whether to wait until whoever has it lets go.
      doing: what is done meanwhile, for others that wait: "building this data set".

    Yields:
      Whether it is ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE if wait else 0)
    except Timeout:
        if not wait:
            yield False
            return
        print(f"waiting: {_who(path)}", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        _sign(path, doing)
        yield True
    finally:
        lock.release()


def tidy(path: Path) -> None:
    """Clears what killed processes left of a file or folder, and says how much that was.

    Args:
      path: a place that this process alone writes to.
    """
    say_freed(clear_leftovers(path), path.parent)


def say_freed(freed: int, folder: Path) -> None:
    """Says how much the leftovers of a killed process took, if they took anything."""
    if freed:
        print(
            f"cleared {freed / 1e6:,.1f} MB that a stopped command had left unfinished in {folder}",
            file=sys.stderr,
        )


@contextmanager
def _held(path: Path, folder: Path, doing: str) -> Iterator[None]:
    with locked(path, doing=doing) as ours:
        if not ours:
            raise ValueError(
                f"{folder} is in use: {_who(path)}. Wait for it, or choose another folder"
            )
        yield


def _sign(path: Path, doing: str) -> None:
    """Says in a lock's file whose it is; the lock itself does not need it."""
    about = {
        "doing": doing,
        "process": os.getpid(),
        "machine": platform.node(),
        "since": time.time(),
    }
    try:
        path.write_text(json.dumps(about))
    except OSError:  # a full disk, which whoever writes next will say
        pass


def _who(path: Path) -> str:
    try:
        about = json.loads(path.read_text())
        since = datetime.fromtimestamp(about["since"]).strftime("%d %B, %H:%M")
        doing = about["doing"] or "at work there"
        return f"process {about['process']} on {about['machine']} has been {doing} since {since}"
    except (OSError, ValueError, KeyError, TypeError):  # it has only just begun
        return "another process is at work there"
