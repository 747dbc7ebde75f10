"""Reading PNG images, grey of 8 or 16 bits, or one channel of a colour image."""

import math
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from jaxcell.plates.addresses import Plane
from jaxcell.plates.readers import planes
from jaxcell.plates.readers.pixel_size import in_um

SUFFIXES = (".png",)
# Modes of Pillow: type of a number, axes, names of the channels.
MODES = {
    "L": ("uint8", "YX", ()),
    "I;16": ("uint16", "YX", ()),
    "I;16B": ("uint16", "YX", ()),
    "I": ("uint16", "YX", ()),  # how older versions of Pillow open 16 bits
    "RGB": ("uint8", "YXS", ("red", "green", "blue")),
    "RGBA": ("uint8", "YXS", ("red", "green", "blue", "alpha")),
}


def read_plane(path: Path | str, plane: Plane) -> np.ndarray:
    """Reads a PNG file: uint8 or uint16 [H, W].

    Raises:
      BadImage: the file is missing or damaged, or has colours and no channel is named.
    """
    with _opened(path) as image:
        kind, axes, _ = MODES[image.mode]
        try:
            numbers = np.asarray(image).astype(kind)
        except (OSError, SyntaxError, ValueError) as error:  # of a chunk that is cut or changed
            raise planes.BadImage(f"the file is damaged ({error})", planes.COPY) from error
        return planes.projected(numbers[planes.place_of(axes, numbers.shape, plane)])


def read_header(path: Path | str, plane: Plane | None = None) -> planes.Header:
    """What a PNG file says; with a plane it is decoded too, since only that tells if it is whole.

    Raises:
      BadImage: as `read_plane`.
    """
    if plane is not None:
        read_plane(path, plane)
    with _opened(path) as image:
        kind, axes, channels = MODES[image.mode]
        width, height = image.size
        resolution = image.info.get("dpi", (0, 0))[0]
        pixel_um = in_um(1 / resolution, "inch") if resolution else math.nan
        sizes = planes.sizes_of(axes, (height, width, len(channels))[: len(axes)])
        return planes.Header((height, width), kind, sizes, channels, pixel_um)


def _opened(path: Path | str) -> Image.Image:
    try:
        with planes.to_read(path):
            image = Image.open(path, formats=["PNG"])
    except planes.BadImage:
        raise
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise planes.BadImage("the file is not a PNG", planes.SAVE) from error
    except Image.DecompressionBombError as error:
        raise planes.BadImage(f"it is too large ({error})", planes.SAVE) from error
    if image.mode not in MODES:
        image.close()
        raise planes.BadImage(
            f"its pixels are of a palette or of 1 bit ({image.mode}), not grey", planes.SAVE
        )
    return image
