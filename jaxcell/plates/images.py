"""Images of plates, read by the reader of their format, and checked without decoding good ones."""

import math
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.plates.addresses import Address, parse
from jaxcell.plates.counts import as_counts
from jaxcell.plates.findings import Finding
from jaxcell.plates.readers import ome_zarr, png, tiff
from jaxcell.plates.readers.planes import BadImage, Header
from jaxcell.storage import content

# Each has `SUFFIXES`, `read_plane` and `read_header`, as `readers/png.py`; the first also reads
# what has another suffix: a new format is one entry.
READERS: list[Any] = [tiff, png, ome_zarr]
# Opening a file waits for the disk, so threads help even on one core.
THREADS = 8
# A bar for a handful of files is noise.
BAR_FROM = 50
# Rows looked at of an image that need not be decoded.
ROWS = 64
# Clipped light piles up at the highest count that occurs, whatever the depth of the camera: there
# are more pixels than of any of so many counts below, more than so many and more than this share,
# or it is a speck.
COUNTS_BELOW, LEAST_PIXELS, CLIPPED = 8, 10, 0.005


class Look(NamedTuple):
    """What was seen of an image when it was checked.

    Attributes:
      header: what its file says.
      scale: counts that one of the file's numbers became.
      lowest, highest: of the pixels looked at, in counts.
      clipped: share of them at the highest count, where light piles up there.
      digest: of the content.
    """

    header: Header
    scale: int
    lowest: int
    highest: int
    clipped: float
    digest: str


def read_view(path: Path | str) -> np.ndarray:
    """Reads one grey image of any format that has a reader: uint16 [H, W], counts.

    Args:
      path: of an images table: a file, or which plane of which files.

    Raises:
      BadImage: a file is missing or damaged, holds no light, or holds several planes and it is not
        said which is meant.
    """
    try:
        return as_counts(_numbers(parse(path))).view
    except BadImage as error:
        raise BadImage(f"{error} [{path}] -> {error.cure}", error.cure) from None


def image_shape(path: Path | str) -> tuple[int, int]:
    """Height and width in pixels of an image, from its heading alone where that suffices.

    Raises:
      BadImage: as `read_view` does, as far as the heading shows it.
    """
    return _header(parse(path)).shape


def _numbers(address: Address) -> np.ndarray:
    """The numbers of an image as its file has them; of several files the largest."""
    planes = [reader_of(file).read_plane(file, address.plane) for file in address.files]
    if len({plane.shape for plane in planes}) > 1:
        raise BadImage("the planes of its stack differ in size", "export them again alike")
    return planes[0] if len(planes) == 1 else np.maximum.reduce(planes)


def _header(address: Address) -> Header:
    headers = [reader_of(file).read_header(file, address.plane) for file in address.files]
    if len({header.shape for header in headers}) > 1:
        raise BadImage("the planes of its stack differ in size", "export them again alike")
    return headers[0]


def reader_of(file: Path | str) -> ModuleType | Any:
    """The reader of a file's format, by how its name ends; of an unknown one that of TIFF."""
    name = Path(file).name.lower()
    return next((reader for reader in READERS if name.endswith(reader.SUFFIXES)), READERS[0])


def check_images(images: pd.DataFrame) -> list[Finding]:
    """Opens every image of an images table and reports what cannot be used, or shows nothing."""
    return inspect_images(images)[1]


def inspect_images(images: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """Opens every image of an images table.

    Args:
      images: plate, well, field, view and path; `role` and `pixel_um` where there are such.

    Returns:
      One row an image: `height`, `width`, `kind` (of the file's numbers), `highest` (of the pixels
      looked at, in counts) and `pixel_um`, the table's or else the file's; and the findings: fatal
      ones for each unusable file and for each field whose views do not belong together, notes on
      what may be meant otherwise.
    """
    rows = list(images[["plate", "well", "field", "view", "path"]].itertuples(index=False))
    with ThreadPoolExecutor(THREADS) as pool:
        progress = tqdm(
            pool.map(_try_look, [row.path for row in rows]),
            total=len(rows), desc="checking images", unit="file", disable=len(rows) < BAR_FROM,
        )  # fmt: skip
        outcomes = list(progress)
    findings, fields, plates = [], {}, {}
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, BadImage):
            message = f"field {row.field}, view {row.view}: {outcome}"
            place = (row.plate, row.well, row.path)
            findings.append(Finding("unreadable image", *place, message, outcome.cure))
            continue
        fields.setdefault((row.plate, row.well, row.field), []).append((row, outcome))
        plates.setdefault(row.plate, []).append((row, outcome))
        findings += _notes(row, outcome)
    for group in fields.values():
        findings += _sizes(group) + _the_same(group)
    for group in plates.values():
        findings += _copies(group) + _scales(group)
    return _seen(images, outcomes), findings


