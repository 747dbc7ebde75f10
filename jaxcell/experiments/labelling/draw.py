"""Draws patches of plates for a person to annotate."""

import os
import time
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.analysis.conditions import condition_names
from jaxcell.cells.kinds import VIEWS
from jaxcell.configs import ranges
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.patches import windows
from jaxcell.dataset.source import load_plates
from jaxcell.experiments.labelling import sheet
from jaxcell.experiments.measurement.label_images import write_label_image
from jaxcell.plates.folder import is_simulated
from jaxcell.plates.images import image_shape
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.labelling.pictures import write_pictures
from jaxcell.storage.atomic import whole_folder, write, write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import replacing

# What the key says of each patch; of views their files, relative to the folder of the plates.
KEY_COLUMNS = ("patch", "plate", "well", "condition", "compound", "concentration_um", "role",
               "field", "y", "x", *VIEWS)  # fmt: skip
HOW_TO = """How to annotate these patches

1. Look at the pictures, one patch after the other, in the order of their numbers: NUMBER_both.png,
   and each view alone. Or open crops/NUMBER_t_cell.tif and crops/NUMBER_dendritic_cell.tif, the raw
   16-bit counts, in napari or Fiji. Every patch is {window} pixels ({window_um:.0f} um) wide.
2. Write what you see into answers.csv, one row a patch:
     overlap_percent      area in both a T cell and a dendritic cell over area in either, 0 to 100
     t_cells              T cells, those cut by the border too
     t_cells_in_contact   of these, how many touch or overlap a dendritic cell
     dendritic_cells      dendritic cells, those cut by the border too
     outlined             yes: the two label images are painted, and all four numbers are taken
                          from them, whatever is written
     unusable             yes: out of focus, a droplet, debris: nobody could say
     remarks              anything
   What you leave empty is not scored. 0 is an answer, and an important one.
3. To paint instead of estimating, fill crops/NUMBER_t_cell_labels.tif and
   crops/NUMBER_dendritic_cell_labels.tif: 0 outside cells, a number for each cell, another number
   for cells that touch; save in place, and write yes under outlined.
4. Do not open key.csv before you have finished: it says which well each patch is from.
5. jaxcell score {folder}
"""


def draw_sheet(config: ConfigDict, folder: Path, condition: str | None = None) -> str:
    """Draws a labelling sheet: pictures, crops, empty label images, and a table to fill in.

    Args:
      config: as `configs/labelling.py` describes.
      folder: of the sheet; must not exist. It appears only when everything in it is whole.
      condition: of wells that no layout describes.

    Returns:
      The closing table.

    Raises:
      FileExistsError: the folder exists.
      ValueError: bad plates, a setting out of its range, or a field smaller than a patch.
    """
    began = time.monotonic()
    ranges.check(config)
    if config.experiment != "labelling":
        raise ValueError(
            f"this is a config of {config.experiment}: label takes one that starts from labelling"
        )
    _check_absent(folder)
    require_place(folder, what="a labelling sheet")
    plates = load_plates(config, condition)
    fields = select_fields(plates, ImmuneCellsConfig(name="labelling", split_by="none"))
    candidates = every_window(fields, config.labelling.window)
    chosen = choose_patches(candidates, config.labelling.patches, config.labelling.seed)
    with replacing(folder, "drawing it"), whole_folder(folder) as temporary:
        _check_absent(folder)  # now that nobody else can draw it
        groups = chosen.groupby(["plate", "well", "field"], sort=False)
        for _, patches in tqdm(groups, "drawing", unit=" fields", dynamic_ncols=True):
            _write_field(temporary, patches, config)
        _write_tables(temporary, folder, chosen, config, is_simulated(plates))
    return closing_table(_summary_lines(chosen, folder), None, time.monotonic() - began)


def _check_absent(folder: Path) -> None:
    if folder.exists():
        raise FileExistsError(
            f"{folder} exists, and a person's answers are not overwritten: name another folder"
        )


