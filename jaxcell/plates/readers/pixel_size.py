"""How large a pixel is, as image files say it in their several ways."""

import html
import math
import re

import tifffile

# Widths that a microscope may have: below and above stand resolutions of printers and screens
# (72 a inch is 353 um), and files whose maker left the tag as it was.
LEAST_UM, MOST_UM = 0.02, 50.0
# um in one of each, as OME, OME-Zarr, ImageJ and MetaMorph write them.
UNITS_UM = {
    "m": 1e6, "mm": 1e3, "cm": 1e4, "um": 1.0, "nm": 1e-3, "å": 1e-4, "in": 25400.0,
    "meter": 1e6, "millimeter": 1e3, "centimeter": 1e4, "micrometer": 1.0, "nanometer": 1e-3,
    "angstrom": 1e-4, "inch": 25400.0, "micron": 1.0, "microns": 1.0,
}  # fmt: skip
# TIFF 6.0, section 8, ResolutionUnit.
RESOLUTION_UNITS = {2: "inch", 3: "cm"}
OME = re.compile(r'PhysicalSizeX(?P<unit>Unit)?="(?P<value>[^"]*)"')
BIOTEK = re.compile(r"<(?P<name>PixelWidth|ImageWidthMicrons)>\s*(?P<value>[\d.]+)\s*<")


def of_tiff(file: tifffile.TiffFile, page: tifffile.TiffPage) -> float:
    """Edge of a pixel in um, by OME-XML, ImageJ, MetaMorph, Gen5 or the resolution; else NaN."""
    if file.is_ome:
        return _of_ome(file.ome_metadata or "")
    if file.is_imagej and "unit" in (file.imagej_metadata or {}):
        return in_um(1 / (page.resolution[0] or math.inf), str(file.imagej_metadata["unit"]))
    if file.is_metaseries:
        plane = (file.metaseries_metadata or {}).get("PlaneInfo", {})
        if str(plane.get("spatial-calibration-state", "on")).casefold() != "off":
            return in_um(
                plane.get("spatial-calibration-x"), str(plane.get("spatial-calibration-units"))
            )
    if file.is_stk:
        said = file.stk_metadata or {}
        return in_um(said.get("XCalibration"), str(said.get("CalibrationUnits")))
    if "BTIImageMetaData" in page.description:
        said = {match["name"]: float(match["value"]) for match in BIOTEK.finditer(page.description)}
        return in_um(said.get("ImageWidthMicrons", 0) / said.get("PixelWidth", math.inf), "um")
    unit = RESOLUTION_UNITS.get(int(page.resolutionunit))
    return in_um(1 / (page.resolution[0] or math.inf), unit) if unit else math.nan


def _of_ome(metadata: str) -> float:
    """Of the first image; um unless it names another unit."""
    said: dict[str, str] = {}
    for match in OME.finditer(metadata):
        said.setdefault(match["unit"] or "", match["value"])
    return in_um(said.get(""), html.unescape(said.get("Unit", "um")))  # `&#181;m`


def in_um(length: object, unit: str | None) -> float:
    """A length in um; NaN for one without a unit known here, or that no pixel has."""
    unit = (unit or "").strip().strip("\\").casefold().replace("µ", "u").replace("μ", "u")
    unit = unit.replace("u00b5", "u")  # ImageJ writes a micro sign so
    try:
        value = float(str(length)) * UNITS_UM[unit]
    except (KeyError, ValueError):
        return math.nan
    return value if LEAST_UM <= value <= MOST_UM else math.nan
