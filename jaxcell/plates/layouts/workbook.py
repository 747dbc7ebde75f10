"""A laboratory's layout workbook becomes a wells table.

`python -m jaxcell.plates.layouts.workbook "CK22 plate layout.xlsx" --plate CK22 --out wells.csv`
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from jaxcell.plates.findings import Finding, describe
from jaxcell.plates.layouts.blocks import Block, find_blocks, read_blocks
from jaxcell.plates.layouts.grid import Cells, Grid, SheetCell, find_grid
from jaxcell.plates.layouts.sheets import read_sheets
from jaxcell.plates.layouts.wells import read_sheet
from jaxcell.plates.tables import wells_table, write_wells

# Blocks have no title: where the file's name does not say it either, whose are they?
NAMELESS = "plate of blocks"
PLATE_ID = re.compile(r"(?!(?:layout|book|workbook|copy)\d)[A-Za-z]+[-_]?\d+[A-Za-z]?")


class Layout(NamedTuple):
    """What a layout workbook says.

    Attributes:
      plates: the plate ids that file name and sheet state, two where they disagree.
      wells: wells table; no rows where the plate is not certain.
    """

    plates: tuple[str, ...]
    wells: pd.DataFrame
    findings: list[Finding]


def read_layout(path: Path, plate: str | None = None) -> tuple[pd.DataFrame, list[Finding]]:
    """Reads a layout workbook.

    Args:
      path: an .xlsx or .xls file with one grid of column numbers and row letters, or with a block
        for each thing that is known of the wells.
      plate: plate id; None takes it from file name and sheet, which must not disagree.

    Returns:
      The wells table, wells in the order A01, A02, ..., and the findings. What the workbook does
      not say plainly is a fatal finding that names sheet and cell, never a guess.
    """
    layout = open_layout(path, plate)
    if layout is not None:
        return layout.wells, layout.findings
    message = "no sheet holds a plate layout (column numbers over row letters)"
    cure = "give the workbook that holds the layout, or a wells.csv"
    return wells_table(), [Finding("no layout", plate or "", "", str(path), message, cure)]


def open_layout(path: Path, plate: str | None = None) -> Layout | None:
    """Reads a layout workbook as `read_layout` does; None for a workbook of another kind."""
    path = Path(path)
    try:
        sheets = read_sheets(path)
    except ValueError as error:
        ids = _plate_ids(None, path, plate)
        message = f"the workbook cannot be opened as {path.suffix.lower()} ({error})"
        cure = "open it in a spreadsheet program and save it again as .xlsx, or give a wells.csv"
        plates = "".join(ids[:1])
        finding = Finding("unreadable workbook", plates, "", str(path), message, cure)
        return Layout(ids, wells_table(), [finding])
    blocks = [block for cells in sheets for block in find_blocks(cells)]
    if blocks:
        return layout_of_blocks(blocks, path, plate)
    grids = _layout_sheets(sheets)
    return _read_sheets(grids, path, plate) if grids else None


def layout_of_blocks(blocks: list[Block], path: Path, plate: str | None) -> Layout:
    """What plate-shaped blocks of a file say of a plate."""
    ids = _plate_ids(None, path, plate)
    rows, findings = read_blocks(blocks)
    name = "".join(ids[:1])
    if not ids:
        message = "nothing says which plate it describes"
        cure = "begin the file's name with the plate's id"
        findings.append(Finding(NAMELESS, "", "", "", message, cure))
    wells = wells_table({"plate": name} | row for row in rows if name)
    return Layout(
        ids, wells, [finding._replace(plate=name, path=str(path)) for finding in findings]
    )


def _layout_sheets(sheets: list[Cells]) -> list[tuple[Cells, Grid]]:
    texts = {str(cell.value).casefold() for cells in sheets for cell in cells.values()}
    # The instrument's own table of results may show them in a grid, which is no layout.
    if {"section", "target set"} <= texts:
        return []
    grids = [(cells, find_grid(cells)) for cells in sheets]
    return [(cells, grid) for cells, grid in grids if grid is not None]


def _read_sheets(sheets: list[tuple[Cells, Grid]], path: Path, plate: str | None) -> Layout:
    cells, grid = sheets[0]
    title = next(cell for _, cell in sorted(cells.items()) if cell.value is not None)
    ids = _plate_ids(title, path, plate)
    findings = _check_ids(ids, title, path, plate)
    if len(sheets) > 1:
        names = ", ".join(other[place.number_row, place.columns[1]].name for other, place in sheets)
        message = f"the workbook holds {len(sheets)} layouts, at {names}"
        cure = "save each plate's layout as a workbook of its own"
        findings.append(Finding("unreadable workbook", "", "", "", message, cure))
    # Wells of an uncertain plate must not reach the images of another.
    certain = not any(finding.fatal for finding in findings)
    rows, said = read_sheet(cells, grid)
    name = plate or "".join(ids[:1])
    wells = wells_table({"plate": name} | row for row in rows if certain)
    findings = [found._replace(plate=name, path=str(path)) for found in findings + said]
    return Layout(ids, wells, findings)


def _plate_ids(title: SheetCell | None, path: Path, plate: str | None) -> tuple[str, ...]:
    """What the user, the file name and the sheet's title state, once each."""
    in_sheet = PLATE_ID.fullmatch(str(title.value)) if title is not None else None
    found = (plate, plate_id_in_name(path), in_sheet and in_sheet[0])
    return tuple(dict.fromkeys(text for text in found if text))


def plate_id_in_name(path: Path) -> str:
    """The plate id with which a file's name begins; '' for none."""
    match = re.match(PLATE_ID.pattern + r"(?![A-Za-z0-9])", path.stem)
    return match[0] if match else ""


def _check_ids(
    ids: tuple[str, ...], title: SheetCell, path: Path, plate: str | None
) -> list[Finding]:
    if len(ids) == 1:
        return []
    command = f'python -m jaxcell.plates.layouts.workbook "{path.name}" --plate'
    if not ids:
        message = f"neither the file name nor {title.name} ('{title.value}') is a plate id"
        cure = f"give the id yourself: {command} ID --out wells.csv"
        return [Finding("plate id", "", "", "", message, cure)]
    if plate:
        others = " and ".join(ids[1:])
        message = f"read as plate {plate}, though file name or {title.name} says {others}"
        return [Finding("plate id", "", "", "", message, "correct the title", fatal=False)]
    message = f"the file name says plate {ids[0]}, but {title.name} is headed '{title.value}'"
    cure = f"find out which is true and give it yourself: {command} {ids[0]} --out wells.csv"
    return [Finding("plate id", "", "", "", message, cure)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the wells table of a layout workbook as CSV; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m jaxcell.plates.layouts.workbook", description=__doc__
    )
    parser.add_argument("layout", type=Path, help="layout workbook, .xlsx or .xls")
    parser.add_argument("--plate", help="plate id, where the workbook does not state it plainly")
    parser.add_argument("--out", type=Path, required=True, help="CSV file to write; must not exist")
    options = parser.parse_args(arguments)
    wells, findings = read_layout(options.layout, options.plate)
    for finding in findings:
        print("error" if finding.fatal else "note", describe(finding), sep=": ", file=sys.stderr)
    if any(finding.fatal for finding in findings):
        print("nothing was written", file=sys.stderr)
        return 1
    try:
        write_wells(wells, options.out)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(wells)} wells written to {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
