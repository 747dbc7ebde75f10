"""Plates measured: every well's interaction and every cell's shape, in tables and a report."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.analysis import agreement
from jaxcell.analysis.regression import condition_names, conditions
from jaxcell.cell_finding import KINDS, CellFinder, make_cell_finder
from jaxcell.cell_tables import ABOUT, annotated, cell_table
from jaxcell.dataset.fields import VIEWS, select_fields
from jaxcell.dataset.flat_fields import (
    FlatFields,
    correct,
    estimate_flat_fields,
    read_flat_fields,
    write_flat_fields,
)
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.experiment import load_plates
from jaxcell.interaction import chance
from jaxcell.interaction.measures import MEASURES, measure_well, record_field
from jaxcell.plates.pixels import read_view
from jaxcell.report import export
from jaxcell.report.measurement_page import Shown, write_measurement_report
from jaxcell.run_folder import write
from jaxcell.versions import versions

WORDS = {"t_cell": "T cells", "dendritic_cell": "dendritic cells"}


class Measured(NamedTuple):
    """A measured well.

    Attributes:
      measures: as `measure_well` gives them, with `plate`, `well` and `fields`.
      cells: one row a cell, see `cell_table`.
    """

    measures: dict[str, Any]
    cells: pd.DataFrame


def measure_plates(config: ConfigDict, folder: Path, condition: str | None) -> str:
    """Measures every well of some plates and writes tables and report.

    Args:
      config: as `configs/measure.py` describes.
      folder: of the results; created, or one that the same command began: measured wells are kept.
      condition: of wells that no layout describes.

    Returns:
      The closing table.

    Raises:
      ValueError: bad plates, a setting that does not exist, or a folder of something else.
    """
    began = time.monotonic()
    find = make_cell_finder(config)
    plates = load_plates(config, condition)
    fields = select_fields(plates, ImmuneCellsConfig(name="measured", split_by="none"))
    _claim(folder, {"config": config.to_dict(), "images": _fingerprint(fields)})
    flat = _flat_fields(config, fields, folder)
    done = list(_measured(config, fields, flat, find, folder / "wells"))
    wells = pd.DataFrame([well.measures for well in done])
    about = fields.drop_duplicates(["plate", "well"])[["plate", "well", *ABOUT]]
    wells = about.merge(wells, on=["plate", "well"])
    cells = about.merge(
        pd.concat([well.cells for well in done], ignore_index=True), on=["plate", "well"]
    )
    truth = _agreement(wells, cells, fields)
    metrics = {
        "wells": len(wells),
        "cells": {kind: int((cells["kind"] == kind).sum()) for kind in KINDS},
        "answers": wells["answer"].value_counts().to_dict(),
        "chance": {
            "level": chance.LEVEL,
            "nearest_shift_um": chance.NEAREST_SHIFT_UM,
            "farthest_shift_um": chance.FARTHEST_SHIFT_UM,
        },
        "truth": truth,
        "seconds": round(time.monotonic() - began, 1),
        "left_out": sum(finding.fatal for finding in plates.findings),
        "versions": versions(),
    }
    export.write_csv(folder / "wells.csv", wells)
    export.write_cells(folder / "cells.parquet", cells)
    export.write_anndata(folder / "cells.h5ad", annotated(cells, config.pixel_um))
    write_measurement_report(
        folder / "report",
        title=f"{folder.resolve().name}: how the cells interact",
        metrics=metrics,
        wells=wells,
        cells=cells,
        shown=_shown(fields, wells, flat, find),
        flat_fields=flat,
        measures={name: measure._asdict() for name, measure in MEASURES.items()},
        findings=[finding[:6] for finding in plates.findings],
        config=config.to_dict(),
    )
    return _closing(metrics, wells, folder)


def _fingerprint(fields: pd.DataFrame) -> list:
    """Names, sizes and times of the images, so that a changed plate is not taken for the old."""
    paths = [Path(path) for view in VIEWS for path in fields[view]]
    return sorted([path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in paths)


def _claim(folder: Path, content: dict) -> None:
    """Makes the folder, or checks that the same command made it.

    Raises:
      ValueError: it belongs to something else.
    """
    path = folder / "measured.json"
    content = json.loads(json.dumps(content, default=list))
    if path.exists():
        old = json.loads(path.read_text())
        differing = [name for name in content if old[name] != content[name]]
        if differing:
            raise ValueError(
                f"{folder} holds measurements with other {' and '.join(differing)}: choose another "
                "--out, or start with the same settings and images to go on with them"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no measurements: choose another --out")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write(path, content)


def _flat_fields(config: ConfigDict, fields: pd.DataFrame, folder: Path) -> FlatFields:
    if not config.flat_field:
        return {}
    flat = read_flat_fields(folder)
    if not flat:
        images = fields.melt(
            ["plate", "well", "field"], list(VIEWS), var_name="role", value_name="path"
        )
        flat = estimate_flat_fields(images)
        write_flat_fields(folder, flat)
    return flat


def _measured(
    config: ConfigDict, fields: pd.DataFrame, flat: FlatFields, find: CellFinder, parts: Path
) -> Iterator[Measured]:
    """Every well in order, read back where an earlier call measured it."""
    parts.mkdir(exist_ok=True)
    groups = [group for _, group in fields.groupby(["plate", "well"], sort=True)]

    def work(group: pd.DataFrame) -> Measured:
        first = group.iloc[0]
        part = parts / f"{first.plate} {first.well}"
        numbers, cells = part.with_suffix(".json"), part.with_suffix(".parquet")
        if not numbers.exists():  # written last
            measured = measure_one_well(config, group, flat, find)
            export.write_cells(cells, measured.cells)
            write(numbers, measured.measures)
        return Measured(json.loads(numbers.read_text()), pd.read_parquet(cells))

    with ThreadPoolExecutor(config.threads) as pool:
        yield from tqdm(
            pool.map(work, groups), "measuring", len(groups), unit=" wells", dynamic_ncols=True
        )


def measure_one_well(
    config: ConfigDict, fields: pd.DataFrame, flat: FlatFields, find: CellFinder
) -> Measured:
    """Measures one well.

    Args:
      config: as `configs/measure.py` describes.
      fields: its rows of `select_fields`.
      flat: what fields are corrected by; empty: by nothing.
      find: finds masks and cells.

    Returns:
      Its measures and its cells.

    Raises:
      ValueError: an image cannot be read or measured; names plate, well and field.
    """
    records, tables = [], []
    for row in fields.itertuples():
        try:
            views = _read(row, flat)
            masks, labels = find(views)
            stacked = np.ascontiguousarray(np.moveaxis(views, -1, 0))
            record = record_field(
                stacked, masks, labels, pixel_um=config.pixel_um, contact_um=config.contact_um
            )
            table = cell_table(stacked, labels, record, config.pixel_um, config.granularity_steps)
        except ValueError as error:
            raise ValueError(f"{row.plate} {row.well}, field {row.field}: {error}") from error
        records.append(record)
        tables.append(table.assign(plate=row.plate, well=row.well, field=row.field))
    measures = measure_well(records, near_um=config.near_um)
    place = {"plate": row.plate, "well": row.well, "fields": len(records)}
    return Measured(place | measures, pd.concat(tables, ignore_index=True))


def _read(row: Any, flat: FlatFields) -> np.ndarray:
    views = np.stack([read_view(Path(getattr(row, view))) for view in VIEWS], axis=-1)
    return correct(views, row.plate, VIEWS, flat) if flat else views


def _agreement(wells: pd.DataFrame, cells: pd.DataFrame, fields: pd.DataFrame) -> dict:
    """Agreement with the truth of simulated plates; {} for real ones."""
    tables: dict[str, list] = {"cells": [], "contacts": []}
    for plate, rows in fields.groupby("plate"):
        folder = Path(rows["t_cell"].iloc[0]).parent / "truth"
        for name, found in tables.items():
            if (folder / f"{name}.parquet").exists():
                found.append(pd.read_parquet(folder / f"{name}.parquet").assign(plate=plate))
    if not tables["cells"]:
        return {}
    true, contacts = (pd.concat(found) for found in tables.values())
    key = ["plate", "well"]
    true = true[true.set_index(key).index.isin(wells.set_index(key).index)]
    result = agreement.with_truth(cells, true)
    share = agreement.contact_share_with_truth(wells, true, contacts)
    result["t_cell"]["contact_share"] = share
    return result


def _shown(
    fields: pd.DataFrame, wells: pd.DataFrame, flat: FlatFields, find: CellFinder
) -> list[Shown]:
    """The middle well of each condition by contacts, its fullest square with its cells."""
    shown = []
    for name, group in wells.groupby("condition", sort=True):
        order = group.sort_values("contact_share")
        chosen = order.iloc[len(order) // 2]
        rows = fields[(fields["plate"] == chosen.plate) & (fields["well"] == chosen.well)]
        views = _read(next(rows.itertuples()), flat)
        shown.append(Shown(str(name), f"{chosen.plate} {chosen.well}", views, find(views)[1]))
    return shown


def _closing(metrics: dict, wells: pd.DataFrame, folder: Path) -> str:
    """What the measurement came to, for a terminal."""
    lines = [f"{metrics['wells']} wells, " + ", ".join(
        f"{count:,} {WORDS[kind]}" for kind, count in metrics["cells"].items()
    ) + f" in {metrics['seconds']:.0f} s"]  # fmt: skip
    names = condition_names(wells)
    for name in conditions(wells):
        group = wells[names == name]
        answers = ", ".join(f"{n} {what}" for what, n in group["answer"].value_counts().items())
        lines.append(
            f"{name}: {group['contact_share'].mean():.1f} % of T cells in "
            f"contact, overlap / T-cell area {group['overlap_share'].mean():.1f} % "
            f"({group['chance_excess'].mean():+.1f} beyond chance); wells: {answers}"
        )
    lines.append(f"report: {folder / 'report' / 'index.html'}")
    lines.append(f"tables: wells.csv, cells.parquet, cells.h5ad in {folder}")
    rule = "-" * max(map(len, lines))
    return "\n".join(["", rule, *lines, rule])
