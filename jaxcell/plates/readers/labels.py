"""Label images of other programs: 0 outside cells, a number for each cell.

Cellpose, StarDist, Fiji, napari and CellProfiler write one TIFF or PNG an image; inForm one TIFF of
several pages, nuclei, cytoplasm and membranes apart; OME-Zarr an array.
"""

import re
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image
from skimage.segmentation import expand_labels

from jaxcell.plates.readers.planes import COPY, BadImage

# In the order in which a file is looked for.
SUFFIXES = (".tif", ".tiff", ".png", ".zarr")
# What programs put behind the name of an image; what another one ends with comes later.
ENDINGS = ("_cp_masks", "_labels", "_label", "_masks", "_mask")
NUMBERS = "save it as a label image of whole numbers, 0 outside cells (Fiji: 16-bit TIFF)"
# How inForm says in a page's description what it shows.
COMPARTMENT = re.compile(r"<CompartmentType>(\w+)</CompartmentType>")
# Pixels that a membrane of inForm is wide, from its cell outward: a corner counts.
MEMBRANE = 1.5


def read_label_image(path: Path | str) -> np.ndarray:
    """Reads a label image as it is numbered.

    Args:
      path: TIFF, PNG (a palette's places are the numbers), or an array or multiscale image of
        Zarr, a folder.

    Returns:
      uint32 [H, W], 0 outside cells, numbers with or without gaps.

    Raises:
      BadImage: it cannot be read, is no single grey image, or holds other than whole numbers of 0
        and more.
    """
    path = Path(path)
    try:
        if not path.exists():
            raise BadImage("there is no such file", "check the path, or the disk it lies on")
        if path.is_dir():
            image = _read_zarr(path)
        elif path.suffix.lower() == ".png":
            with Image.open(path) as file:
                image = np.asarray(file)
        else:
            with tifffile.TiffFile(path) as file:
                image = _read_tiff(file)
        return _numbers(np.squeeze(image))
    except BadImage as error:
        raise BadImage(f"{error} [{path}] -> {error.cure}", error.cure) from None
    except Exception as error:  # each format and codec has its own
        said = f"it is no label image that can be read ({' '.join(str(error).split())[:200]})"
        raise BadImage(f"{said} [{path}] -> {COPY}", COPY) from error


def _read_tiff(file: tifffile.TiffFile) -> np.ndarray:
    shown = {
        match[1].casefold(): page
        for page in file.pages
        if (match := COMPARTMENT.search(page.aspage().description))
    }
    if "nucleus" not in shown:
        return file.asarray()
    pages = {name: page.asarray() for name, page in shown.items()}
    cells = pages["nucleus"].copy()
    if "cytoplasm" in pages:
        cells = np.where(cells > 0, cells, pages["cytoplasm"])
    membrane = pages.get("membrane", np.zeros_like(cells))
    if membrane.max(initial=0) > 1:  # numbered like the cells
        return np.where(cells > 0, cells, membrane)
    # Drawn without numbers: each pixel is the nearest cell's.
    return np.where((membrane > 0) | (cells > 0), expand_labels(cells, MEMBRANE), 0)


def _read_zarr(path: Path) -> np.ndarray:
    import zarr  # slow to import

    found = zarr.open(path, mode="r")
    if isinstance(found, zarr.Group):
        about = found.attrs.asdict()
        scales = about.get("ome", about).get("multiscales")
        if not scales:
            raise BadImage(
                "it is a group of Zarr, not an array or a multiscale image",
                "name the label image in it, such as IMAGE.zarr/labels/cells",
            )
        found = found[scales[0]["datasets"][0]["path"]]
    return np.asarray(found[...])


def _numbers(image: np.ndarray) -> np.ndarray:
    if image.ndim != 2 or not image.size:
        raise BadImage(f"the image is colour or a stack, shape {image.shape}", NUMBERS)
    if image.dtype.kind not in "uifb":
        raise BadImage(f"the image holds {image.dtype}, no numbers", NUMBERS)
    if image.dtype.kind == "f" and not (np.isfinite(image).all() and (image % 1 == 0).all()):
        raise BadImage("its numbers are not whole: an image or a probability, no labels", NUMBERS)
    low, high = image.min(), image.max()
    if low < 0 or high > np.iinfo(np.uint32).max:
        raise BadImage(f"its numbers go from {low:g} to {high:g}", NUMBERS)
    return image.astype(np.uint32)
