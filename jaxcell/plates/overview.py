"""What lies in a folder, for a person who has not decided yet how to read it."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from jaxcell.plates.addresses import Address, parse
from jaxcell.plates.find import find_sources
from jaxcell.plates.findings import Finding
from jaxcell.plates.images import inspect_images, reader_of
from jaxcell.plates.layouts.choose import read_layouts
from jaxcell.plates.layouts.images_table import contradictions
from jaxcell.plates.readers import well_names
from jaxcell.plates.readers.planes import BadImage, Header
from jaxcell.plates.stacks import one_plane_a_view, planes_that_differ
from jaxcell.plates.tables import images_table, read_images

TABLE = "images.csv"


class Overview(NamedTuple):
    """What was seen.

    Attributes:
      images: images table, a row a view of a field, with `instrument`, `height`, `width`, `kind`
        and `highest` too.
      wells: wells table of the layouts, with `source`.
      findings: about all of it.
    """

    images: pd.DataFrame
    wells: pd.DataFrame
    findings: list[Finding]


def look_over(folder: Path, z: int | str | None = None, time: int | None = None) -> Overview:
    """Opens everything in a folder.

    Args:
      folder: of one plate or many.
      z: plane of stacks, or `max`; time: of series. None: stacks are refused.
    """
    every, findings = _every(folder)
    every, bad = _each_plane(every)
    images, stacks = one_plane_a_view(every, z, time)
    seen, said = inspect_images(images)
    wells, layout = read_layouts(folder, images)
    if (folder / TABLE).is_file():
        layout += contradictions(folder / TABLE, wells)
    images = images.assign(**{name: seen[name] for name in seen})
    findings += bad + stacks + planes_that_differ(images) + said + layout
    return Overview(images, wells, findings)


def _every(folder: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """All images, of a table or of any names, with the instrument they are of."""
    if (folder / TABLE).is_file():
        images, findings = read_images(folder / TABLE)
        return images.assign(instrument=TABLE), findings
    sources, unknown = find_sources(folder)
    guessed = {finding.path: well_names.parse(Path(finding.path)) for finding in unknown}
    rows = images_table(row for row in guessed.values() if row)
    tables = [source.images.assign(instrument=source.instrument) for source in sources]
    tables += [rows.assign(instrument=well_names.INSTRUMENT)] if len(rows) else []
    findings = [finding for source in sources for finding in source.findings]
    findings += [finding for finding in unknown if not guessed[finding.path]]
    empty = images_table().assign(instrument="")
    return pd.concat([empty, *tables], ignore_index=True), findings


def _each_plane(images: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """A row for every plane of files that hold several and of which nobody named one."""
    rows, findings = [], []
    for row in images.to_dict("records"):
        address = parse(row["path"])
        if len(address.files) > 1:
            rows.append(row)
            continue
        try:
            header = reader_of(address.files[0]).read_header(address.files[0], None)
        except BadImage as error:
            if address.plane.page is None:
                message = f"field {row['field']}, view {row['view']}: {error}"
                place = (row["plate"], row["well"], row["path"])
                findings.append(Finding("unreadable image", *place, message, error.cure))
                continue
            header = Header((0, 0), "")  # whatever else it holds, the page is named
        rows += _planes(row, address, header)
    return pd.DataFrame(rows, columns=list(images)).astype(images.dtypes), findings


def _planes(row: dict, address: Address, header: Header) -> Iterator[dict]:
    chosen = address.plane
    open_axes = [
        axis
        for axis in header.sizes
        if getattr(chosen, axis) is None and (chosen.page is None or axis == "channel")
    ]
    for numbers in product(*(range(1, header.sizes[axis] + 1) for axis in open_axes)):
        named = dict(zip(open_axes, numbers))
        view = row["view"]
        if "channel" in named:
            number = named["channel"]
            # Names that are fewer than the channels do not say which is which.
            told = len(header.channels) == header.sizes["channel"]
            view = f"{view} {header.channels[number - 1] if told else f'C{number}'}"
        if "page" in named:
            view = f"{view} page {named['page']}"
        plane = chosen._replace(**named)
        yield row | {"view": view, "path": str(address._replace(plane=plane))}