def _seen(images: pd.DataFrame, outcomes: Sequence[Look | BadImage]) -> pd.DataFrame:
    """Sizes and kinds of the images; a table's own size of a pixel stands before a file's."""
    own = images["pixel_um"] if "pixel_um" in images else pd.Series(math.nan, images.index)
    rows = [
        (*look.header.shape, look.header.kind, look.highest, look.header.pixel_um)
        if isinstance(look, Look)
        else (0, 0, "", 0, math.nan)
        for look in outcomes
    ]
    columns = ["height", "width", "kind", "highest", "pixel_um"]
    seen = pd.DataFrame(rows, columns=columns, index=images.index)
    return seen.assign(pixel_um=own.astype(float).fillna(seen["pixel_um"].astype(float)))


def _sizes(group: Sequence[tuple]) -> list[Finding]:
    """Of one field, whose views are pairs of row and look."""
    (first, look), *others = group
    if all(other.header.shape == look.header.shape for _, other in others):
        return []
    shapes = [(row.view, *each.header.shape) for row, each in group]
    sizes = ", ".join(f"{view} {height} x {width}" for view, height, width in shapes)
    message = f"field {first.field}: the views differ in size ({sizes} pixels)"
    cure = "export all views of the field with the same binning and without cropping"
    return [Finding("sizes differ", first.plate, first.well, first.path, message, cure)]


def _the_same(group: Sequence[tuple]) -> list[Finding]:
    """Views of a field that are one image: nothing can be said of what two kinds of cells share."""
    findings = []
    for (row, look), (other, same) in combinations(group, 2):
        if look.digest == same.digest and look.lowest < look.highest:
            message = (
                f"field {row.field}: views {row.view} and {other.view} are one and the same image"
            )
            if row.path != other.path:
                message += f" (also {Path(other.path).name})"
            cure = "name the file, page or channel of each view, or copy the one that is missing"
            findings.append(Finding("same image", row.plate, row.well, row.path, message, cure))
    return findings


def _copies(group: Sequence[tuple]) -> list[Finding]:
    """Images of a plate that stand for two fields."""
    findings, first = [], {}
    for row, look in group:
        earlier = first.setdefault(look.digest, row)
        if (earlier.well, earlier.field) == (row.well, row.field) or look.lowest == look.highest:
            continue
        message = f"field {row.field}, view {row.view}: it is the image of well {earlier.well}, "
        message += f"field {earlier.field}, view {earlier.view} too"
        cure = "name the file of each field, or copy the right one in its place"
        # Copies under two names may be meant, as in a folder that somebody tries things with.
        fatal, place = earlier.path == row.path, (row.plate, row.well, row.path)
        findings.append(Finding("same image", *place, message, cure, fatal))
    return findings


def _notes(row: Any, look: Look) -> list[Finding]:
    """What one image shows that may be a fault of the camera or of the file."""
    place, of = (row.plate, row.well, row.path), f"field {row.field}, view {row.view}"
    findings = []
    if look.header.inverted:
        message = f"{of}: stored min-is-white, and read so that small numbers are bright"
        cure = "if large numbers are bright in it, save it without an inverted look-up table"
        findings.append(Finding("min is white", *place, message, cure, fatal=False))
    if look.lowest == look.highest:
        message = f"{of}: it shows nothing, every pixel is {look.lowest}"
        cure = "image the well again, or leave the field out of the folder"
        findings.append(Finding("dead view", *place, message, cure, fatal=False))
    elif look.clipped > CLIPPED:
        message = f"{of}: {look.clipped:.1%} of its pixels are clipped at {look.highest} counts"
        cure = "expose shorter: light above that is lost, and intensities of such cells are too low"
        findings.append(Finding("clipped view", *place, message, cure, fatal=False))
    return findings


