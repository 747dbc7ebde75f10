"""Sheets of workbooks and CSV files as cells: `.xlsx`, `.xls` and CSV alike."""

import csv
import io
import warnings
from pathlib import Path
from typing import Any

import openpyxl

from jaxcell.plates.csv_lines import SEPARATORS, decoded
from jaxcell.plates.layouts.colours import is_white, theme_colours
from jaxcell.plates.layouts.grid import Cells, SheetCell, clean, read_cells

WORKBOOKS = (".xlsx", ".xls")


def read_sheets(path: Path) -> list[Cells]:
    """The cells of each sheet of a workbook.

    Raises:
      ValueError: it cannot be opened; says why.
    """
    try:
        return _old_sheets(path) if path.suffix.lower() == ".xls" else _sheets(path)
    except Exception as error:  # A damaged archive raises whatever its parts run into.
        raise ValueError(str(error) or type(error).__name__) from error


def _sheets(path: Path) -> list[Cells]:
    with warnings.catch_warnings():
        # openpyxl warns of extensions it drops; nothing is saved here.
        warnings.simplefilter("ignore")
        workbook = openpyxl.load_workbook(path, data_only=True)
    theme = theme_colours(workbook.loaded_theme)
    return [read_cells(sheet, theme) for sheet in workbook.worksheets]


def _old_sheets(path: Path) -> list[Cells]:
    """Of an `.xls`, which xlrd reads with its fill colours."""
    import xlrd  # few have such a file

    book = xlrd.open_workbook(path, formatting_info=True, logfile=io.StringIO())
    return [_old_cells(book, sheet) for sheet in book.sheets()]


def _old_cells(book: Any, sheet: Any) -> Cells:
    cells = {
        (row + 1, column + 1): SheetCell(
            clean(_old_value(cell)), f"{sheet.name}!{cell_name(row + 1, column + 1)}",
            _old_fill(book, cell),
        )
        for row in range(sheet.nrows)
        for column, cell in enumerate(sheet.row(row))
    }  # fmt: skip
    for top, bottom, left, right in sheet.merged_cells:
        places = ((row, column) for row in range(top, bottom) for column in range(left, right))
        if (top + 1, left + 1) in cells:
            first = cells[top + 1, left + 1]
            cells.update({(row + 1, column + 1): first for row, column in places})
    return cells


def _old_value(cell: Any) -> object:
    import xlrd

    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return None
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#ERROR")
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    whole = isinstance(cell.value, float) and cell.value.is_integer()
    return int(cell.value) if whole else cell.value


def _old_fill(book: Any, cell: Any) -> tuple[int, int, int] | None:
    background = book.xf_list[cell.xf_index].background
    colour = book.colour_map.get(background.pattern_colour_index)
    return None if not background.fill_pattern or not colour or is_white(colour) else colour


def read_csv_cells(path: Path) -> Cells:
    """The cells of a CSV file; a comma in a number is the decimal point unless it separates.

    Raises:
      OSError, UnicodeError, csv.Error: it cannot be read.
    """
    text = decoded(path)
    # Titles stand over blocks: the whole text says what separates its cells.
    separator = max(SEPARATORS, key=text.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    return {
        (row, column): SheetCell(
            clean(_point(value) if separator != "," else value),
            f"{path.name}!{cell_name(row, column)}", None,
        )
        for row, values in enumerate(lines, 1)
        for column, value in enumerate(values, 1)
    }  # fmt: skip


def _point(text: str) -> str:
    """A number with a decimal point; any other text as it is."""
    changed = text.strip().replace(",", ".", 1)
    try:
        float(changed)
    except ValueError:
        return text
    return changed


def cell_name(row: int, column: int) -> str:
    """Name of a cell, such as 'C5'."""
    letters = ""
    while column:
        column, place = divmod(column - 1, 26)
        letters = chr(ord("A") + place) + letters
    return f"{letters}{row}"
