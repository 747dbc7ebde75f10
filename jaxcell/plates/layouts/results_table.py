"""A table of results of any program: its columns of a well under one name, doses in µM.

What it measured stays as it is. Nothing is guessed: what may be read in two ways is an error that
says so.
"""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from jaxcell.plates.csv_lines import decoded, separator_of
from jaxcell.plates.doses import micromolar, unit_of_heading
from jaxcell.plates.layouts.sheets import WORKBOOKS
from jaxcell.plates.layouts.wells import parse_content
from jaxcell.plates.tables import ROLES, canonical_condition, row_name, well_name

# What other programs call the columns of a well, in lower case, without spaces and underscores.
NAMES = {
    "plate": ("plate", "plateid", "barcode", "platebarcode", "metadataplate", "assayplatebarcode"),
    "well": ("well", "wellname", "wellid", "wellposition", "metadatawell", "section"),
    "condition": ("condition", "stimulation", "stimulus", "metadatacondition"),
    "compound": ("compound", "compoundid", "compoundname", "treatment", "drug", "metadatacompound"),
    "role": ("role", "welltype", "metadatarole"),
}

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
        if suffix in WORKBOOKS:
            return _from_sheet(pd.read_excel(path, header=None), path)
        text = decoded(path)
        separator = separator_of(text)
        # Where a semicolon separates, a comma is the decimal point; where a tab does, it may be.
        decimal = "," if separator == ";" or (separator == "\t" and COMMAS.search(text)) else "."
        table = pd.read_csv(io.StringIO(text), sep=separator, decimal=decimal)
        # Spreadsheet programs write lines and columns of nothing at the end.
        return table.dropna(how="all").loc[:, ~table.columns.str.startswith("Unnamed: ")]
    except (OSError, UnicodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise ValueError(
            f"{path} cannot be read as a table ({error}): give CSV, TSV, Parquet, .xlsx or .xls "
            "with a "
            "row of headings"
        ) from error


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
    for name, known in NAMES.items():
        if name not in table:
            own = [column for column in table if _plain(column) in known]
            if len(own) > 1:
                raise ValueError(f"{path}: {' and '.join(own)} may both be the {name}: keep one")
            table = table.rename(columns={column: name for column in own})
    if "well" not in table and {"row", "column"} <= {_plain(name) for name in table}:
        table = _named_by_row(table)
    if "well" not in table:
        raise ValueError(f"{path} has no column of wells, but {', '.join(map(str, table))}")
    try:
        table["well"] = [well_name(str(well)) for well in table["well"]]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
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
        values = table[name] if name in table else pd.Series("", table.index)
        table[name] = [_text(value) for value in values]
    table["condition"] = [canonical_condition(name) or name for name in table["condition"]]
    if "role" in table:
        table["role"] = [_text(role).casefold() for role in table["role"]]
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


def _text(value: object) -> str:
    """A cell as text; whole numbers without the `.0` that a gap in their column gives them."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


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
        raise ValueError(f"{path}, column {name}: {error}") from error
    return table.drop(columns=name).assign(concentration_um=doses)
