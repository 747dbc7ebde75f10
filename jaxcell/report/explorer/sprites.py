"""Thumbnails as sheets: many small pictures in one, decoded only where somebody looks."""

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from PIL import Image

# Most thumbnails -> edge of a tile in pixels, so that 30,000 cost about 30 MB and 100,000 about
# 60 MB. Multiples of 8: a block of JPEG then never lies in two tiles, and no tile bleeds.
TILES = {12_000: 96, 40_000: 72, 120_000: 48}
SMALLEST_TILE = 32
# A sheet is decoded whole: small enough that the first look into it costs a few milliseconds, and
# large enough that the tables in a JPEG's head are little beside its tiles.
SHEET_PIXELS = 320
# The views are drawn in pure colours, which JPEG's and WebP's halved colour would smear: with full
# colour JPEG keeps 3 dB more than WebP of the same size.
JPEG = {"format": "JPEG", "quality": 80, "subsampling": 0}


class Layout(NamedTuple):
    """How thumbnails lie on their sheets.

    Attributes:
      tile: pixels, edge of one.
      across: tiles in a row, and rows of a sheet.
    """

    tile: int
    across: int

    @property
    def each(self) -> int:
        """Tiles on one sheet."""
        return self.across**2


class Sheet(NamedTuple):
    """One sheet.

    Attributes:
      jpeg: the file.
      count: tiles on it; they fill rows from the top left.
    """

    jpeg: bytes
    count: int


def layout(count: int, size: int) -> Layout:
    """The layout for so many thumbnails.

    Args:
      count: thumbnails.
      size: pixels, the edge they come with: they are never enlarged.

    Returns:
      Layout.
    """
    tile = next((tile for most, tile in TILES.items() if count <= most), SMALLEST_TILE)
    tile = min(tile, size)
    return Layout(tile, max(1, SHEET_PIXELS // tile))


def each(thumbnails: np.ndarray | Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Thumbnails one by one.

    Args:
      thumbnails: uint8 [N, s, s, 3], or chunks of that shape.

    Yields:
      uint8 [s, s, 3].
    """
    chunks = [thumbnails] if isinstance(thumbnails, np.ndarray) else thumbnails
    for chunk in chunks:
        yield from chunk


def sheets(thumbnails: Iterable[np.ndarray], layout: Layout) -> Iterator[Sheet]:
    """Lays thumbnails out, sheet after sheet, so that never more than one is held.

    Args:
      thumbnails: uint8 [s, s, 3] each, red, green, blue.
      layout: as `layout` gives.

    Yields:
      Sheet: the first `layout.each` thumbnails, then the next.
    """
    thumbnails = iter(thumbnails)
    while group := list(islice(thumbnails, layout.each)):
        rows = -(-len(group) // layout.across)
        picture = Image.new("RGB", (layout.across * layout.tile, rows * layout.tile))
        for place, thumbnail in enumerate(group):
            down, right = divmod(place, layout.across)
            corner = (right * layout.tile, down * layout.tile)
            picture.paste(_fitted(thumbnail, layout.tile), corner)
        content = io.BytesIO()
        picture.save(content, **JPEG)
        yield Sheet(content.getvalue(), len(group))


def _fitted(thumbnail: np.ndarray, tile: int) -> Image.Image:
    """A thumbnail at the size of a tile: each pixel the mean of those it stands for."""
    picture = Image.fromarray(np.ascontiguousarray(thumbnail, np.uint8))
    return (
        picture
        if picture.size == (tile, tile)
        else picture.resize((tile, tile), Image.Resampling.BOX)
    )
