"""Simulated co-culture plates with known truth, in the very form of an IN Cell plate folder."""

import functools
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import tifffile
from tqdm import tqdm

from jaxcell.simulator import biology
from jaxcell.simulator.field import DROPLET_SHARE, UNSTAINED_CELLS, Field, simulate_field
from jaxcell.simulator.layout import (
    LAYOUTS,
    ROWS,
    VEHICLE,
    Place,
    Treatment,
    block_layout,
    lot_layout,
)
from jaxcell.simulator.layout_workbook import well_name, write_wells, write_workbook
from jaxcell.simulator.light import REGIMES, Light, draw_light, field_light
from jaxcell.simulator.truth import field_row, labelled, well_row

VIEWS = ("FITC", "TexasRed", "Brightfield")
TABLES = ("wells", "fields", "cells", "contacts")  # of the truth
Truth = dict[str, pd.DataFrame]  # by name of the table


class Plate(NamedTuple):
    """What a plate is, and what is the same in all its wells."""

    name: str
    seed: tuple[int, int]
    wells: Mapping[Place, Treatment]
    regime: str
    light: Light
    batch: biology.Batch


def simulate_plates(
    folder: Path,
    *,
    plates: int = 1,
    rows: int = 6,
    columns: int = 9,
    fields: int = 1,
    field_size: int = 960,
    seed: int = 0,
    layout: str = "blocks",
    doses_um: Sequence[float] = (10.0,),
    light: str | Sequence[str] = "base",
    association: Mapping[str, float] | None = None,
    droplet_share: float = DROPLET_SHARE,
    unstained_cells: float | None = None,
    workers: int = 2,
) -> None:
    """Writes plates of simulated wells: images, layout and truth.

    A plate is `SIM01/`: one TIFF a field and view, `SIM01 plate layout.xlsx` or, by lot,
    `wells.csv`, and `truth/` with `wells.parquet`, `fields.parquet`, `cells.parquet`,
    `contacts.parquet` and a two-channel label image a field. All plates test the same compounds.

    Args:
      folder: where to write; must not exist. It appears only when everything in it is whole.
      rows, columns: wells of a plate in use, at most 16 and 24.
      fields, field_size: how many a well, and the side in pixels.
      seed: the same seed gives the same bytes, whatever `workers` (threads) is.
      layout: conditions in `blocks` of columns, or conditions, compounds and doses by `lot`.
      doses_um: of the compounds, in uM.
      light: which of `light.REGIMES` lamps, stains, focus and camera are drawn from; of several,
        each plate has the next in turn.
      association: share of bound T cells of each condition without compound, in place of those of
        `biology.CONDITIONS`; only these conditions are on the plate.
      droplet_share: chance that a field has a droplet.
      unstained_cells: expected in a field of 2048 x 2048, which brightfield alone shows; `truth/`
        then has a label image of them too. None: the usual number, and none.

    Raises:
      FileExistsError: if `folder` exists.
      ValueError: if the plate has no room for the wells, or there is no such light, layout or
        condition.
    """
    folder, conditions = Path(folder), _conditions(association)
    lights = [light] if isinstance(light, str) else list(light)
    _require_possible(folder, rows, columns, conditions, layout, lights)
    wells = block_layout(rows, columns, list(conditions), doses_um)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # A killed run leaves only this hidden sibling, which nothing takes for plates.
    unfinished = folder.with_name(f".{folder.name}.unfinished-{uuid.uuid4().hex[:8]}")
    unfinished.mkdir()
    progress = tqdm(total=plates * rows * columns, desc="simulating", unit="well")

    def write(plate: Plate, place: Place) -> Truth:
        truth, made = simulate_well(
            plate, place, conditions, fields, field_size, droplet_share, unstained_cells
        )
        for number, field in enumerate(made, start=1):
            known = unstained_cells is not None
            _write_images(unfinished / plate.name, place, number, field, known)
        progress.update()
        return truth

    try:
        with progress, ThreadPoolExecutor(workers) as pool:
            for number in range(1, plates + 1):
                of_plate = lights[(number - 1) % len(lights)]
                plate = _draw_plate(seed, number, wells, layout, of_plate)
                home = unfinished / plate.name
                (home / "truth").mkdir(parents=True)
                _write_layout(home, plate, layout)
                truths = list(pool.map(functools.partial(write, plate), sorted(plate.wells)))
                for name in TABLES:
                    table = pd.concat([truth[name] for truth in truths], ignore_index=True)
                    table.to_parquet(home / "truth" / f"{name}.parquet", index=False)
        os.rename(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _conditions(association: Mapping[str, float] | None) -> dict[str, biology.Condition]:
    if association is None:
        return dict(biology.CONDITIONS)
    if unknown := set(association) - set(biology.CONDITIONS):
        known = ", ".join(biology.CONDITIONS)
        raise ValueError(f"there is no condition {', '.join(unknown)}: use {known}")
    return {
        name: biology.CONDITIONS[name]._replace(association=share)
        for name, share in association.items()
    }


def _require_possible(
    folder: Path,
    rows: int,
    columns: int,
    conditions: Mapping[str, biology.Condition],
    layout: str,
    lights: Sequence[str],
) -> None:
    if folder.exists():
        raise FileExistsError(f"{folder} exists and is not overwritten: name another folder")
    if not (1 <= rows <= 16 and len(conditions) <= columns <= 24):
        raise ValueError(
            f"{rows} rows x {columns} columns: a plate has at most 16 x 24 wells, and each of the "
            f"{len(conditions)} conditions needs a column"
        )
    if not lights or set(lights) - set(REGIMES):
        raise ValueError(f"light is {lights}: use one or several of {', '.join(REGIMES)}")
    if layout not in LAYOUTS:
        raise ValueError(f"there is no layout {layout!r}: use {', '.join(LAYOUTS)}")


def _draw_plate(
    seed: int, number: int, wells: Mapping[Place, Treatment], layout: str, regime: str
) -> Plate:
    random = np.random.default_rng([seed, number])
    light, batch = draw_light(random, REGIMES[regime]), biology.draw_batch(random)
    if layout == "lot":
        wells = lot_layout(random, wells)
    return Plate(f"SIM{number:02d}", (seed, number), wells, regime, light, batch)


def _write_layout(home: Path, plate: Plate, layout: str) -> None:
    if layout == "lot":  # a workbook has one condition and dose a column
        write_wells(home / "wells.csv", plate.name, plate.wells)
    else:
        write_workbook(home / f"{plate.name} plate layout.xlsx", plate.name, plate.wells)


def simulate_well(
    plate: Plate,
    place: Place,
    conditions: Mapping[str, biology.Condition],
    fields: int,
    field_size: int,
    droplet_share: float,
    unstained_cells: float | None = None,
) -> tuple[Truth, list[Field]]:
    """Simulates the fields of one well; it depends on its plate and place, not on other wells.

    Returns:
      Its rows of each of `TABLES`, and its fields.
    """
    treatment = plate.wells[place]
    without = conditions[treatment.condition]
    rest = conditions.get("Unstimulated", biology.CONDITIONS["Unstimulated"])
    compound = biology.VEHICLE
    if treatment.compound != VEHICLE:
        compound = biology.compound(plate.seed[0], int(treatment.compound))
    median = biology.treated(without, rest, compound, treatment.concentration_um)
    random = np.random.default_rng([*plate.seed, *place])
    well = biology.draw_well(random, median, plate.batch, place)
    if unstained_cells is not None:
        of_usual = unstained_cells / UNSTAINED_CELLS
        well = well._replace(unstained_cells=well.unstained_cells * of_usual)
    tables: dict[str, list] = {name: [] for name in TABLES[1:]}
    made = []
    for number in range(1, fields + 1):
        random = np.random.default_rng([*plate.seed, *place, number])
        light = field_light(random, REGIMES[plate.regime], plate.light)
        field = simulate_field(
            random, field_size, well.association, well=well, light=light,
            droplet_share=droplet_share,
        )  # fmt: skip
        made.append(field)
        row = pd.DataFrame([field_row(well, field)])
        for name, table in zip(TABLES[1:], (row, field.cells, field.contacts)):
            tables[name].append(labelled(table, {"well": well_name(place), "field": number}))
    truth = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
    row = well_row(plate.name, treatment, (without, median), well, truth["fields"])
    return {"wells": row.assign(light=plate.regime)} | truth, made


def _write_images(
    folder: Path, place: Place, number: int, field: Field, with_unstained: bool
) -> None:
    """Writes the views of one field and the label images of its truth."""
    stem = f"{folder.name} - {ROWS[place[0] - 1]} - {place[1]:02d}(fld {number}"
    for view, image in zip(VIEWS, field.views):
        path = folder / f"{stem} wv {view} - {view}).tif"
        tifffile.imwrite(path, image, photometric="minisblack")
    truth = {"labels": field.labels}
    if with_unstained:
        truth["unstained"] = field.unstained
    for name, labels in truth.items():
        path = folder / "truth" / f"{stem}) {name}.tif"
        tifffile.imwrite(path, labels, photometric="minisblack", compression="zlib")
