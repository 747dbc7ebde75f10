"""The edge of a pixel, as the images of plates say it."""

import math
from collections.abc import Iterable

import pandas as pd

from jaxcell.plates.addresses import parse
from jaxcell.plates.findings import Finding
from jaxcell.plates.images import reader_of
from jaxcell.plates.readers.planes import BadImage

# Two sizes that differ by less are one: files round them.
TOLERANCE = 0.01


def own_pixel_um(images: pd.DataFrame) -> float:
    """Edge of a pixel as plates say it, by their tables or by the first image of each view.

    Args:
      images: an images table with `role`.

    Returns:
      um; NaN where nobody says.

    Raises:
      ValueError: they say different sizes; names plates.
    """
    known = images[images["pixel_um"].notna()]
    first = images[images["pixel_um"].isna()].drop_duplicates(["plate", "role"])
    said = dict(zip(known["plate"], known["pixel_um"]))
    for row in first.itertuples():
        file = parse(row.path).files[0]
        try:
            pixel_um = reader_of(file).read_header(file, None).pixel_um
        except BadImage:
            continue  # said when the plates are checked
        if not math.isnan(pixel_um):
            said.setdefault(row.plate, pixel_um)
    if not one_size(said.values()):
        each = ", ".join(f"{plate} {pixel_um:g} µm" for plate, pixel_um in said.items())
        raise ValueError(
            f"the plates were imaged with pixels of different sizes ({each}): give those of one "
            "size as a folder of their own"
        )
    return next(iter(said.values()), math.nan)


def one_size(sizes: Iterable[float]) -> bool:
    """Whether sizes of pixels are one, but for rounding."""
    known = [size for size in sizes if not math.isnan(size)]
    return not known or max(known) <= (1 + TOLERANCE) * min(known)


def pixels_that_differ(images: pd.DataFrame) -> list[Finding]:
    """A fatal finding for each plate whose images have pixels of different sizes."""
    findings = []
    for plate, group in images.groupby("plate"):
        if one_size(group["pixel_um"]):
            continue
        sizes = sorted(group["pixel_um"].dropna().round(4).unique())
        message = f"its images have pixels of {' and '.join(f'{size:g}' for size in sizes)} µm"
        cure = "keep the images of one magnification and binning, and move the others elsewhere"
        findings.append(Finding("pixel size", plate, "", group["path"].iloc[0], message, cure))
    return findings


def contradiction(images: pd.DataFrame, pixel_um: float) -> list[Finding]:
    """A note where plates say another size of a pixel than the one in use, `pixel_um` in um."""
    findings = []
    for plate, group in images.groupby("plate"):
        said = group["pixel_um"].dropna()
        if len(said) and not one_size([pixel_um, said.iloc[0]]):
            message = f"its files say pixels of {said.iloc[0]:g} µm, but {pixel_um:g} µm is used"
            cure = f"give --config.plates.pixel_um={said.iloc[0]:g}, or know that the files err"
            place = (plate, "", group["path"].iloc[0])
            findings.append(Finding("pixel size", *place, message, cure, fatal=False))
    return findings
