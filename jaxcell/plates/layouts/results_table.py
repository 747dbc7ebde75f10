"""A table of results of any program: its columns of a well under one name, doses in µM.

What it measured stays as it is. Nothing is guessed: what may be read in two ways is an error that
says so.
"""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from jaxcell.plates.csv_lines import decoded, read_lines
from jaxcell.plates.doses import micromolar, unit_of_heading
from jaxcell.plates.findings import spaced, unseen, visible
from jaxcell.plates.layouts.sheets import WORKBOOKS
from jaxcell.plates.layouts.wells import parse_content
from jaxcell.plates.tables import EVERY, ROLES, canonical_condition, row_name, well_name
from jaxcell.storage import csv_cells

# What other programs call the columns of a well, in lower case, without spaces and underscores.
NAMES = {
    "plate": ("plate", "plateid", "barcode", "platebarcode", "metadataplate", "assayplatebarcode"),
    "well": ("well", "wellname", "wellid", "wellposition", "metadatawell", "section"),
    "condition": ("condition", "stimulation", "stimulus", "metadatacondition"),
    "compound": ("compound", "compoundid", "compoundname", "treatment", "drug", "metadatacompound"),
    "role": ("role", "welltype", "metadatarole"),
}

# What follows a whole number that some program has written as one with decimals.
WHOLE = re.compile(r"(-?\d+)\.0+")
# A number with a decimal comma between tabs.
COMMAS = re.compile(r"(?:^|\t)-?\d+,\d+(?:\t|\r?$)", re.MULTILINE)


def read_results(path: Path) -> pd.DataFrame:
    """Reads a table with one row a well.

    Args:
      path: CSV (comma, or semicolon with decimal commas), TSV, Parquet, .xlsx or .xls.

    Returns:
      `well` (`B02`); `plate` where the table has it; `condition`, `compound`, `role` and
      `concentration_um` (µM) where it says what the wells hold; every other column as it is.

    Raises:
      ValueError: it cannot be read for certain; names the file, the column and the row.
    """
    return _own_columns(_raw(path), path)


def _raw(path: Path) -> pd.DataFrame:
    """A table as it is written, every cell a text or a number."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return pd.read_parquet(path)
        if suffix not in WORKBOOKS:
            return _from_text(path)
        cells = pd.read_excel(path, header=None)
    except Exception as error:  # each part of a damaged file fails in its own way
        why = visible(str(error))[:200] or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a table ({why}): give CSV, TSV, Parquet, .xlsx or .xls with "
            "a row of headings"
        ) from error
    return _from_sheet(cells, path)


def _from_text(path: Path) -> pd.DataFrame:
    """The table of a CSV file: numbers where a column holds nothing else, names as written."""
    lines, text = read_lines(path), decoded(path)
    width = len(lines.headings)
    for number, cells in lines.rows:
        if any(cell.strip() for cell in cells[width:]):
            raise ValueError(f"line {number} has more cells than the heading has columns")
    # As wide as the headings, so that nobody can take a first column for an index.
    rows = [[*cells[:width], *[""] * (width - len(cells))] for _, cells in lines.rows]
    square = io.StringIO()
    csv.writer(square).writerows([range(width), *rows])
    square.seek(0)
    # Where a semicolon separates, a comma is the decimal point; where a tab does, it may be.
    commas = lines.separator == ";" or (lines.separator == "\t" and COMMAS.search(text))
    table = pd.read_csv(square, decimal="," if commas else ".", skip_blank_lines=False)
    texts = pd.DataFrame(rows, columns=table.columns, dtype=str)
    for place, heading in enumerate(lines.headings):
        # What a number may not be made of: a condition `NA`, a plate `007`.
        if _plain(heading) in {name for known in NAMES.values() for name in known}:
            table[table.columns[place]] = texts.iloc[:, place].map(csv_cells.restored)
    table.columns = [csv_cells.restored(heading) for heading in lines.headings]
    # Spreadsheet programs write columns of nothing at the end.
    return table.loc[:, table.columns != ""]


def _from_sheet(cells: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table below the first row that names a column of wells."""
    for place, row in cells.iterrows():
        if any(_plain(value) in NAMES["well"] for value in row):
            table = cells.iloc[place + 1 :].reset_index(drop=True)
            table.columns = [str(value).strip() for value in row]
            return table.dropna(axis=1, how="all").infer_objects()
    raise ValueError(f"{path}: its first sheet has no row of headings with a column of wells")


