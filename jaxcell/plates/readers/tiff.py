"""Reading TIFF, OME-TIFF among them, and finding the broken ones without decoding the good ones."""

import logging
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from jaxcell.plates.addresses import Plane
from jaxcell.plates.readers import pixel_size, planes
from jaxcell.storage import content

# tifffile reports a damaged file line by line; here it becomes one finding.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)
SUFFIXES = (".tif", ".tiff")
# How files end that may be one of a set, and how its metadata names the others.
SETS, NAMED = (".ome.tif", ".ome.tiff"), re.compile(r'FileName="([^"]+)"')
# TIFF 6.0, section 8, PhotometricInterpretation: 0 is imaged as white.
MIN_IS_WHITE = 0


def read_plane(path: Path | str, plane: Plane) -> np.ndarray:
    """Reads one plane of a TIFF file: [H, W], numbers as they are, large where it is bright.

    Raises:
      BadImage: the file is missing or damaged, or it is not said which of its planes is meant.
    """
    return _opened(path, lambda file: _decode(file, plane))


def read_header(path: Path | str, plane: Plane | None = None) -> planes.Header:
    """What a TIFF file says in its tags; decoded only where no tag tells whether it is whole.

    Args:
      path: of the file.
      plane: checked; None describes a file of any planes.

    Raises:
      BadImage: as `read_plane`, as far as the tags show it.
    """
    return _opened(path, lambda file: _header(file, plane))


