"""Writes the layout of a simulated plate: a workbook as the laboratory's, or a table of wells."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from openpyxl import Workbook
from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter

from jaxcell.simulator.layout import COLUMNS, ROWS, VEHICLE, Place, Treatment

# Column 1 of the plate lies in column C of the sheet, row A in row 5.
FIRST_SHEET_ROW, FIRST_SHEET_COLUMN = 5, 3
LABELS = {"OVA": "OVA peptide"}  # as the laboratory writes it
LEGEND = ("e = empty well", "Compound ID numbers", "DMSO = Vehicle control")


def write_workbook(path: Path, plate: str, wells: Mapping[Place, Treatment]) -> None:
    """Writes the layout workbook of a plate whose columns have one condition and dose each."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    sheet["A1"], sheet["A2"], sheet["C2"] = plate, " Library 1", "Column ID"
    sheet["A4"], sheet["A5"] = "Compound Conc. uM", "Row ID"
    sheet.merge_cells("C2:Z2")
    sheet.merge_cells("A5:A20")
    for column in range(COLUMNS):
        sheet.cell(FIRST_SHEET_ROW - 2, FIRST_SHEET_COLUMN + column, column + 1)
    for row, letter in enumerate(ROWS, FIRST_SHEET_ROW):
        sheet.cell(row, FIRST_SHEET_COLUMN - 1, letter)
        for column in range(COLUMNS):
            sheet.cell(row, FIRST_SHEET_COLUMN + column, "e")

    blocks: dict[str, list[int]] = {}
    for (row, column), treatment in wells.items():
        sheet_column = FIRST_SHEET_COLUMN + column - 1
        vehicle = treatment.compound == VEHICLE
        content = VEHICLE if vehicle else int(treatment.compound)
        sheet.cell(FIRST_SHEET_ROW + row - 1, sheet_column, content)
        if not vehicle:
            sheet.cell(FIRST_SHEET_ROW - 1, sheet_column, treatment.concentration_um)
        blocks.setdefault(treatment.condition, []).append(sheet_column)
    for condition, columns in blocks.items():
        left, right, below = min(columns), max(columns), FIRST_SHEET_ROW + len(ROWS)
        sheet.cell(below, left, LABELS.get(condition, condition)).alignment = Alignment("center")
        if right > left:
            sheet.merge_cells(f"{get_column_letter(left)}{below}:{get_column_letter(right)}{below}")
    for line, text in enumerate(LEGEND):
        sheet.cell(FIRST_SHEET_ROW + len(ROWS) + 5 + line, 4, text)
    book.save(path)


def write_wells(path: Path, plate: str, wells: Mapping[Place, Treatment]) -> None:
    """Writes the layout of a plate as a table, `wells.csv`, which can say any layout."""
    rows = [
        {
            "plate": plate,
            "well": well_name(place),
            **treatment._asdict(),
            "role": "vehicle" if treatment.compound == VEHICLE else "sample",
        }
        for place, treatment in wells.items()
    ]
    pd.DataFrame(rows).to_csv(path, index=False, lineterminator="\n")


def well_name(place: Place) -> str:
    """Name of a well, such as B02."""
    return f"{ROWS[place[0] - 1]}{place[1]:02d}"
