"""OME-Zarr: plates of version 0.4 and 0.5, and their images, which tensorstore reads."""

import json
import math
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash

from jaxcell.plates.addresses import Plane
from jaxcell.plates.findings import Finding
from jaxcell.plates.readers import planes
from jaxcell.plates.readers.companions import damaged, without_images
from jaxcell.plates.readers.pixel_size import in_um
from jaxcell.plates.tables import well_name
from jaxcell.storage import content

INSTRUMENT = "OME-Zarr"
# The file of an image's group that describes it stands for the image: format 3 and 2.
METADATA = ("zarr.json", ".zattrs")
SUFFIXES = METADATA
# Files of an array that hold no pixels.
ABOUT = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"}
AXES = {"channel": "C", "time": "T", "space": "Z"}
WHOLE = (
    "copy its whole folder again; where the image is 0 in truth, write it with "
    "`write_empty_chunks`, so that nothing can be missing"
)


class Image(NamedTuple):
    """An image of a plate: its array of full resolution, and what is said of it.

    Attributes:
      folder: of the array.
      axes: a letter an axis, as `planes.AXES` knows them.
      channels: their names; () where they have none of their own.
      pixel_um: edge of a pixel in um; NaN where the file does not say.
    """

    folder: Path
    axes: str
    channels: tuple[str, ...]
    pixel_um: float


def read_plate(group: Path) -> tuple[list[dict], list[Finding]]:
    """Rows of the images of a plate, a row a plane; of any other image a note alone."""
    try:
        about = _attributes(group)
        if "plate" not in about:
            return [], [_no_plate(group)] if "multiscales" in about else []
        plate: Any = _validated(about).plate
        name = plate.name or group.name.removesuffix(".zarr").removesuffix(".ome")
        rows, lacking = [], []
        for well in plate.wells:
            # Indices count the rows and columns that were imaged, whose names say which they are.
            names = plate.rows[well.rowIndex].name, plate.columns[well.columnIndex].name
            position = well_name("".join(names))
            found = _well_rows(group / well.path)
            rows += [{"plate": name, "well": position} | row for row in found]
            lacking += [] if found else [position]
    except (ValueError, IndexError) as error:  # of JSON, of its schema, of wells that are none
        why = " ".join(str(error).split())[:200]
        return [], [damaged(_metadata_file(group) or group, why)]
    findings = [without_images(name, lacking, group)] if lacking else []
    return rows, findings


def _no_plate(group: Path) -> Finding:
    file = _metadata_file(group) or group
    message = f"{group.name} is an image of OME-Zarr and no plate, and is left out"
    cure = (
        f"list it in images.csv, with the path {group.name}/{file.name}, if it belongs to a plate"
    )
    return Finding("unknown file name", "", "", str(file), message, cure, fatal=False)


def _well_rows(group: Path) -> list[dict]:
    if _metadata_file(group) is None:
        return []
    rows, entries = [], _validated(_attributes(group)).well.images
    rounds = {entry.acquisition for entry in entries}
    if len(rounds) > 1:
        # Each has the fields anew: numbered through, they would be other fields.
        raise ValueError(f"well {group.parent.name}/{group.name} has {len(rounds)} acquisitions")
    for number, entry in enumerate(entries, 1):
        file = _metadata_file(group / entry.path)
        if file is None:
            # It is listed: that it cannot be read is said when the plate is checked.
            gone = str(group / entry.path / METADATA[0])
            rows.append({"field": number, "view": "C1", "path": gone})
            continue
        image = _image(file)
        sizes = planes.sizes_of(image.axes, _opened(image.folder).shape)
        for channel in range(1, sizes.get("channel", 1) + 1):
            named = image.channels or [f"C{place + 1}" for place in range(channel)]
            row = {
                "field": number,
                "view": named[channel - 1],
                "path": str(file),
                "pixel_um": image.pixel_um,
            }
            if "channel" in sizes:
                row["channel"] = channel
            rows += _planes(row, sizes)
    return rows


def _planes(row: dict, sizes: dict[str, int]) -> list[dict]:
    """A row for every plane of focus and every time."""
    rows = [row]
    for axis in ("z", "time"):
        if axis in sizes:
            rows = [one | {axis: number + 1} for one in rows for number in range(sizes[axis])]
    return rows


def read_plane(path: Path | str, plane: Plane) -> np.ndarray:
    """Reads one plane of an image: [H, W], numbers as they are.

    Args:
      path: of the file that describes the image's group, `zarr.json` or `.zattrs`.
      plane: which one.

    Raises:
      BadImage: it is not there or damaged, or it is not said which plane is meant.
    """
    image, array = _found(path)
    index = planes.place_of(image.axes, array.shape, plane)
    try:
        return planes.projected(np.asarray(array[index].read().result()))
    except Exception as error:  # codecs and disks fail in their own ways
        raise planes.BadImage(
            f"it cannot be read ({' '.join(str(error).split())[:200]})", planes.COPY
        ) from error


