"""Stacks of focus and time series become one plane a view, by a rule that somebody named."""

from collections.abc import Iterable

import pandas as pd

from jaxcell.plates.addresses import MAXIMUM, Address, Plane, parse
from jaxcell.plates.findings import Finding

VIEW = ["plate", "well", "field", "view"]
# What several planes of a view are called, and the commands that choose among them.
CURES = {
    "z": "take the maximum, `jaxcell plates FOLDER --z max --out TABLES`, or a plane, `--z 3`, and "
    "give TABLES instead of the folder",
    "time": "take one time, `jaxcell plates FOLDER --time 1 --out TABLES`, and give TABLES instead "
    "of the folder",
}
PAGED = "take a plane, `jaxcell plates FOLDER --z 3 --out TABLES`, or save the maximum as a file"
DIFFERENT = {"z": "focus", "time": "times"}
WORDS = {"z": "planes of focus", "time": "times"}


def one_plane_a_view(
    images: pd.DataFrame, z: int | str | None = None, time: int | None = None
) -> tuple[pd.DataFrame, list[Finding]]:
    """Reduces stacks and time series to one image of each view of a field.

    Args:
      images: an images table with a row for each plane.
      z: number of the plane, or `max`; None: none is chosen.
      time: number of the time; None: none is chosen.

    Returns:
      The table without views that have several planes while no rule says which; and of each plate
      a fatal finding on these, or on planes that were asked for and are not there.
    """
    planes = images["path"].map(lambda path: parse(path).plane)
    numbered = planes.map(lambda plane: plane.z is not None or plane.time is not None)
    if not numbered.any():
        return images, []
    images, series = _chosen(images, "time", time)
    images, stacks = _chosen(images, "z", z)
    return images.reset_index(drop=True), series + stacks


def _chosen(
    images: pd.DataFrame, axis: str, rule: int | str | None
) -> tuple[pd.DataFrame, list[Finding]]:
    numbers = images["path"].map(lambda path: getattr(parse(path).plane, axis))
    held = numbers.groupby([images[name] for name in VIEW]).transform("nunique")
    several = images[held > 1]
    if several.empty:
        return images, []
    findings, single = [], images[held <= 1]
    if rule is None:
        findings = [
            _finding(axis, group, f"has {numbers[group.index].nunique()} {WORDS[axis]}, and it is "
                     f"not said which is meant ({_wells(group)} several)")
            for _, group in several.groupby("plate")
        ]  # fmt: skip
        return single, findings
    if rule == MAXIMUM:
        kept = several.groupby(VIEW, sort=False)["path"].agg(_maximum).reset_index()
        places = several.drop_duplicates(VIEW).drop(columns="path")
        kept = places.merge(kept, on=VIEW)[list(images)]
        paged, kept = kept[kept["path"] == ""], kept[kept["path"] != ""]
        findings = [
            _finding(axis, several.loc[several["plate"] == plate].merge(group[VIEW], on=VIEW),
                     "has its planes of focus in pages of a file, over which no maximum is taken",
                     PAGED)
            for plate, group in paged.groupby("plate")
        ]  # fmt: skip
    else:
        kept = several[numbers[several.index] == rule]
        lacking = several[~_keys(several).isin(_keys(kept))]
        findings = [
            _finding(axis, group, f"has no {axis} {rule}")
            for _, group in lacking.groupby(["plate", "well"])
        ]
    return pd.concat([single, kept]).sort_values(VIEW, kind="stable"), findings


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[VIEW])


def _maximum(paths: Iterable[str]) -> str:
    """One address for the planes of a stack, in one file or in several; '' where there is none.

    A projection that the microscope made stands for the planes beside it.
    """
    every = [parse(path) for path in paths]
    addresses = [address for address in every if address.plane.z == MAXIMUM] or every
    if len({address.plane.page for address in addresses}) > 1:
        return ""  # an address names one page
    files = tuple(dict.fromkeys(file for address in addresses for file in address.files))
    return str(Address(files, addresses[0].plane._replace(z=MAXIMUM)))


def _wells(table: pd.DataFrame) -> str:
    number = table["well"].nunique()
    return "1 well has" if number == 1 else f"{number} wells have"


def _finding(axis: str, group: pd.DataFrame, what: str, cure: str = "") -> Finding:
    row = group.iloc[0]
    message = f"field {row['field']} of well {row['well']}, view {row['view']} {what}"
    problem = "z stack" if axis == "z" else "time series"
    well = row["well"] if group["well"].nunique() == 1 else ""
    return Finding(problem, row["plate"], well, row["path"], message, cure or CURES[axis])


def planes_that_differ(images: pd.DataFrame) -> list[Finding]:
    """Fields whose views are of different focus or time: what they share is not of one scene.

    Args:
      images: one row a view, with `role`.

    Returns:
      A fatal finding for each such field; a note where one view is a maximum, the other one plane.
    """
    planes = images["path"].map(lambda path: parse(path).plane)
    if not planes.map(lambda plane: plane.z is not None or plane.time is not None).any():
        return []
    findings = []
    for (plate, well, field), group in images.groupby(["plate", "well", "field"]):
        for axis in ("z", "time"):
            named = {
                view: getattr(planes[place], axis)
                for place, view in group["view"].items()
                if getattr(planes[place], axis) is not None
            }
            if len(set(named.values())) < 2:
                continue
            said = ", ".join(f"{view} is of {axis} {number}" for view, number in named.items())
            message = f"field {field}: the views are of different {DIFFERENT[axis]}: {said}"
            fatal = MAXIMUM not in named.values()
            cure = (
                "copy the planes that are missing, or export all views at one focus and time"
                if fatal
                else "know that the maximum of a stack is beside a single plane"
            )
            place = (plate, well, group["path"].iloc[0])
            findings.append(Finding("planes differ", *place, message, cure, fatal))
    return findings


def numbered(row: dict, path: str) -> dict:
    """A row of an images table whose name, or other file, says channel, z or time of its file.

    Args:
      row: of the table; `channel`, `z`, `time` and `page` are taken out of it.
      path: of the file.
    """
    plane = Plane(**{name: row.pop(name, None) for name in Plane._fields})
    return row | {"path": str(Address((path,), plane))}
