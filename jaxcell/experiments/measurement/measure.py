"""Plates measured: every well's interaction and every cell's shape, in tables and a report."""

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from ml_collections import ConfigDict
from pandas.api.types import is_numeric_dtype

from jaxcell.analysis.conditions import of_shown
from jaxcell.analysis.scores import agreement
from jaxcell.analysis.wells import Q, by_condition, counts_by_condition, judged_pairs, of_pair
from jaxcell.cells.kinds import USUAL, Pair, Population
from jaxcell.configs import ranges
from jaxcell.configs.kinds import population_of
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.flat_field import (
    FlatFields,
    estimate_flat_fields,
    read_flat_fields,
    write_flat_fields,
)
from jaxcell.dataset.source import load_plates
from jaxcell.distributed.certificate import certified, certify, table_hash
from jaxcell.distributed.tasks import Done
from jaxcell.distributed.workers import HERE, Workers, check_workers, own_share
from jaxcell.experiments.measurement.cell_finding import (
    CellFinder,
    cells_of_field,
    make_cell_finder,
)
from jaxcell.experiments.measurement.kept_wells import (
    LABELS,
    WELLS,
    forget_other_code,
    kept_of_other_images,
    note_code,
    settings_of,
)
from jaxcell.experiments.measurement.one_well import measure_one_well
from jaxcell.experiments.measurement.own_labels import label_columns, own_labels
from jaxcell.experiments.measurement.well_tasks import measure_wells, share_done, without_failed
from jaxcell.measures import catalogue, chance, light
from jaxcell.measures.chance import CANNOT_SAY, TOO_FEW
from jaxcell.measures.doubts import doubts
from jaxcell.plates.findings import gathered
from jaxcell.plates.folder import Plates, is_simulated
from jaxcell.report.common.outlines import fullest_square
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.measurement.page import ExampleField, summary_lines, write_measurement_report
from jaxcell.storage import anndata
from jaxcell.storage.atomic import write, write_anndata, write_cells, write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import check_free, owned, owned_in_part
from jaxcell.storage.provenance import versions
from jaxcell.storage.run_folder import IDENTITY, check_claim, claim
from jaxcell.storage.source import check_source, note_source

# Columns of the tables that a simulation leaves beside its plates.
TRUE_CELLS = ("well", "field", "cell", "type", "area_um2")
TRUE_CONTACTS = ("well", "field", "t_cell")
# Side in pixels of what is kept of a field to be shown: one of every condition is in memory.
LARGEST_SHOWN = 2160


def measure_plates(
    config: ConfigDict, folder: Path, condition: str | None, workers: Workers = HERE
) -> str:
    """Measures every well of some plates and writes tables and report.

    Args:
      config: as `configs/measure.py` describes.
      folder: of the results; created, or one that the same command began: measured wells are kept.
      condition: of wells that no layout describes.
      workers: who measures the wells. A call that does a share of them writes neither tables nor
        report: one without, afterwards, collects.

    Returns:
      The closing table.

    Raises:
      ValueError: bad plates, a setting that does not exist, a folder of something else, or wells
        that could not be measured, all of them listed.
    """
    began = time.monotonic()
    ranges.check(config)
    if config.experiment != "measurement":
        raise ValueError(
            f"this is a config of {config.experiment}, which jaxcell train takes: measure takes "
            "one that starts from measure"
        )
    check_workers(workers)
    require_place(folder, what="measurements")
    if not workers.shard:
        check_free(folder)
    find, population = make_cell_finder(config), population_of(config)
    kinds, keep_empty = population.keys, config.measurement.empty_wells
    plates = load_plates(config, condition, keep_empty=keep_empty, kinds=kinds)
    if labelled := own_labels(plates, config):
        plates, find = labelled, None
    of_all = ImmuneCellsConfig(name="measured", split_by="none")
    fields = select_fields(plates, of_all, keep_empty, kinds)
    if labelled:
        fields = fields.merge(label_columns(plates, kinds), on=["plate", "well", "field"])
    settings = settings_of(config, own_labels=find is None)
    check_claim(folder, IDENTITY, settings, "other settings")
    groups = [group for _, group in fields.groupby(["plate", "well"], sort=True)]
    begin = partial(_begin, folder, config, groups, settings, kinds)
    if workers.shard:
        with owned_in_part(folder, workers.shard, "measuring into it", begin) as flat:
            measure = partial(measure_one_well, config, flat=flat, find=find)
            own = own_share(groups, workers)
            done = measure_wells(own, measure, folder, config, workers, own_labels=find is None)
        return share_done(folder, groups, workers.shard, done)
    with owned(folder, "measuring into it"):
        flat = begin()
        measure = partial(measure_one_well, config, flat=flat, find=find)
        done = measure_wells(groups, measure, folder, config, workers, own_labels=find is None)
        return _report(folder, config, population, plates, fields, done, flat, find, began)


