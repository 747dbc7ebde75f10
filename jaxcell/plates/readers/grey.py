"""One grey image of 8 or 16 bits as it is, to learn from or to find cells in."""

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from jaxcell.plates.readers.planes import COPY, BadImage

SUFFIXES = (".tif", ".tiff", ".png")
SIXTEEN = "save it as grey values of 8 or 16 bits (Fiji: Image > Type > 16-bit)"


def read_grey(path: Path | str) -> np.ndarray:
    """Reads one grey image, TIFF or PNG.

    Args:
      path: of the file. Colours that are alike throughout count as grey.

    Returns:
      uint8 or uint16 [H, W], raw counts.

    Raises:
      BadImage: the file cannot be read, or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".png":
            with Image.open(path) as file:
                image = np.asarray(file.convert("RGB") if file.mode == "P" else file)
        else:
            with tifffile.TiffFile(path) as file:
                if file.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
                    raise BadImage("the image is stored with white as 0", "invert it (Fiji: LUT)")
                image = file.asarray()
        return _grey(np.squeeze(image))
    except BadImage as error:
        raise BadImage(f"{error} [{path}] -> {error.cure}", error.cure) from None
    except FileNotFoundError:
        cure = "check the path, or the disk it lies on"
        raise BadImage(f"there is no such file [{path}] -> {cure}", cure) from None
    except Exception as error:  # each format and codec has its own
        said = f"the file cannot be read ({' '.join(str(error).split())[:200]})"
        raise BadImage(f"{said} [{path}] -> {COPY}", COPY) from error


def _grey(image: np.ndarray) -> np.ndarray:
    if image.ndim == 3 and image.shape[2] in (3, 4):
        if (image[..., :3] != image[..., :1]).any():
            raise BadImage("the image is in colour", "save its channel as a grey image")
        image = image[..., 0]
    if image.ndim != 2 or not image.size:
        raise BadImage(
            f"the file holds {image.shape}, more than one grey image", "save one image a file"
        )
    if image.dtype.kind == "f":
        raise BadImage("the image holds fractions (float)", SIXTEEN)
    if image.dtype not in (np.uint8, np.uint16):
        raise BadImage(f"the image holds {image.dtype}", SIXTEEN)
    return image