def _write_tables(
    temporary: Path, folder: Path, chosen: pd.DataFrame, config: ConfigDict, simulated: bool
) -> None:
    """The key, the empty answers, the settings and the words on how to annotate."""
    empty = pd.DataFrame({"patch": chosen["patch"]}).reindex(columns=list(sheet.COLUMNS))
    write_csv(temporary / sheet.ANSWERS, empty)
    home = Path(config.plates.folder or os.path.commonpath(chosen["t_cell"].map(os.path.dirname)))
    home = home.resolve()
    files = {
        view: [os.path.relpath(Path(path).resolve(), home) for path in chosen[view]]
        for view in VIEWS
    }
    write_csv(temporary / sheet.KEY, chosen.assign(**files)[list(KEY_COLUMNS)])
    window, pixel_um = config.labelling.window, config.plates.pixel_um
    settings = {
        "plates": str(home),
        "views": config.plates.views.to_dict(),
        "pixel_um": pixel_um,
        "simulated": simulated,
        **config.labelling.to_dict(),
    }
    write(temporary / sheet.SETTINGS, settings)
    words = HOW_TO.format(window=window, window_um=window * pixel_um, folder=folder.name)
    (temporary / "HOW_TO.txt").write_text(words, encoding="utf-8")


def every_window(fields: pd.DataFrame, window: int) -> pd.DataFrame:
    """All windows of some fields side by side, as a data set has them.

    Args:
      fields: rows of `select_fields`.
      window: side in pixels.

    Returns:
      Its rows, one a window, with the corner `y`, `x` in pixels.

    Raises:
      ValueError: a field is smaller than a window; names plate, well and field.
    """

    @lru_cache
    def corners(shape: tuple[int, int]) -> np.ndarray:
        return windows(np.zeros((*shape, 1), np.uint8), window, window)[1]

    parts = []
    for row in fields.itertuples():
        try:
            places = corners(image_shape(row.t_cell))
        except ValueError as error:
            raise ValueError(f"{row.plate} {row.well}, field {row.field}: {error}") from error
        rows = fields.loc[[row.Index] * len(places)]
        parts.append(rows.assign(y=places[:, 0], x=places[:, 1]))
    return pd.concat(parts, ignore_index=True)


def choose_patches(candidates: pd.DataFrame, number: int, seed: int) -> pd.DataFrame:
    """Draws patches at random, conditions taking turns, and in each condition its wells.

    Args:
      candidates: plate, well, condition..., one row a patch.
      number: how many; all where there are fewer.
      seed: of the draw.

    Returns:
      Their rows in an order that says nothing, with `patch`, their number from 1.
    """
    shuffled = candidates.sample(frac=1, random_state=seed)
    turn_of_well = shuffled.groupby(["plate", "well"]).cumcount()
    by_well = shuffled.iloc[np.argsort(turn_of_well, kind="stable")]
    turn = by_well.groupby(condition_names(by_well)).cumcount()
    drawn = by_well.iloc[np.argsort(turn, kind="stable")].head(number)
    drawn = drawn.sample(frac=1, random_state=seed).reset_index(drop=True)
    return drawn.assign(patch=np.arange(1, len(drawn) + 1))


def _write_field(folder: Path, patches: pd.DataFrame, config: ConfigDict) -> None:
    """Pictures and crops of the patches of one field."""
    window, pixel_um = config.labelling.window, config.plates.pixel_um
    views = read_field(next(patches.itertuples()), {})
    # Of every fourth pixel in y and x, as in the report: enough for a percentile.
    low, high = np.percentile(views[::4, ::4], (1, 99.7), axis=(0, 1))
    for row in patches.itertuples():
        crop = views[row.y : row.y + window, row.x : row.x + window]
        write_pictures(
            folder / sheet.PICTURES,
            f"{row.patch:04d}",
            crop,
            (low, high),
            enlarged=config.labelling.enlarged,
            colours=config.evaluation.colours,
        )
        for place, kind in enumerate(VIEWS):
            path = sheet.crop_path(folder, row.patch, kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_label_image(path, crop[..., place], pixel_um)
            painted = sheet.crop_path(folder, row.patch, kind, labels=True)
            write_label_image(painted, np.zeros(crop.shape[:2], np.uint16), pixel_um)


def _summary_lines(chosen: pd.DataFrame, folder: Path) -> dict[str, str]:
    """What was drawn, for the terminal."""
    wells = chosen.drop_duplicates(["plate", "well"])
    counts = condition_names(chosen).value_counts(sort=False)
    return {
        "patches": f"{len(chosen)} of {len(wells)} wells",
        "of each": ", ".join(f"{name} {count}" for name, count in counts.items()),
        "to do": f"{folder / 'HOW_TO.txt'} says how, {folder / sheet.ANSWERS} takes the answers",
        "then": f"jaxcell score {folder}",
    }