def _begin(
    folder: Path,
    config: ConfigDict,
    groups: list[pd.DataFrame],
    settings: dict,
    kinds: Sequence[str],
) -> FlatFields:
    """What comes before the first well: whose the folder is, and how the plates are lit."""
    parts = folder / WELLS
    check_source(folder, config.plates.folder, lambda: kept_of_other_images(folder, groups, kinds))
    forget_other_code(parts)
    flat = _flat_fields(config, pd.concat(groups), parts, kinds)
    # Only now: what stops on a setting leaves no claim in the way of the next try.
    claim(folder, IDENTITY, settings, "other settings")
    write(folder / "config.json", config.to_dict())
    note_source(folder, config.plates.folder)
    parts.mkdir(exist_ok=True)
    if flat:
        write_flat_fields(parts, flat)
    note_code(parts)
    return flat


def _report(
    folder: Path,
    config: ConfigDict,
    population: Population,
    plates: Plates,
    fields: pd.DataFrame,
    done: Done,
    flat: FlatFields,
    find: CellFinder | None,
    began: float,
) -> str:
    plates = without_failed(plates, done.failures)
    measured = [well for well in done.results if well]
    wells = pd.DataFrame([well.measures for well in measured])
    fields = fields.merge(wells[["plate", "well"]])
    about = fields.drop_duplicates(["plate", "well"])[["plate", "well", *ABOUT]]
    wells = about.merge(wells, on=["plate", "well"], validate="one_to_one")
    wells = judged_pairs(wells, population)
    cells = pd.concat([well.cells for well in measured], ignore_index=True)
    by_field = pd.concat([well.fields for well in measured], ignore_index=True)
    cells, by_field = (
        about.merge(table, on=["plate", "well"], validate="one_to_many")
        for table in (cells, by_field)
    )
    truth = _agreement(wells, cells, fields, population)
    distances = config.measurement.contact_um, config.measurement.near_um
    described = catalogue.quantities(*distances, population)
    described |= {pair.prefix + Q.name: Q for pair in population.pairs}
    described |= light.light_quantities(population.kinds)
    metrics = {
        "wells": len(wells),
        "cells": {kind: int((cells["kind"] == kind).sum()) for kind in population.keys},
        **_answers(wells, population),
        "chance": {
            "level": chance.LEVEL,
            "nearest_shift_um": chance.NEAREST_SHIFT_UM,
            "farthest_shift_um": chance.FARTHEST_SHIFT_UM,
        },
        "truth": truth,
        "seconds_a_well": float(wells["seconds"].median()),
        "left_out": sum(finding.fatal for finding in plates.findings),
        "doubts": [doubt._asdict() for doubt in doubts(wells.to_dict("records"), population.kinds)],
    }
    write_csv(folder / "wells.csv", wells)
    write_csv(folder / "fields.csv", by_field)
    write_cells(folder / "cells.parquet", cells)
    write_anndata(folder / "cells.h5ad", annotated(cells, config.plates.pixel_um, population))
    # What a second measurement has the same; the seconds are those of this one.
    tables = {"wells": wells.drop(columns="seconds"), "fields": by_field, "cells": cells}
    metrics["certificate"] = certify(
        folder, {name: table_hash(table) for name, table in tables.items()}, len(done.failures)
    )
    about_what = "how the cells interact" if population.pairs else "the cells"
    write_measurement_report(
        folder / "report",
        title=f"{folder.resolve().name}: {about_what}",
        population=population,
        simulated=is_simulated(plates),
        metrics=metrics,
        wells=wells,
        cells=cells,
        examples=_examples(fields, wells, flat, find, population),
        flat_fields={key: field.light for key, field in flat.items()},
        measures={name: quantity._asdict() for name, quantity in described.items()},
        findings=[finding[:6] for finding in gathered(plates.findings)],
        config=config.to_dict(),
        colours=config.evaluation.colours,
    )
    lines = {"tables": f"wells.csv, fields.csv, cells.parquet, cells.h5ad in {folder}"}
    if config.measurement.labels:
        lines["labels"] = f"{LABELS}/PLATE/WELL_f1_{population.keys[0]}.tif and so on in {folder}"
    page = folder / "report" / "index.html"
    lines["certificate"] = certified(metrics["certificate"])
    lines = summary_lines(metrics, population) | lines
    return closing_table(lines, page, time.monotonic() - began)


