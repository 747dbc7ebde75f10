"""What a table of images says of wells beside what their layout says."""

from pathlib import Path

import pandas as pd

from jaxcell.plates.findings import Finding
from jaxcell.plates.tables import (
    WELL_COLUMNS,
    canonical_condition,
    read_said_of_wells,
    unread_columns,
)


def contradictions(table: Path, wells: pd.DataFrame) -> list[Finding]:
    """Compares columns of `images.csv` that a layout has too with the layout.

    Args:
      table: an images table.
      wells: of the layouts, with `source`.

    Returns:
      A fatal finding for each well of which they say different things, and a note on columns that
      nobody reads.
    """
    unread = unread_columns(table)
    if not unread:
        return []
    findings = []
    said = read_said_of_wells(table)
    shared = [name for name in said if name in WELL_COLUMNS and name not in ("plate", "well")]
    if said.empty:
        return []  # that no line can be read is said already
    both = said.merge(wells, on=["plate", "well"], suffixes=("_said", ""))
    for name in shared:
        differs = both[[not _same(*pair) for pair in zip(both[f"{name}_said"], both[name])]]
        for (plate, well), group in differs.groupby(["plate", "well"]):
            row = group.iloc[0]
            message = (
                f"{name} of well {well} is '{row[f'{name}_said']}' in {table.name}, and "
                f"'{row[name]}' in {Path(row['source']).name}"
            )
            cure = f"correct the one that errs, or delete the column from {table.name}"
            findings.append(Finding("tables disagree", plate, well, str(table), message, cure))
    names = ", ".join(unread)
    message = f"{table.name} has a column {names}, which is not read"
    cure = "write what is in a well into wells.csv"
    return [*findings, Finding("unread column", "", "", str(table), message, cure, fatal=False)]


def _same(said: str, known: object) -> bool:
    """Whether a cell says what the layout says; an empty cell says nothing."""
    if not said:
        return True
    if isinstance(known, float):
        try:
            return float(said.replace(",", ".")) == known
        except ValueError:
            return False
    return (canonical_condition(said) or said).casefold() == str(known).casefold()
