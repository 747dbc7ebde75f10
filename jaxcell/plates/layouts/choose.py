"""Which layout says what about the plates of a folder: tidy tables first, then workbooks."""

import csv
from pathlib import Path

import pandas as pd

from jaxcell.plates.files import visible_files
from jaxcell.plates.findings import Finding, unseen, visible
from jaxcell.plates.layouts.blocks import find_blocks
from jaxcell.plates.layouts.sheets import WORKBOOKS, read_csv_cells
from jaxcell.plates.layouts.workbook import (
    NAMELESS,
    Layout,
    layout_of_blocks,
    open_layout,
    plate_id_in_name,
)
from jaxcell.plates.tables import EVERY, WELL_COLUMNS, is_layout, read_wells, wells_table

# No CSV of blocks is larger; tables of results are.
MOST_BYTES = 2**20


def read_layouts(folder: Path, images: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """Reads the layouts of the plates that have images (images table, paths absolute).

    Returns:
      The wells table with one more column, `source` (the file a row comes from), and the findings.
      Wells of which two layouts say different things are left out, with a finding.
    """
    plates = set(images["plate"])
    tables, elsewhere, findings = _read_tables(folder, images)
    covered = {plate for table in tables for plate in table["plate"]}
    # A plate that has a tidy table needs no workbook, not even one that could not be read.
    workbooks, said = _read_workbooks(folder, plates - covered, covered)
    wells, conflicts = _join(tables + workbooks)
    unused = wells[~wells["plate"].isin(plates)].groupby("plate")["source"].first()
    findings += said + conflicts + [_unused(plate, path) for plate, path in unused.items()]
    findings += _contradicted(wells, elsewhere) + _odd_conditions(wells)
    return wells[wells["plate"].isin(plates)].reset_index(drop=True), findings


def _read_tables(
    folder: Path, images: pd.DataFrame
) -> tuple[list[pd.DataFrame], list[pd.DataFrame], list[Finding]]:
    """Of each wells.csv at the top or on the way down to an image; and of layouts elsewhere."""
    homes = {parent for path in images["path"].map(Path) for parent in path.parents}
    tables, elsewhere, findings = [], [], []
    for path in visible_files(folder, (".csv",)):
        by_name = path.name.lower() == "wells.csv"
        if not by_name and not (is_layout(path) and path.name.lower() != "images.csv"):
            continue
        wells, said = read_wells(path)
        if path.parent == folder or path.parent in homes:
            tables.append(wells.assign(source=str(path)))
            findings += said
        elif is_layout(path):  # and no table of results, as measurements and predictions have
            elsewhere.append(wells.assign(source=str(path)))
    return tables, elsewhere, findings


def _contradicted(wells: pd.DataFrame, elsewhere: list[pd.DataFrame]) -> list[Finding]:
    """Layouts that lie beside no image and say otherwise than those that count."""
    findings = []
    for other in elsewhere:
        both = wells.merge(other, on=["plate", "well"], suffixes=("", "_other"))
        differ = [
            ~(
                (both[name] == both[f"{name}_other"])
                | both[[name, f"{name}_other"]].isna().all(axis=1)
            )
            for name in WELL_COLUMNS
            if name not in ("plate", "well")
        ]
        differs = pd.concat(differ, axis=1).any(axis=1) if len(both) else []
        for plate, group in both[differs].groupby("plate") if len(both) else ():
            sources = group["source"].iloc[0], group["source_other"].iloc[0]
            message = f"{len(group)} wells differ from what {sources[1]} says of them"
            cure = "keep the layout that is true and move the other elsewhere"
            findings.append(Finding("layouts disagree", plate, "", sources[0], message, cure))
    return findings


def _odd_conditions(wells: pd.DataFrame) -> list[Finding]:
    """Conditions and compounds of workbooks that no table would be read with."""
    findings = []
    for row in wells.itertuples():
        if row.role != "empty" and row.condition.casefold() == EVERY:
            message = f"condition '{row.condition}' is what reports call all wells together"
            place = (row.plate, row.well, row.source)
            findings.append(Finding("condition", *place, message, "give it another name"))
        for text in (row.condition, row.compound):
            if character := unseen(text):
                message = f"'{visible(text)}' holds {character}, which cannot be seen"
                place = (row.plate, row.well, row.source)
                findings.append(Finding("condition", *place, message, "type it anew"))
    return findings


def _read_workbooks(
    folder: Path, wanted: set[str], covered: set[str]
) -> tuple[list[pd.DataFrame], list[Finding]]:
    """Of each workbook, or CSV of blocks, that is or may be of a plate that is wanted."""
    tables, findings = [], []
    for path in visible_files(folder, (*WORKBOOKS, ".csv")) if wanted else ():
        # '~$...' is the lock a spreadsheet program keeps beside a file that is open.
        layout = None if path.name.startswith("~$") else _open(path, wanted | covered)
        if layout is None or covered.intersection(layout.plates):
            continue
        if layout.plates and not wanted.intersection(layout.plates):
            findings.append(_unused(layout.plates[0], str(path)))
            continue
        tables.append(layout.wells.assign(source=str(path)))
        findings += layout.findings
    return tables, findings


def _open(path: Path, plates: set[str]) -> Layout | None:
    """The layout in a workbook or in a CSV of blocks; None of any other file."""
    if path.suffix.lower() in WORKBOOKS:
        layout = open_layout(path)
        nameless = layout and any(one.problem == NAMELESS for one in layout.findings)
        return open_layout(path, _plate_of(path, plates)) if nameless else layout
    try:
        if path.stat().st_size > MOST_BYTES:
            return None
        blocks = find_blocks(read_csv_cells(path))
    except (OSError, UnicodeError, csv.Error):
        return None
    return layout_of_blocks(blocks, path, _plate_of(path, plates)) if blocks else None


def _plate_of(path: Path, plates: set[str]) -> str | None:
    """The plate with whose id a file's name begins; without any id in it the only plate there is.

    None where there are several, or the id is of another plate: `P10 layout` is none of plate P1.
    """
    name = path.stem.casefold()
    begun = [plate for plate in plates if name.startswith(plate.casefold())]
    begun = [plate for plate in begun if not name[len(plate) :][:1].isalnum()]
    if begun:
        return max(begun, key=len)
    return next(iter(plates)) if len(plates) == 1 and not plate_id_in_name(path) else None


def _join(tables: list[pd.DataFrame]) -> tuple[pd.DataFrame, list[Finding]]:
    """All rows, those said twice once, and a finding for each plate with contradictions."""
    wells = pd.concat([wells_table().assign(source=""), *tables], ignore_index=True)
    wells = wells.astype(WELL_COLUMNS | {"source": str}).drop_duplicates(list(WELL_COLUMNS))
    twice = wells.duplicated(["plate", "well"], keep=False)
    findings = []
    for plate, group in wells[twice].groupby("plate"):
        first, *others = sorted(group["source"].unique())
        number = group["well"].nunique()
        message = f"{number} wells differ from what {', '.join(others)} says of them"
        cure = "keep the layout that is true and move the other elsewhere"
        findings.append(Finding("layouts disagree", plate, "", first, message, cure))
    return wells[~twice], findings


def _unused(plate: str, path: str) -> Finding:
    """Says that a layout is of a plate without images, which a misspelt plate id looks like."""
    message = f"there is a layout of plate {plate}, but there are no images of it"
    cure = "know that it is not used, or correct the plate id"
    return Finding("unused layout", plate, "", path, message, cure, fatal=False)
