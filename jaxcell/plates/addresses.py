"""Which plane of which files an image is, as one text: the `path` of an images table.

`a.tif` is the only image of a file, `a.tif#channel=2&z=max` the maximum over z of its second
channel, and `a_z1.tif|a_z2.tif` the maximum of two files. Everything is counted from 1.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

# Between files of which the maximum is taken.
JOINED = "|"
CHOSEN = re.compile(r"#((?:page|channel|z|time)=(?:\d+|max)(?:&(?:channel|z|time)=(?:\d+|max))*)$")
MAXIMUM = "max"


class Plane(NamedTuple):
    """Which plane of a file: numbers from 1, None where the file has but one.

    Attributes:
      page: of a TIFF file, whatever it calls its pages.
      channel: along the axis of channels.
      z: along the axis of focus, or `MAXIMUM`; of a file of one plane, which plane it is.
      time: along the axis of time; of a file of one time, which time it is.
    """

    page: int | None = None
    channel: int | None = None
    z: int | str | None = None
    time: int | None = None


class Address(NamedTuple):
    """The files of an image, and the plane in each of them."""

    files: tuple[str, ...]
    plane: Plane = Plane()

    def __str__(self) -> str:
        chosen = [f"{name}={value}" for name, value in self.plane._asdict().items() if value]
        return JOINED.join(self.files) + ("#" + "&".join(chosen) if chosen else "")


def parse(path: Path | str) -> Address:
    """Reads the `path` of an images table."""
    text = str(path)
    match = CHOSEN.search(text)
    pairs = dict(pair.split("=") for pair in match[1].split("&")) if match else {}
    files = text[: match.start()] if match else text
    chosen = {name: value if value == MAXIMUM else int(value) for name, value in pairs.items()}
    return Address(tuple(files.split(JOINED)), Plane(**chosen))


def absolute(path: Path | str) -> str:
    """The same address, by a path that holds in any folder."""
    address = parse(path)
    return str(address._replace(files=tuple(map(os.path.abspath, address.files))))


def plane_of(cells: Mapping[str, str]) -> Plane:
    """The plane that a row of `images.csv` names in its columns page, channel, z and time.

    Raises:
      ValueError: it is no number from 1, nor, of z, `max`.
    """
    chosen: dict[str, int | str] = {}
    for name in Plane._fields:
        text = cells.get(name, "")
        if name == "z" and text.casefold() == MAXIMUM:
            chosen[name] = MAXIMUM
        elif text and not (text.isascii() and text.isdecimal() and int(text) > 0):
            rule = "a number from 1, or max" if name == "z" else "a number from 1"
            raise ValueError(f"{name} '{text}' is not {rule}")
        elif text:
            chosen[name] = int(text)
    return Plane(**chosen)


def first_file(path: Path | str) -> Path:
    """The first file of an image, beside which its plate's other files lie."""
    return Path(parse(path).files[0])


def anchored(files: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Files as absolute paths without `..`, relative ones counted from `folder`."""
    return tuple(os.path.abspath(folder / file.strip()) for file in files)
