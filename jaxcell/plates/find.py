"""Every image below a folder, by the files that a microscope wrote beside them, else by names."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pandas as pd

from jaxcell.plates.addresses import JOINED
from jaxcell.plates.files import TRUTH_FOLDER, visible_files, zarr_groups
from jaxcell.plates.findings import Finding, unseen
from jaxcell.plates.images import READERS
from jaxcell.plates.readers import (
    cellvoyager,
    cytation,
    imagexpress,
    incell,
    incell_xdce,
    ome_plate,
    ome_zarr,
    opera,
    single_cells,
)
from jaxcell.plates.readers.companions import THUMBNAIL, nameless
from jaxcell.plates.stacks import numbered
from jaxcell.plates.tables import images_table

# Each has `INSTRUMENT`, `COMPANION`, the name of the file beside the images, and `read_companion`.
BY_COMPANION: list[Any] = [incell_xdce, imagexpress, opera, cellvoyager, ome_plate]
# Each has `INSTRUMENT` and `parse`, by which a path becomes a row; with `MISSING` the companion
# that would say more.
BY_NAME: list[Any] = [incell, opera, cellvoyager, imagexpress, cytation, single_cells]
SUFFIXES = tuple(suffix for reader in READERS for suffix in reader.SUFFIXES if suffix[0] == ".")


class Source(NamedTuple):
    """Images of one kind of instrument, as their companion or their names say.

    Attributes:
      instrument: in words.
      images: images table, paths absolute.
      findings: about them.
    """

    instrument: str
    images: pd.DataFrame
    findings: list[Finding]


def find_images(folder: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Finds every image in a folder and below it, but for hidden files and folders.

    Returns:
      The images table with every view that lies there, a row a plane, paths absolute; and the
      findings, among them a note for each image file that nobody knows.
    """
    sources, findings = find_sources(folder)
    images = pd.concat([images_table(), *(source.images for source in sources)], ignore_index=True)
    return images, [finding for source in sources for finding in source.findings] + findings


def find_sources(folder: Path) -> tuple[list[Source], list[Finding]]:
    """The images below a folder by instrument, and a note for each file that nobody knows."""
    files = [file for file in visible_files(folder, "") if file.parent.name != TRUTH_FOLDER]
    sources = [
        _source(ome_zarr.INSTRUMENT, *ome_zarr.read_plate(group)) for group in zarr_groups(folder)
    ]
    described, homes = _by_companions(files)
    left = [file for file in files if _is_image(file) and not homes.intersection(file.parents)]
    named, unknown = _by_names(left)
    return [*sources, *described, *named], [_unknown(file) for file in unknown]


def _by_companions(files: Sequence[Path]) -> tuple[list[Source], set[Path]]:
    """Sources by companions, and the folders below which nothing is read by its name."""
    sources, homes, listed = [], set(), set()
    for reader in BY_COMPANION:
        beside: dict[Path, list[Path]] = {}
        for file in files:
            if reader.COMPANION.fullmatch(file.name):
                beside.setdefault(file.parent, []).append(file)
        for home, companions in beside.items():
            # `Index.idx.xml` and `Index.xml` are one index in two versions.
            for companion in companions[:1] if reader is opera else companions:
                source = _source(reader.INSTRUMENT, *reader.read_companion(companion))
                if source.images.empty and not source.findings:
                    continue
                sources.append(source)
                homes.add(home)
                listed.update(source.images["path"].map(lambda path: path.partition("#")[0]))
    others: dict[Path, list[Path]] = {}
    for file in files:
        if _is_image(file) and str(file) not in listed:
            # Of several companions on the way up, the nearest should list it.
            nearest = next((parent for parent in file.parents if parent in homes), None)
            if nearest is not None:
                others.setdefault(nearest, []).append(file)
    return [*sources, *map(_not_listed, others.values())], homes


def _is_image(file: Path) -> bool:
    return file.name.lower().endswith(SUFFIXES) and not THUMBNAIL.search(file.name)


def _not_listed(others: Sequence[Path]) -> Source:
    """Says of images beside a companion that it does not list them."""
    what = "1 image file is" if len(others) == 1 else f"{len(others)} image files are"
    message = f"{what} not listed in the file of the microscope beside, such as {others[0].name}"
    cure = "know that they are left out, or list them in images.csv"
    place = ("not listed", "", "", str(others[0]))
    return Source("", images_table(), [Finding(*place, message, cure, fatal=False)])


def _by_names(files: Sequence[Path]) -> tuple[list[Source], list[Path]]:
    rows: dict[int, list[dict]] = {}
    unknown, of_wells = [], []
    for file in files:
        if unseen(file.name) or JOINED in str(file):
            unknown.append(file)
        elif ome_plate.NUMBERED.fullmatch(file.name):
            of_wells.append(file)
        else:
            place, row = _first_row(file)
            if row is None:
                unknown.append(file)
            else:
                rows.setdefault(place, []).append(row)
    sources = []
    for place, found in rows.items():
        reader = BY_NAME[place]
        source = _source(reader.INSTRUMENT, found, _without_companion(reader, found))
        sources.append(source)
    if of_wells:
        said = [ome_plate.numbered_without_companion(of_wells)]
        sources.append(Source(ome_plate.INSTRUMENT, images_table(), said))
    return sources, unknown


def _first_row(file: Path) -> tuple[int, dict | None]:
    for place, reader in enumerate(BY_NAME):
        row = reader.parse(file)
        if row is not None:
            return place, row
    return -1, None


def _without_companion(reader: ModuleType | Any, rows: Sequence[dict]) -> list[Finding]:
    """Says once a plate that views are called by numbers, where a companion would name them."""
    if not hasattr(reader, "MISSING"):
        return []
    first = {row["plate"]: row for row in reversed(rows)}
    what = "views are called by their numbers, and the size of a pixel is what the images say"
    return [
        nameless(plate, Path(row["path"]), reader.MISSING, what) for plate, row in first.items()
    ]


def _source(instrument: str, rows: Sequence[dict], findings: list[Finding]) -> Source:
    """Rows as a table; numbers of focus and time that are all one say nothing and go."""
    for axis in ("z", "time"):
        numbers: dict[str, set] = {}
        for row in rows:
            numbers.setdefault(row["plate"], set()).add(row.get(axis))
        rows = [
            {name: value for name, value in row.items() if name != axis}
            if len(numbers[row["plate"]]) == 1
            else row
            for row in rows
        ]
    table = images_table(numbered(dict(row), row["path"]) for row in rows)
    return Source(instrument, table.sort_values("path", kind="stable", ignore_index=True), findings)


def _unknown(file: Path) -> Finding:
    message = f"'{file.name}' is no name that is known here, and is left out"
    if character := unseen(file.name):
        message += f"; it holds {character}, which cannot be seen"
    cure = "list it in images.csv if it belongs to a plate, or rename it"
    return Finding("unknown file name", "", "", str(file), message, cure, fatal=False)
