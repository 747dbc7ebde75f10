"""Simulated co-culture plates with known truth, in the very form of an IN Cell plate folder.

Compounds do nothing here: wells differ by their condition's association (see `coculture`) and
by chance.
"""

import os
import shutil
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from tqdm import tqdm

from jaxcell.simulator.field import ASSOCIATION, DROPLET_SHARE, Field, draw_well, simulate_field
from jaxcell.simulator.layout_workbook import write_layout

__all__ = ["ASSOCIATION", "Field", "draw_well", "simulate_field", "simulate_plates"]

VIEWS = ("FITC", "TexasRed", "Brightfield")


def simulate_plates(
    folder: Path,
    *,
    plates: int = 1,
    rows: int = 6,
    columns: int = 9,
    fields: int = 1,
    field_size: int = 960,
    seed: int = 0,
    association: Mapping[str, float] | None = None,
    droplet_share: float = DROPLET_SHARE,
    workers: int = 2,
) -> None:
    """Writes plates of simulated wells: images, layout workbook and truth.

    A plate is `SIM01/`: one TIFF a field and view, `SIM01 plate layout.xlsx`, and `truth/`
    with `cells.parquet`, `contacts.parquet` and a two-channel label image a field.
    Conditions take blocks of columns.

    Args:
      folder: where to write; must not exist. It appears only when everything in it is whole.
      plates: number of plates.
      rows, columns: wells of a plate in use, at most 16 and 24.
      fields: fields a well.
      field_size: side of a field in pixels.
      seed: the same seed gives the same bytes, whatever `workers` is.
      association: expected share of bound T cells of each condition; `ASSOCIATION` without.
      droplet_share: chance that a field has a droplet.
      workers: threads.

    Raises:
      FileExistsError: if `folder` exists.
      ValueError: if the plate has no room for the wells.
    """
    folder = Path(folder)
    association = ASSOCIATION if association is None else association
    if folder.exists():
        raise FileExistsError(f"{folder} exists and is not overwritten: name another folder")
    if not (1 <= rows <= 16 and len(association) <= columns <= 24):
        raise ValueError(
            f"{rows} rows x {columns} columns: a plate has at most 16 x 24 wells, and each of the "
            f"{len(association)} conditions needs a column"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A killed run leaves only this hidden sibling, which nothing takes for plates.
    unfinished = folder.with_name(f".{folder.name}.unfinished-{uuid.uuid4().hex[:8]}")
    unfinished.mkdir()
    try:
        with tqdm(total=plates * rows * columns, desc="simulating", unit="well") as progress:
            for plate in range(1, plates + 1):
                _write_plate(
                    unfinished,
                    plate,
                    rows,
                    columns,
                    fields,
                    field_size,
                    seed,
                    association,
                    droplet_share,
                    workers,
                    progress,
                )
        os.rename(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write_plate(
    folder: Path,
    plate: int,
    rows: int,
    columns: int,
    fields: int,
    field_size: int,
    seed: int,
    association: Mapping[str, float],
    droplet_share: float,
    workers: int,
    progress: tqdm,
) -> None:
    """Writes one plate."""
    name = f"SIM{plate:02d}"
    (folder / name / "truth").mkdir(parents=True)
    conditions = write_layout(
        folder / name / f"{name} plate layout.xlsx", name, rows, columns, list(association)
    )

    def write_well(place: tuple[int, int]) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        row, column = place
        well_rng = np.random.default_rng([seed, plate, row, column])
        well = draw_well(well_rng, association[conditions[place]])
        tables = []
        for field in range(1, fields + 1):
            rng = np.random.default_rng([seed, plate, row, column, field])
            simulated = simulate_field(
                rng, field_size, well.association, well=well, droplet_share=droplet_share
            )
            tables.append(_write_field(folder / name, name, row, column, field, simulated))
        progress.update()
        return tables

    with ThreadPoolExecutor(workers) as pool:
        tables = [pair for well in pool.map(write_well, sorted(conditions)) for pair in well]
    for file, parts in zip(("cells", "contacts"), zip(*tables)):
        table = pd.concat(parts, ignore_index=True)
        table.to_parquet(folder / name / "truth" / f"{file}.parquet", index=False)


def _write_field(
    folder: Path, plate: str, row: int, column: int, field: int, simulated: Field
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Writes the images of one field; returns its cells and contacts with well and field."""
    letter = "ABCDEFGHIJKLMNOP"[row - 1]
    for view, image in zip(VIEWS, simulated.views):
        name = f"{plate} - {letter} - {column:02d}(fld {field} wv {view} - {view}).tif"
        tifffile.imwrite(folder / name, image, photometric="minisblack")
    name = f"{plate} - {letter} - {column:02d}(fld {field}) labels.tif"
    tifffile.imwrite(
        folder / "truth" / name, simulated.labels, photometric="minisblack", compression="zlib"
    )
    where = {"well": f"{letter}{column:02d}", "field": field}
    cell_table, contact_table = simulated.cells.copy(), simulated.contacts.copy()
    for table in (cell_table, contact_table):
        for position, (key, value) in enumerate(where.items()):
            table.insert(position, key, value)
    return cell_table, contact_table
