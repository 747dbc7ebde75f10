"""Simulated co-culture plates with known truth, in the very form of an IN Cell plate folder.

Compounds do nothing here: wells differ by their condition's association (see `field`) and by
chance.
"""

import functools
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from tqdm import tqdm

from jaxcell.simulator.field import (
    ASSOCIATION,
    DROPLET_SHARE,
    Field,
    draw_well,
    simulate_field,
)
from jaxcell.simulator.layout_workbook import ROWS, Treatment, write_layout
from jaxcell.simulator.light import REGIMES, Light, draw_light, field_light
from jaxcell.simulator.truth import field_row, labelled, well_row

VIEWS = ("FITC", "TexasRed", "Brightfield")
TABLES = ("wells", "fields", "cells", "contacts")  # of the truth
Place = tuple[int, int]  # row and column of a well, from 1
Truth = dict[str, pd.DataFrame]  # by name of the table


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
    light: str | Sequence[str] = "base",
    droplet_share: float = DROPLET_SHARE,
    workers: int = 2,
) -> None:
    """Writes plates of simulated wells: images, layout workbook and truth.

    A plate is `SIM01/`: one TIFF a field and view, `SIM01 plate layout.xlsx`, and `truth/`
    with `wells.parquet`, `fields.parquet`, `cells.parquet`, `contacts.parquet` and a two-channel
    label image a field. Conditions take blocks of columns.

    Args:
      folder: where to write; must not exist. It appears only when everything in it is whole.
      rows, columns: wells of a plate in use, at most 16 and 24.
      fields, field_size: how many a well, and the side in pixels.
      seed: the same seed gives the same bytes, whatever `workers` (threads) is.
      association: expected share of bound T cells of each condition; `ASSOCIATION` without.
      light: which of `light.REGIMES` lamps, stains, focus and camera are drawn from; of several,
        each plate has the next in turn.
      droplet_share: chance that a field has a droplet.

    Raises:
      FileExistsError: if `folder` exists.
      ValueError: if the plate has no room for the wells, or there is no such light.
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
    lights = [light] if isinstance(light, str) else list(light)
    if not lights or set(lights) - set(REGIMES):
        raise ValueError(f"light is {light!r}: use one or several of {', '.join(REGIMES)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A killed run leaves only this hidden sibling, which nothing takes for plates.
    unfinished = folder.with_name(f".{folder.name}.unfinished-{uuid.uuid4().hex[:8]}")
    unfinished.mkdir()
    progress = tqdm(total=plates * rows * columns, desc="simulating", unit="well")

    def write_well(plate: int, of_plate: Light, place: Place, treatment: Treatment) -> Truth:
        random = np.random.default_rng([seed, plate, *place])
        well = draw_well(random, association[treatment.condition])
        tables: dict[str, list] = {name: [] for name in TABLES[1:]}
        for field in range(1, fields + 1):
            random = np.random.default_rng([seed, plate, *place, field])
            made = simulate_field(
                random,
                field_size,
                well.association,
                well=well,
                light=field_light(random, regime, of_plate),
                droplet_share=droplet_share,
            )
            _write_images(unfinished / _name(plate), place, field, made)
            about = {"well": _well_name(place), "field": field}
            row = pd.DataFrame([field_row(well, made)])
            for name, table in zip(TABLES[1:], (row, made.cells, made.contacts)):
                tables[name].append(labelled(table, about))
        progress.update()
        parts = {name: pd.concat(some, ignore_index=True) for name, some in tables.items()}
        return {"wells": well_row(_name(plate), treatment, well, parts["fields"])} | parts

    try:
        with progress, ThreadPoolExecutor(workers) as pool:
            for plate in range(1, plates + 1):
                place = unfinished / _name(plate)
                (place / "truth").mkdir(parents=True)
                layout = place / f"{place.name} plate layout.xlsx"
                treatments = write_layout(layout, place.name, rows, columns, list(association))
                name_of_light = lights[(plate - 1) % len(lights)]
                regime = REGIMES[name_of_light]
                of_plate = draw_light(np.random.default_rng([seed, plate]), regime)
                work = functools.partial(write_well, plate, of_plate)
                wells = list(pool.map(work, *zip(*sorted(treatments.items()))))
                for name in TABLES:
                    table = pd.concat([parts[name] for parts in wells], ignore_index=True)
                    if name == "wells":
                        table["light"] = name_of_light
                    table.to_parquet(place / "truth" / f"{name}.parquet", index=False)
        os.rename(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _name(plate: int) -> str:
    return f"SIM{plate:02d}"


def _well_name(place: Place) -> str:
    return f"{ROWS[place[0] - 1]}{place[1]:02d}"


def _write_images(folder: Path, place: Place, field: int, made: Field) -> None:
    """Writes the views of one field and the label image of its truth."""
    stem = f"{folder.name} - {ROWS[place[0] - 1]} - {place[1]:02d}(fld {field}"
    for view, image in zip(VIEWS, made.views):
        path = folder / f"{stem} wv {view} - {view}).tif"
        tifffile.imwrite(path, image, photometric="minisblack")
    path = folder / "truth" / f"{stem}) labels.tif"
    tifffile.imwrite(path, made.labels, photometric="minisblack", compression="zlib")
