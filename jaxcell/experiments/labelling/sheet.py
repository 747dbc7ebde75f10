"""A labelling sheet: which files it has, what a person may answer, and the answers read."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from skimage.measure import label

from jaxcell.cells.kinds import VIEWS
from jaxcell.measures import contacts, overlap
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.field import Field, percent
from jaxcell.plates.csv_lines import read_lines
from jaxcell.plates.readers.labels import read_label_image
from jaxcell.storage import csv_cells
from jaxcell.storage.atomic import read

# What a person fills in; where each patch comes from, which would give the condition away; what
# the sheet was drawn by.
ANSWERS, KEY, SETTINGS = "answers.csv", "key.csv", "sheet.json"
PICTURES, CROPS = "pictures", "crops"
# Of the settings, what scoring needs; what to do where the program's own files were changed.
NEEDED = {"plates", "views", "window", "pixel_um", "simulated"}
COPY = "copy the sheet again, only answers.csv and the label images are yours to change"
# Columns of `ANSWERS` beside `patch`.
NUMBERS = ("overlap_percent", "t_cells", "t_cells_in_contact", "dendritic_cells")
MARKS = ("outlined", "unusable")
COLUMNS = ("patch", *NUMBERS, *MARKS, "remarks")
YES, NO = ("yes", "y", "x", "1", "true"), ("", "no", "n", "0", "false")
# What estimators are scored on, of the catalogue.
QUANTITIES = {name: MEASURES[name].quantity
              for name in ("iou", "t_cells", "dendritic_cells", "contact_share")}  # fmt: skip


class Sheet(NamedTuple):
    """A sheet with a person's answers.

    Attributes:
      folder: where it lies.
      settings: `plates` (their folder), `views`, `window` (pixels), `pixel_um`, `simulated`.
      key: one row a patch: patch, plate, well, condition, field, y, x...
      answers: one row a patch, in the order of `key`; columns are `QUANTITIES`, NaN where there is
        no answer.
      unusable: bool, one a patch.
    """

    folder: Path
    settings: dict
    key: pd.DataFrame
    answers: pd.DataFrame
    unusable: np.ndarray

    @property
    def wells(self) -> np.ndarray:
        """Plate and well of each patch, str [N]."""
        return (self.key["plate"].astype(str) + " " + self.key["well"].astype(str)).to_numpy()

    def true(self, quantity: str) -> np.ndarray:
        """The answers for a quantity, float64 [N]; NaN where there is none or nobody could say."""
        return np.where(self.unusable, np.nan, self.answers[quantity].to_numpy(float))


def crop_path(folder: Path, patch: int, kind: str, labels: bool = False) -> Path:
    """Where the crop of a patch and view lies, or the label image that a person paints."""
    return folder / CROPS / f"{patch:04d}_{kind}{'_labels' if labels else ''}.tif"


def read_sheet(folder: Path) -> Sheet:
    """Reads a sheet and the answers in it.

    Raises:
      ValueError: the folder is no sheet, or an answer cannot be read; names patch and column.
    """
    missing = [name for name in (ANSWERS, KEY, SETTINGS) if not (folder / name).exists()]
    if missing:
        raise ValueError(
            f"{folder} is not a labelling sheet, it has no {missing[0]}: draw one by "
            f"jaxcell label PLATES --out {folder}"
        )
    settings = read(folder / SETTINGS)
    key = _read_key(folder / KEY)
    if not (isinstance(settings, dict) and NEEDED <= settings.keys()):
        raise ValueError(f"{folder / SETTINGS} is not as it was written: {COPY}")
    given = _read_answers(folder / ANSWERS)
    rows = _by_patch(given, key["patch"])
    answers = [_answer(folder, row, settings["pixel_um"]) for row in rows]
    unusable = np.array([_mark(row, "unusable") for row in rows], bool)
    return Sheet(folder, settings, key, pd.DataFrame(answers, columns=list(QUANTITIES)), unusable)


def _read_key(path: Path) -> pd.DataFrame:
    """Where each patch comes from."""
    try:
        key = pd.read_csv(path, keep_default_na=False)
        key["patch"] = key["patch"].astype(np.int64)
        texts = [name for name in ("plate", "well", "condition", *VIEWS)]
        key[texts] = key[texts].astype(str).map(csv_cells.restored)
        key[["field", "y", "x"]].astype(np.int64)
    except Exception as error:  # what pandas says of each fault is of pandas
        raise ValueError(f"{path} is not as it was written: {COPY}") from error
    return key


def _read_answers(path: Path) -> pd.DataFrame:
    """A person's answers as they stand there, texts, by the headings."""
    try:
        headings, rows, _ = read_lines(path)  # of any separator: spreadsheets write semicolons
    except (UnicodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read ({error}): save it as CSV in UTF-8") from error
    if len(set(headings)) < len(headings):
        raise ValueError(f"{ANSWERS} has a column twice: keep the columns of the sheet")
    width = len(headings)
    cells = [[*row[:width], *[""] * (width - len(row))] for _, row in rows]
    return pd.DataFrame(cells, columns=headings, dtype=str)


def _by_patch(given: pd.DataFrame, patches: pd.Series) -> list[dict[str, str]]:
    """The row of answers of each patch, as text."""
    lacking = [name for name in COLUMNS[:-1] if name not in given]
    if lacking:
        raise ValueError(f"{ANSWERS} has no column {lacking[0]}: keep the columns of the sheet")
    numbers = pd.to_numeric(given["patch"], errors="coerce")
    wrong = (numbers % 1 != 0) | numbers.duplicated()  # of what is no number it is not 0 either
    if wrong.any():
        bad = given["patch"][wrong].iloc[0]
        raise ValueError(f"{ANSWERS}: patch {bad!r} is no number, or is there twice")
    rows = given.assign(patch=numbers.astype(int)).set_index("patch", drop=False)
    gone = sorted(set(patches) - set(rows.index))
    if gone:
        raise ValueError(f"{ANSWERS} has no row for patch {gone[0]}: leave it in, without answers")
    return rows.loc[patches].to_dict("records")


def _answer(folder: Path, row: dict[str, str], pixel_um: float) -> dict[str, float]:
    """What a person says of a patch; NaN where nothing."""
    if _mark(row, "outlined"):
        return measure_labels(*_painted(folder, row["patch"]), pixel_um)
    overlap_percent, t_cells, touching, dendritic_cells = (_number(row, name) for name in NUMBERS)
    if touching > t_cells:
        raise ValueError(
            f"{ANSWERS}, patch {row['patch']}: {touching:g} T cells in contact of {t_cells:g}"
        )
    return {
        "iou": overlap_percent,
        "t_cells": t_cells,
        "dendritic_cells": dendritic_cells,
        # Without T cells none is in contact, whether or not that is said.
        "contact_share": 0.0 if t_cells == 0 else 100 * touching / t_cells,
    }


def _number(row: dict[str, str], name: str) -> float:
    # Decimal commas are as good as points.
    text = row[name].strip().rstrip("%").replace(",", ".")
    try:
        value = float(text) if text else np.nan
    except ValueError:
        value = -1.0
    if value < 0 or (name == "overlap_percent" and value > 100):
        raise ValueError(
            f"{ANSWERS}, patch {row['patch']}: {name} is {row[name]!r}, which is no "
            f"{'percentage' if name == 'overlap_percent' else 'number of cells'}"
        )
    return value


def _mark(row: dict[str, str], name: str) -> bool:
    text = row[name].strip().lower()
    if text not in YES + NO:
        raise ValueError(f"{ANSWERS}, patch {row['patch']}: {name} is {row[name]!r}, use yes or no")
    return text in YES


def _painted(folder: Path, patch: int) -> list[np.ndarray]:
    """The cells that a person painted: touching pixels of one number are one cell."""
    paths = [crop_path(folder, patch, kind, labels=True) for kind in VIEWS]
    images = [read_label_image(path) for path in paths]
    if images[0].shape != images[1].shape:
        raise ValueError(
            f"patch {patch}: {' and '.join(path.name for path in paths)} are not two grey images "
            "of one size: save label images as they were opened"
        )
    return [label(image, background=0, connectivity=2).astype(np.int32) for image in images]


def measure_labels(
    t_cells: np.ndarray, dendritic_cells: np.ndarray, pixel_um: float
) -> dict[str, float]:
    """What label images say of a patch, each int32 [H, W], 0 outside cells, 1..n inside.

    Returns:
      `QUANTITIES` -> value.
    """
    labels = (t_cells, dendritic_cells)
    masks = np.stack(labels) > 0
    field = Field(None, masks, labels.__getitem__, pixel_um)
    touching = contacts.record(field).dendritic_cells_in_contact
    count = int(t_cells.max(initial=0))
    return {
        "iou": overlap.iou([overlap.record(field)]),
        "t_cells": float(count),
        "dendritic_cells": float(dendritic_cells.max(initial=0)),
        "contact_share": percent(np.count_nonzero(touching), count),
    }
