"""The instrument's own workbook of results becomes a table of wells.

The IN Cell Investigator writes rows of headings (channel, number of the channel, measure), then a
row that begins 'Section', 'Target Set' and names a statistic for each column, then one row a well
(`A - 3`), of target set 'Summary'. Where such a table stands on a sheet is looked for, and what it
does not say plainly is a finding that names the cell.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from jaxcell.plates.findings import Finding
from jaxcell.plates.layouts.grid import Cells, SheetCell, cell_range
from jaxcell.plates.layouts.sheets import read_sheets
from jaxcell.plates.tables import well_name

START, TARGET_SET, SUMMARY = "section", "target set", "summary"
# What the instrument writes where it found nothing to average.
NOTHING = {"", "-", "--", "---", "nan", "n/a", "na", "#n/a", "#div/0!", "inf", "-inf"}
FIELD = re.compile(r".*\(\s*f(ie)?ld\.?\s*\d+.*\)", re.IGNORECASE)


def read_instrument_table(path: Path) -> tuple[pd.DataFrame, list[Finding]] | None:
    """Reads the instrument's table of a plate.

    Args:
      path: an .xlsx or .xls file.

    Returns:
      None for a workbook without such a table. Else one row a well, `well` and a column a heading
      (float64, NaN where the instrument had nothing to say), named as the sheet names it; where
      two columns have one name, `NAME (statistic)`. And the findings: what cannot be read for
      certain is fatal.

    Raises:
      ValueError: the file cannot be opened.
    """
    found = [table for cells in _sheets(path) for table in _starts(cells)]
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(cells[start].name for cells, start in found)
        message = f"the workbook holds {len(found)} tables of the instrument, at {names}"
        cure = "save the one that is wanted as a workbook of its own"
        return pd.DataFrame({"well": []}), [_finding("unreadable table", path, message, cure)]
    (cells, start), findings = found[0], []
    columns = _headings(cells, start)
    rows = _rows(cells, start, path, findings)
    table = pd.DataFrame({"well": list(rows)}, dtype=object)
    for name, column in columns.items():
        table[name] = _numbers([cells.get((row, column)) for row in rows.values()], path, findings)
    return table, findings


def _sheets(path: Path) -> list[Cells]:
    try:
        return read_sheets(path)
    except ValueError as error:
        raise ValueError(
            f"{path} cannot be opened as {path.suffix.lower()} ({error}): open it in a spreadsheet "
            "program and save it again, or give a CSV"
        ) from error


def _starts(cells: Cells) -> list[tuple[Cells, tuple[int, int]]]:
    """Where 'Section' stands left of 'Target Set'."""
    return [
        (cells, (row, column))
        for (row, column), cell in sorted(cells.items())
        if _word(cell) == START and _word(cells.get((row, column + 1))) == TARGET_SET
    ]


def _headings(cells: Cells, start: tuple[int, int]) -> dict[str, int]:
    """Name -> sheet column, of the columns right of 'Target Set' that have a statistic."""
    row, column = start[0], start[1] + 2
    named: list[tuple[str, str, int]] = []
    while statistic := _text(cells.get((row, column))):
        above = (_text(cells.get((place, column))) for place in range(row - 1, 0, -1))
        named.append((next(filter(None, above), statistic), statistic, column))
        column += 1
    names = [name for name, *_ in named]
    result: dict[str, int] = {}
    for name, statistic, place in named:
        if names.count(name) > 1:
            name = f"{name} ({statistic.lower()})"
        # Two channels may have measures of one name: then the sheet's column tells them apart.
        result[name if name not in result else f"{name} [{cells[row, place].name}]"] = place
    return result


def _rows(
    cells: Cells, start: tuple[int, int], path: Path, findings: list[Finding]
) -> dict[str, int]:
    """Well -> sheet row; of several rows of a well the one of target set 'Summary'."""
    last = max(row for row, _ in cells)
    places: dict[str, list[tuple[bool, SheetCell, int]]] = {}
    strange, fields = [], []
    for row in range(start[0] + 1, last + 1):
        cell = cells.get((row, start[1]))
        text = _text(cell)
        if not text:
            continue
        try:
            well = well_name(text)
        except ValueError:
            (fields if FIELD.fullmatch(text) else strange).append(cell)
            continue
        summary = _word(cells.get((row, start[1] + 1))) == SUMMARY
        places.setdefault(well, []).append((summary, cell, row))
    if fields and not places:
        message = f"{cell_range(fields)}: the table has a row a field and none a well"
        cure = "export the summary of wells"
        findings.append(_finding("unreadable table", path, message, cure))
    if strange:
        message = f"{cell_range(strange)}: '{strange[0].value}' is no well"
        cure = "know that these rows were left out"
        findings.append(_finding("no well", path, message, cure, fatal=False))
    rows = {}
    for well, found in places.items():
        summaries = [item for item in found if item[0]] or found
        if len(summaries) > 1:
            where = " and ".join(cell.name for _, cell, _ in summaries)
            message = f"well {well} has {len(summaries)} rows, {where}"
            finding = _finding("duplicate well", path, message, "keep the row that is true")
            findings.append(finding._replace(well=well))
            continue
        rows[well] = summaries[0][2]
    return dict(sorted(rows.items()))


def _numbers(
    column: Sequence[SheetCell | None], path: Path, findings: list[Finding]
) -> list[float]:
    """The numbers of a column; NaN for what the instrument leaves out, and a finding for words."""
    values, strange = [], []
    for cell in column:
        try:
            values.append(float("nan" if _word(cell) in NOTHING else cell.value))
        except (TypeError, ValueError):
            values.append(math.nan)
            strange.append(cell)
    if strange:
        message = f"{cell_range(strange)}: '{strange[0].value}' is not a number"
        cure = "write numbers with a decimal point, or leave the cell empty"
        findings.append(_finding("unreadable number", path, message, cure))
    return values


def _text(cell: SheetCell | None) -> str:
    return "" if cell is None or cell.value is None else str(cell.value).strip()


def _word(cell: SheetCell | None) -> str:
    return _text(cell).casefold()


def _finding(problem: str, path: Path, message: str, cure: str, fatal: bool = True) -> Finding:
    return Finding(problem, "", "", str(path), message, cure, fatal)
