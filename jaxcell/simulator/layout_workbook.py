"""Writes a layout workbook in the form the laboratory uses, for simulated plates."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from openpyxl import Workbook
from openpyxl.styles import Alignment
from openpyxl.utils import get_column_letter

ROWS, COLUMNS = "ABCDEFGHIJKLMNOP", 24
DOSE_UM = 10
VEHICLE_SHARE = 0.2  # of a block's wells: the foot of its last column
# Column 1 of the plate lies in column C of the sheet, row A in row 5.
FIRST_SHEET_ROW, FIRST_SHEET_COLUMN = 5, 3
LABELS = {"OVA": "OVA peptide"}  # as the laboratory writes it
LEGEND = ("e = empty well", "Compound ID numbers", "DMSO = Vehicle control")


class Treatment(NamedTuple):
    """What a well was given; the vehicle is the compound DMSO, without a concentration."""

    condition: str
    compound: str
    concentration_um: float


def write_layout(
    path: Path, plate: str, rows: int, columns: int, conditions: list[str]
) -> dict[tuple[int, int], Treatment]:
    """Writes the layout workbook of a plate whose conditions take blocks of columns.

    Wells in use start at row B and column 2, as on a real plate whose rim is left empty, or at
    A and 1 where they would not fit. Each block holds the same compounds in the same order and
    ends in DMSO.

    What each of the `rows` x `columns` wells in use was given, by row and column from 1.
    """
    first_row, first_column = 1 + (rows < len(ROWS)), 1 + (columns < COLUMNS)
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

    wells = {}
    for condition, block in zip(conditions, np.array_split(np.arange(columns), len(conditions))):
        vehicles = max(1, round(VEHICLE_SHARE * rows * len(block))) if rows * len(block) > 1 else 0
        vehicles = min(vehicles, rows)
        for number, offset in enumerate(block):
            column = first_column + int(offset)
            sheet_column = FIRST_SHEET_COLUMN + column - 1
            sheet.cell(FIRST_SHEET_ROW - 1, sheet_column, DOSE_UM)
            for place in range(rows):
                row = first_row + place
                vehicle = number == len(block) - 1 and place >= rows - vehicles
                content = "DMSO" if vehicle else number * rows + place + 1
                sheet.cell(FIRST_SHEET_ROW + row - 1, sheet_column, content)
                dose = float("nan") if vehicle else float(DOSE_UM)
                wells[row, column] = Treatment(condition, str(content), dose)
        left = FIRST_SHEET_COLUMN + first_column - 1 + int(block[0])
        right = left + len(block) - 1
        below = FIRST_SHEET_ROW + len(ROWS)
        sheet.cell(below, left, LABELS.get(condition, condition)).alignment = Alignment("center")
        if right > left:
            sheet.merge_cells(f"{get_column_letter(left)}{below}:{get_column_letter(right)}{below}")
    for line, text in enumerate(LEGEND):
        sheet.cell(FIRST_SHEET_ROW + len(ROWS) + 5 + line, 4, text)
    book.save(path)
    return wells
