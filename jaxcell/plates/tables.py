"""The two tidy tables the program works from: grey images and wells."""

import csv
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from jaxcell.plates.addresses import JOINED, Address, Plane, anchored, parse, plane_of
from jaxcell.plates.csv_lines import read_headings, read_lines
from jaxcell.plates.files import ADDRESS, no_folder
from jaxcell.plates.findings import Finding, spaced, unseen, visible
from jaxcell.storage import csv_cells
from jaxcell.storage.atomic import whole_new

ROLES = ("sample", "vehicle", "untreated", "empty")
IMAGE_COLUMNS = {"plate": str, "well": str, "field": int, "view": str, "path": str}
# What a table of images need not say: where the middle of a field lies in its well, y downwards as
# in the image, and the edge of a pixel.
PLACE_COLUMNS = {"x_um": float, "y_um": float, "pixel_um": float}
WELL_COLUMNS = {
    "plate": str,
    "well": str,
    "condition": str,
    "compound": str,
    "concentration_um": float,
    "role": str,
    "stimulus_ug_per_ml": float,
}
# The dose of the stimulation may be unknown, and a table written elsewhere need not have it.
OPTIONAL_COLUMNS = ("stimulus_ug_per_ml",)
ALIASES = {
    "unstim": "Unstimulated",
    "unstimulated": "Unstimulated",
    "ova": "OVA",
    "pova": "OVA",
    "ova peptide": "OVA",
    "cona": "ConA",
    "concanavalin a": "ConA",
}
# What no condition may be called: the row of a report's table that stands for all of them.
EVERY = "all"
WELL_NAME = re.compile(r"\s*(A[A-F]|[A-Z])\s*-?\s*0*([1-9]\d?)\s*", re.IGNORECASE)
# Of the largest plate, of 1536 wells: rows A to AF.
ROWS, COLUMNS = 32, 48


def well_name(text: str) -> str:
    """Canonical name of a well, e.g. 'D07' for 'd7', 'D - 07' or 'D07'.

    Raises:
      ValueError: the text is not a well of rows A-AF and columns 1-48, those of 1536 wells.
    """
    match = WELL_NAME.fullmatch(text)
    if match is None or int(match[2]) > COLUMNS:
        raise ValueError(f"'{text}' is not a well (rows A-P, of 1536 wells A-AF, columns 1-48)")
    return f"{match[1].upper()}{int(match[2]):02d}"


def well_at(row: int, column: int) -> str:
    """Name of the well in a row and a column, both from 1.

    Raises:
      ValueError: no plate has such a row or column.
    """
    if not (1 <= row <= ROWS and 1 <= column <= COLUMNS):
        raise ValueError(f"row {row}, column {column} is not a well (32 rows, 48 columns at most)")
    return f"{row_name(row)}{column:02d}"


def known_well(name: str | tuple[int, int]) -> str | None:
    """The well of a name, or of a row and a column from 1; None where that is no well."""
    try:
        return well_name(name) if isinstance(name, str) else well_at(*name)
    except ValueError:
        return None


def place_of(well: str) -> tuple[int, int]:
    """Row and column, from 1, of a well by its canonical name."""
    letters, column = well[:-2], int(well[-2:])
    return ord(letters[-1]) - ord("A") + 1 + 26 * (len(letters) - 1), column


def row_name(row: int) -> str:
    """Letters of a row, from 1: A to Z, then AA."""
    return chr(ord("A") + row - 1) if row <= 26 else "A" + chr(ord("A") + row - 27)


def canonical_condition(text: str) -> str | None:
    """Returns Unstimulated, OVA or ConA for any of their known spellings, else None."""
    return ALIASES.get(" ".join(text.split()).casefold())


def images_table(rows: Iterable[Mapping] = ()) -> pd.DataFrame:
    """Returns an images table of the rows, in the order given, with its columns and dtypes."""
    return _table(rows, IMAGE_COLUMNS | PLACE_COLUMNS)


def wells_table(rows: Iterable[Mapping] = ()) -> pd.DataFrame:
    """Returns a wells table of the rows, in the order given, with its columns and dtypes."""
    return _table(rows, WELL_COLUMNS)


def _table(rows: Iterable[Mapping], columns: Mapping[str, type]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict(columns))


