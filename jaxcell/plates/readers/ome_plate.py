"""Plates that an OME-XML file describes beside its images, as CQ1 and CQ3000 write them.

Names such as `W0014F0001T0001Z001C1.tif` number the wells: which well that is, only the file says.
"""

import re
from pathlib import Path
from xml.etree import ElementTree

from jaxcell.plates.findings import Finding
from jaxcell.plates.readers.companions import damaged, listed_wells_without_images, read_xml
from jaxcell.plates.readers.pixel_size import in_um
from jaxcell.plates.tables import well_at

INSTRUMENT = "CQ1, or OME-XML"
COMPANION = re.compile(r"[^.].*\.(ome\.xml|companion\.ome)", re.IGNORECASE)
# Projections stand beside the planes they are of.
DERIVED = re.compile(r".*_(MIP|projection)\.ome\.xml", re.IGNORECASE)
NUMBERED = re.compile(r"W\d{4}F\d{4}T\d{4}Z\d{3}C\d+\.tiff?", re.IGNORECASE)
# How CQ1 names an image: well 14 in row 2, column 2, first area, first field.
IMAGE_NAME = re.compile(r"W\d+\s*\(R(?P<row>\d+)C(?P<column>\d+)\).*F(?P<field>\d+)")


def read_companion(path: Path) -> tuple[list[dict], list[Finding]]:
    """Rows of the images that an OME-XML lists, and what is wrong with it."""
    if DERIVED.fullmatch(path.name):
        return [], []
    try:
        root = read_xml(path)
        wells = _wells(root)
        plate = next((node.get("Name") for node in root.iter("Plate")), None) or path.parent.name
        rows = [
            {"plate": plate} | row
            for image in root.iter("Image")
            for row in _rows(image, wells, path.parent)
        ]
        rows = _without_single_pages(rows)
    except ValueError as error:
        return [], [damaged(path, str(error))]
    return listed_wells_without_images(rows, path)


def _without_single_pages(rows: list[dict]) -> list[dict]:
    """Rows that name their page only where their file has several."""
    several = {row["path"] for row in rows if row["page"] > 1}
    return [
        row if row["path"] in several else {name: row[name] for name in row if name != "page"}
        for row in rows
    ]


def numbered_without_companion(files: list[Path]) -> Finding:
    """Says of files that number their wells that nobody says which well that is."""
    message = (
        f"{len(files)} files number their wells ({files[0].name}); which wells these are stands in "
        "the plate's .ome.xml, which is not there"
    )
    cure = "copy the .ome.xml beside the folder of the images, or list them in images.csv"
    return Finding("companion missing", "", "", str(files[0]), message, cure)


def _wells(root: ElementTree.Element) -> dict[str, tuple[str, int]]:
    """Id of an image -> its well, and its number among the well's fields."""
    wells = {}
    for node in root.iter("Well"):
        well = well_at(int(node.get("Row", -1)) + 1, int(node.get("Column", -1)) + 1)
        for number, sample in enumerate(node.iter("WellSample"), 1):
            if (reference := sample.find("ImageRef")) is not None:
                wells[reference.get("ID", "")] = well, number
    return wells


def _rows(image: ElementTree.Element, wells: dict[str, tuple[str, int]], home: Path) -> list[dict]:
    named = IMAGE_NAME.search(image.get("Name") or "")
    if image.get("ID") in wells:
        well, field = wells[image.get("ID", "")]
    elif named:
        well, field = well_at(int(named["row"]), int(named["column"])), int(named["field"])
    else:
        return []  # an image that is of no well
    pixels = image.find("Pixels")
    if pixels is None:
        raise ValueError(f"image {image.get('ID')} has no Pixels")
    names = [node.get("Name") or "" for node in pixels.iter("Channel")]
    told = all(names) and len(set(names)) == len(names)
    pixel_um = in_um(pixels.get("PhysicalSizeX", "nan"), pixels.get("PhysicalSizeXUnit", "um"))
    rows = []
    for node in pixels.iter("TiffData"):
        file, channel = node.find("UUID"), int(node.get("FirstC", 0))
        if file is None or not file.get("FileName"):
            continue
        rows.append({
            "well": well,
            "field": field,
            "view": names[channel] if told and channel < len(names) else f"C{channel + 1}",
            "z": int(node.get("FirstZ", 0)) + 1,
            "time": int(node.get("FirstT", 0)) + 1,
            "path": str(home / file.get("FileName", "").replace("\\", "/")),
            "page": int(node.get("IFD", 0)) + 1,
            "pixel_um": pixel_um,
        })  # fmt: skip
    return rows
