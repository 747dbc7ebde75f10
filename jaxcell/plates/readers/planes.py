"""What every reader of an image format shares: what a file holds, and one plane out of its axes."""

import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxcell.plates.addresses import MAXIMUM, Plane

CHOOSE = "`jaxcell plates FOLDER --out TABLES` lists every plane in tables: give TABLES instead"
PROJECT = (
    "`jaxcell plates FOLDER --z max --out TABLES` takes the maximum, `--z 3` the third plane: give "
    "TABLES instead of the folder"
)
SAVE = "save it as grey TIFF or PNG of 8 or 16 bits, with Fiji or the microscope's own program"
COPY = "copy or export the file again"
# Axes as tifffile and OME name them; any other counts pages that nobody named. Samples of a colour
# image are its channels.
AXES = {"C": "channel", "S": "channel", "Z": "z", "T": "time"}


class BadImage(ValueError):
    """An image file that cannot be used: what was found, and `cure`."""

    def __init__(self, message: str, cure: str):
        super().__init__(message)
        self.cure = cure


@contextmanager
def to_read(path: Path | str) -> Iterator[None]:
    """Says of a file that cannot be opened why, whatever its format.

    Raises:
      BadImage: it is not there, is no file, or may not be read.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for
            raise BadImage("it is a folder, a pipe or a device, no file", "move it elsewhere")
        yield
    except FileNotFoundError:
        raise BadImage("there is no such file", "check the path, or the disk it lies on") from None
    except PermissionError:
        raise BadImage("the file may not be read", "give yourself permission to read it") from None


class Header(NamedTuple):
    """What a file says of its images without being decoded.

    Attributes:
      shape: height and width in pixels.
      kind: of its numbers, such as 'uint16'.
      sizes: page, channel, z, time -> how many there are, where more than one.
      channels: their names, where the file names them.
      pixel_um: edge of a pixel in um; NaN where the file does not say.
      inverted: whether it is stored so that small numbers are bright.
    """

    shape: tuple[int, int]
    kind: str
    sizes: Mapping[str, int] = {}
    channels: tuple[str, ...] = ()
    pixel_um: float = math.nan
    inverted: bool = False


def sizes_of(axes: str, shape: tuple[int, ...]) -> dict[str, int]:
    """How many channels, planes, times and other pages an array has, where more than one."""
    sizes: dict[str, int] = {}
    for axis, size in zip(axes, shape, strict=True):
        if axis not in "YX" and size > 1:
            name = AXES.get(axis, "page")
            sizes[name] = sizes.get(name, 1) * size
    return sizes


def place_of(axes: str, shape: tuple[int, ...], plane: Plane) -> tuple[int | slice, ...]:
    """Index of a plane in an array.

    Args:
      axes: a letter an axis, of `AXES`, Y and X among them.
      shape: of the array.
      plane: which one; an axis of one needs no number. Over several axes of one meaning a number
        counts the last the fastest, as `sizes_of` counts them together.

    Returns:
      A number for each axis other than Y and X; a slice of all for a maximum, and for Y and X.

    Raises:
      BadImage: the file has no such plane, or has several and nobody says which.
    """
    index: list[int | slice] = [slice(None) if axis in "YX" else 0 for axis in axes]
    sizes = sizes_of(axes, shape)
    for name, number in plane._asdict().items():
        if name not in sizes:
            continue
        if number is None:
            raise BadImage(f"the file holds {held(sizes)}", PROJECT if "z" in sizes else CHOOSE)
        if number != MAXIMUM and int(number) > sizes[name]:
            raise BadImage(f"the file has no {name} {number}, but {sizes[name]}", CHOOSE)
        own = [
            place
            for place, (axis, size) in enumerate(zip(axes, shape))
            if axis not in "YX" and size > 1 and AXES.get(axis, "page") == name
        ]
        first = 0 if number == MAXIMUM else int(number) - 1
        for place, at in zip(own, np.unravel_index(first, [shape[place] for place in own])):
            index[place] = slice(None) if number == MAXIMUM else int(at)
    _refuse_absent(axes, shape, plane)
    return tuple(index)


def _refuse_absent(axes: str, shape: tuple[int, ...], plane: Plane) -> None:
    """A second channel or page of a file that has but one is no plane of it.

    Numbers of focus and time may be those of a file's name, which holds that plane alone.
    """
    sizes = sizes_of(axes, shape)
    for name in ("page", "channel"):
        number = getattr(plane, name)
        if number is not None and int(number) > sizes.get(name, 1):
            raise BadImage(f"the file has no {name} {number}, but {sizes.get(name, 1)}", CHOOSE)


def held(sizes: Mapping[str, int]) -> str:
    """What a file holds, in words, such as '2 channels and 5 planes of focus'."""
    words = {"page": "pages", "channel": "channels", "z": "planes of focus", "time": "times"}
    return " and ".join(f"{size} {words[name]}" for name, size in sizes.items())


def projected(planes: np.ndarray) -> np.ndarray:
    """One plane [H, W] of one or of a stack: the maximum over all axes but the last two."""
    return planes.max(axis=tuple(range(planes.ndim - 2))) if planes.ndim > 2 else planes
