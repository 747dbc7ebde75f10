"""ImageXpress: names such as `Plate_A01_s1_w2.TIF`, and the `.HTD` that names the waves."""

import csv
import re
from pathlib import Path

from jaxcell.plates.addresses import MAXIMUM
from jaxcell.plates.findings import Finding, in_order
from jaxcell.plates.readers.companions import THUMBNAIL, damaged, without_images
from jaxcell.plates.tables import known_well, well_at

INSTRUMENT = "ImageXpress"
COMPANION = re.compile(r"[^.].*\.htd", re.IGNORECASE)
MISSING = "the plate's .HTD"
FIRST = "HTSInfoFile"
# A name may end in a GUID, right after the number of the wave.
FILE_NAME = re.compile(
    r"(?P<plate>.+?)_(?P<well>[A-Z]{1,2}\d{1,2})(?:_s(?P<field>\d+))?(?:_w(?P<wave>\d{1,2}?))?"
    r"(?:_z(?P<z>\d+))?(?:_thumb)?_?\[?(?:[0-9A-F]{8}-(?:[0-9A-F]{4}-){3}[0-9A-F]{12})?\]?\.tiff?",
    re.IGNORECASE,
)
FOLDER = re.compile(r"(?P<axis>TimePoint|ZStep)_(?P<number>\d+)", re.IGNORECASE)


def parse(path: Path) -> dict | None:
    """A row by a file's name and folders; None for one that names neither site nor wave."""
    match = FILE_NAME.fullmatch(path.name)
    if match is None or not (match["field"] or match["wave"]):
        return None
    return _row(path, match, {})


def _row(path: Path, match: re.Match, waves: dict[int, str]) -> dict | None:
    well = known_well(match["well"])
    if well is None:
        return None
    wave = int(match["wave"] or 1)
    row = {
        "plate": match["plate"],
        "well": well,
        "field": int(match["field"] or 1),
        "view": waves.get(wave, f"w{wave}"),
        "path": str(path),
    }
    if match["z"]:
        row["z"] = int(match["z"])
    for folder in path.parts[-3:-1]:
        if (found := FOLDER.fullmatch(folder)) and int(found["number"]):
            row["time" if found["axis"].casefold() == "timepoint" else "z"] = int(found["number"])
    return row


def read_companion(path: Path) -> tuple[list[dict], list[Finding]]:
    """Rows of the images below an `.HTD` that bear its name, and what is wrong."""
    try:
        said = _read_htd(path)
        wells = _selected(said)
        names = {int(name[8:]): cells[0] for name, cells in said.items() if name[:8] == "WaveName"}
    except (ValueError, UnicodeError, IndexError) as error:
        return [], [damaged(path, str(error))]
    # Two waves of one name could not be told apart.
    waves = {
        number: name if [*names.values()].count(name) == 1 else f"{name} (w{number})"
        for number, name in names.items()
        if name
    }
    projected = said.get("ZProjection", ["FALSE"])[0].upper() == "TRUE"
    rows = []
    for file in sorted(path.parent.rglob("*")):
        match = FILE_NAME.fullmatch(file.name)
        hidden = any(part.startswith(".") for part in file.relative_to(path.parent).parts)
        if not match or hidden or THUMBNAIL.search(file.name):
            continue
        if match["plate"].casefold() != path.stem.casefold():
            continue
        row = _row(file, match, waves)
        if row is not None:
            rows.append({"z": MAXIMUM} | row if projected else row)
    there = {row["well"] for row in rows}
    lacking = in_order(wells - there)
    findings = [without_images(path.stem, lacking, path)] if lacking else []
    return [row | {"plate": path.stem} for row in rows], findings


def _read_htd(path: Path) -> dict[str, list[str]]:
    """Key -> values of each line, which may stand in any order."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")  # descriptions have any encoding
    lines = csv.reader(text.splitlines(), skipinitialspace=True)
    said = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines if cells}
    if FIRST not in said:
        raise ValueError(f"it does not begin with {FIRST}")
    return said


def _selected(said: dict[str, list[str]]) -> set[str]:
    """Names of the wells that the file says were imaged."""
    return {
        well_at(int(name[14:]), column)
        for name, cells in said.items()
        if name.startswith("WellsSelection")
        for column, cell in enumerate(cells, 1)
        if cell.upper() == "TRUE"
    }
