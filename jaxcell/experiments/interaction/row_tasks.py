"""Plates predicted as a list of tasks, the rows of each, by a cluster or by several calls.

Each row's table of patches is kept beside the predictions until all are there.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.flat_field import read_flat_fields, write_flat_fields
from jaxcell.distributed.certificate import note_call
from jaxcell.distributed.cluster import Job, do_on_cluster
from jaxcell.distributed.tasks import Done, do_here, failed
from jaxcell.distributed.workers import Workers, own_share
from jaxcell.inference.mapping import Seconds
from jaxcell.inference.plates import (
    Predictions,
    fields_to_predict,
    make_predictor,
    plates_light,
    wells_of,
)
from jaxcell.inference.trained import Run, load
from jaxcell.plates.addresses import absolute, first_file
from jaxcell.plates.folder import Plates
from jaxcell.plates.tables import place_of, row_name
from jaxcell.storage.atomic import write_cells
from jaxcell.storage.owner import owned, owned_in_part
from jaxcell.storage.provenance import code_digest
from jaxcell.training.checkpoint import params_digest

FAILED = "mend what is said, then start the same command again: rows that are done are kept"


class Settings(NamedTuple):
    """What a worker needs to know of a prediction: run, where rows are kept, µm of a pixel."""

    workdir: str
    rows: str
    pixel_um: float


class Row(NamedTuple):
    """A task: its number among all, and its fields."""

    number: int
    fields: pd.DataFrame


def rows_folder(folder: Path, run: Run, content: str, pixel_um: float) -> Path:
    """Where rows are kept for predictions of a folder: by this run, of these plates.

    Args:
      folder: of the predictions.
      run: that predicts.
      content: of the plates, as `content_digest` gives it.
      pixel_um: as for `predict_plates`.
    """
    made_of = [params_digest(run.params["regressor"]), content, pixel_um, code_digest("jaxcell")]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:12]
    return folder.resolve().with_name(f"{folder.resolve().name}.rows-{digest}")


def predict_rows(
    workdir: Path,
    run: Run,
    config: ConfigDict,
    plates: Plates,
    pixel_um: float,
    rows: Path,
    workers: Workers,
) -> Predictions | str:
    """Predicts plates as `predict_plates` does, row by row, or a share of their rows.

    Args:
      workdir: of the run.
      run, config, plates, pixel_um: as there.
      rows: as `rows_folder` gives it.
      workers: who does it. A worker predicts one row at a time: give each a device of its own.

    Returns:
      The predictions; of a share what to say.

    Raises:
      ValueError: the workers cannot be reached or used, or rows failed: lists them.
    """
    fields = fields_to_predict(config, plates)
    begin = partial(_begin, rows, config, plates, fields)
    tasks = _tasks(fields)
    settings = Settings(str(workdir.resolve()), str(rows), pixel_um)
    work = partial(_do, run, config, settings, tasks)
    if workers.shard:
        with owned_in_part(rows, workers.shard, "predicting into it", begin):
            done = work(own_share(tasks, workers), workers)
        left = sum(not _file(rows, task).exists() for task in tasks)
        then = f"{left} of all {len(tasks)} rows are not there yet."
        if not left:
            then = "All rows are there: start once more without --shard for the tables."
        return f"Share {workers.shard} is done, {len(done.results)} rows. {then}"
    with owned(rows, "predicting into it"):
        begin()
        done = work(tasks, workers)
        patches = pd.concat([pd.read_parquet(_file(rows, task)) for task in tasks])
    patches = patches.reset_index(drop=True)
    return Predictions(patches, wells_of(fields, patches), _seconds(done))


def _begin(rows: Path, config: ConfigDict, plates: Plates, fields: pd.DataFrame) -> None:
    if not read_flat_fields(rows) and (flat := plates_light(config, plates, fields)):
        write_flat_fields(rows, flat)


def _tasks(fields: pd.DataFrame) -> list[Row]:
    """The rows of all plates, in the order of their fields."""
    row_of = fields["well"].map(lambda well: place_of(well)[0])
    groups = fields.groupby([fields["plate"], row_of], sort=False)
    return [Row(number, some) for number, (_, some) in enumerate(groups)]


def _do(
    run: Run,
    config: ConfigDict,
    settings: Settings,
    all_tasks: list[Row],
    tasks: list[Row],
    workers: Workers,
) -> Done:
    began, rows = time.time(), Path(settings.rows)
    names = [
        f"{some['plate'].iloc[0]} row {row_name(place_of(some['well'].iloc[0])[0])}"
        for _, some in tasks
    ]
    words = {"doing": "predicting", "unit": "rows"}
    if workers.on_cluster:
        tasks = [task._replace(fields=_absolute(task.fields)) for task in tasks]
        images = [str(first_file(task.fields["t_cell"].iloc[0])) for task in tasks]
        seen = {Path(path).parent: path for path in images}
        job = Job(prepare, settings, settings.rows, (*seen.values(), settings.workdir))
        done = do_on_cluster(job, tasks, names, workers=workers, **words)
    else:
        predict = make_predictor(run, config, read_flat_fields(rows), settings.pixel_um)
        work = partial(_keep_or_predict, predict, rows)
        done = do_here(work, tasks, names, threads=1, **words)
    found = sum(result is None for result in done.results) - len(done.failures)
    note_call(rows, done, workers, found, began)
    if done.failures:
        raise ValueError(failed(done.failures, "rows", FAILED))
    return done


def prepare(settings: Settings) -> Callable[[Row], Seconds | None]:
    """What a worker of a cluster does with a row; its model is read and compiled once."""
    from jaxcell.compute import backend

    backend.set_up()
    config, run = load(Path(settings.workdir))
    rows, one_at_a_time = Path(settings.rows), threading.Lock()
    predict = make_predictor(run, config, read_flat_fields(rows), settings.pixel_um)

    def work(row: Row) -> Seconds | None:
        with one_at_a_time:  # they share a device
            return _keep_or_predict(predict, rows, row)

    return work


def _keep_or_predict(predict: Callable[..., Any], rows: Path, row: Row) -> Seconds | None:
    """Predicts a row and keeps its table; None where it is kept already."""
    file = _file(rows, row)
    if file.exists():
        return None
    patches, seconds = predict(row.fields, tqdm(total=len(row.fields), disable=True))
    write_cells(file, patches)
    return seconds


def _file(rows: Path, row: Row) -> Path:
    return rows / f"{row.number:05}.parquet"


def _absolute(fields: pd.DataFrame) -> pd.DataFrame:
    """The same fields, by paths that hold in any folder: a worker was started in another."""
    return fields.assign(**{kind: fields[kind].map(absolute) for kind in VIEWS})


def _seconds(done: Done) -> Seconds:
    """What rows that were predicted now took, a worker."""
    spent = [seconds for seconds in done.results if seconds is not None] or [Seconds(0, 0, 0)]
    return Seconds(*(sum(part) / max(done.workers, 1) for part in zip(*spent)))
