"""What lies in a folder of plates, and the two tables by which every command reads it."""

from pathlib import Path

import pandas as pd

from jaxcell.plates.addresses import MAXIMUM
from jaxcell.plates.files import no_folder
from jaxcell.plates.findings import describe, gathered
from jaxcell.plates.folder import in_words
from jaxcell.plates.overview import Overview, look_over
from jaxcell.plates.tables import wells_table, write_images, write_wells
from jaxcell.report.common.words import count
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import replacing

# The two tables.
TABLES = ("wells.csv", "images.csv")


def describe_plates(folder: str, out: str, z: str, time: str, condition: str) -> str:
    """Looks over a folder of plates and writes its tables where it is told to.

    Args:
      folder: of one plate or many, of any instrument.
      out: folder for `images.csv` and `wells.csv`; '' writes nothing.
      z: plane of stacks, from 1, or `max`; '' refuses stacks.
      time: of series, from 1; '' refuses them.
      condition: of wells that no layout describes; '' leaves it to be filled in.

    Returns:
      What was seen, in lines.

    Raises:
      ValueError: there is no such folder or image, or a number is none.
      FileExistsError: a table is there already.
    """
    if out:
        require_place(Path(out), what="the tables")
    home = Path(folder).absolute()
    if not home.is_dir():
        raise ValueError(no_folder(folder, "plates"))
    rule = MAXIMUM if z == MAXIMUM else _number(z, "--z", "a number from 1, or max")
    seen = look_over(home, rule, _number(time, "--time", "a number from 1"))
    lines = [_plate(plate, images, seen) for plate, images in seen.images.groupby("plate")]
    for finding in gathered(seen.findings):
        lines.append(f"{'problem' if finding.fatal else 'note'}: {describe(finding)}")
    if seen.images.empty:
        raise ValueError("\n".join([*lines, f"no image in {home} can be told a well"]))
    if out:
        tables, doing = [Path(out) / name for name in TABLES], "writing tables there"
        with replacing(tables[0], doing), replacing(tables[1], doing):
            lines.append(_write(seen, Path(out), condition))
    else:
        lines.append(f"`jaxcell plates {folder} --out TABLES` writes this as two tables")
    return "\n".join(lines)


def _number(text: str, flag: str, rule: str) -> int | None:
    if text and not (text.isascii() and text.isdecimal() and int(text)):
        raise ValueError(f"{flag} {text}: give {rule}")
    return int(text) if text else None


def _plate(plate: str, images: pd.DataFrame, seen: Overview) -> str:
    """A paragraph on a plate."""
    fields = images.groupby("well")["field"].nunique()
    few, many = fields.min(), fields.max()
    readable = images[images["height"] > 0]
    sizes = readable.groupby(["height", "width"]).size()
    kinds = ", ".join(sorted(set(readable["kind"])))
    pixels = sorted(images["pixel_um"].dropna().round(4).unique())
    views = images.groupby("view").size()
    said = {
        "instrument": ", ".join(sorted(set(images["instrument"]))),
        "wells": in_words(images),
        "fields": f"{few} a well" if few == many else f"{few} to {many} a well",
        "views": ", ".join(f"{view} ({number})" for view, number in views.items()),
        "pixels": ", ".join(f"{height} x {width}" for height, width in sizes.index)
        + f", {kinds}, up to {readable['highest'].max():,} counts"
        if len(readable)
        else "no image can be read",
        "pixel size": ", ".join(f"{pixel:g} µm" for pixel in pixels) or "not said by the files",
        "layout": f"{count((seen.wells['plate'] == plate).sum(), 'well')} described",
    }
    return "\n".join([f"plate {plate}", *(f"  {name:<10}  {text}" for name, text in said.items())])


def _write(seen: Overview, out: Path, condition: str) -> str:
    """Writes both tables; a table of wells that lies there stays as it is."""
    images = seen.images.sort_values(["plate", "well", "field", "view"])
    if (out / "wells.csv").exists() or (out / "images.csv").exists():
        write_images(images, out / "images.csv")
        said = [f"{count(len(images), 'image')} in {out / 'images.csv'}"]
        return "\n".join([*said, f"{out / 'wells.csv'} is there already and stays as it is"])
    key = ["plate", "well"]
    without = images.drop_duplicates(key)[key].merge(seen.wells[key], how="left", indicator=True)
    without = without.loc[without["_merge"] == "left_only", key]
    rows = [
        {**row, "condition": condition, "compound": "", "role": "sample"}
        for row in without.to_dict("records")
    ]
    wells = pd.concat([seen.wells, wells_table(rows)], ignore_index=True).sort_values(key)
    write_wells(wells, out / "wells.csv")
    # Last, and refused where there is one: killed before, the same command goes on.
    write_images(images, out / "images.csv")
    lines = [
        f"{count(len(images), 'image')} in {out / 'images.csv'}",
        f"{count(len(wells), 'well')} in {out / 'wells.csv'}",
    ]
    if len(without) and not condition:
        number = count(len(without), "well")
        lines.append(f"write there the condition of {number} that no layout describes")
    views = sorted(images["view"].unique())
    lines.append(
        f"then: jaxcell measure {out} --views t_cell=VIEW,dendritic_cell=VIEW, whose views are "
        + ", ".join(views)
    )
    return "\n".join(lines)
