"""Images of single cells, or pairs, as imaging flow cytometers export them: `S1_12_Ch3.ome.tif`.

One TIFF an object and channel. A sample has no wells: it is a plate of one well, its objects are
the fields.
"""

import re
from pathlib import Path

from jaxcell.plates.findings import unseen

INSTRUMENT = "imaging flow cytometer"
GRAMMAR = "SAMPLE_OBJECT_ChN.ome.tif"
WELL = "A01"
FILE_NAME = re.compile(
    r"(?:(?P<sample>\S.*?)_)?(?P<object>\d+)_(?P<view>Ch\d+)(?:\.ome)?\.tiff?", re.IGNORECASE
)


def parse(path: Path | str) -> dict | None:
    """A row by a file's name: plate, well, field and view; None where it breaks `GRAMMAR`.

    The plate is the sample, or the folder of a file that names none; the field is the object's
    number, the view its channel, as in `Ch3`.
    """
    path = Path(path)
    match = FILE_NAME.fullmatch(path.name)
    if match is None or unseen(path.name):
        return None
    plate, view = match["sample"] or path.parent.name, match["view"].capitalize()
    field = int(match["object"])
    return {"plate": plate, "well": WELL, "field": field, "view": view, "path": str(path)}
