"""Files below a folder that somebody sees there."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

# Simulated plates keep label images there, which nobody needs to be told of.
TRUTH_FOLDER = "truth"
# What makes a folder a Zarr group, of format 2 and 3: it holds thousands of files, none of them
# images by their names.
GROUPS = (".zgroup", ".zattrs", "zarr.json")

# `s3://bucket/plate`, of which a path keeps one slash. A drive of Windows is one letter.
ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+")
ON_A_DISK = (
    "copy the plate onto a disk, or mount the bucket as a folder (rclone mount, s3fs, gcsfuse) and "
    "give that"
)


def no_folder(place: Path | str, what: str) -> str:
    """What to say of a place that is no folder of images: it is not there, or on a server."""
    if found := ADDRESS.match(str(place)):
        address = f"{found[1]}://{str(place)[found.end() :]}"
        return f"{address} is an address, and {what} are read from folders alone: {ON_A_DISK}"
    return f"there is no folder of {what} {place}"


def visible_files(folder: Path, endings: str | tuple[str, ...]) -> list[Path]:
    """Returns the files below a folder that end so (in any case), hidden ones left out, sorted.

    What lies in Zarr groups is left out too.
    """
    found = []
    for parent, names in _walk(folder):
        if not _is_group(names):
            found += [
                Path(parent, name)
                for name in names
                if not name.startswith(".") and name.lower().endswith(endings)
            ]
    return sorted(found)


def zarr_groups(folder: Path) -> list[Path]:
    """The uppermost Zarr groups in a folder and below it, sorted."""
    return sorted(Path(parent) for parent, names in _walk(folder) if _is_group(names))


def _is_group(names: list[str]) -> bool:
    return any(name in GROUPS for name in names)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for parent, folders, names in os.walk(folder.absolute()):
        # Copies made on a Mac carry '._CK19 - ...tif' beside each file, which hold no image.
        folders[:] = [name for name in folders if not name.startswith(".")]
        if _is_group(names):
            folders.clear()
        yield parent, names
