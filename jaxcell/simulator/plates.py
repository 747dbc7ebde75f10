"""Simulated co-culture plates with known truth, in the very form of an IN Cell plate folder.

Compounds do nothing here: wells differ by their condition's association (see `field`) and by
chance.
"""

import functools
import itertools
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
from jaxcell.simulator.layout_workbook import ROWS, write_layout

VIEWS = ("FITC", "TexasRed", "Brightfield")
Truth = tuple[pd.DataFrame, pd.DataFrame]  # cells and contacts


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
      rows, columns: wells of a plate in use, at most 16 and 24.
      fields, field_size: how many a well, and the side in pixels.
      seed: the same seed gives the same bytes, whatever `workers` (threads) is.
      association: expected share of bound T cells of each condition; `ASSOCIATION` without.
      droplet_share: chance that a field has a droplet.

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
    progress = tqdm(total=plates * rows * columns, desc="simulating", unit="well")

    def write_well(plate: int, place: tuple[int, int], condition: str) -> list[Truth]:
        random = np.random.default_rng([seed, plate, *place])
        well = draw_well(random, association[condition])
        tables = []
        for field in range(1, fields + 1):
            random = np.random.default_rng([seed, plate, *place, field])
            made = simulate_field(
                random, field_size, well.association, well=well, droplet_share=droplet_share
            )
            tables.append(_write_field(unfinished / _name(plate), *place, field, made))
        progress.update()
        return tables

    try:
        with progress, ThreadPoolExecutor(workers) as pool:
            for plate in range(1, plates + 1):
                place = unfinished / _name(plate)
                (place / "truth").mkdir(parents=True)
                layout = place / f"{place.name} plate layout.xlsx"
                conditions = write_layout(layout, place.name, rows, columns, list(association))
                work = functools.partial(write_well, plate)
                wells = list(pool.map(work, *zip(*sorted(conditions.items()))))
                for file, parts in zip(("cells", "contacts"), zip(*itertools.chain(*wells))):
                    table = pd.concat(parts, ignore_index=True)
                    table.to_parquet(place / "truth" / f"{file}.parquet", index=False)
        os.rename(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _name(plate: int) -> str:
    return f"SIM{plate:02d}"


def _write_field(folder: Path, row: int, column: int, field: int, made: Field) -> Truth:
    """Writes the images of one field; returns its cells and contacts with well and field."""
    letter = ROWS[row - 1]
    stem = f"{folder.name} - {letter} - {column:02d}(fld {field}"
    for view, image in zip(VIEWS, made.views):
        path = folder / f"{stem} wv {view} - {view}).tif"
        tifffile.imwrite(path, image, photometric="minisblack")
    path = folder / "truth" / f"{stem}) labels.tif"
    tifffile.imwrite(path, made.labels, photometric="minisblack", compression="zlib")
    for table in (made.cells, made.contacts):
        table.insert(0, "well", f"{letter}{column:02d}")
        table.insert(1, "field", field)
    return made.cells, made.contacts