def _answers(wells: pd.DataFrame, population: Population) -> dict:
    """What the wells of each condition came to: of a lone pair itself, of several by pair."""
    found = {}
    for pair in population.pairs:
        own = of_pair(wells, pair)
        found[pair.prefix.rstrip("_")] = {
            "conditions": by_condition(own),
            "answers": own["answer"].value_counts().to_dict(),
        }
    if population.lone_pair:
        return found[""]
    return {"counts": counts_by_condition(wells, population), "pairs": found}


def _flat_fields(
    config: ConfigDict, fields: pd.DataFrame, parts: Path, kinds: Sequence[str]
) -> FlatFields:
    if not config.dataset.flat_field:
        return {}
    kept = read_flat_fields(parts)
    # Plates that have come since; the estimates that kept wells were corrected by stay.
    new = fields[~fields["plate"].isin({plate for plate, _ in kept})]
    images = new.melt(["plate", "well", "field"], list(kinds), var_name="role", value_name="path")
    return kept | estimate_flat_fields(images, config.dataset.get("dark_counts", 0.0))


def _agreement(
    wells: pd.DataFrame, cells: pd.DataFrame, fields: pd.DataFrame, population: Population
) -> dict:
    """Agreement with the truth of simulated plates; {} of real ones and of other kinds of cells."""
    tables: dict[str, list] = {"cells": [], "contacts": []}
    columns = {"cells": TRUE_CELLS, "contacts": TRUE_CONTACTS}
    for plate, rows in fields.groupby("plate"):
        folder = Path(rows[population.keys[0]].iloc[0]).parent / "truth"
        for name, found in tables.items():
            table = _truth(folder / f"{name}.parquet", columns[name])
            if table is not None:
                found.append(table.assign(plate=plate))
    if not tables["cells"]:
        return {}
    key = ["plate", "well", "field"]
    # Fields that were left out have a truth too, which is not to be found.
    measured = fields.set_index(key).index
    true = pd.concat(tables["cells"])
    true = true[true.set_index(key).index.isin(measured)]
    true = true[true["type"].isin(population.keys)]
    result = agreement.with_truth(cells, true)
    usual = [pair for pair in population.pairs if _is_usual(pair)]
    if tables["contacts"] and usual and "t_cell" in result:
        contacts = pd.concat(tables["contacts"])
        contacts = contacts[contacts.set_index(key).index.isin(measured)]
        share = agreement.contact_share_with_truth(of_pair(wells, usual[0]), true, contacts)
        result["t_cell"]["contact_share"] = share
    return result


