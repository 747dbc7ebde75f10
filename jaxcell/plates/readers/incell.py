"""The file names of an IN Cell Analyzer, e.g. `CK19 - B - 02(fld 1 wv FITC - FITC).tif`."""

import os
import re
from pathlib import Path

import pandas as pd

from jaxcell.plates.findings import Finding, spaced, unseen
from jaxcell.plates.tables import images_table, well_name

# Simulated plates keep label images there, which nobody needs to be told of.
TRUTH_FOLDER = "truth"
GRAMMAR = "PLATE - ROW - COLUMN(fld FIELD wv VIEW - FILTER).tif"
FILE_NAME = re.compile(
    r"(?P<plate>\S.*?)\s*-\s*(?P<row>[A-P])\s*-\s*(?P<column>\d{1,2})\s*"
    r"\(\s*fld\s*(?P<field>\d+)\s+wv\s+(?P<view>\S.*?)\s*\)\s*\.tiff?",
    re.IGNORECASE,
)


def parse(name: str) -> dict | None:
    """Reads plate, well, field and view off a file name; None where it breaks `GRAMMAR`, or holds
    a character that cannot be seen."""
    match = FILE_NAME.fullmatch(spaced(name))
    if match is None or unseen(name):
        return None
    try:
        well = well_name(match["row"] + match["column"])
    except ValueError:
        return None
    # 'FITC - FITC' is the excitation and the emission filter; one with a hyphen of its own, such
    # as 'TL-Brightfield', stays whole because the separating hyphen has a space beside it.
    view = re.split(r"\s+-\s*|\s*-\s+", match["view"])[0]
    return {"plate": match["plate"], "well": well, "field": int(match["field"]), "view": view}


def find_images(folder: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Finds every IN Cell image in a folder and below it, but for hidden files and folders.

    Returns:
      The images table with every view that lies there, paths absolute, in the order of their
      names; and a finding, not fatal, for each TIFF file whose name is something else.
    """
    rows, findings = [], []
    for path in visible_files(folder, (".tif", ".tiff")):
        row = parse(path.name)
        if row is not None:
            rows.append(row | {"path": str(path)})
            continue
        if path.parent.name == TRUTH_FOLDER:
            continue
        message = f"'{path.name}' is no IN Cell file name ({GRAMMAR}) and is left out"
        if character := unseen(path.name):
            message += f"; it holds {character}, which cannot be seen"
        cure = "rename it if it belongs to a plate, or list it in images.csv"
        findings.append(Finding("unknown file name", "", "", str(path), message, cure, fatal=False))
    return images_table(rows), findings


def visible_files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Returns the files below a folder that end so (in any case), hidden ones left out, sorted."""
    found = []
    for parent, folders, names in os.walk(folder.absolute()):
        # Copies made on a Mac carry '._CK19 - ...tif' beside each file, which hold no image.
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in names
            if not name.startswith(".") and name.lower().endswith(endings)
        ]
    return sorted(found)
