"""Plate-shaped blocks: one for each thing that is known of the wells, named in its corner.

    condition,1,2,3,...,12
    A,OVA,OVA,ConA,...
    ...
    concentration_um,1,2,3,...,12
    A,10,1,0.1,...

As the R package `plater` writes them. A block of nothing but conditions needs no name.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from jaxcell.plates.doses import micromolar, unit_of_heading
from jaxcell.plates.findings import Finding, unseen, visible
from jaxcell.plates.layouts.grid import PLATE_SIZES, Cells, SheetCell, cell_range
from jaxcell.plates.layouts.wells import EMPTY, parse_content
from jaxcell.plates.tables import EVERY, ROLES, canonical_condition, row_name, well_at

# What a corner may say, in small letters without spaces and underscores -> column of a wells table.
NAMES = {
    "condition": "condition", "stimulation": "condition", "stimulus": "condition",
    "compound": "compound", "treatment": "compound", "drug": "compound",
    "role": "role", "welltype": "role",
    "stimulusugperml": "stimulus_ug_per_ml",
}  # fmt: skip
DOSE, STIMULUS = "concentration_um", "stimulus_ug_per_ml"
# Of a block beside named ones whose own name means nothing here.
UNREAD = "unread"


class Block(NamedTuple):
    """A grid of a sheet, and what it says.

    Attributes:
      name: column of a wells table; '' where its corner says nothing, `UNREAD` where others do.
      unit: of doses, as its name says it; '' for none.
      corner: the cell left of column 1 and over row A.
      wells: name of a well -> its cell.
      size: rows and columns.
    """

    name: str
    unit: str
    corner: SheetCell
    wells: Mapping[str, SheetCell]
    size: tuple[int, int]


def find_blocks(cells: Cells) -> list[Block]:
    """The blocks of a sheet whose corners name a column of a wells table, then those unread.

    Where none is named, the one block without a name, if all that it holds are conditions.
    """
    found = [block for place in sorted(cells) if (block := _block(cells, place)) is not None]
    named = [block for block in found if block.name]
    if named:
        return named + [block._replace(name=UNREAD) for block in found if not block.name]
    return found if len(found) == 1 and _all_conditions(found[0]) else []


def _block(cells: Cells, place: tuple[int, int]) -> Block | None:
    """The block whose corner a cell is: 1, 2, 3 right of it and A, B below."""
    row, column = place
    width, height = 0, 0
    while _number(cells.get((row, column + width + 1))) == width + 1:
        width += 1
    while _text(cells.get((row + height + 1, column))).upper() == row_name(height + 1):
        height += 1
    if width < 3 or height < 1:
        return None
    # Its name stands in the corner or over it.
    corner = cells[place]
    over = cells.get((row - 1, column))
    name, unit = _meaning(_text(corner)) or _meaning(_text(over)) or ("", "")
    if height < 2 and not name:  # a named one that breaks off is a fault, any other no block
        return None
    wells = {
        well_at(down, right): cells.get((row + down, column + right), corner._replace(value=None))
        for down in range(1, height + 1)
        for right in range(1, width + 1)
    }
    return Block(name, unit, corner, wells, (height, width))


def _meaning(text: str) -> tuple[str, str] | None:
    """Column of a wells table, and unit, that a name stands for; None for any other text."""
    unit = unit_of_heading(text)
    if unit is not None:
        return DOSE, unit
    if text.casefold().replace(" ", "") == DOSE:
        return DOSE, "um"
    name = NAMES.get("".join(each for each in text.casefold() if each.isalnum()))
    return (name, "") if name else None


def _all_conditions(block: Block) -> bool:
    texts = [_text(cell) for cell in block.wells.values() if _text(cell)]
    conditions = [text for text in texts if canonical_condition(text)]
    return bool(conditions) and all(
        text in conditions or text.casefold() in EMPTY for text in texts
    )


def read_blocks(blocks: list[Block]) -> tuple[list[dict], list[Finding]]:
    """Rows of the wells that blocks describe, without plate, and the findings.

    A well of which no block says anything is none. Its role is what a block of roles says, else
    what its compound or condition says: `e`, `DMSO`, `Control`, or a sample.
    """
    left_out = [_unread(block) for block in blocks if block.name == UNREAD]
    blocks = [block for block in blocks if block.name != UNREAD]
    findings = _wrong_shapes(blocks)
    if findings:
        return [], findings + left_out
    columns: dict[str, dict[str, SheetCell]] = {}
    for block in blocks:
        columns[block.name or "condition"] = dict(block.wells)
    doses, findings = _doses(blocks)
    findings += left_out
    rows = []
    for well in blocks[0].wells:
        said = {name: column[well] for name, column in columns.items() if _text(column[well])}
        if not said:
            continue
        try:
            rows.append(_row(well, said, doses))
        except ValueError as error:
            cell = next(iter(said.values()))
            message, cure = f"{cell.name}: {error}", "correct the cell"
            findings.append(Finding("unreadable cell", "", well, "", message, cure))
    return rows, findings


def _unread(block: Block) -> Finding:
    name = _text(block.corner)
    what = f"the block '{name}' means nothing here" if name else "the block has no name"
    message = f"{block.corner.name}: {what}"
    cure = (
        "know that it is left out, or name it condition, compound, role, stimulus_ug_per_ml, or "
        "dose with its unit"
    )
    return Finding("unread block", "", "", "", message, cure, fatal=False)


def _wrong_shapes(blocks: list[Block]) -> list[Finding]:
    findings = []
    names = [block.name for block in blocks]
    for block in blocks:
        height, width = block.size
        if block.size not in PLATE_SIZES:
            rows = "1 row" if height == 1 else f"{height} rows"
            message = f"{block.corner.name}: the block has {rows} and {width} columns"
            cure = "number the columns and letter the rows of the whole plate without a gap"
        elif block.size != blocks[0].size:
            message = f"{block.corner.name}: the block has another size than the first"
            cure = "give all blocks the size of the plate"
        elif names.count(block.name) > 1:
            message = f"{block.corner.name}: there are two blocks of {block.name}"
            cure = "keep the block that is true, or give each plate a file of its own"
        else:
            continue
        findings.append(Finding("unreadable grid", "", "", "", message, cure))
    return findings


def _doses(blocks: list[Block]) -> tuple[dict[str, dict[str, float]], list[Finding]]:
    """Doses by column and well; NaN where a block says none."""
    doses, findings = {}, []
    for block in blocks:
        if block.name not in (DOSE, STIMULUS):
            continue
        read: Callable = _micromolar if block.name == DOSE else _micrograms
        values, bad = {}, []
        for well, cell in block.wells.items():
            try:
                values[well] = read(_text(cell), block.unit)
            except ValueError:
                bad.append(cell)
        doses[block.name] = values
        if bad:
            unit = "mM, uM or nM" if block.name == DOSE else "ug/mL"
            message = f"{cell_range(bad)}: '{bad[0].value}' is no dose, or has no unit"
            cure = f"write numbers of 0 or more, and the unit, {unit}, into the corner of the block"
            findings.append(Finding("unreadable dose", "", "", "", message, cure))
    return doses, findings


def _micromolar(text: str, unit: str) -> float:
    return micromolar([text], unit)[0]


def _micrograms(text: str, unit: str) -> float:
    del unit  # of the name
    value = float(text or "nan")
    if value < 0 or math.isinf(value):
        raise ValueError(text)
    return value


def _row(well: str, said: Mapping[str, SheetCell], doses: Mapping[str, Mapping]) -> dict:
    """A well of what blocks say of it; ValueError where that cannot be."""
    texts = {name: _text(cell) for name, cell in said.items()}
    for text in texts.values():
        if character := unseen(text):
            raise ValueError(f"'{visible(text)}' holds {character}, which cannot be seen")
    condition, compound = texts.get("condition", ""), texts.get("compound", "")
    role = texts.get("role", "").casefold()
    if role and role not in ROLES:
        raise ValueError(f"role '{role}' is none of {', '.join(ROLES)}")
    if not role:
        word = int(compound) if compound.isdecimal() else compound or condition
        role, own = parse_content(word, frozenset({compound, condition})) or ("sample", "")
        compound = own if compound else ""
    if role == "empty":
        return {"well": well, "role": role, "condition": "", "compound": ""}
    if not condition:
        raise ValueError(f"no block says the condition of well {well}")
    if condition.casefold() == EVERY:
        raise ValueError(f"condition '{condition}' is what reports call all wells together")
    row = {
        "well": well,
        "role": role,
        "compound": compound,
        "condition": canonical_condition(condition) or condition,
    }
    return row | {name: values.get(well, math.nan) for name, values in doses.items()}


def _number(cell: SheetCell | None) -> object:
    value = None if cell is None else cell.value
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _text(cell: SheetCell | None) -> str:
    if cell is None or cell.value is None:
        return ""
    value = cell.value
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value).strip()
