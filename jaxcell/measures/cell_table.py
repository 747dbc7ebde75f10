"""The table of cells: shape, light, granularity and contacts of each."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from jaxcell.cells.kinds import USUAL, Pair, Population
from jaxcell.measures import contacts
from jaxcell.measures.granularity import cell_granularity
from jaxcell.measures.morphology import measure_cells
from jaxcell.measures.well import FieldRecord


def cell_table(
    views: np.ndarray,
    labels: np.ndarray,
    records: Mapping[Pair, FieldRecord],
    pixel_um: float,
    steps: int,
    population: Population = USUAL,
) -> pd.DataFrame:
    """One row a cell of a field.

    Args:
      views: uint16 [K, H, W], raw counts.
      labels: int32 [K, H, W], cells from 1 on.
      records: of the field, of every pair.
      pixel_um: width of a pixel.
      steps: length of the granularity spectrum; 0 leaves it out.
      population: the kinds of cells, and pairs asked of.

    Returns:
      `kind`, `cell` (its number), the columns of `measure_cells`, `granularity_1`... and, with the
      prefix of each pair, `contacts` (cells of the other kind within the contact distance) and, of
      cells of its first kind, `distance_um`, `nearest` (number of that cell of the second kind, 0
      without one) and `contact_length_um`; of other cells these are missing.
    """
    tables = []
    for kind in population.kinds:
        columns = measure_cells(labels[kind.view], views[kind.view], pixel_um=pixel_um)
        if steps:
            spectrum = cell_granularity(views[kind.view], labels[kind.view], steps)
            columns |= {f"granularity_{k + 1}": spectrum[:, k] for k in range(steps)}
        table = pd.DataFrame(columns)
        table.insert(0, "kind", kind.key)
        table.insert(1, "cell", np.arange(1, len(table) + 1, dtype=np.int32))
        tables.append(table)
    for pair in population.pairs:
        found = records[pair][contacts.record]
        first, second = (tables[view] for view in pair.views)
        # Of a third kind's cells nothing is known, which whole numbers of numpy cannot say.
        number = np.int32 if len(tables) == 2 else "Int32"
        first[f"{pair.prefix}contacts"] = pd.array(found.dendritic_cells_in_contact, number)
        first[f"{pair.prefix}distance_um"] = found.distance_um
        first[f"{pair.prefix}nearest"] = pd.array(found.nearest, "Int32")
        first[f"{pair.prefix}contact_length_um"] = found.contact_length_um
        second[f"{pair.prefix}contacts"] = pd.array(found.t_cells_in_contact, number)
    return pd.concat(tables, ignore_index=True)
