"""The two tidy tables the program works from: grey images and wells."""

import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pandas as pd

from jaxcell.plates.findings import Finding, spaced, unseen, visible
from jaxcell.storage import csv_cells

ROLES = ("sample", "vehicle", "untreated", "empty")
IMAGE_COLUMNS = {"plate": str, "well": str, "field": int, "view": str, "path": str}
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
WELL_NAME = re.compile(r"\s*([A-P])\s*-?\s*0*([1-9]\d?)\s*", re.IGNORECASE)


def well_name(text: str) -> str:
    """Canonical name of a well of a 384-well plate, e.g. 'D07' for 'd7', 'D - 07' or 'D07'.

    Raises:
      ValueError: the text is not a well of rows A-P and columns 1-24.
    """
    match = WELL_NAME.fullmatch(text)
    if match is None or int(match[2]) > 24:
        raise ValueError(f"'{text}' is not a well (rows A-P, columns 1-24)")
    return f"{match[1].upper()}{int(match[2]):02d}"


def canonical_condition(text: str) -> str | None:
    """Returns Unstimulated, OVA or ConA for any of their known spellings, else None."""
    return ALIASES.get(" ".join(text.split()).casefold())


def images_table(rows: Iterable[Mapping] = ()) -> pd.DataFrame:
    """Returns an images table of the rows, in the order given, with its columns and dtypes."""
    return _table(rows, IMAGE_COLUMNS)


def wells_table(rows: Iterable[Mapping] = ()) -> pd.DataFrame:
    """Returns a wells table of the rows, in the order given, with its columns and dtypes."""
    return _table(rows, WELL_COLUMNS)


def _table(rows: Iterable[Mapping], columns: Mapping[str, type]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns)).astype(dict(columns))


def read_images(path: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Reads an images table from CSV.

    The rows that could be read, `path` made absolute from the folder of the file, and one
    finding for each row (or heading) that could not. Where the file names label images, `labels`
    has their paths, '' where it names none.
    """
    rows, findings = _read(path, IMAGE_COLUMNS, _image_row)
    images = images_table(rows.values())
    images["path"] = images["path"].map(lambda image: str((path.parent / image).absolute()))
    if any(labels := [row["labels"] for row in rows.values()]):
        images["labels"] = [name and str((path.parent / name).absolute()) for name in labels]
    return images, findings


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
        with open(path, encoding="utf-8-sig", newline="") as file:
            headings = {heading.strip() for heading in next(csv.reader(file), [])}
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return headings | set(OPTIONAL_COLUMNS) == set(WELL_COLUMNS)


def write_wells(table: pd.DataFrame, path: Path) -> None:
    """Writes a wells table as CSV; FileExistsError where there is a file."""
    try:
        # Mode 'x' and not a test beforehand: nothing can come between test and writing.
        with open(path, "x", encoding="utf-8", newline="") as file:
            table = csv_cells.harmless(table[list(WELL_COLUMNS)])
            table.to_csv(file, index=False, lineterminator="\n")
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists and is not overwritten: move it away or give another name"
        ) from None


def _read(
    path: Path, columns: Mapping[str, type], read_row: Callable[[dict[str, str]], dict]
) -> tuple[dict[int, dict], list[Finding]]:
    """The readable rows by line number, and the findings of the rest."""
    if not path.is_file():  # a pipe would be waited for
        return {}, [_bad(path, "it is a folder, a pipe or a device, no file", "move it elsewhere")]
    try:
        # 'utf-8-sig' drops the mark that spreadsheet programs put before the first heading.
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            lines = [(reader.line_num, row) for row in reader]
            headings = [heading.strip() for heading in reader.fieldnames or []]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"the table cannot be read ({error})"
        return {}, [_bad(path, message, "save it again as CSV, UTF-8, separated by commas")]
    missing = [name for name in columns if name not in (*headings, *OPTIONAL_COLUMNS)]
    if missing:
        message = f"line 1 has no column {', '.join(missing)}, but {', '.join(headings) or 'none'}"
        cure = f"name the columns {','.join(columns)}, separated by commas"
        return {}, [_bad(path, message, cure)]
    twice = sorted({name for name in headings if headings.count(name) > 1})
    if twice:
        message = f"line 1 names the column {', '.join(map(repr, twice))} twice"
        return {}, [_bad(path, message, "keep the column that is true and delete the other")]
    rows, findings = {}, []
    for line, row in lines:
        try:
            rows[line] = read_row(_clean(row))
        except ValueError as error:
            cure = "correct this line of the table"
            findings.append(_bad(path, f"line {line}: {error}", cure, *_place(row)))
    return rows, findings


def _bad(path: Path, message: str, cure: str, plate: str = "", well: str = "") -> Finding:
    return Finding("unreadable table", plate, well, str(path), message, cure)


def _clean(row: Mapping) -> dict[str, str]:
    """Strips a row of csv.DictReader, which files too many cells under None and too few as None."""
    if None in row:
        raise ValueError("more cells than the heading has columns")
    cells = {name.strip(): spaced(value or "") for name, value in row.items()}
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


def _image_row(row: dict[str, str]) -> dict:
    if not row["field"].isdecimal():
        raise ValueError(f"field '{row['field']}' is not a whole number")
    return {
        "plate": _required(row, "plate"),
        "well": well_name(row["well"]),
        "field": int(row["field"]),
        "view": _required(row, "view"),
        "path": _required(row, "path"),
        "labels": row.get("labels", ""),
    }


def _well_row(row: dict[str, str]) -> dict:
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
