"""Images of plates, read by the reader of their format, and checked without decoding good ones."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.plates.findings import Finding
from jaxcell.plates.readers import tiff
from jaxcell.plates.readers.tiff import BadImage
from jaxcell.storage import content

# Each has `SUFFIXES`, `read_view` and `image_shape`, as `readers/tiff.py`; the first also reads
# what has another suffix: a new format is one entry.
READERS = [tiff]
# Opening a file waits for the disk, so threads help even on one core.
THREADS = 8
# A bar for a handful of files is noise.
BAR_FROM = 50


def read_view(path: Path | str) -> np.ndarray:
    """Reads one grey image of any format that has a reader: uint16 [H, W], raw counts.

    Raises:
      BadImage: the file is missing, damaged, or not a 16-bit grey image.
    """
    return _reader(path).read_view(path)


def image_shape(path: Path | str) -> tuple[int, int]:
    """Height and width in pixels of a grey image, from its heading alone where that suffices.

    Raises:
      BadImage: as `read_view` does, as far as the heading shows it.
    """
    return _reader(path).image_shape(path)


def _reader(path: Path | str) -> ModuleType:
    suffix = Path(path).suffix.lower()
    return next((reader for reader in READERS if suffix in reader.SUFFIXES), READERS[0])


def check_images(images: pd.DataFrame) -> list[Finding]:
    """Opens and reads every image of an images table and reports those that cannot be used.

    A fatal finding for each unusable file and for each field whose views differ in size.
    """
    rows = list(images[["plate", "well", "field", "view", "path"]].itertuples(index=False))
    with ThreadPoolExecutor(THREADS) as pool:
        progress = tqdm(
            pool.map(_try_shape, [row.path for row in rows]),
            total=len(rows), desc="checking images", unit="file", disable=len(rows) < BAR_FROM,
        )  # fmt: skip
        outcomes = list(progress)
    findings, shapes = [], {}
    for row, outcome in zip(rows, outcomes, strict=True):
        if isinstance(outcome, BadImage):
            message = f"field {row.field}, view {row.view}: {outcome}"
            place = (row.plate, row.well, row.path)
            findings.append(Finding("unreadable image", *place, message, outcome.cure))
        else:
            shapes.setdefault((row.plate, row.well, row.field), []).append((row, outcome))
    return findings + [finding for group in shapes.values() for finding in _sizes(group)]


def _sizes(group: Sequence[tuple]) -> list[Finding]:
    """Of one field, whose views are pairs of row and shape."""
    (first, shape), *others = group
    if all(other == shape for _, other in others):
        return []
    sizes = ", ".join(f"{row.view} {height} x {width}" for row, (height, width) in group)
    message = f"field {first.field}: the views differ in size ({sizes} pixels)"
    cure = "export all views of the field with the same binning and without cropping"
    return [Finding("sizes differ", first.plate, first.well, first.path, message, cure)]


def _try_shape(path: str) -> tuple[int, int] | BadImage:
    try:
        shape = image_shape(path)
        content.digest(Path(path))  # kept: whoever asks next what is in the file need not read it
        return shape
    except BadImage as error:
        return error
    except OSError as error:
        cure = "check the disk it lies on, then copy or export the file again"
        return BadImage(f"the file cannot be read to its end ({error.strerror or error})", cure)
    except ValueError as error:
        return BadImage(str(error), "start again once all files are copied")


def fingerprint(path: Path) -> str:
    """Digest of the whole content of an image file; it was read when the plates were checked."""
    return content.digest(path)
