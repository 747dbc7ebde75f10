"""Reading grey images, and finding the broken ones without decoding the good ones."""

import logging
import math
import os
import stat
from pathlib import Path

import numpy as np
import tifffile

EXPORT = "export it again from the microscope as 16-bit grey TIFF"
COPY = "copy or export the file again"
# tifffile reports a damaged file line by line; here it becomes one finding.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
SUFFIXES = (".tif", ".tiff")


class BadImage(ValueError):
    """An image file that cannot be used: what was found, and `cure`."""

    def __init__(self, message: str, cure: str):
        super().__init__(message)
        self.cure = cure


def read_view(path: Path | str) -> np.ndarray:
    """Reads a TIFF file with one page of 16-bit grey values: uint16 [H, W], raw counts.

    Raises:
      BadImage: the file is missing, damaged, or something else than 16-bit grey TIFF.
    """
    try:
        _, pixels = _open(path, decode=True)
    except BadImage as error:
        raise BadImage(f"{error} [{path}] -> {error.cure}", error.cure) from None
    return pixels


def image_shape(path: Path | str) -> tuple[int, int]:
    """Height and width in pixels of a grey image, read from its tags alone where they suffice.

    Raises:
      BadImage: as `read_view` does, as far as the tags show it.
    """
    shape, _ = _open(path, decode=False)
    return shape


def _open(path: Path | str, decode: bool) -> tuple[tuple[int, int], np.ndarray | None]:
    """Shape of a grey image and, if asked or needed for the check, its pixels."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise BadImage("it is a folder, a pipe or a device, no file", "move it elsewhere")
        with tifffile.TiffFile(path) as file:
            page = _only_page(file)
            _check_tags(page, file.filehandle.size)
            if not decode and page.compression == 1:
                return page.shape, None  # of a compressed image only decoding tells
            # Files of other machines may be big-endian: the same numbers, another dtype.
            return page.shape, page.asarray().astype(np.uint16, copy=False)
    except BadImage:
        raise
    except FileNotFoundError:
        raise BadImage("there is no such file", "check the path, or the disk it lies on") from None
    except PermissionError:
        raise BadImage("the file may not be read", "give yourself permission to read it") from None
    except tifffile.TiffFileError:
        empty = Path(path).stat().st_size == 0
        what = "the file is empty, 0 bytes" if empty else "the file is not a TIFF"
        raise BadImage(what, EXPORT) from None
    except Exception as error:  # Each codec has its own exceptions: none may pass for an image.
        if "imagecodecs" in str(error):
            cure = "save it uncompressed, or install the package imagecodecs"
            raise BadImage("its compression cannot be read here", cure) from error
        raise BadImage(f"the file is damaged ({error})", COPY) from error


def _only_page(file: tifffile.TiffFile) -> tifffile.TiffPage:
    pages = len(file.pages)
    if pages == 0:
        raise BadImage("the file is truncated: it has a heading but no image", COPY)
    if pages > 1:
        cure = "export one file for each view and field"
        raise BadImage(f"the file holds {pages} images, not one", cure)
    return file.pages.first


def _check_tags(page: tifffile.TiffPage, file_bytes: int) -> None:
    """Raises BadImage for anything but complete 16-bit grey, as far as the tags show it."""
    if len(page.shape) != 2:
        raise BadImage(f"the image is colour or a stack, shape {page.shape}, not grey", EXPORT)
    if not all(page.shape):
        raise BadImage("the file is damaged: it does not say how large its image is", COPY)
    if page.dtype != np.uint16:
        kind = "8-bit" if page.dtype == np.uint8 else page.dtype
        raise BadImage(f"the image is {kind}, not 16-bit", EXPORT)
    # A copy that broke off keeps its tags, which still tell where the last strip should end.
    starts, sizes = page.dataoffsets, page.databytecounts
    # tifffile reads a strip without place or length as zeros, which would pass for an image.
    if not len(starts) == len(sizes) == math.prod(page.chunked) or not all((*starts, *sizes)):
        raise BadImage("the file is truncated: it does not say where its pixels are", COPY)
    end = max(start + size for start, size in zip(starts, sizes, strict=True))
    if end > file_bytes:
        missing = f"{end - file_bytes:,} of {end:,} bytes are missing"
        raise BadImage(f"the file is truncated: {missing}", COPY)
    if page.compression == 1 and sum(sizes) < _plain_bytes(page):
        raise BadImage("the file is truncated: it has fewer bytes than pixels need", COPY)


def _plain_bytes(page: tifffile.TiffPage) -> int:
    """Bytes of the uncompressed image; the pixels of some cameras are packed 12-bit."""
    height, width = page.shape
    return height * ((width * page.bitspersample + 7) // 8)