def read_header(path: Path | str, plane: Plane | None = None) -> planes.Header:
    """What an image says of itself; whether all its chunks are there is looked at too.

    Raises:
      BadImage: as `read_plane`, as far as it shows without decoding.
    """
    image, array = _found(path)
    if plane is not None:
        planes.place_of(image.axes, array.shape, plane)
        _check_chunks(image.folder, array)
    sides = dict(zip(image.axes, array.shape))
    sizes = planes.sizes_of(image.axes, array.shape)
    kind = np.dtype(array.dtype.numpy_dtype).name
    return planes.Header((sides["Y"], sides["X"]), kind, sizes, image.channels, image.pixel_um)


def digest(path: Path) -> str:
    """Digest of all files of an image's full resolution."""
    hashed = xxhash.xxh3_128()
    folder = _image(path).folder
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        hashed.update(f"{file.relative_to(folder).as_posix()} {content.digest(file)}\n".encode())
    return hashed.hexdigest()


def _found(path: Path | str) -> tuple[Image, Any]:
    try:
        image = _image(Path(path))
        array = _opened(image.folder)
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise planes.BadImage(f"it is no image of OME-Zarr ({why})", planes.COPY) from error
    if len(image.axes) != len(array.shape) or not {"Y", "X"} <= set(image.axes):
        raise planes.BadImage(f"its axes {image.axes} are not those of its array", planes.COPY)
    return image, array


def _check_chunks(folder: Path, array: Any) -> None:
    """Raises BadImage where a chunk is missing: it would be read as zeros."""
    chunk = array.chunk_layout.write_chunk.shape
    wanted = math.prod(-(-size // part) for size, part in zip(array.shape, chunk, strict=True))
    there = sum(file.is_file() and file.name not in ABOUT for file in folder.rglob("*"))
    if there < wanted:
        raise planes.BadImage(f"{wanted - there} of its {wanted} chunks are missing", WHOLE)


def _image(file: Path) -> Image:
    """What an image's metadata say, read again only where they changed."""
    about = file.stat()
    return _described(file, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=1024)
def _described(file: Path, *changed: int) -> Image:
    del changed
    about = _attributes(file.parent)
    scales: Any = _validated(about).multiscales[0]
    first = scales.datasets[0]
    names = [axis.name for axis in scales.axes]
    letters = "".join(
        name.upper() if name in ("y", "x", "z", "c", "t") else AXES.get(axis.type, "Q")
        for name, axis in zip(names, scales.axes)
    )
    place = letters.index("X")
    # What is said of all resolutions is applied after what is said of the first.
    steps = [*first.coordinateTransformations, *(scales.coordinateTransformations or ())]
    scale = math.prod(step.scale[place] for step in steps if step.type == "scale")
    unit = getattr(scales.axes[place], "unit", None)
    labels = [one.get("label") or "" for one in about.get("omero", {}).get("channels", ())]
    told = all(labels) and len(set(labels)) == len(labels)
    return Image(
        folder=file.parent / first.path,
        axes=letters,
        channels=tuple(labels) if told else (),
        pixel_um=in_um(scale, unit),
    )


def _metadata_file(group: Path) -> Path | None:
    return next((group / name for name in METADATA if (group / name).is_file()), None)


def _attributes(group: Path) -> dict[str, Any]:
    """What a group's metadata say in the words of OME, of either version.

    Raises:
      ValueError: they are no JSON; OSError: they cannot be read.
    """
    file = _metadata_file(group)
    if file is None:
        raise FileNotFoundError(f"{group} has no metadata")
    about = json.loads(file.read_text(encoding="utf-8"))
    if file.name == "zarr.json":
        about = about.get("attributes", {}).get("ome", {})
    return about


def _validated(about: dict[str, Any]) -> Any:
    """The same as yaozarrs' model of its version; ValueError where it breaks the specification."""
    import yaozarrs  # a second to import, and few plates are of this kind

    with warnings.catch_warnings():
        # It warns of names such as `field_0`, which are read all the same.
        warnings.simplefilter("ignore")
        return yaozarrs.validate_ome_object(about)


@lru_cache(maxsize=256)
def _opened(folder: Path) -> Any:
    """The array in a folder."""
    import tensorstore

    driver = "zarr3" if (folder / "zarr.json").is_file() else "zarr"
    store = {"driver": "file", "path": str(folder.resolve())}  # `..` is none to tensorstore
    # Chunks are mapped, not read into memory first and then copied to their place: half the time.
    context = {"file_io_mode": {"mode": "memmap"}}
    array = {"driver": driver, "kvstore": store, "context": context}
    return tensorstore.open(array, open=True, read=True).result()
