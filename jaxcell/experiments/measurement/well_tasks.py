"""Wells measured as a list of tasks, by whoever is to do them."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from ml_collections import ConfigDict
from threadpoolctl import threadpool_limits

from jaxcell.configs.kinds import population_of
from jaxcell.dataset.flat_field import read_flat_fields
from jaxcell.distributed.certificate import note_call
from jaxcell.distributed.cluster import Job, do_on_cluster
from jaxcell.distributed.tasks import Done, Failure, do_here, failed
from jaxcell.distributed.workers import Workers
from jaxcell.experiments.measurement.cell_finding import make_cell_finder
from jaxcell.experiments.measurement.kept_wells import (
    WELLS,
    is_there,
    keep_or_measure,
    read_well,
)
from jaxcell.experiments.measurement.one_well import Measured, measure_one_well
from jaxcell.plates.addresses import absolute, first_file
from jaxcell.plates.findings import Finding
from jaxcell.plates.folder import Plates

FAILED = "mend what is said, then start the same command again; or --skip leaves them out"


class Settings(NamedTuple):
    """What a worker needs to know of a measurement: its config, its folder, who finds cells."""

    config: dict[str, Any]
    folder: str
    own_labels: bool


def measure_wells(
    groups: list[pd.DataFrame],
    measure: Callable[[pd.DataFrame], Measured],
    folder: Path,
    config: ConfigDict,
    workers: Workers,
    own_labels: bool,
) -> Done:
    """Measures wells, or finds them kept.

    Args:
      groups: the fields of each well, rows of `select_fields`.
      measure: measures one well in this process.
      folder: of the results, in which flat fields lie already.
      config: as `configs/measure.py` describes.
      workers: who does it.
      own_labels: whether label images of other programs hold the cells.

    Returns:
      With a `KeptWell` of each well that did not fail.

    Raises:
      ValueError: the workers cannot be reached or used; or wells failed and bad ones are not
        skipped, or all did: lists them.
    """
    began = time.time()
    done = _measure(groups, measure, folder, config, workers, own_labels)
    found = sum(well is not None and well.found for well in done.results)
    note_call(folder, done, workers, found, began)
    if done.failures and (config.plates.on_bad_image != "skip" or not any(done.results)):
        raise ValueError(failed(done.failures, "wells", FAILED))
    return done


def _measure(
    groups: list[pd.DataFrame],
    measure: Callable[[pd.DataFrame], Measured],
    folder: Path,
    config: ConfigDict,
    workers: Workers,
    own_labels: bool,
) -> Done:
    names = [" ".join(fields.iloc[0][["plate", "well"]]) for fields in groups]
    words = {"doing": "measuring", "unit": "wells"}
    if not workers.on_cluster:
        keep = partial(keep_or_measure, measure=measure, folder=folder, config=config)
        with _one_order_of_sums():
            return do_here(keep, groups, names, threads=config.machine.threads, **words)
    kinds = population_of(config).keys
    groups, folder = [_absolute(fields, kinds) for fields in groups], folder.resolve()
    config = ConfigDict(config.to_dict())  # as it is for others
    seen = [str(first_file(fields[kinds[0]].iloc[0])) for fields in groups]
    if run := config.measurement.segmentation:
        config.measurement.segmentation = str(Path(run).resolve())
        seen.append(config.measurement.segmentation)
    # One file of each folder: workers look at all of them.
    paths = tuple({Path(path).parent: path for path in seen}.values())
    settings = Settings(config.to_dict(), str(folder), own_labels)
    job = Job(prepare, settings, str(folder), paths)
    done = do_on_cluster(job, groups, names, workers=workers, **words)
    failed = {failure.name for failure in done.failures}
    results = [
        None if name in failed else read_well(folder, fields, found=found)
        for name, fields, found in zip(names, groups, done.results, strict=True)
    ]
    return done._replace(results=results)


def prepare(settings: Settings) -> Callable[[pd.DataFrame], bool]:
    """What a worker of a cluster does with a well: it says whether it was kept already."""
    config, folder = ConfigDict(settings.config), Path(settings.folder)
    _one_order_of_sums()  # as long as the worker lives
    if config.measurement.segmentation:
        from jaxcell.compute import backend

        backend.set_up()
    find = None if settings.own_labels else make_cell_finder(config)
    flat = read_flat_fields(folder / WELLS) if config.dataset.flat_field else {}
    measure = partial(measure_one_well, config, flat=flat, find=find)
    return lambda fields: (
        keep_or_measure(fields, measure=measure, folder=folder, config=config).found
    )


def _one_order_of_sums() -> threadpool_limits:
    """Has linear algebra use one thread: each number of threads adds up in another order, which
    the last bit of a correlation shows."""
    return threadpool_limits(1, "blas")


def share_done(folder: Path, groups: list[pd.DataFrame], share: str, done: Done) -> str:
    """What to say when the share of one call is done.

    Args:
      folder: of the results.
      groups: the fields of each well of all shares.
      share: `i/n`.
      done: the share.
    """
    left = sum(not is_there(folder, fields) for fields in groups)
    then = (
        f"{left} of all {len(groups)} wells are not there yet."
        if left
        else "All wells are there: start once more without --shard for tables and report."
    )
    failures = [failed(done.failures, "wells", FAILED)] if done.failures else []
    measured = len(done.results) - len(done.failures)
    return "\n".join([*failures, f"Share {share} is done, {measured} wells. {then}"])


def without_failed(plates: Plates, failures: Sequence[Failure]) -> Plates:
    """The plates, with a finding of each well that failed and is left out."""
    wells = {f"{well.plate} {well.well}": well for well in plates.wells.itertuples()}
    found = [
        Finding("unmeasured well", wells[name].plate, wells[name].well, "", error, FAILED)
        for name, error in failures
    ]
    return plates._replace(findings=[*plates.findings, *found])


def _absolute(fields: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """The same fields, by paths that hold in any folder: a worker was started in another."""
    named = [name for kind in kinds for name in (kind, f"{kind}_labels") if name in fields]
    return fields.assign(
        **{name: fields[name].map(lambda path: path and absolute(path)) for name in named}
    )
