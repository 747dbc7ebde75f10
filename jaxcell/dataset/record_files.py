"""The files of a data set as a list of tasks: made by other hands, they are the same bytes."""

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from array_record.python.array_record_module import ArrayRecordReader

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.flat_field import read_flat_fields
from jaxcell.distributed.certificate import note_call
from jaxcell.distributed.cluster import Job, do_on_cluster
from jaxcell.distributed.tasks import Done, do_here, failed
from jaxcell.distributed.workers import Workers
from jaxcell.plates.addresses import absolute, first_file
from jaxcell.storage.atomic import whole

FAILED = "mend what is said, then start the same command again: files that are done are kept"


class RecordFile(NamedTuple):
    """A task: one file of a data set.

    Attributes:
      name: of the file.
      fields: whose patches it holds, rows of `select_fields`.
      patch_split: of a split by patch, which share of them; None: all.
    """

    name: str
    fields: pd.DataFrame
    patch_split: str | None


class Settings(NamedTuple):
    """What a worker needs to know: an `ImmuneCellsConfig`, where files are kept till all are."""

    config: Any
    folder: str


def make_files(
    write: Callable[[Path, RecordFile], None],
    files: list[RecordFile],
    config: Any,
    folder: Path,
    notes: Path,
    workers: Workers,
) -> Done:
    """Makes files of a data set that are not made yet.

    Args:
      write: makes one at a path, in this process.
      files: to make.
      config: an `ImmuneCellsConfig`.
      folder: where they are kept, with the flat fields.
      notes: folder of the notes of calls.
      workers: who makes them.

    Raises:
      ValueError: the workers cannot be reached or used, or files failed: lists them.
    """
    began, words = time.time(), {"doing": "building", "unit": "files"}
    names = [_said(file) for file in files]
    if workers.on_cluster:
        files = [file._replace(fields=_absolute(file.fields)) for file in files]
        seen = {
            path.parent: str(path)
            for path in (first_file(file.fields["t_cell"].iloc[0]) for file in files)
        }
        job = Job(prepare, Settings(config, str(folder)), str(folder), tuple(seen.values()))
        done = do_on_cluster(job, files, names, workers=workers, **words)
    else:
        work = partial(_keep_or_write, write, folder)
        done = do_here(work, files, names, threads=1, **words)
    found = sum(result is False for result in done.results)
    note_call(notes, done, workers, found, began)
    if done.failures:
        raise ValueError(failed(done.failures, "files", FAILED))
    return done


def prepare(settings: Settings) -> Callable[[RecordFile], bool]:
    """What a worker of a cluster does with a file: it says whether it had to be made."""
    from jaxcell.dataset.immune_cells import ImmuneCells  # which needs this module

    folder = Path(settings.folder)
    flat = read_flat_fields(folder)
    builder = ImmuneCells(config=settings.config, data_dir=folder)
    return partial(_keep_or_write, partial(builder.write_file, flat), folder)


def put_in_place(kept: Path, place: Path) -> None:
    """Puts a file that was made into its data set, and keeps it until that is whole."""
    try:
        os.link(kept, place)
    except OSError:  # a disk without links
        shutil.copyfile(kept, place)


def count_examples(path: Path) -> int:
    """How many examples a file holds."""
    reader = ArrayRecordReader(os.fspath(path))
    try:
        return reader.num_records()
    finally:
        reader.close()


def _keep_or_write(
    write: Callable[[Path, RecordFile], None], folder: Path, file: RecordFile
) -> bool:
    if (folder / file.name).exists():
        return False
    with whole(folder / file.name) as partial_file:
        write(partial_file, file)
    return True


def _said(file: RecordFile) -> str:
    first, last = file.fields.iloc[0], file.fields.iloc[-1]
    return f"{first.plate} {first.well} to {last.plate} {last.well} ({file.name})"


def _absolute(fields: pd.DataFrame) -> pd.DataFrame:
    """The same fields, by paths that hold in any folder: a worker was started in another."""
    return fields.assign(**{kind: fields[kind].map(absolute) for kind in VIEWS})
