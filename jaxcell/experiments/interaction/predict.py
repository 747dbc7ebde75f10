"""Predictions of every well of any plates: two tables, no report."""

import time
from collections.abc import Mapping
from pathlib import Path

from jaxcell.dataset.source import load_plates
from jaxcell.inference.plates import Predictions, predict_plates
from jaxcell.inference.trained import load
from jaxcell.measures.catalogue import TARGETS
from jaxcell.plates.findings import describe
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
) -> str:
    """Predicts a folder of plates and writes both tables, or nothing.

    Args:
      workdir: the run's folder.
      plates: folder of plates; wells without layout have an empty condition.
      folder: of the tables.
      views: which view shows which kind of cell, where the run's config does not say.
      skip: whether bad images are left out and listed instead of stopping.
      pixel_um: µm, edge of a pixel of their images; 0: as the run's.

    Returns:
      The closing table.

    Raises:
      ValueError, FileExistsError: said to the person who started it.
    """
    began = time.monotonic()
    require_place(folder, what="predictions")
    config, run = load(workdir)
    if folder.exists() and not all((folder / name).exists() for name in (WELLS, PATCHES)):
        raise FileExistsError(f"{folder} exists and holds no predictions: move it away")
    found = load_plates(config, condition="", folder=plates, views=views, skip=skip)
    source = source_of(plates, content_digest(found))
    with replacing(folder, "predicting into it"):
        refuse_other(folder, read_source(folder / SOURCE), source)
        predictions = predict_plates(run, config, found, pixel_um)
        if content_digest(found) != source["content"]:
            raise ValueError(
                f"an image in {plates} changed while it was predicted: start again once all are "
                "copied"
            )
        _write(folder, predictions, source)
    lines = _summary_lines(predictions, config.dataset.target, found)
    lines["tables"] = f"{WELLS}, {PATCHES} in {folder}"
    return closing_table(lines, None, time.monotonic() - began)


def _write(folder: Path, predictions: Predictions, source: dict) -> None:
    with whole_folder(folder) as temporary:
        write_cells(temporary / PATCHES, predictions.patches)
        write_csv(temporary / WELLS, predictions.wells)
        write(temporary / SOURCE, source)


def _summary_lines(predictions: Predictions, target: str, plates: Plates) -> dict[str, str]:
    """What a prediction came to, for the terminal."""
    wells, spent = predictions.wells, predictions.seconds
    quantity = TARGETS[target].quantity
    unknown, faulty = int((wells["condition"] == "").sum()), int(wells["faulty"].sum())
    rate = len(wells) / (spent.waiting + spent.answering)
    lines = {
        "wells": f"{len(wells)}" + (f", {unknown} without layout" if unknown else ""),
        "patches": f"{len(predictions.patches):,}, {faulty:,} of them faulty (counted in)",
        "predicted": f"{quantity.label}, {quantity.unit}".removesuffix(", "),
        "speed": f"{rate:.2f} wells a second, {100 * spent.waiting_share:.1f} % of the time "
        "waiting for input",
        "preparing": f"{spent.preparing:.0f} s",
    }
    left_out = [describe(finding) for finding in plates.findings if finding.fatal]
    return lines | ({"left out": "\n".join(left_out)} if left_out else {})
