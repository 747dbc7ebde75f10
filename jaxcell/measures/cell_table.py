"""The table of cells: shape, light, granularity and contacts of each."""

import numpy as np
import pandas as pd

from jaxcell.cells.kinds import VIEWS
from jaxcell.measures import contacts
from jaxcell.measures.granularity import cell_granularity
from jaxcell.measures.morphology import measure_cells
from jaxcell.measures.well import FieldRecord


def cell_table(
    views: np.ndarray, labels: np.ndarray, record: FieldRecord, pixel_um: float, steps: int
) -> pd.DataFrame:
    """One row a cell of a field.

    Args:
      views: uint16 [2, H, W], raw counts.
      labels: int32 [2, H, W], cells from 1 on.
      record: of the field.
      pixel_um: width of a pixel.
      steps: length of the granularity spectrum; 0 leaves it out.

    Returns:
      `kind`, `cell` (its number), the columns of `measure_cells`, `granularity_1`..., `contacts`
      (cells of the other kind within the contact distance) and, of T cells, `distance_um`,
      `nearest` (number of that dendritic cell, 0 without one) and `contact_length_um`; of
      dendritic cells these are missing.
    """
    tables = []
    for kind, name in enumerate(VIEWS):
        columns = measure_cells(labels[kind], views[kind], pixel_um=pixel_um)
        if steps:
            spectrum = cell_granularity(views[kind], labels[kind], steps)
            columns |= {f"granularity_{k + 1}": spectrum[:, k] for k in range(steps)}
        table = pd.DataFrame(columns)
        table.insert(0, "kind", name)
        table.insert(1, "cell", np.arange(1, len(table) + 1, dtype=np.int32))
        tables.append(table)
    found = record[contacts.record]
    tables[0]["contacts"] = found.dendritic_cells_in_contact
    tables[0]["distance_um"] = found.distance_um
    tables[0]["nearest"] = pd.array(found.nearest, "Int32")
    tables[0]["contact_length_um"] = found.contact_length_um
    tables[1]["contacts"] = found.t_cells_in_contact
    return pd.concat(tables, ignore_index=True)