def _plain(name: object) -> str:
    return re.sub(r"[\s_\-.]", "", str(name)).casefold()


def _own_columns(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    table = table.rename(columns=lambda name: str(name).strip())
    if table.columns.duplicated().any():
        twice = visible(table.columns[table.columns.duplicated()][0])
        raise ValueError(f"{path} has two columns {twice}: keep one, or rename one")
    for name, known in NAMES.items():
        if name not in table:
            own = [column for column in table if _plain(column) in known]
            if len(own) > 1:
                raise ValueError(f"{path}: {' and '.join(own)} may both be the {name}: keep one")
            table = table.rename(columns={column: name for column in own})
    try:
        if "well" not in table and {"row", "column"} <= {_plain(name) for name in table}:
            table = _named_by_row(table)
        if "well" not in table:
            there = visible(", ".join(map(str, table)))
            raise ValueError(f"there is no column of wells, but {there}")
        table["well"] = [well_name(str(well).strip()) for well in table["well"]]
        for name in ("plate", "condition", "compound", "role"):
            if name in table:
                table[name] = [_text(value, name) for value in table[name]]
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: {visible(str(error))}") from error
    return _with_doses(_with_roles(table, path), path)


def _named_by_row(table: pd.DataFrame) -> pd.DataFrame:
    """Wells from a column of rows, letters or numbers, and one of columns."""
    row, column = (
        next(name for name in table if _plain(name) == wanted) for wanted in ("row", "column")
    )
    letters = [
        row_name(int(float(value))) if str(value).replace(".", "").isdigit() else value
        for value in table[row]
    ]
    wells = [f"{letter}{int(float(number))}" for letter, number in zip(letters, table[column])]
    return table.drop(columns=[row, column]).assign(well=wells)


def _with_roles(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """With `condition`, `compound` and `role`, if the table says what its wells hold."""
    if "role" not in table and "compound" not in table:
        return table
    for name in ("condition", "compound"):
        if name not in table:
            table[name] = ""
    table["condition"] = [canonical_condition(name) or name for name in table["condition"]]
    if "role" in table:
        table["role"] = [role.casefold() for role in table["role"]]
        strange = sorted(set(table["role"]) - set(ROLES))
        if strange:
            raise ValueError(f"{path}: role '{strange[0]}' is none of {', '.join(ROLES)}")
        return table
    if (table["compound"] == "").any():
        well = table.loc[table["compound"] == "", "well"].iloc[0]
        raise ValueError(
            f"{path}: well {well} has no compound, and no column role says what it is: write DMSO, "
            "Control or e into its compound"
        )
    # A compound's name says what it is as a layout's cell does: DMSO, Control, e, or a compound.
    words = frozenset(table["compound"])
    read = [parse_content(_number(name), words) for name in table["compound"]]
    table["role"] = [role for role, _ in read]
    table["compound"] = [compound for _, compound in read]
    return table


def _text(value: object, column: str) -> str:
    """A cell as text; whole numbers without the `.0` that a gap in their column gives them.

    Raises:
      ValueError: it holds what cannot be seen, or is a condition's name that is none.
    """
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = spaced(str(value))
    if character := unseen(text):
        raise ValueError(f"{column} '{text}' holds {character}, which cannot be seen: type it anew")
    if column == "condition" and text.casefold() == EVERY:
        raise ValueError(f"a condition cannot be called '{text}', as reports call all wells")
    whole = WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _number(name: str) -> str | int:
    return int(name) if name.isdecimal() else name


def _with_doses(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """With `concentration_um`, from a column of doses in any unit."""
    headings = {name: unit for name in table if (unit := unit_of_heading(str(name))) is not None}
    if not headings:
        return table.assign(concentration_um=np.nan) if "role" in table else table
    if len(headings) > 1:
        raise ValueError(f"{path}: {' and '.join(headings)} may both be the dose: keep one")
    name, unit = next(iter(headings.items()))
    try:
        doses = micromolar(list(table[name]), unit)
    except ValueError as error:
        raise ValueError(f"{path}, column {visible(str(name))}: {visible(str(error))}") from error
    return table.drop(columns=name).assign(concentration_um=doses)
