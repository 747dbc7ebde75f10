"""Files and folders that are whole or absent."""

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcell.storage import csv_cells

if TYPE_CHECKING:  # slow to import, and a run without export needs none of them
    import pandas as pd
    from anndata import AnnData


# Names of what is being written, and of an earlier result while the new one takes its place. They
# are this program's alone, so that nothing of anybody else's is ever taken for a leftover.
UNFINISHED, EARLIER = ".jaxcell-unfinished-", ".jaxcell-earlier-"
# In a folder that is replaced as a whole: the files in it that this program wrote.
OWN_FILES = ".jaxcell-files.json"
# Characters of a name that are kept in a temporary one: a file's name has 255 bytes at most.
_KEPT = 40


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Has a file written beside its place and then renamed, so that it is whole or not there.

    Args:
      path: of the file; its folder is made.

    Yields:
      Where to write it. After an error it is removed, and what was at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _unfinished(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_new(path: Path) -> Iterator[Path]:
    """As `whole`, for a file that must not be there yet: none is ever replaced.

    Raises:
      FileExistsError: there is one, also one that came while this one was written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _unfinished(path)
    try:
        yield partial
        try:
            os.link(partial, path)
        except FileExistsError:
            raise
        except OSError:  # a disk that knows no links
            if path.exists():
                raise FileExistsError(f"{path} exists") from None
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Has a folder written beside its place and then renamed, so that it is whole or not there.

    An earlier one of the same place stays until the new one is whole. What others put into it is
    carried over.

    Args:
      folder: its place; the folder above it is made.

    Yields:
      The new folder, empty. After an error it is removed, and what was at `folder` stays.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = _unfinished(folder)
    partial.mkdir()
    try:
        yield partial
        write(partial / OWN_FILES, _files(partial))
        recover(folder)
        earlier = _earlier(folder)
        if folder.exists():
            folder.rename(earlier)
        partial.rename(folder)
        recover(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def recover(folder: Path) -> None:
    """Puts in order what a process left that was killed while `folder` was being replaced.

    Args:
      folder: a place that this process alone writes to.
    """
    folder = folder.resolve()
    earlier = _earlier(folder)
    if not earlier.exists():
        return
    if not folder.exists():
        earlier.rename(folder)
        return
    listed = earlier / OWN_FILES
    own = set(json.loads(listed.read_text())) if listed.exists() else set()
    for name in _files(earlier):
        if name not in own and name != OWN_FILES and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (earlier / name).rename(folder / name)
    shutil.rmtree(earlier)


def clear_unfinished(folder: Path) -> int:
    """Removes what killed processes left unfinished in a folder and below it.

    Args:
      folder: of which no other process writes anything now.

    Returns:
      How many bytes that freed.
    """
    found = []
    for parent, folders, files in os.walk(folder):
        found += [Path(parent, name) for name in (*folders, *files) if name.startswith(UNFINISHED)]
        folders[:] = [name for name in folders if not name.startswith(UNFINISHED)]
    return remove(found)


def clear_leftovers(path: Path) -> int:
    """Removes what killed processes left unfinished of one file or folder, beside its place.

    Args:
      path: a place that this process alone writes to.

    Returns:
      How many bytes that freed.
    """
    path = path.resolve()
    if not path.parent.is_dir():
        return 0
    begins = f"{UNFINISHED}{_short(path.name)}-"
    return remove([each for each in path.parent.iterdir() if each.name.startswith(begins)])


def remove(leftovers: Iterable[Path]) -> int:
    """Removes files and folders, and says how many bytes that freed."""
    freed = 0
    for path in leftovers:
        inside = [path / name for name in _files(path)] if path.is_dir() else [path]
        freed += sum(each.lstat().st_size for each in inside)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return freed


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{UNFINISHED}{_short(path.name)}-{uuid.uuid4().hex[:8]}")


def _earlier(folder: Path) -> Path:
    return folder.with_name(f"{EARLIER}{_short(folder.name)}")


def _short(name: str) -> str:
    """A name at most so long, and no other's."""
    return f"{name[:_KEPT]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    )


def write(path: Path, content: dict | list) -> None:
    """Writes JSON; whole or not there."""
    with whole(path) as partial:
        partial.write_text(_as_json(content))


def read(path: Path) -> Any:
    """Reads JSON.

    Raises:
      ValueError: the file is damaged; names it.
      OSError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # also of bytes that are no text
        raise ValueError(
            f"{path} is damaged ({error}): copy the folder that it is in again, or make it anew"
        ) from error


def _as_json(content: dict | list) -> str:
    return json.dumps(content, indent=2, sort_keys=True, default=list)


def write_cells(path: Path, cells: "pd.DataFrame") -> None:
    """Writes a table of cells, one row a cell, as Parquet; whole or not there."""
    with whole(path) as partial:
        cells.to_parquet(partial, index=False)


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Writes a table as CSV of which a spreadsheet runs no cell; whole or not there."""
    with whole(path) as partial:
        csv_cells.harmless(table).to_csv(partial, index=False)


def write_anndata(path: Path, adata: "AnnData") -> None:
    """Writes .h5ad, as `to_anndata` gives it, for `scanpy.read_h5ad`; whole or not there."""
    with whole(path) as partial:
        adata.write_h5ad(partial)


def plain(value: object) -> object:
    """Numbers of numpy as Python's own, and what is not finite as None, so that JSON stays JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, int | float | str | None) else str(value)