def read_images(path: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Reads an images table from CSV.

    The rows that could be read, `path` made absolute from the folder of the file and naming the
    plane of it, and one finding for each row (or heading) that could not. Where the file names
    label images, `labels` has their paths, '' where it names none.
    """
    rows, findings = _read(path, IMAGE_COLUMNS, partial(_image_row, folder=path.parent))
    images = images_table(rows.values())
    if any(labels := [row["labels"] for row in rows.values()]):
        images["labels"] = labels
    return images, findings


def read_said_of_wells(path: Path) -> pd.DataFrame:
    """What an images table says of its wells: plate, well and the columns of `WELL_COLUMNS` it has.

    As it stands there, a row an image, without those that cannot be read.
    """
    rows, _ = _read(path, IMAGE_COLUMNS, dict)
    said = pd.DataFrame(rows.values())
    known = [name for name in WELL_COLUMNS if name in said]
    keep = [place for place, row in rows.items() if _place(row)[1]]
    said.index = pd.Index(list(rows), dtype=object)
    said = said.loc[keep, known]
    return said.assign(well=said["well"].map(well_name)) if len(said) else said


def unread_columns(path: Path) -> list[str]:
    """Headings of an images table that mean nothing here."""
    try:
        headings = read_headings(path)
    except (OSError, UnicodeError, csv.Error):
        return []
    known = {*IMAGE_COLUMNS, *Plane._fields, *PLACE_COLUMNS, "labels", ""}
    return [name for name in headings if name not in known]


def write_images(table: pd.DataFrame, path: Path) -> None:
    """Writes an images table as CSV, paths relative to it; FileExistsError where there is a file.

    Columns that say nothing are left out; `labels`, paths of label images, need not be there.
    """
    home, rows = path.parent.absolute(), []
    for row in table.to_dict("records"):
        address = parse(row["path"])
        files = JOINED.join(os.path.relpath(file, home) for file in address.files)
        chosen = {name: number for name, number in address.plane._asdict().items() if number}
        labels = row.get("labels") and os.path.relpath(row["labels"], home)
        rows.append(row | chosen | {"path": files, "labels": labels or None})
    columns = [*IMAGE_COLUMNS, *Plane._fields, *PLACE_COLUMNS, "labels"]
    written = pd.DataFrame(rows, columns=columns).dropna(axis=1, how="all")
    numbers = [name for name in Plane._fields if name in written]
    written[numbers] = written[numbers].map(lambda cell: "" if pd.isna(cell) else str(cell))
    _write(written, path)


def read_wells(path: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Reads a wells table from CSV.

    The rows that could be read, a well named twice only once, and one finding for each row (or
    heading) that could not be used.
    """
    rows, findings = _read(path, WELL_COLUMNS, _well_row)
    first_line: dict[tuple[str, str], int] = {}
    unique = []
    for line, row in rows.items():
        earlier = first_line.setdefault((row["plate"], row["well"]), line)
        if earlier == line:
            unique.append(row)
        else:
            message = f"line {line} describes the well that line {earlier} already describes"
            cure = "keep the line that is true and delete the other"
            finding = Finding("duplicate well", row["plate"], row["well"], str(path), message, cure)
            findings.append(finding)
    return wells_table(unique), findings


def is_layout(path: Path) -> bool:
    """Whether a CSV file has the columns of a wells table and no others, as results have."""
    try:
        headings = {name for name in read_headings(path) if name}
    except (OSError, UnicodeError, csv.Error):
        return False
    return headings | set(OPTIONAL_COLUMNS) == set(WELL_COLUMNS)


def write_wells(table: pd.DataFrame, path: Path) -> None:
    """Writes a wells table as CSV; FileExistsError where there is a file."""
    _write(table[list(WELL_COLUMNS)], path)


def _write(table: pd.DataFrame, path: Path) -> None:
    try:
        with whole_new(path) as unfinished:
            csv_cells.harmless(table).to_csv(unfinished, index=False, lineterminator="\n")
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists and is not overwritten: move it away or give another name"
        ) from None


