"""Names that hold a well somewhere, as `exp3_B02_s1_GFP.tif`: a suggestion that a person checks.

No command but `jaxcell plates` reads images so.
"""

import re
from pathlib import Path

from jaxcell.plates.tables import well_name

INSTRUMENT = "by wells in the names"
# Rows and columns of 384 wells, in capitals: `s1` and `c2` are sites and channels.
WELL = re.compile(r"(?<![A-Za-z0-9])(?P<well>[A-P](?:0?[1-9]|1\d|2[0-4]))(?![A-Za-z0-9])")
FIELD = re.compile(
    r"(?<![A-Za-z0-9])(?:site|field|fld|pos|s|f)[ _-]?(?P<field>\d{1,4})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
APART = re.compile(r"[ _.\-()]+")


def parse(path: Path) -> dict | None:
    """A row by the only well in a file's name; None for none or two.

    The plate is the folder, the view what is left of the name.
    """
    stem = path.stem.removesuffix(".ome")
    wells = [*WELL.finditer(stem)]
    if len(wells) != 1:
        return None
    rest = stem[: wells[0].start()] + " " + stem[wells[0].end() :]
    field = FIELD.search(rest)
    rest = FIELD.sub(" ", rest)
    return {
        "plate": path.parent.name,
        "well": well_name(wells[0]["well"]),
        "field": int(field["field"]) if field else 1,
        "view": " ".join(filter(None, APART.split(rest))) or "image",
        "path": str(path),
    }