def _is_usual(pair: Pair) -> bool:
    """Whether a pair is that of the simulator: T cells with dendritic cells."""
    return (pair.first.key, pair.second.key) == USUAL.keys


def _truth(path: Path, columns: Sequence[str]) -> pd.DataFrame | None:
    """A table of the truth; None where there is none, or one that cannot be used, which is said."""
    if not path.exists():
        return None
    try:
        table = pd.read_parquet(path)
        missing = [name for name in columns if name not in table]
        wrong = f"it has no column {', '.join(missing)}" if missing else ""
        if "area_um2" in columns and not (wrong or is_numeric_dtype(table["area_um2"])):
            wrong = "its area_um2 is no number"
    except Exception as error:  # each part of a broken file fails in its own way
        wrong = " ".join(str(error).split())[:200]
    if wrong:
        print(
            f"{path} is no table of the simulator's truth ({wrong}): the measurement is not "
            "compared with it; copy it again, or delete it",
            file=sys.stderr,
        )
        return None
    return table


def _examples(
    fields: pd.DataFrame,
    wells: pd.DataFrame,
    flat: FlatFields,
    find: CellFinder | None,
    population: Population,
) -> list[ExampleField]:
    """The middle well of each condition that figures show by the first pair's contacts, of those
    with cells enough, if any; without a pair by the number of cells."""
    examples, kinds, by = [], population.keys, "contact_share"
    if population.pairs:
        wells = of_pair(wells, population.pairs[0])
    else:
        counts = wells[[kind.counts for kind in population.kinds]].sum(axis=1)
        wells, by = wells.assign(cells=counts, answer=""), "cells"
    for name, group in of_shown(wells).groupby("condition", sort=True):
        answered = group[~group["answer"].isin((TOO_FEW, CANNOT_SAY))]
        order = (answered if len(answered) else group).sort_values(by)
        chosen = order.iloc[len(order) // 2]
        rows = fields[(fields["plate"] == chosen.plate) & (fields["well"] == chosen.well)]
        row = next(rows.itertuples())
        views = read_field(row, flat, kinds=kinds)
        labels = cells_of_field(row, views, find, kinds).labels
        shown = fullest_square(labels.any(axis=0), LARGEST_SHOWN)
        views, labels = views[shown].copy(), labels[(slice(None), *shown)].copy()
        place = f"{chosen.plate} {chosen.well}"
        examples.append(ExampleField(str(name), place, views, labels))
    return examples


# What the tables say of a well besides its name.
ABOUT = ["condition", "compound", "concentration_um", "stimulus_ug_per_ml", "role"]


def annotated(cells: pd.DataFrame, pixel_um: float, population: Population = USUAL) -> Any:
    """Arranges cells for scanpy: what is measured of every cell as features, the rest beside it.

    Args:
      cells: rows of `cell_table` with plate, well, field and `ABOUT`.
      pixel_um: width of a pixel.
      population: the kinds of cells, and pairs asked of.

    Returns:
      AnnData, as `export.to_anndata` makes it.
    """
    steps = sum(name.startswith("granularity_") for name in cells)
    features = [
        *catalogue.SHAPES.values(),
        *(catalogue.granularity_step(step) for step in range(1, steps + 1)),
    ]
    place = ["plate", "well", "field", "kind", "cell", *ABOUT, "touches_border"]
    if population.lone_pair and len(population.kinds) == 2:
        features.append(catalogue.PLACE["contacts"])
    else:  # a cell of no pair has no number of contacts, which no feature may lack
        place += [f"{pair.prefix}contacts" for pair in population.pairs]
    for pair in population.pairs:
        place += [f"{pair.prefix}distance_um", f"{pair.prefix}contact_length_um"]
    if "label" in cells:
        place.append("label")
    meanings = {feature.name: (feature.unit, feature.definition) for feature in features}
    return anndata.to_anndata(
        cells, list(meanings), place, pixel_um=pixel_um, meanings=meanings,
        versions=versions(),
    )  # fmt: skip
