"""Where things stand on a layout sheet: the grid of wells, condition headers, doses."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from openpyxl.worksheet.worksheet import Worksheet

from jaxcell.plates.findings import Finding
from jaxcell.plates.layouts.colours import RGB, fill_colour
from jaxcell.plates.tables import ROWS, canonical_condition, row_name

ROW_LETTERS = [row_name(row) for row in range(1, ROWS + 1)]
# Rows and columns of plates, of 6 to 1536 wells.
PLATE_SIZES = ((2, 3), (3, 4), (4, 6), (6, 8), (8, 12), (16, 24), (32, 48))
HEADER = re.compile(
    r"(?:stimulated with\s+)?(?P<condition>.+?)"
    r"\s*(?:\(\s*(?P<dose>\d+(?:\.\d+)?)\s*[uµμ]g\s*/\s*ml\s*\))?",
    re.IGNORECASE,
)
COMPOUND_DOSES = re.compile(r".*\bconc.*\b[uµμ]M\b.*", re.IGNORECASE)
STIMULUS_DOSES = re.compile(r".*concentrations.*[uµμ]g\s*/\s*ml.*", re.IGNORECASE)


class SheetCell(NamedTuple):
    """A cell of a sheet: its value, its name such as 'Sheet1!E5', and its fill."""

    value: object
    name: str
    fill: RGB | None


class Grid(NamedTuple):
    """Where the wells are: sheet rows by row letter and sheet columns by column number."""

    number_row: int
    rows: dict[str, int]
    columns: dict[int, int]

    def first_row(self) -> int:
        """Sheet row of the wells of row A."""
        return min(self.rows.values())

    def last_row(self) -> int:
        """Sheet row of the wells of the last row."""
        return max(self.rows.values())


class Header(NamedTuple):
    """The condition over a column of wells and its dose in ug/mL, NaN where not stated."""

    condition: str
    stimulus_ug_per_ml: float


Cells = Mapping[tuple[int, int], SheetCell]


def read_cells(sheet: Worksheet, theme: list[RGB]) -> Cells:
    """Returns all cells of a sheet by sheet row and column; a merged cell stands at each place."""
    cells = {
        (cell.row, cell.column): SheetCell(
            clean(cell.value), f"{sheet.title}!{cell.coordinate}", fill_colour(cell, theme)
        )
        for row in sheet.iter_rows()
        for cell in row
    }
    for merged in sheet.merged_cells.ranges:
        origin = cells[merged.min_row, merged.min_col]
        cells.update(dict.fromkeys(merged.cells, origin))
    return cells


def find_grid(cells: Cells) -> Grid | None:
    """Finds the row of column numbers 1, 2, ... and the column of row letters A, B, ...

    They are looked for by what they hold, since laboratories insert rows and columns.
    """
    for (row, column), cell in sorted(cells.items()):
        if cell.value != 1 or _value(cells, row, column + 1) != 2:
            continue
        columns = {1: column}
        while _value(cells, row, column + len(columns)) == len(columns) + 1:
            columns[len(columns) + 1] = column + len(columns)
        rows = _letters(cells, row, column)
        if len(columns) >= 6 and len(rows) >= 4:
            return Grid(row, rows, columns)
    return None


def _letters(cells: Cells, number_row: int, first_column: int) -> dict[str, int]:
    """Sheet row of each row letter, left of the column numbers; {} for none."""
    for column in range(first_column - 1, 0, -1):
        # Rows of headers and doses may stand between the numbers and row A.
        for top in range(number_row + 1, number_row + 5):
            rows = {}
            for offset, letter in enumerate(ROW_LETTERS):
                if _value(cells, top + offset, column) != letter:
                    break
                rows[letter] = top + offset
            if rows:
                return rows
    return {}


def check_size(grid: Grid, cells: Cells) -> list[Finding]:
    """Returns a fatal finding unless the grid is that of a whole plate.

    A number or letter that cannot be read would otherwise end the plate early without a word.
    """
    size = (len(grid.rows), len(grid.columns))
    if size in PLATE_SIZES:
        return []
    name = cells[grid.number_row, max(grid.columns.values())].name
    message = f"{name}: the grid has {size[0]} lettered rows and {size[1]} numbered columns"
    cure = "number the columns and letter the rows of the whole plate without a gap"
    return [Finding("unreadable grid", "", "", "", message, cure)]


def texts_outside(cells: Cells, grid: Grid) -> Iterator[tuple[str, str]]:
    """Yields name and text of the cells that are not wells: title, notes, legends."""
    columns = set(grid.columns.values())
    for (row, column), cell in cells.items():
        outside = column not in columns or not grid.first_row() <= row <= grid.last_row()
        if outside and isinstance(cell.value, str):
            yield cell.name, cell.value


def read_headers(cells: Cells, grid: Grid) -> tuple[dict[int, Header], set[int], list[Finding]]:
    """Reads the condition over (or under) each column of wells.

    Header by sheet column; the sheet columns whose headers cannot be read; and their findings.
    """
    headers: dict[int, tuple[Header, str]] = {}
    bad, findings = set(), {}
    for (row, column), cell in sorted(cells.items()):
        if not isinstance(cell.value, str) or column not in grid.columns.values():
            continue
        if grid.number_row <= row <= grid.last_row():
            continue
        header = parse_header(cell.value)
        earlier = headers.get(column)
        if header is None:
            # Right under the grid stand headers; notes and legends follow further below.
            if row == grid.last_row() + 1 and "=" not in cell.value:
                message = f"{cell.name}: '{cell.value}' is no condition that is known here"
                cure = "write Unstimulated, OVA peptide or ConA, or give a wells.csv instead"
                bad.add(column)
                findings[cell.name] = Finding("unreadable header", "", "", "", message, cure)
        elif earlier is None:
            headers[column] = header, cell.name
        elif not _agree(earlier[0], header):
            message = (
                f"{earlier[1]} and {cell.name} are headers of one column of wells and disagree: "
                f"{earlier[0].condition} and {header.condition}"
            )
            cure = "keep the header that is true"
            bad.add(column)
            findings[cell.name] = Finding("unreadable header", "", "", "", message, cure)
    return {column: header for column, (header, _) in headers.items()}, bad, [*findings.values()]


def parse_header(text: str) -> Header | None:
    """Reads e.g. 'Unstim' or 'Stimulated with OVA peptide (1 ug/mL)'; None for anything else."""
    match = HEADER.fullmatch(text.strip())
    condition = canonical_condition(match["condition"]) if match else None
    return Header(condition, float(match["dose"] or "nan")) if condition else None


def _agree(one: Header, other: Header) -> bool:
    """Whether two headers say the same, as far as both say something."""
    first, second = one.stimulus_ug_per_ml, other.stimulus_ug_per_ml
    stated = not (math.isnan(first) or math.isnan(second))
    return one.condition == other.condition and (not stated or first == second)


def read_doses(
    cells: Cells, grid: Grid
) -> tuple[dict[str, dict[int, SheetCell]], set[int], list[Finding]]:
    """Reads the rows of doses above the wells.

    A row labelled 'Compound Conc. uM' is of the compounds. A row without label is of the
    stimulation where a note on the sheet gives that as a range of concentrations in ug/mL.

    Name of a column of the wells table -> dose cell of each sheet column; the sheet columns
    whose doses cannot be read; and their findings.
    """
    doses, bad, findings = {}, set(), []
    for row in (row for row in range(1, grid.first_row()) if row != grid.number_row):
        places = ((column, cells.get((row, column))) for column in grid.columns.values())
        at = {column: cell for column, cell in places if cell is not None}
        left = (_value(cells, row, column) for column in range(1, min(at, default=1)))
        label = " ".join(str(value) for value in left if value is not None)
        filled = [cell for cell in at.values() if cell.value is not None]
        numbers = any(isinstance(cell.value, int | float) for cell in filled)
        if not numbers and not COMPOUND_DOSES.fullmatch(label):
            continue
        name = _dose_name(label, cells, grid)
        if name is None or name in doses:
            why = "have no unit" if name is None else "come on top of another row of doses"
            message = f"{filled[0].name}: the doses of this row {why} (its label: '{label}')"
            cure = "keep one row of doses and label it 'Compound Conc. uM'"
            findings.append(Finding("unreadable dose", "", "", "", message, cure))
            bad |= {column for column, cell in at.items() if cell.value is not None}
            continue
        wrong = {column: cell for column, cell in at.items() if math.isinf(dose_of(cell))}
        for cell in wrong.values():
            message = f"{cell.name}: '{cell.value}' is not a dose"
            finding = Finding("unreadable dose", "", "", "", message, "write a number of 0 or more")
            findings.append(finding)
        bad |= set(wrong)
        doses[name] = at
    return doses, bad, findings


def dose_of(cell: SheetCell) -> float:
    """Returns the dose a cell states: NaN where it is blank, infinity where unreadable."""
    if cell.value is None:
        return math.nan
    try:
        dose = float(cell.value)
    except (TypeError, ValueError):
        return math.inf
    return dose if dose >= 0 else math.inf


def _dose_name(label: str, cells: Cells, grid: Grid) -> str | None:
    if COMPOUND_DOSES.fullmatch(label):
        return "concentration_um"
    notes = [text for _, text in texts_outside(cells, grid)]
    if not label and any(STIMULUS_DOSES.fullmatch(note) for note in notes):
        return "stimulus_ug_per_ml"
    return None


def _value(cells: Cells, row: int, column: int) -> object:
    cell = cells.get((row, column))
    return None if cell is None else cell.value


def clean(value: object) -> object:
    """Strips texts; a blank one is None, digits typed as text are a number, TRUE is none."""
    if isinstance(value, bool):
        return str(value).upper()
    if not isinstance(value, str):
        return value
    text = " ".join(value.split())
    return int(text) if text.isdecimal() else text or None


def cell_range(cells: list[SheetCell]) -> str:
    """Returns cells in words: the first and the last by name, e.g. 'Sheet1!D6 ... L8'."""
    last = cells[-1].name.rpartition("!")[2]
    return cells[0].name if len(cells) == 1 else f"{cells[0].name} ... {last}"
