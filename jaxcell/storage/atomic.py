"""Files that are whole or absent."""

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

if TYPE_CHECKING:  # slow to import, and a run without export needs none of them
    import pandas as pd
    from anndata import AnnData


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Has a file written beside its place and then renamed, so that it is whole or not there.

    Args:
      path: of the file; its folder is made.

    Yields:
      Where to write it. After an error it is removed, and what was at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write(path: Path, content: dict | list) -> None:
    """Writes JSON; whole or not there."""
    with whole(path) as partial:
        partial.write_text(_as_json(content))


def _as_json(content: dict | list) -> str:
    return json.dumps(content, indent=2, sort_keys=True, default=list)


@contextmanager
def locked(path: Path, wait: bool = False) -> Iterator[bool]:
    """Keeps other processes out, also those of other machines that share the disk.

    Args:
      path: of a file that stands for what is locked; it stays behind, empty. A process that is
        killed lets go of it.
      wait: whether to wait until whoever has it lets go.

    Yields:
      Whether it is ours.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def write_cells(path: Path, cells: "pd.DataFrame") -> None:
    """Writes a table of cells, one row a cell, as Parquet; whole or not there."""
    with whole(path) as partial:
        cells.to_parquet(partial, index=False)


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Writes a table as CSV; whole or not there."""
    with whole(path) as partial:
        table.to_csv(partial, index=False)


def write_anndata(path: Path, adata: "AnnData") -> None:
    """Writes .h5ad, as `to_anndata` gives it, for `scanpy.read_h5ad`; whole or not there."""
    with whole(path) as partial:
        adata.write_h5ad(partial)


def replace(temporary: Path, folder: Path) -> None:
    """Puts the new report in the place of the old, which is kept until the new one is there.

    Args:
      temporary: the whole new report.
      folder: its place.
    """
    old = folder.with_name(folder.name + ".old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    temporary.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


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