def _scales(group: Sequence[tuple]) -> list[Finding]:
    """Images of a view, of one plate, whose numbers mean something else than most."""
    findings = []
    # Floats of nothing but 0 may be shares or counts.
    shown = [(row, look) for row, look in group if look.lowest < look.highest]
    usual = {
        view: Counter(look.scale for row, look in shown if row.view == view).most_common(1)[0][0]
        for view in {row.view for row, _ in shown}
    }
    for row, look in shown:
        if look.scale != usual[row.view]:
            message = (
                f"field {row.field}, view {row.view}: its numbers ({look.header.kind}) are of "
                "another scale than most of the view (bits, or shares of 1 instead of counts)"
            )
            cure = "save all images of the plate in one kind of numbers"
            place = (row.plate, row.well, row.path)
            findings.append(Finding("scales differ", *place, message, cure))
    return findings


def too_dark(images: pd.DataFrame, background: float) -> list[Finding]:
    """Plates without a pixel above a background that is fixed in counts: masks would be empty.

    Args:
      images: as `inspect_images` gives them, with `plate` and `path`.
      background: counts, below which nothing is taken for a cell.

    Returns:
      A fatal finding for each such plate.
    """
    findings = []
    for plate, group in images.groupby("plate"):
        most = int(group["highest"].max())
        if not 0 < most <= background:
            continue
        message = (
            f"no pixel looked at has more than {most} counts, and {background:g} are taken for "
            "background: no cell would be found"
        )
        cure = "use --config.dataset.background_counts=0, by which images say it themselves"
        path = str(group["path"].iloc[0])
        findings.append(Finding("few counts", str(plate), "", path, message, cure))
    return findings


def _try_look(path: str) -> Look | BadImage:
    try:
        return _look(parse(path))
    except BadImage as error:
        return error
    except OSError as error:
        cure = "check the disk it lies on, then copy or export the file again"
        return BadImage(f"the file cannot be read to its end ({error.strerror or error})", cure)
    except ValueError as error:
        return BadImage(str(error), "start again once all files are copied")


def _look(address: Address) -> Look:
    header, (file, *others) = _header(address), address.files
    reader = reader_of(file)
    some = None
    # Floats must be decoded, since any of their pixels may be no count.
    if not others and hasattr(reader, "sample") and header.kind in ("uint8", "uint16"):
        some = reader.sample(file, address.plane, ROWS)
    if some is None or some.min() == some.max():
        some = _numbers(address)
    view, scale = as_counts(some)
    pixels = np.bincount(view.ravel())
    occurring = pixels.nonzero()[0]
    lowest, highest, pixels = int(occurring[0]), int(occurring[-1]), pixels[occurring]
    piled_up = pixels[-1] > pixels[-1 - COUNTS_BELOW : -1].max(initial=LEAST_PIXELS)
    clipped = float(pixels[-1] / view.size) if piled_up else 0.0
    # Kept: whoever asks next what is in the files need not read them.
    digests = fingerprint(Address(address.files))
    # A number of focus in the name of a file of one plane does not make it another image.
    chosen = {
        name: number
        for name, number in address.plane._asdict().items()
        if number is not None and (name in header.sizes or (name == "page" and number != 1))
    }
    digest = f"{digests} {chosen}"
    return Look(header, scale, lowest, highest, clipped, digest)


def fingerprint(path: Path | str | Address) -> str:
    """Digest of what an image is made of: every byte of its files, and which plane of them it is.

    The files were read when the plates were checked.
    """
    address = path if isinstance(path, Address) else parse(path)
    digests = [_digest(Path(file)) for file in address.files]
    return str(Address(tuple(digests), address.plane))


def _digest(file: Path) -> str:
    reader = reader_of(file)
    return reader.digest(file) if hasattr(reader, "digest") else content.digest(file)