def sample(path: Path | str, plane: Plane, rows: int) -> np.ndarray | None:
    """About so many rows of a plane, from top to bottom, without reading the others.

    Returns:
      [rows, W], or None where the whole has to be decoded for it.
    """

    def read(file: tifffile.TiffFile) -> np.ndarray | None:
        (page, *others), _ = _chosen(file, plane)
        plain = page.compression == page.predictor == 1 and page.is_contiguous
        if others or not plain or page.ndim != 2 or page.bitspersample not in (8, 16, 32):
            return None
        home = page.parent
        dtype = page.dtype.newbyteorder(home.byteorder)
        view = np.memmap(home.filehandle.path, dtype, "r", page.dataoffsets[0], page.shape)
        return _bright(np.array(view[:: max(1, page.shape[0] // rows)]), page)

    return _opened(path, read)


def digest(path: Path) -> str:
    """Digest of a file's content and, of a set of OME-TIFF, of all files that hold its image."""
    if not path.name.lower().endswith(SETS):
        return content.digest(path)
    metadata = _opened(path, lambda file: file.ome_metadata) or ""
    # Of the first image, the only one that is read.
    named = {path.with_name(name) for name in NAMED.findall(metadata.partition("</Image>")[0])}
    files = sorted(file for file in named | {path} if file.is_file())
    return " ".join(map(content.digest, files))


def _opened(path: Path | str, act: Callable[[tifffile.TiffFile], Any]) -> Any:
    """What is done with a file, with every fault of it as a sentence."""
    try:
        with planes.to_read(path), tifffile.TiffFile(path) as file:
            return act(file)
    except planes.BadImage:
        raise
    except tifffile.TiffFileError:
        empty = Path(path).stat().st_size == 0
        what = "the file is empty, 0 bytes" if empty else "the file is not a TIFF"
        raise planes.BadImage(what, planes.SAVE) from None
    except Exception as error:  # Each codec has its own exceptions: none may pass for an image.
        if "imagecodecs" in str(error):
            cure = "save it uncompressed, or install the package imagecodecs"
            raise planes.BadImage("its compression cannot be read here", cure) from error
        raise planes.BadImage(f"the file is damaged ({error})", planes.COPY) from error


def _header(file: tifffile.TiffFile, plane: Plane | None) -> planes.Header:
    sizes: dict[str, int] = {}
    if plane is None or plane.page is None:
        pages, axes, shape = _pages(file)
        page, sizes = _checked(pages, file)[0], planes.sizes_of(axes, shape)
    if plane is not None:
        chosen, _ = _chosen(file, plane)
        for page in chosen:
            _check_tags(page)
        if plane.page is not None:
            sizes = planes.sizes_of(page.axes, page.shape)
        if any(each.compression != 1 for each in chosen):
            _decode(file, plane)  # of a compressed image only decoding tells
    sides = dict(zip(page.axes, page.shape))
    return planes.Header(
        shape=(int(sides["Y"]), int(sides["X"])),
        kind=str(page.dtype),
        sizes=sizes,
        channels=_channel_names(file, page),
        pixel_um=pixel_size.of_tiff(file, page),
        inverted=int(page.photometric) == MIN_IS_WHITE,
    )


def _decode(file: tifffile.TiffFile, plane: Plane) -> np.ndarray:
    pages, inside = _chosen(file, plane)
    for page in pages:
        _check_tags(page)
    found = [planes.projected(_bright(_decoded(page)[inside], page)) for page in pages]
    return found[0] if len(found) == 1 else np.maximum.reduce(found)


def _decoded(page: tifffile.TiffPage) -> np.ndarray:
    """The array of a page, which may be in another file of a set, that is closed."""
    home = page.parent.filehandle
    if not home.closed:
        return page.asarray()
    home.open()
    try:
        return page.asarray()
    finally:
        home.close()


def _bright(numbers: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """Numbers that are large where it is bright, as Bio-Formats turns them too."""
    if int(page.photometric) != MIN_IS_WHITE:
        return numbers
    if numbers.dtype.kind != "u":
        raise planes.BadImage(
            f"it is stored min-is-white, which of {numbers.dtype} has no meaning", planes.SAVE
        )
    return np.asarray(2**page.bitspersample - 1, numbers.dtype) - numbers


def _pages(file: tifffile.TiffFile) -> tuple[list, str, tuple[int, ...]]:
    """The pages of a file's image, with the axes and the shape that they make together."""
    number = len(file.pages)
    if number == 0:
        raise planes.BadImage("the file is truncated: it has a heading but no image", planes.COPY)
    if number == 1 and not (file.is_ome or file.is_imagej):
        page = file.pages.first
        return [page], page.axes, page.shape
    series = file.series[0]
    # Whole-slide formats keep a thumbnail beside the image, which is their first.
    if len(file.series) > 1 and series.kind in ("generic", "shaped", "uniform", "ome"):
        shapes = ", ".join(" x ".join(map(str, each.shape)) for each in file.series[:3])
        cure = "name the page in a column `page` of images.csv, from 1"
        raise planes.BadImage(f"the file holds {len(file.series)} images ({shapes} ...)", cure)
    return list(series.pages), series.axes, series.shape


def _chosen(file: tifffile.TiffFile, plane: Plane) -> tuple[list, tuple[int | slice, ...]]:
    """The pages that a plane is made of, and its index in the array of each."""
    if plane.page is not None:
        number = len(file.pages)
        if plane.page > number:
            raise planes.BadImage(f"the file has no page {plane.page}, but {number}", planes.CHOOSE)
        _checked(list(file.series[0].pages), file)
        page = file.pages[plane.page - 1].aspage()
        if plane.channel is not None and not planes.sizes_of(page.axes, page.shape):
            cure = "name the page or the channel, and leave the other column empty"
            raise planes.BadImage(f"page {plane.page} is one channel of the file already", cure)
        return [page], planes.place_of(page.axes, page.shape, plane._replace(page=None))
    pages, axes, shape = _pages(file)
    first = _checked(pages, file)[0]
    inner = len(first.shape)
    index, outer = planes.place_of(axes, shape, plane), shape[: len(shape) - inner]
    if axes[-inner:] != first.axes or math.prod(outer) != len(pages):
        raise planes.BadImage(
            f"its pages do not make up the {axes} that it says it holds", planes.COPY
        )
    numbers = np.arange(len(pages)).reshape(outer)[index[: len(outer)]]
    return [pages[number].aspage() for number in np.ravel(numbers)], index[len(outer) :]


def _checked(pages: list, file: tifffile.TiffFile) -> list:
    """Pages, all of which are there: tifffile reads one that is not as zeros."""
    there = [page for page in pages if page is not None]
    if len(there) < len(pages) or not there:
        named = set(NAMED.findall(file.ome_metadata or ""))
        gone = sorted(name for name in named if not Path(file.filehandle.dirname, name).exists())
        if gone:
            more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
            cure = "copy the whole set, or name only whole files in images.csv"
            raise planes.BadImage(f"it is one of a set that lacks {gone[0]}{more}", cure)
        raise planes.BadImage(f"it says {len(pages)} planes and holds {len(there)}", planes.COPY)
    return pages


def _channel_names(file: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[str, ...]:
    """Names of the channels, where OME says them; those of a colour image."""
    if page.axes.endswith("S") and page.shape[-1] in (3, 4):
        return ("red", "green", "blue", "alpha")[: page.shape[-1]]
    return ome_channels(file.ome_metadata) if file.is_ome else ()


def ome_channels(metadata: str | None) -> tuple[str, ...]:
    """Names of the channels of the first image of OME-XML; () unless each has its own."""
    root = ElementTree.fromstring(metadata or "<OME/>")
    image = next((node for node in root.iter() if node.tag.endswith("}Image")), None)
    nodes = [] if image is None else [one for one in image.iter() if one.tag.endswith("}Channel")]
    names = tuple(node.get("Name") or "" for node in nodes)
    return names if all(names) and len(set(names)) == len(names) else ()


def _check_tags(page: tifffile.TiffPage) -> None:
    """Raises BadImage for what the tags show to be no whole image."""
    if not all(page.shape) or len(page.shape) < 2:
        raise planes.BadImage(
            "the file is damaged: it does not say how large its image is", planes.COPY
        )
    if page.dtype is None:
        raise planes.BadImage(
            "the file is damaged: it does not say what its pixels are", planes.COPY
        )
    # A copy that broke off keeps its tags, which still tell where the last strip should end.
    starts, sizes = page.dataoffsets, page.databytecounts
    # tifffile reads a strip without place or length as zeros, which would pass for an image.
    if not len(starts) == len(sizes) == math.prod(page.chunked) or not all((*starts, *sizes)):
        raise planes.BadImage(
            "the file is truncated: it does not say where its pixels are", planes.COPY
        )
    end, size = max(map(sum, zip(starts, sizes, strict=True))), page.parent.filehandle.size
    if end > size:
        missing = f"{end - size:,} of {end:,} bytes are missing"
        raise planes.BadImage(f"the file is truncated: {missing}", planes.COPY)
    if page.compression == 1 and sum(sizes) < _plain_bytes(page):
        raise planes.BadImage(
            "the file is truncated: it has fewer bytes than pixels need", planes.COPY
        )


def _plain_bytes(page: tifffile.TiffPage) -> int:
    """Bytes of the uncompressed image; the pixels of some cameras are packed 12-bit."""
    width = page.shape[-1] if page.axes.endswith("X") else math.prod(page.shape[-2:])
    return page.size // width * ((width * page.bitspersample + 7) // 8)
