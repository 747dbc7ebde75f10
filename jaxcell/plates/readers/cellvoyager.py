"""CellVoyager: `MeasurementData.mlf` lists images, `MeasurementDetail.mrf` the size of pixels.

Names of the channels stand in the settings (`.mes`) beside them.
"""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

from jaxcell.plates.addresses import MAXIMUM
from jaxcell.plates.findings import Finding
from jaxcell.plates.readers.companions import (
    damaged,
    listed_wells_without_images,
    nameless,
    read_xml,
)
from jaxcell.plates.tables import known_well, well_at

INSTRUMENT = "CellVoyager"
COMPANION = re.compile(r"MeasurementData\.mlf", re.IGNORECASE)
MISSING = "MeasurementData.mlf"
DETAIL = "MeasurementDetail.mrf"
FILE_NAME = re.compile(
    r"(?P<plate>.+)_(?P<well>[A-Z]{1,2}\d{2})_T(?P<time>\d+)F(?P<field>\d+)L\d+A\d+Z(?P<z>\d+)"
    r"C(?P<channel>\d+)\.tiff?",
    re.IGNORECASE,
)


def parse(path: Path) -> dict | None:
    """A row by a file's name, `P_A01_T0001F001L01A01Z01C01.tif`; views are `C01` and so on."""
    match = FILE_NAME.fullmatch(path.name)
    if match is None:
        return None
    well = known_well(match["well"])
    if well is None:
        return None
    numbers = {name: int(match[name]) for name in ("field", "z", "time")}
    view = f"C{int(match['channel']):02d}"
    return {"plate": match["plate"], "well": well, "view": view, "path": str(path)} | numbers


def read_companion(path: Path) -> tuple[list[dict], list[Finding]]:
    """Rows of the images that an `.mlf` lists, and what is wrong with it and its companions."""
    try:
        records = [node for node in read_xml(path).iter("MeasurementRecord")]
        detail, findings = _detail(path.parent)
        plate, pixels = _plate(detail) or path.parent.name, _pixels(detail)
        names = _channels(path.parent, detail)
        rows = [
            {"plate": plate} | _row(node, path.parent, names, pixels)
            for node in records
            if node.get("Type") == "IMG"
        ]
    except ValueError as error:
        return [], [damaged(path, str(error))]
    failed = [node for node in records if node.get("Type") == "ERR"]
    if failed:
        message = f"{path.name} lists {len(failed)} image(s) that the microscope failed to take"
        cure = "know that these fields are missing"
        findings.append(Finding("not taken", plate, "", str(path), message, cure, fatal=False))
    rows, missing = listed_wells_without_images(rows, path)
    return rows, findings + missing


def _row(
    node: ElementTree.Element, home: Path, names: dict[int, str], pixels: dict[int, float]
) -> dict:
    number = {name: int(node.get(name, 0)) for name in ("Row", "Column", "FieldIndex", "Ch")}
    channel = number["Ch"]
    return {
        "well": well_at(number["Row"], number["Column"]),
        "field": number["FieldIndex"],
        "view": names.get(channel, f"C{channel:02d}"),
        # Projections that the microscope made stand beside the planes they are of.
        "z": MAXIMUM if node.get("ZImageProcessing") else int(node.get("ZIndex", 1)),
        "time": int(node.get("TimePoint", 1)),
        "path": str(home / (node.text or "").strip().replace("\\", "/")),
        # The stage counts upwards, images downwards.
        "x_um": float(node.get("X", "nan")),
        "y_um": -float(node.get("Y", "nan")),
        "pixel_um": pixels.get(channel, math.nan),
    }


def _detail(home: Path) -> tuple[ElementTree.Element | None, list[Finding]]:
    path = next((one for one in home.iterdir() if one.name.casefold() == DETAIL.casefold()), None)
    if path is None:
        return None, [nameless("", home, DETAIL, "the size of a pixel is not known")]
    return read_xml(path), []


def _plate(detail: ElementTree.Element | None) -> str:
    nodes = () if detail is None else detail.iter("MeasurementSamplePlate")
    return next((node.get("Name", "") for node in nodes), "")


def _pixels(detail: ElementTree.Element | None) -> dict[int, float]:
    """Number of a channel -> edge of its pixels in um."""
    nodes = () if detail is None else detail.iter("MeasurementChannel")
    return {
        int(node.get("Ch", 0)): float(node.get("HorizontalPixelDimension", "nan")) for node in nodes
    }


def _channels(home: Path, detail: ElementTree.Element | None) -> dict[int, str]:
    """Number of a channel -> its name in the settings, where each has its own."""
    said = "" if detail is None else detail.get("MeasurementSettingFileName", "")
    path = home / said
    if not said or not path.is_file():
        return {}
    nodes = [node for node in read_xml(path).iter("Channel") if node.get("Target")]
    names = {int(node.get("Ch", 0)): node.get("Target", "") for node in nodes}
    return names if len(set(names.values())) == len(names) else {}
