"""Predictions of every well of any plates: two tables, no report."""

import shutil
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import condition_names
from jaxcell.analysis.intervals import by_group, conformal
from jaxcell.dataset.source import load_plates, resampled_from
from jaxcell.distributed.certificate import CALLS, certified, certify, note_call, table_hash
from jaxcell.distributed.tasks import Done
from jaxcell.distributed.workers import HERE, Workers, check_workers
from jaxcell.experiments.interaction import calibrate as calibration
from jaxcell.experiments.interaction.row_tasks import predict_rows, rows_folder
from jaxcell.inference.plates import WELL, Predictions, predict_plates
from jaxcell.inference.trained import load
from jaxcell.measures.catalogue import TARGETS
from jaxcell.plates.findings import describe, gathered
from jaxcell.plates.folder import Plates, content_digest
from jaxcell.report.common.terminal import closing_table
from jaxcell.storage.atomic import whole_folder, write, write_cells, write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import replacing
from jaxcell.storage.source import FILE as SOURCE
from jaxcell.storage.source import read_source, refuse_other, source_of

# What a folder of predictions holds.
WELLS, PATCHES = "wells.csv", "patches.parquet"


def predict_folder(
    workdir: Path,
    plates: str,
    folder: Path,
    views: Mapping[str, str],
    skip: bool,
    pixel_um: float = 0.0,
    workers: Workers = HERE,
) -> str:
    """Predicts a folder of plates and writes both tables, or nothing.

    Args:
      workdir: the run's folder.
      plates: folder of plates; wells without layout have an empty condition.
      folder: of the tables.
      views: which view shows which kind of cell, where the run's config does not say.
      skip: whether bad images are left out and listed instead of stopping.
      pixel_um: µm, edge of a pixel of their images; 0: as their files say, else the run's.
      workers: who predicts. A call that does a share writes no tables: one without collects.

    Returns:
      The closing table.

    Raises:
      ValueError, FileExistsError: said to the person who started it.
    """
    began, clock = time.monotonic(), time.time()
    check_workers(workers)
    require_place(folder, what="predictions")
    config, run = load(workdir)
    if folder.exists() and not all((folder / name).exists() for name in (WELLS, PATCHES)):
        raise FileExistsError(f"{folder} exists and holds no predictions: move it away")
    found = load_plates(config, condition="", folder=plates, views=views, skip=skip)
    pixel_um = resampled_from(found, pixel_um, config.plates.pixel_um)
    source = source_of(plates, content_digest(found))
    rows = rows_folder(folder, run, source["content"], pixel_um)
    by_rows = partial(predict_rows, workdir, run, config, found, pixel_um, rows, workers)
    if workers.shard:
        return str(by_rows())
    with replacing(folder, "predicting into it"):
        refuse_other(folder, read_source(folder / SOURCE), source)
        in_rows = workers.on_cluster or rows.exists()
        predictions = by_rows() if in_rows else predict_plates(run, config, found, pixel_um)
        kept = calibration.load(workdir, len(predictions.patches))
        if kept is not None:
            level = config.evaluation.coverage
            predictions = with_intervals(predictions, kept[0][0], level, config.dataset.target)
        if content_digest(found) != source["content"]:
            raise ValueError(
                f"an image in {plates} changed while it was predicted: start again once all are "
                "copied"
            )
        certificate = _write(folder, predictions, source, rows if in_rows else None, clock)
    lines = _summary_lines(predictions, config.dataset.target, found)
    lines["tables"] = f"{WELLS}, {PATCHES} in {folder}"
    lines["certificate"] = certified(certificate)
    return closing_table(lines, None, time.monotonic() - began)


def with_intervals(
    predictions: Predictions, calibrated: Mapping, level: float, target: str
) -> Predictions:
    """Predictions whose tables have `low` and `high`, the interval of each.

    Args:
      predictions: of a run.
      calibrated: of the run, as `by_group.calibrate` gives by condition.
      level: share of true values that are to lie inside.
      target: of the run.
    """
    patches, wells, quantity = predictions.patches, predictions.wells, TARGETS[target].quantity
    ends = (level, quantity.minimum, quantity.maximum)
    names = condition_names(wells).set_axis(pd.MultiIndex.from_frame(wells[WELL]))
    places = pd.MultiIndex.from_frame(patches[WELL])
    at = conformal.places(patches)
    of_patches = (names.loc[places].to_numpy(), patches["predicted"])
    low, high = by_group.interval(calibrated, *of_patches, *ends, at)
    patches = patches.assign(low=np.float32(low), high=np.float32(high))
    at = pd.Series(at).groupby(places).mean().loc[names.index].to_numpy()
    of_wells = (names.to_numpy(), wells["predicted_mean"], wells["patches"])
    low, high = by_group.well_interval(calibrated, *of_wells, *ends, at)
    return predictions._replace(patches=patches, wells=wells.assign(low=low, high=high))


def _write(
    folder: Path, predictions: Predictions, source: dict, rows: Path | None, began: float
) -> dict[str, Any]:
    """Writes the tables; returns their certificate. `rows` are removed, which they are made of."""
    with whole_folder(folder) as temporary:
        write_cells(temporary / PATCHES, predictions.patches)
        write_csv(temporary / WELLS, predictions.wells)
        write(temporary / SOURCE, source)
        if rows is None:
            note_call(temporary, Done([True], []), HERE, 0, began)
        else:
            shutil.copytree(rows / CALLS, temporary / CALLS)
        hashes = {name: table_hash(getattr(predictions, name)) for name in ("wells", "patches")}
        certificate = certify(temporary, hashes, failed=0)
    if rows is not None:
        shutil.rmtree(rows)
    return certificate


def _summary_lines(predictions: Predictions, target: str, plates: Plates) -> dict[str, str]:
    """What a prediction came to, for the terminal."""
    wells, spent = predictions.wells, predictions.seconds
    quantity = TARGETS[target].quantity
    unknown, faulty = int((wells["condition"] == "").sum()), int(wells["faulty"].sum())
    busy = spent.waiting + spent.answering
    lines = {
        "wells": f"{len(wells)}" + (f", {unknown} without layout" if unknown else ""),
        "patches": f"{len(predictions.patches):,}, {faulty:,} of them faulty (counted in)",
        "predicted": f"{quantity.label}, {quantity.unit}".removesuffix(", "),
        "speed": f"{len(wells) / busy:.2f} wells a second, {100 * spent.waiting_share:.1f} % of "
        "the time waiting for input"
        if busy
        else "all rows were there",
        "preparing": f"{spent.preparing:.0f} s",
        "intervals": "low and high, promised for plates like those of the run"
        if "low" in wells
        else "none: jaxcell evaluate RUN calibrates them",
    }
    fatal = [finding for finding in plates.findings if finding.fatal]
    left_out = [describe(finding) for finding in gathered(fatal)]
    return lines | ({"left out": "\n".join(left_out)} if left_out else {})
