"""Plates measured: every well's interaction and every cell's shape, in tables and a report."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from jaxcell.analysis.scores import agreement
from jaxcell.analysis.wells import by_condition
from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.flat_field import (
    FlatFields,
    estimate_flat_fields,
    read_flat_fields,
    write_flat_fields,
)
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.dataset.source import load_plates
from jaxcell.experiments.measurement.cell_finding import CellFinder, make_cell_finder
from jaxcell.experiments.measurement.kept_wells import (
    Measured,
    forget_other_code,
    keep_or_measure,
    settings_of,
)
from jaxcell.measures import catalogue, chance
from jaxcell.measures.cell_table import cell_table
from jaxcell.measures.chance import TOO_FEW
from jaxcell.measures.contacts import MAXIMUM_UM
from jaxcell.measures.well import measure_well, record_field
from jaxcell.plates.folder import is_simulated
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.measurement.page import ExampleField, summary_lines, write_measurement_report
from jaxcell.storage import anndata
from jaxcell.storage.atomic import write, write_anndata, write_cells, write_csv
from jaxcell.storage.provenance import versions
from jaxcell.storage.run_folder import IDENTITY, check_claim, claim


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
    _check(config)
    find = make_cell_finder(config)
    plates = load_plates(config, condition)
    fields = select_fields(plates, ImmuneCellsConfig(name="measured", split_by="none"))
    settings, parts = settings_of(config), folder / "wells"
    check_claim(folder, IDENTITY, settings, "other settings")
    forget_other_code(parts)
    flat = _flat_fields(config, fields, parts)
    # Only now: what stops on a setting leaves no folder in the way of the next try.
    claim(folder, IDENTITY, settings, "other settings")
    write(folder / "config.json", config.to_dict())
    parts.mkdir(exist_ok=True)
    if flat:
        write_flat_fields(parts, flat)
    groups = [group for _, group in fields.groupby(["plate", "well"], sort=True)]
    measure = partial(measure_one_well, config, flat=flat, find=find)
    done = list(keep_or_measure(groups, measure, parts, config.machine.threads))
    about = fields.drop_duplicates(["plate", "well"])[["plate", "well", *ABOUT]]
    wells = pd.DataFrame([well.measures for well in done])
    wells = about.merge(wells, on=["plate", "well"], validate="one_to_one")
    cells = pd.concat([well.cells for well in done], ignore_index=True)
    cells = about.merge(cells, on=["plate", "well"], validate="one_to_many")
    truth = _agreement(wells, cells, fields)
    described = catalogue.quantities(config.measurement.contact_um, config.measurement.near_um)
    metrics = {
        "wells": len(wells),
        "cells": {kind: int((cells["kind"] == kind).sum()) for kind in VIEWS},
        "conditions": by_condition(wells),
        "answers": wells["answer"].value_counts().to_dict(),
        "chance": {
            "level": chance.LEVEL,
            "nearest_shift_um": chance.NEAREST_SHIFT_UM,
            "farthest_shift_um": chance.FARTHEST_SHIFT_UM,
        },
        "truth": truth,
        "seconds_a_well": float(wells["seconds"].median()),
        "left_out": sum(finding.fatal for finding in plates.findings),
    }
    write_csv(folder / "wells.csv", wells)
    write_cells(folder / "cells.parquet", cells)
    write_anndata(folder / "cells.h5ad", annotated(cells, config.plates.pixel_um))
    write_measurement_report(
        folder / "report",
        title=f"{folder.resolve().name}: how the cells interact",
        simulated=is_simulated(plates),
        metrics=metrics,
        wells=wells,
        cells=cells,
        examples=_examples(fields, wells, flat, find),
        flat_fields=flat,
        measures={name: quantity._asdict() for name, quantity in described.items()},
        findings=[finding[:6] for finding in plates.findings],
        config=config.to_dict(),
        colours=config.evaluation.colours,
    )
    tables = {"tables": f"wells.csv, cells.parquet, cells.h5ad in {folder}"}
    page = folder / "report" / "index.html"
    return closing_table(summary_lines(metrics) | tables, page, time.monotonic() - began)


def _check(config: ConfigDict) -> None:
    """Raises ValueError for numbers out of their range."""
    measurement, pixel_um, threads = (
        config.measurement,
        config.plates.pixel_um,
        config.machine.threads,
    )
    rules = {
        "plates.pixel_um": (pixel_um, pixel_um > 0),
        "measurement.minimum_area_um2": (
            measurement.minimum_area_um2,
            measurement.minimum_area_um2 >= 0,
        ),
        "measurement.granularity_steps": (
            measurement.granularity_steps,
            measurement.granularity_steps >= 0,
        ),
        "machine.threads": (threads, threads >= 1),
    }
    for name in ("contact_um", "near_um"):
        rules[f"measurement.{name}"] = (measurement[name], 0 <= measurement[name] < MAXIMUM_UM)
    bad = [f"{name} is {value}" for name, (value, good) in rules.items() if not good]
    if bad:
        raise ValueError(
            f"{', '.join(bad)}: distances are from 0 to below {MAXIMUM_UM:g} µm, a pixel is wider "
            "than 0, an area and a number of steps not negative, threads at least 1"
        )


def _flat_fields(config: ConfigDict, fields: pd.DataFrame, parts: Path) -> FlatFields:
    if not config.dataset.flat_field:
        return {}
    kept = read_flat_fields(parts)
    # Plates that have come since; the estimates that kept wells were corrected by stay.
    new = fields[~fields["plate"].isin({plate for plate, _ in kept})]
    images = new.melt(["plate", "well", "field"], list(VIEWS), var_name="role", value_name="path")
    return kept | estimate_flat_fields(images)


def measure_one_well(
    config: ConfigDict, fields: pd.DataFrame, *, flat: FlatFields, find: CellFinder
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
    place, records, tables = fields.iloc[0], [], []
    try:
        for row in fields.itertuples():
            views = read_field(row, flat)
            masks, labels = find(views)
            stacked = np.ascontiguousarray(np.moveaxis(views, -1, 0))
            record = record_field(
                *(stacked, masks, labels),
                pixel_um=config.plates.pixel_um,
                contact_um=config.measurement.contact_um,
                near_um=config.measurement.near_um,
            )
            steps = config.measurement.granularity_steps
            table = cell_table(stacked, labels, record, config.plates.pixel_um, steps)
            records.append(record)
            tables.append(table.assign(plate=row.plate, well=row.well, field=row.field))
        measures = measure_well(records)
    except ValueError as error:
        number = f", field {row.field}" if len(records) < len(fields) else ""
        raise ValueError(f"{place.plate} {place.well}{number}: {error}") from error
    cells = pd.concat(tables, ignore_index=True)
    about = {"plate": place.plate, "well": place.well, "fields": len(records)}
    return Measured(about | measures, cells)


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
    key = ["plate", "well", "field"]
    # Fields that were left out have a truth too, which is not to be found.
    measured = fields.set_index(key).index
    true = pd.concat(tables["cells"])
    true = true[true.set_index(key).index.isin(measured)]
    result = agreement.with_truth(cells, true)
    if tables["contacts"] and "t_cell" in result:
        contacts = pd.concat(tables["contacts"])
        contacts = contacts[contacts.set_index(key).index.isin(measured)]
        share = agreement.contact_share_with_truth(wells, true, contacts)
        result["t_cell"]["contact_share"] = share
    return result


def _examples(
    fields: pd.DataFrame, wells: pd.DataFrame, flat: FlatFields, find: CellFinder
) -> list[ExampleField]:
    """The middle well of each condition by contacts, of those with cells enough, if any."""
    examples = []
    for name, group in wells.groupby("condition", sort=True):
        answered = group[group["answer"] != TOO_FEW]
        order = (answered if len(answered) else group).sort_values("contact_share")
        chosen = order.iloc[len(order) // 2]
        rows = fields[(fields["plate"] == chosen.plate) & (fields["well"] == chosen.well)]
        views = read_field(next(rows.itertuples()), flat)
        place = f"{chosen.plate} {chosen.well}"
        examples.append(ExampleField(str(name), place, views, find(views)[1]))
    return examples


# What the tables say of a well besides its name.
ABOUT = ["condition", "compound", "concentration_um", "stimulus_ug_per_ml", "role"]


def annotated(cells: pd.DataFrame, pixel_um: float) -> Any:
    """Arranges cells for scanpy: what is measured of every cell as features, the rest beside it.

    Args:
      cells: rows of `cell_table` with plate, well, field and `ABOUT`.
      pixel_um: width of a pixel.

    Returns:
      AnnData, as `export.to_anndata` makes it.
    """
    steps = sum(name.startswith("granularity_") for name in cells)
    features = [
        *catalogue.SHAPES.values(),
        *(catalogue.granularity_step(step) for step in range(1, steps + 1)),
        catalogue.PLACE["contacts"],
    ]
    place = ["plate", "well", "field", "kind", "cell", *ABOUT, "touches_border", "distance_um",
             "contact_length_um"]  # fmt: skip
    meanings = {feature.name: (feature.unit, feature.definition) for feature in features}
    return anndata.to_anndata(
        cells, list(meanings), place, pixel_um=pixel_um, meanings=meanings,
        versions=versions(),
    )  # fmt: skip
