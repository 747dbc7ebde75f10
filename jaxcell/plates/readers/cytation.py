"""Cytation (Gen5): names such as `B1_04_1_2_Bright Field_001.tif`.

Well, step of the protocol, set, field (with the plane of focus, `2Z3`), view, time.
"""

import re
from pathlib import Path

from jaxcell.plates.tables import known_well

INSTRUMENT = "Cytation"
FILE_NAME = re.compile(
    r"(?P<well>[A-Z]{1,2}\d{1,2})_-?\d+_\d+_(?P<field>\d+)(?:Z(?P<z>\d+))?_(?P<view>.+)_"
    r"(?P<time>\d{3})\.tiff?",
    re.IGNORECASE,
)
# What the program writes round the name of a view whose images it stitched.
STITCHED = re.compile(r"(?:Stitched|Tsf)\[(?P<view>[^\],]+?)(?:\s*\d+,\d+)?\]", re.IGNORECASE)


def parse(path: Path) -> dict | None:
    """A row by a file's name; the plate is that of its folder."""
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    well = known_well(match["well"])
    if well is None:
        return None
    stitched = STITCHED.fullmatch(match["view"])
    row = {
        "plate": path.parent.name,
        "well": well,
        "field": int(match["field"]),
        "view": stitched["view"] if stitched else match["view"],
        "time": max(1, int(match["time"])),
        "path": str(path),
    }
    # Planes count from 0.
    return row | ({"z": int(match["z"]) + 1} if match["z"] else {})
