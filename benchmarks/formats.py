"""Images read as TIFF and as OME-Zarr of either version, stored alike: seconds in turn.

    python -m benchmarks.formats PLATES [--images=0] [--repeats=15]

Images of a folder of plates are written as each, in a temporary folder: as they are and compressed
by zstd, whole or in squares of 512 pixels. Formats of one storage are read in turn, so that what
else the machine does falls on all alike; files are in the system's cache. What is compared is
`read_view`, as every command reads: the fastest turn, and the median over turns.
"""

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numcodecs
import numpy as np
import tifffile
import zarr
from zarr.codecs import ZstdCodec

from benchmarks.timing import arguments, keep, table, take_turns
from jaxcell.plates.folder import read_tables
from jaxcell.plates.images import read_view

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}
FORMATS = ("TIFF", "OME-Zarr 0.4", "OME-Zarr 0.5")
# Storage -> side of a square that is stored by itself, 0 for the whole, and whether by zstd.
STORAGE = {
    "whole": (0, False),
    "squares of 512": (512, False),
    "whole, zstd": (0, True),
    "squares of 512, zstd": (512, True),
}


def main() -> None:
    parser = arguments(__doc__, repeats=15)
    parser.add_argument("plates", help="folder of plates")
    parser.add_argument("--images", type=int, default=0, help="how many of them; 0: all")
    options = parser.parse_args()
    paths = sorted(read_tables(Path(options.plates), VIEWS, "").images["path"])
    paths = paths[: options.images or None]
    found, rows = {}, []
    for storage, (side, compressed) in STORAGE.items():
        with tempfile.TemporaryDirectory() as folder:
            ways = {name: _way(Path(folder), name, paths, side, compressed) for name in FORMATS}
            timings = take_turns(ways, options.repeats)
        found[storage] = {name: timing._asdict() for name, timing in timings.items()}
        tiff = timings["TIFF"].repeats
        for name, timing in timings.items():
            speed = [one / other for one, other in zip(tiff, timing.repeats, strict=True)]
            fastest = min(timing.repeats)
            rows.append([
                storage, name, f"{1000 * fastest / len(paths):.2f}", f"{min(tiff) / fastest:.2f}",
                f"{statistics.median(speed):.2f}",
            ])  # fmt: skip
    print(table(["storage", "format", "fastest, ms an image", "TIFF = 1", "in turn"], rows))
    keep({"benchmark": "formats", "images": len(paths), "seconds": found}, options.json)


def _way(
    folder: Path, name: str, paths: list[str], side: int, compressed: bool
) -> Callable[[], None]:
    """Writes all images in a format, and gives what reads them."""
    written = []
    for number, path in enumerate(paths):
        image = read_view(path)
        home = folder / f"{name} {number}"
        if name == "TIFF":
            written.append(_write_tiff(home.with_suffix(".tif"), image, side, compressed))
        else:
            written.append(_write_zarr(home, image, side, compressed, name[-3:]))
        if not np.array_equal(read_view(written[-1]), image):
            raise RuntimeError(f"{written[-1]} is not what was written")

    def read() -> None:
        for path in written:
            read_view(path)

    return read


def _write_tiff(path: Path, image: np.ndarray, side: int, compressed: bool) -> Path:
    tifffile.imwrite(
        path,
        image,
        tile=(side, side) if side else None,
        rowsperstrip=None if side else len(image),
        **({"compression": "zstd", "compressionargs": {"level": 1}} if compressed else {}),
        photometric="minisblack",
    )
    return path


def _write_zarr(folder: Path, image: np.ndarray, side: int, compressed: bool, version: str) -> Path:
    """An image of OME-Zarr; the file that stands for it."""
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    scale = [{"type": "scale", "scale": [0.741, 0.741]}]
    scales = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    if version == "0.4":
        kind, zstd = 2, numcodecs.Zstd(1)
        about = {"multiscales": [scales | {"version": version, "name": "image"}]}
    else:
        kind, zstd = 3, ZstdCodec(level=1)
        about = {"ome": {"version": version, "multiscales": [scales | {"name": "image"}]}}
    group = zarr.open_group(folder, mode="w", zarr_format=kind, attributes=about)
    array = group.create_array(
        "0",
        shape=image.shape,
        dtype=image.dtype,
        chunks=(side, side) if side else image.shape,
        compressors=zstd if compressed else None,
    )
    array[:] = image
    return folder / (".zattrs" if version == "0.4" else "zarr.json")


if __name__ == "__main__":
    main()
