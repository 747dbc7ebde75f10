"""The wells of a layout sheet: what each cell says, with its header, its doses and its colour."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from jaxcell.plates.findings import Finding
from jaxcell.plates.layouts.colours import RGB, conditions_of_fills, read_legend
from jaxcell.plates.layouts.grid import (
    Cells,
    Grid,
    Header,
    SheetCell,
    cell_range,
    check_size,
    dose_of,
    read_doses,
    read_headers,
    texts_outside,
)
from jaxcell.plates.tables import canonical_condition, well_name

# Notes such as 'Y3-P is an antibody ...' or 'DMSO = Vehicle control' make a word known.
EXPLANATION = re.compile(r"(?P<word>\S+)\s+(?:=|is)\s.+")
EMPTY = ("e", "empty")
VEHICLE = ("dmso",)
UNTREATED = ("control", "untreated", "no treatment")


class Reading(NamedTuple):
    """What a sheet says about its wells: by sheet column, by fill, and in its notes.

    Attributes:
      fills: condition of each fill colour; empty on a sheet without a colour legend.
      doses: name of a dose column of the wells table -> dose cell of each sheet column.
      words: words that notes of the sheet explain.
    """

    headers: Mapping[int, Header]
    fills: Mapping[RGB, str]
    doses: Mapping[str, Mapping[int, SheetCell]]
    words: frozenset[str]


class WellCell(NamedTuple):
    """A well of the grid: its canonical name, its sheet column and its cell."""

    well: str
    column: int
    cell: SheetCell


def read_sheet(cells: Cells, grid: Grid) -> tuple[list[dict], list[Finding]]:
    """Reads every well of a sheet: rows without plate, and findings without plate and path."""
    wells = _well_cells(cells, grid)
    headers, bad_headers, header_findings = read_headers(cells, grid)
    doses, bad_doses, dose_findings = read_doses(cells, grid)
    fills, fill_findings = _read_fills(cells, grid, wells)
    reading = Reading(headers, fills, doses, _explained_words(cells, grid))
    findings = [*check_size(grid, cells), *header_findings, *dose_findings, *fill_findings]
    unread = bad_headers | bad_doses
    wells = [place for place in wells if place.column not in unread]
    headless = _headless(wells, reading)
    findings += [_headless_finding(group) for group in headless.values()]
    rows = []
    for place in wells:
        if place in headless.get(place.column, ()) or _says_nothing(place, reading):
            continue
        outcome = _read_well(place, reading)
        if isinstance(outcome, Finding):
            findings.append(outcome)
        else:
            rows.append(outcome)
    return rows, findings + remarks(rows, wells, reading)


def _says_nothing(place: WellCell, reading: Reading) -> bool:
    """Whether a cell is no part of the layout, or its colour could not be read."""
    if place.cell.fill in reading.fills:
        return False
    # A colour that the legend does not know was said once for all its cells, which are not wells
    # without stimulation for that.
    by_colour = reading.fills and place.column not in reading.headers
    strange = by_colour and place.cell.fill is not None and not _is_empty(place)
    return place.cell.value is None or bool(strange)


def _is_empty(place: WellCell) -> bool:
    return str(place.cell.value).casefold() in EMPTY


def _headless(wells: list[WellCell], reading: Reading) -> dict[int, list[WellCell]]:
    """By sheet column the wells that hold something but have no condition."""
    groups: dict[int, list[WellCell]] = {}
    for place in wells:
        blank = place.cell.value is None or _is_empty(place)
        if not (blank or reading.fills or place.column in reading.headers):
            groups.setdefault(place.column, []).append(place)
    return groups


def _headless_finding(group: list[WellCell]) -> Finding:
    cells = [place.cell for place in group]
    message = f"{cell_range(cells)}: '{cells[0].value}' stands in a column without condition header"
    cure = "write the condition under the column, in a cell merged over all columns it is of"
    return Finding("no condition", "", "", "", message, cure)


def _read_well(place: WellCell, reading: Reading) -> dict | Finding:
    cell = place.cell
    content = parse_content(cell.value, reading.words)
    if content is None:
        message = f"{cell.name}: '{cell.value}' is neither a compound number nor a word known here"
        cure = "write a compound number, e, DMSO or Control, or explain it in a note, 'X = ...'"
        return Finding("unreadable cell", "", place.well, "", message, cure)
    role, compound = content
    row = {"well": place.well, "role": role, "compound": compound, "condition": ""}
    if role == "empty":
        return row
    header, by_fill = reading.headers.get(place.column), reading.fills.get(cell.fill)
    if header and by_fill and header.condition != by_fill:
        message = f"{cell.name}: its colour says {by_fill}, its column's header {header.condition}"
        cure = "correct the colour or the header"
        return Finding("unreadable cell", "", place.well, "", message, cure)
    # On a sheet that shows the stimulation by colour, no colour is no stimulation.
    row["condition"] = by_fill or (header.condition if header else "Unstimulated")
    stimulus = header.stimulus_ug_per_ml if header else math.nan
    if math.isnan(stimulus) and row["condition"] != "Unstimulated":
        stimulus = _dose(reading, "stimulus_ug_per_ml", place.column)
    row["stimulus_ug_per_ml"] = stimulus
    # The row of doses speaks of compounds: DMSO in its columns is the solvent without compound.
    if role == "sample" and compound:
        row["concentration_um"] = _dose(reading, "concentration_um", place.column)
    return row


def parse_content(value: object, words: frozenset[str]) -> tuple[str, str] | None:
    """Reads what stands in a well's cell: role and compound; None where it cannot be read.

    `value` is None for a cell that is only coloured; `words` are compounds that notes explain.
    """
    if value is None:
        # The stimulation itself is tested; 'untreated' would make it a control for compounds.
        return "sample", ""
    if isinstance(value, int | float):
        return ("sample", str(int(value))) if value > 0 and value == int(value) else None
    word = str(value).casefold()
    known = dict.fromkeys(EMPTY, ("empty", "")) | dict.fromkeys(UNTREATED, ("untreated", ""))
    known |= dict.fromkeys(VEHICLE, ("vehicle", "DMSO"))
    return known.get(word) or (("sample", str(value)) if value in words else None)


def _well_cells(cells: Cells, grid: Grid) -> list[WellCell]:
    return [
        WellCell(well_name(f"{letter}{number}"), column, cells[row, column])
        for letter, row in grid.rows.items()
        for number, column in grid.columns.items()
    ]


def _read_fills(
    cells: Cells, grid: Grid, wells: list[WellCell]
) -> tuple[dict[RGB, str], list[Finding]]:
    """Condition of each fill colour; nothing where the sheet has no colour legend."""
    legend = read_legend(texts_outside(cells, grid))
    if not legend:
        return {}, []
    filled: dict[RGB, list[SheetCell]] = {}
    for place in wells:
        # Empty wells are often greyed out, which the legend need not explain.
        if place.cell.fill is not None and not _is_empty(place):
            filled.setdefault(place.cell.fill, []).append(place.cell)
    return conditions_of_fills({fill: cell_range(group) for fill, group in filled.items()}, legend)


def _explained_words(cells: Cells, grid: Grid) -> frozenset[str]:
    """Words that notes explain, other than names of conditions."""
    matches = (EXPLANATION.fullmatch(text) for _, text in texts_outside(cells, grid))
    words = {match["word"] for match in matches if match}
    return frozenset(word for word in words if canonical_condition(word) is None)


def _dose(reading: Reading, name: str, column: int) -> float:
    cell = reading.doses.get(name, {}).get(column)
    return math.nan if cell is None else dose_of(cell)


def remarks(rows: list[dict], wells: list[WellCell], reading: Reading) -> list[Finding]:
    """Returns what the user should know about wells that were read, none of it fatal."""
    read = {row["well"]: row for row in rows}
    pairs = [(place, read[place.well]) for place in wells if place.well in read]
    return [
        *_doses_not_stated(pairs, reading), *_labels_perhaps(pairs, reading), *_no_stimulus(pairs)
    ]  # fmt: skip


def _doses_not_stated(pairs: list[tuple[WellCell, dict]], reading: Reading) -> list[Finding]:
    """A compound in a column over which no concentration stands."""
    groups: dict[int, list[WellCell]] = {}
    for place, row in pairs:
        if row["role"] == "sample" and row["compound"]:
            if math.isnan(row.get("concentration_um", math.nan)):
                groups.setdefault(place.column, []).append(place)
    findings = []
    for column, group in groups.items():
        dose_cell = reading.doses.get("concentration_um", {}).get(column)
        where = f"{dose_cell.name} is blank" if dose_cell else "no row gives concentrations in uM"
        cells = cell_range([place.cell for place in group])
        message = f"{where}: the compounds of {cells} were read without concentration"
        cure = "write the concentration there, or into concentration_um of a wells.csv"
        findings.append(Finding("no concentration", "", "", "", message, cure, fatal=False))
    return findings


def _labels_perhaps(pairs: list[tuple[WellCell, dict]], reading: Reading) -> list[Finding]:
    """Texts beside coloured wells, which may be labels of their rows instead of wells."""
    plain = [
        place.cell
        for place, row in pairs
        if reading.fills and row["role"] != "empty" and place.cell.fill not in reading.fills
    ]
    if not plain:
        return []
    words = ", ".join(dict.fromkeys(f"'{cell.value}'" for cell in plain))
    message = (
        f"{cell_range(plain)} ({words}) have no colour and were read as unstimulated wells; they "
        "may instead label the coloured wells of their rows"
    )
    cure = "if they are labels, write a wells.csv from this workbook and correct it"
    return [Finding("wells or labels", "", "", "", message, cure, fatal=False)]


def _no_stimulus(pairs: list[tuple[WellCell, dict]]) -> list[Finding]:
    """Wells of a titration that got none of the stimulation whose colour they have."""
    zero = [place.cell for place, row in pairs if row.get("stimulus_ug_per_ml") == 0]
    if not zero:
        return []
    message = f"{cell_range(zero)}: the {len(zero)} wells got 0 ug/mL of what they are named after"
    cure = "know that these wells are in truth unstimulated, or say so in a wells.csv"
    return [Finding("no stimulation", "", "", "", message, cure, fatal=False)]
