"""IN Cell Analyzer by its `.xdce`: which file is which image, its place, the size of a pixel."""

import math
import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from jaxcell.plates.findings import Finding
from jaxcell.plates.readers import incell
from jaxcell.plates.readers.companions import damaged, listed_wells_without_images, read_xml
from jaxcell.plates.tables import well_at

INSTRUMENT = "IN Cell Analyzer, by its .xdce"
COMPANION = re.compile(r"[^.].*\.xdce", re.IGNORECASE)


def read_companion(path: Path) -> tuple[list[dict], list[Finding]]:
    """Rows of the images that an `.xdce` lists, and what is wrong with it."""
    try:
        root = read_xml(path)
        images = [_image(node, path) for node in root.iter("Image") if node.get("filename")]
        waves = _waves(root)
        pixel_um = _pixel_um(root)
    except ValueError as error:
        return [], [damaged(path, str(error))]
    names = [incell.parse(Path(image["path"]).name) or {} for image in images]
    own = Counter(name["plate"] for name in names if name)
    # File names carry the id that layouts know the plate by.
    plate = own.most_common(1)[0][0] if len(own) == 1 else root.get("PlateID") or path.stem
    downwards = _downwards(images)
    rows = []
    for image, name in zip(images, names):
        wave, (x, y) = image.pop("wave"), image.pop("offset")
        image.pop("plate_y")
        view = name.get("view") or image.pop("filter") or waves.get(wave) or f"wave {wave + 1}"
        image.pop("filter", None)
        place = {} if downwards is None else {"x_um": x, "y_um": y * downwards}
        rows.append({"plate": plate, "view": view, "pixel_um": pixel_um, **image, **place})
    return listed_wells_without_images(rows, path)


def _image(node: ElementTree.Element, path: Path) -> dict:
    """A row without plate and view, with the number of its wave and where the stage stood."""
    row, column = (node.find(f"Well/{name}") for name in ("Row", "Column"))
    number = node.find("Identifier")
    if row is None or column is None or number is None:
        raise ValueError(f"image {node.get('filename')} has no well or no identifier")
    where = node.find("OffsetFromWellCenter")
    on_plate = node.find("PlatePosition_um")
    excited = node.find("ExcitationFilter")
    return {
        "well": well_at(int(row.get("number", 0)), int(column.get("number", 0))),
        "field": int(number.get("field_index", 0)) + 1,
        "z": int(number.get("z_index", 0)) + 1,
        "time": int(number.get("time_index", 0)) + 1,
        "path": str(path.parent / node.get("filename", "").replace("\\", "/")),
        "wave": int(number.get("wave_index", 0)),
        "filter": None if excited is None else excited.get("name"),
        "offset": _xy(where),
        "plate_y": _xy(on_plate)[1],
    }


def _xy(node: ElementTree.Element | None) -> tuple[float, float]:
    if node is None:
        return math.nan, math.nan
    return float(node.get("x", "nan")), float(node.get("y", "nan"))


def _downwards(images: list[dict]) -> int | None:
    """1 where y grows downwards, -1 where upwards; None where rows of wells do not tell."""
    rows = {image["well"][:-2]: image["plate_y"] for image in images}
    ends = [rows[name] for name in sorted(rows, key=lambda name: (len(name), name))]
    if len(ends) < 2 or math.isnan(ends[-1] - ends[0]) or ends[-1] == ends[0]:
        return None
    return 1 if ends[-1] > ends[0] else -1


def _waves(root: ElementTree.Element) -> dict[int, str]:
    """Number of a wave, from 0, -> its name, by its own index and not by its place in the list."""
    waves = {}
    for place, node in enumerate(root.iter("Wavelength")):
        excited = node.find("ExcitationFilter")
        if excited is not None and excited.get("name"):
            waves[int(node.get("index", place))] = excited.get("name", "")
    return waves


def _pixel_um(root: ElementTree.Element) -> float:
    node = next(root.iter("ObjectiveCalibration"), None)
    return math.nan if node is None else float(node.get("pixel_width", "nan"))
