"""The file names of an IN Cell Analyzer, e.g. `CK19 - B - 02(fld 1 wv FITC - FITC).tif`."""

import re
from pathlib import Path

from jaxcell.plates.findings import spaced, unseen
from jaxcell.plates.tables import known_well

INSTRUMENT = "IN Cell Analyzer"
GRAMMAR = "PLATE - ROW - COLUMN(fld FIELD wv VIEW - FILTER).tif"
FILE_NAME = re.compile(
    r"(?:(?P<plate>\S.*?)\s*-\s*)??(?P<row>A[A-F]|[A-Z])\s*-\s*(?P<column>\d{1,2})\s*"
    r"\(\s*fld\s*(?P<field>\d+)\s+wv\s+(?P<view>\S.*?)"
    r"(?:\s+z\s*0*(?P<z>[1-9]\d*))?(?:\s+time\s*0*(?P<time>[1-9]\d*)(?:\s*-\s*[\d.]+\s*m?s)?)?"
    r"\s*\)\s*\.tiff?",
    re.IGNORECASE,
)


def parse(path: Path | str) -> dict | None:
    """A row by a file's name: plate, well, field and view, and z and time where it has them.

    None where it breaks `GRAMMAR`, or holds a character that cannot be seen. The plate is that of
    the folder where the name begins with the well.
    """
    path = Path(path)
    match = FILE_NAME.fullmatch(spaced(path.name))
    if match is None or unseen(path.name):
        return None
    well = known_well(match["row"] + match["column"])
    if well is None:
        return None
    # 'FITC - FITC' is the excitation and the emission filter; one with a hyphen of its own, such
    # as 'TL-Brightfield', stays whole because the separating hyphen has a space beside it.
    view = re.split(r"\s+-\s*|\s*-\s+", match["view"])[0]
    plate = match["plate"] or path.parent.name
    row = {"plate": plate, "well": well, "field": int(match["field"]), "view": view}
    return (
        row
        | {"path": str(path)}
        | {name: int(match[name]) for name in ("z", "time") if match[name]}
    )
