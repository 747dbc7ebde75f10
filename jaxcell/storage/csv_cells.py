"""Cells of CSV files that a spreadsheet would run, made harmless on the way out and read back."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# What a formula begins with, and what makes a cell text: OWASP, CSV injection.
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")
MARK = "'"


def defused(text: str) -> str:
    """A text as a cell that no spreadsheet runs: a mark goes before it where it must.

    A text that already begins with marks before such a character gets one more, so that `restored`
    gives back every text unchanged.
    """
    return MARK + text if text.lstrip(MARK).startswith(RUNS) else text


def restored(cell: str) -> str:
    """The text of a cell that `defused` may have marked."""
    if cell.startswith(MARK) and cell.lstrip(MARK).startswith(RUNS):
        return cell.removeprefix(MARK)
    return cell


def harmless(table: "pd.DataFrame") -> "pd.DataFrame":
    """A table in which texts, and the names of columns, are defused; numbers stay."""
    from pandas.api import types

    changed = {
        name: column.map(lambda value: defused(value) if isinstance(value, str) else value)
        for name, column in table.items()
        if not (types.is_numeric_dtype(column.dtype) or types.is_bool_dtype(column.dtype))
    }
    return table.assign(**changed).rename(columns=lambda name: defused(str(name)))
