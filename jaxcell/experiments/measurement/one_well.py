"""One well measured: its interaction, its cells, and where each cell is."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from jaxcell.cells.kinds import Pair, Population
from jaxcell.configs.kinds import population_of
from jaxcell.dataset.fields import read_field
from jaxcell.dataset.flat_field import FlatFields
from jaxcell.experiments.measurement.cell_finding import CellFinder, cells_of_field
from jaxcell.measures.catalogue import SHAPES
from jaxcell.measures.cell_table import cell_table
from jaxcell.measures.light import measure_light, record_light
from jaxcell.measures.population import measure_population
from jaxcell.measures.well import FieldRecord, record_field


class Measured(NamedTuple):
    """A measured well.

    Attributes:
      measures: as `measure_population` and `measure_light` give them, with `plate`, `well` and
        `fields`.
      cells: one row a cell, see `cell_table`, with plate, well and field.
      fields: one row a field: plate, well, field, the measures of the field by itself and its
        `answer`, and `KIND_SHAPE`, means over its cells of each kind; NaN without any.
      labels: field -> int32 [K, H, W], the number of the cell of each kind at each pixel, 0 outside
        cells; numbers are those of the column `cell`.
    """

    measures: dict[str, Any]
    cells: pd.DataFrame
    fields: pd.DataFrame
    labels: dict[int, np.ndarray]


def measure_one_well(
    config: ConfigDict, fields: pd.DataFrame, *, flat: FlatFields, find: CellFinder | None
) -> Measured:
    """Measures one well.

    Args:
      config: as `configs/measure.py` describes.
      fields: its rows of `select_fields`.
      flat: what fields are corrected by; empty: by nothing.
      find: finds masks and cells; None: label images of other programs hold them.

    Returns:
      Its measures, its cells and where they are.

    Raises:
      ValueError: an image cannot be read or measured; names plate, well and field.
    """
    population = population_of(config)
    place, records, lights, tables, rows, found = fields.iloc[0], [], [], [], [], {}
    try:
        for row in fields.itertuples():
            views = read_field(row, flat, kinds=population.keys)
            masks, labels, numbers = cells_of_field(row, views, find, population.keys)
            views = np.ascontiguousarray(np.moveaxis(views, -1, 0))  # and the first are let go of
            of_pairs = _record_pairs(views, masks, labels, config, population)
            steps, pixel_um = config.measurement.granularity_steps, config.plates.pixel_um
            table = cell_table(views, labels, of_pairs, pixel_um, steps, population)
            if numbers is not None:
                table.insert(2, "label", np.concatenate(numbers).astype(np.int64))
            record = (of_pairs, [int(own.max(initial=0)) for own in labels])
            records.append(record)
            lights.append(record_light(views, labels, find))
            tables.append(table.assign(plate=row.plate, well=row.well, field=row.field))
            about = {"plate": row.plate, "well": row.well, "field": row.field}
            rows.append(about | _measured([record], population) | _means(table, population))
            found[int(row.field)] = labels
        measures = _measured(records, population) | measure_light(lights, population.kinds)
    except ValueError as error:
        number = f", field {row.field}" if len(records) < len(fields) else ""
        raise ValueError(f"{place.plate} {place.well}{number}: {error}") from error
    cells = pd.concat(tables, ignore_index=True)
    about = {"plate": place.plate, "well": place.well, "fields": len(records)}
    return Measured(about | measures, cells, pd.DataFrame(rows), found)


def _record_pairs(
    views: np.ndarray,
    masks: np.ndarray,
    labels: np.ndarray,
    config: ConfigDict,
    population: Population,
) -> dict[Pair, FieldRecord]:
    """What the measures of every pair need to know of a field; views [K, H, W]."""
    found = {}
    for pair in population.pairs:
        # All views as they are where the pair is all there is.
        own = ... if pair.views == tuple(range(len(views))) else list(pair.views)
        found[pair] = record_field(
            *(views[own], masks[own], labels[own]),
            pixel_um=config.plates.pixel_um,
            contact_um=config.measurement.contact_um,
            near_um=config.measurement.near_um,
        )
    return found


def _measured(records: Sequence[tuple], population: Population) -> dict[str, Any]:
    """The measures of several fields together, of what each pair's needed and its numbers."""
    of_pairs, counts = zip(*records, strict=True)
    return measure_population(of_pairs, counts, population)


def _means(cells: pd.DataFrame, population: Population) -> dict[str, float]:
    """Means over the cells of a field, of each kind."""
    return {
        f"{kind}_{name}": float(value)
        for kind in population.keys
        for name, value in cells.loc[cells["kind"] == kind, list(SHAPES)].mean().items()
    }
