"""What the readers of companions share: files beside the images of a plate that describe them."""

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from jaxcell.plates.findings import Finding, in_order

GONE = "copy the files beside the others, or know that these wells are not measured"
THUMBNAIL = re.compile(r"thumb", re.IGNORECASE)


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file, its tags without their namespaces.

    Raises:
      ValueError: it is damaged; says what to do.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"it is damaged ({error})") from error
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
        node.attrib = {name.rpartition("}")[2]: value for name, value in node.attrib.items()}
    return root


def text_of(node: ElementTree.Element, name: str) -> str:
    """Text of a node's child of that name; '' without one."""
    return (node.findtext(name) or "").strip()


def damaged(path: Path, why: str) -> Finding:
    """Says that a companion cannot be used, and that its images are not read by another way."""
    message = f"{path.name}: {why}; the images that it describes are left out"
    cure = "copy it again from the microscope, or list the images in images.csv"
    return Finding("unreadable companion", "", "", str(path), message, cure)


def listed_wells_without_images(
    rows: Sequence[dict], companion: Path
) -> tuple[list[dict], list[Finding]]:
    """Drops wells of which no file is there, and says so once a plate.

    Of a well that has some of its files the rows stay: its missing files are faults, and nothing
    comes into their place.
    """
    there = {(row["plate"], row["well"]) for row in rows if Path(row["path"]).exists()}
    lacking: dict[str, list[str]] = {}
    for row in rows:
        if (row["plate"], row["well"]) not in there:
            lacking.setdefault(row["plate"], []).append(row["well"])
    findings = []
    for plate, wells in lacking.items():
        findings.append(without_images(plate, in_order(wells), companion))
    return [row for row in rows if (row["plate"], row["well"]) in there], findings


def without_images(plate: str, wells: Sequence[str], companion: Path) -> Finding:
    """Says which wells a companion lists of which there is no image."""
    some = f"{len(wells)} wells, {wells[0]} ... {wells[-1]}," if len(wells) > 1 else wells[0]
    message = f"{companion.name} lists {some} without any image file"
    return Finding("listed without images", plate, "", str(companion), message, GONE, fatal=False)


def nameless(plate: str, path: Path, missing: str, what: str) -> Finding:
    """Says that a companion is not there, and what is not known for that."""
    message = f"there is no {missing} beside the images: {what}"
    cure = f"copy {missing} too, or give the views as they are called here"
    return Finding("companion missing", plate, "", str(path), message, cure, fatal=False)
