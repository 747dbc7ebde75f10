"""Opera Phenix and Operetta: the `Index.idx.xml` beside the images, or their names alone."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

from jaxcell.plates.findings import Finding
from jaxcell.plates.readers.companions import (
    damaged,
    listed_wells_without_images,
    read_xml,
    text_of,
)
from jaxcell.plates.tables import known_well, well_at

INSTRUMENT = "Opera or Operetta"
COMPANION = re.compile(r"index(\.idx|\.ref)?\.xml", re.IGNORECASE)
MISSING = "Index.idx.xml"
FILE_NAME = re.compile(
    r"r(?P<row>\d+)c(?P<column>\d+)f(?P<field>\d+)p(?P<z>\d+)-ch(?P<channel>\d+)"
    r"sk(?P<time>\d+)fk\d+fl\d+\.tiff?",
    re.IGNORECASE,
)
UM = 1e6  # the file counts in metres


def parse(path: Path) -> dict | None:
    """A row by a file's name, `r02c04f01p01-ch1sk1fk1fl1.tiff`; views are `ch1` and so on."""
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    well = known_well((int(match["row"]), int(match["column"])))
    if well is None:
        return None
    return {
        "plate": _folder(path.parent).name,
        "well": well,
        "field": int(match["field"]),
        "view": f"ch{int(match['channel'])}",
        "z": int(match["z"]),
        "time": int(match["time"]),
        "path": str(path),
    }


def _folder(images: Path) -> Path:
    """The folder of a measurement, of the one that holds its images."""
    return images.parent if images.name.casefold() == "images" else images


def read_companion(path: Path) -> tuple[list[dict], list[Finding]]:
    """Rows of the images that an index lists, and what is wrong with it."""
    try:
        root = read_xml(path)
        if root.tag != "EvaluationInputData":
            return [], []  # an index of another program
        channels = _channels(root)
        plate = next((text_of(node, "PlateID") for node in root.iter("Plate")), "")
        plate = plate or _folder(path.parent).name
        nodes = [node for node in root.iter("Image") if node.find("URL") is not None]
        rows = [{"plate": plate} | _row(node, channels, path.parent) for node in nodes]
    except ValueError as error:
        return [], [damaged(path, str(error))]
    return listed_wells_without_images(rows, path)


def _channels(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """Descriptions of the channels, which newer versions keep once for all images."""
    entries = (node for node in root.iter("Entry") if node.find("ChannelName") is not None)
    return {node.get("ChannelID", ""): node for node in entries}


def _row(node: ElementTree.Element, channels: dict[str, ElementTree.Element], home: Path) -> dict:
    channel = text_of(node, "ChannelID")
    about = channels.get(channel, node)
    x, y = (_metres(node, f"Position{axis}") for axis in "XY")
    return {
        "well": well_at(int(text_of(node, "Row")), int(text_of(node, "Col"))),
        "field": int(text_of(node, "FieldID")),
        "view": text_of(about, "ChannelName") or f"ch{channel}",
        "z": int(text_of(node, "PlaneID") or 1),
        "time": int(text_of(node, "TimepointID") or 0) + 1,
        "path": str(home / text_of(node, "URL")),
        # The stage counts upwards, images downwards.
        "x_um": x,
        "y_um": -y,
        "pixel_um": _metres(about, "ImageResolutionX"),
    }


def _metres(node: ElementTree.Element, name: str) -> float:
    """A length in um; NaN without one."""
    return float(text_of(node, name) or math.nan) * UM