def _read(
    path: Path, columns: dict[str, type], read_row: Callable[[dict[str, str]], dict]
) -> tuple[dict[int, dict], list[Finding]]:
    """The readable rows by line number, and the findings of the rest."""
    if not path.is_file():  # a pipe would be waited for
        return {}, [_bad(path, "it is a folder, a pipe or a device, no file", "move it elsewhere")]
    try:
        headings, lines, separator = read_lines(path)
    except (OSError, UnicodeError, csv.Error) as error:
        message = f"the table cannot be read ({error})"
        return {}, [_bad(path, message, "save it again as CSV, UTF-8, separated by commas")]
    missing = [name for name in columns if name not in (*headings, *OPTIONAL_COLUMNS)]
    if missing:
        message = f"line 1 has no column {', '.join(missing)}, but {', '.join(headings) or 'none'}"
        cure = f"name the columns {','.join(columns)}, separated by commas"
        return {}, [_bad(path, message, cure)]
    twice = sorted({name for name in headings if name and headings.count(name) > 1})
    if twice:
        message = f"line 1 names the column {', '.join(map(repr, twice))} twice"
        return {}, [_bad(path, message, "keep the column that is true and delete the other")]
    rows, findings = {}, []
    for line, cells in lines:
        row = {name: cell for name, cell in zip(headings, cells) if name}
        try:
            if any(cell.strip() for cell in _beyond(headings, cells)):
                raise ValueError("more cells than the heading has columns")
            cleaned = _clean(row)
            if separator != ",":  # then a comma is the decimal point
                numbers = (name for name in row if (columns | PLACE_COLUMNS).get(name) is float)
                cleaned |= {name: cleaned[name].replace(",", ".") for name in numbers}
            rows[line] = read_row(cleaned)
        except ValueError as error:
            cure = "correct this line of the table"
            findings.append(_bad(path, f"line {line}: {error}", cure, *_place(row)))
    return rows, findings


def _bad(path: Path, message: str, cure: str, plate: str = "", well: str = "") -> Finding:
    return Finding("unreadable table", plate, well, str(path), message, cure)


def _beyond(headings: list[str], cells: list[str]) -> list[str]:
    """Cells of a line that stand under no heading."""
    under = (cell for name, cell in zip(headings, cells) if not name)
    return [*under, *cells[len(headings) :]]


def _clean(row: Mapping[str, str]) -> dict[str, str]:
    cells = {name: spaced(value) for name, value in row.items()}
    for name, value in cells.items():
        if character := unseen(value):
            raise ValueError(
                f"{name} {visible(value)!r} holds {character}, which cannot be seen: type it anew"
            )
    return {name: csv_cells.restored(value) for name, value in cells.items()}


def _place(row: Mapping) -> tuple[str, str]:
    """Plate and well of a row that may be unreadable; well '' where it has none."""
    try:
        return (row.get("plate") or "").strip(), well_name(row.get("well") or "")
    except ValueError:
        return (row.get("plate") or "").strip(), ""


def _image_row(row: dict[str, str], folder: Path) -> dict:
    row = {name: row.get(name, "") for name in (*row, *IMAGE_COLUMNS)}
    if not row["field"].isdecimal():
        raise ValueError(f"field '{row['field']}' is not a whole number")
    named = _required(row, "path").split(JOINED)
    if address := next((name for name in named if ADDRESS.match(name)), ""):
        raise ValueError(no_folder(address, "images"))
    files = anchored(named, folder)
    return {
        "plate": _required(row, "plate"),
        "well": well_name(row["well"]),
        "field": int(row["field"]),
        "view": _required(row, "view"),
        "path": str(Address(files, plane_of(row))),
        "labels": os.path.abspath(folder / row["labels"]) if row.get("labels") else "",
        **{name: _length(row.get(name, ""), name) for name in PLACE_COLUMNS},
    }


def _length(text: str, name: str) -> float:
    """A number of um, NaN for none; of a pixel more than 0."""
    try:
        value = float(text or "nan")
    except ValueError:
        value = math.inf
    if math.isinf(value) or (name == "pixel_um" and value <= 0):
        raise ValueError(f"{name} '{text}' is no number of µm")
    return value


def _well_row(row: dict[str, str]) -> dict:
    row = {name: row.get(name, "") for name in (*row, *WELL_COLUMNS)}
    role = row["role"]
    if role not in ROLES:
        raise ValueError(f"role '{role}' is none of {', '.join(ROLES)}")
    condition = "" if role == "empty" else _required(row, "condition")
    if condition.casefold() == EVERY:
        raise ValueError(
            f"condition '{condition}' is what reports call all wells together: give it another name"
        )
    return {
        "plate": _required(row, "plate"),
        "well": well_name(row["well"]),
        "condition": canonical_condition(condition) or condition,
        "compound": row["compound"],
        "concentration_um": _dose(row["concentration_um"], "concentration_um"),
        "role": role,
        "stimulus_ug_per_ml": _dose(row.get("stimulus_ug_per_ml", ""), "stimulus_ug_per_ml"),
    }


def _required(row: Mapping[str, str], name: str) -> str:
    if not row[name]:
        raise ValueError(f"no {name}")
    return row[name]


def _dose(text: str, name: str) -> float:
    try:
        dose = float(text or "nan")
    except ValueError:
        dose = -1.0
    if dose < 0 or math.isinf(dose):
        raise ValueError(f"{name} '{text}' is not a number of 0 or more")
    return dose
