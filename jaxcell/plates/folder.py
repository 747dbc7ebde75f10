"""A folder of plates becomes two tidy tables and a list of everything that is wrong with it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from jaxcell.plates.addresses import first_file
from jaxcell.plates.files import TRUTH_FOLDER
from jaxcell.plates.find import find_images
from jaxcell.plates.findings import BadPlates, Finding, in_order
from jaxcell.plates.images import fingerprint, inspect_images
from jaxcell.plates.layouts.choose import read_layouts
from jaxcell.plates.layouts.images_table import contradictions
from jaxcell.plates.pixels import pixels_that_differ
from jaxcell.plates.stacks import one_plane_a_view, planes_that_differ
from jaxcell.plates.tables import WELL_COLUMNS, images_table, read_images, wells_table

# Interaction is measured between these two where nobody names other kinds of cells.
REQUIRED_ROLES = ("t_cell", "dendritic_cell")
# Of the views that are asked for, those that may be absent.
OPTIONAL_ROLES = ("brightfield",)
# Views of another microscope, for examples.
OTHER_VIEWS = ("GFP", "Cy5", "DAPI", "Cy3", "Cy7", "YFP")
# Findings about images, whose `path` is one of the field's images.
IMAGE_PROBLEMS = (
    "duplicate image", "missing view", "unreadable image", "sizes differ", "same image",
    "scales differ", "planes differ", "unusable labels",
)  # fmt: skip
# Of a whole plate: which of its images are right nobody says.
PLATE_PROBLEMS = ("pixel size", "few counts")
FIELD = ["plate", "well", "field"]
WELL = ["plate", "well"]


class Plates(NamedTuple):
    """What lies in a folder.

    Attributes:
      images: images table of the views that have a role, `path` absolute, with one more column
        `role` (t_cell, dendritic_cell or another kind of cell, brightfield); of opened images
        `pixel_um`, as their files say it, and `highest`, the most counts of the pixels looked at.
      wells: wells table of the plates that have images.
      findings: everything that was found, fatal or not; see `require_good` and `leave_out`.
    """

    images: pd.DataFrame
    wells: pd.DataFrame
    findings: list[Finding]


def read_plates(
    folder: Path,
    views: Mapping[str, str],
    condition: str | None = None,
    keep_empty: bool = False,
    optional: Sequence[str] = OPTIONAL_ROLES,
) -> Plates:
    """`read_tables`, with each image opened too; writes nothing there."""
    plates = read_tables(folder, views, condition, keep_empty, optional)
    seen, findings = inspect_images(plates.images)
    images = plates.images.assign(pixel_um=seen["pixel_um"], highest=seen["highest"])
    findings += pixels_that_differ(images)
    return plates._replace(images=images, findings=plates.findings + findings)


def read_tables(
    folder: Path,
    views: Mapping[str, str],
    condition: str | None = None,
    keep_empty: bool = False,
    optional: Sequence[str] = OPTIONAL_ROLES,
) -> Plates:
    """Reads what the names of a folder's files and its layouts say, and opens no image.

    Images come from `images.csv` if the folder has one, else from the files that a microscope wrote
    beside them, else from their names; layouts from each `wells.csv`, and for plates that have none
    from the layout workbooks.

    Args:
      folder: one plate's folder or one that holds many.
      views: role -> name of the view, e.g. {'t_cell': 'FITC', 'dendritic_cell': 'TexasRed'};
        a role whose view is '' or None is not asked for.
      condition: given to every well without layout, as role 'sample'; None makes that a finding.
      keep_empty: whether images of wells that the layout calls empty are kept.
      optional: roles whose views a field may lack.
    """
    folder = Path(folder).absolute()
    views = {role: view for role, view in views.items() if view}
    if not folder.is_dir():
        message, cure = "there is no such folder", "give the folder that holds the plates' images"
        finding = Finding("no images", "", "", str(folder), message, cure)
        return Plates(_with_role(images_table(), {}), wells_table(), [finding])
    every, findings = _read_images(folder)
    wells, layout_findings = read_layouts(folder, every)
    if (folder / "images.csv").is_file():
        layout_findings += contradictions(folder / "images.csv", wells)
    every, stacks = one_plane_a_view(every)
    if condition is not None:
        wells = _give_condition(every, wells, condition)
    empty_findings: list[Finding] = []
    if not keep_empty:
        every, empty_findings = _drop_empty_wells(every, wells)
    images, duplicates = _drop_duplicates(_with_role(every, views))
    findings += layout_findings + empty_findings + duplicates + stacks
    findings += planes_that_differ(images)
    findings += [] if stacks else _no_images(folder, images, views)
    findings += _missing_views(every, images, views, optional)
    findings += _without_layout(every, wells, layout_findings)
    findings += _without_images(every, wells, findings)
    return Plates(images, wells[list(WELL_COLUMNS)], findings)


def is_simulated(plates: Plates) -> bool:
    """Whether the truth of a simulation lies beside any image of these plates."""
    folders = {first_file(path).parent for path in plates.images["path"]}
    return any((folder / TRUTH_FOLDER).is_dir() for folder in folders)


def content_digest(plates: Plates) -> str:
    """Digest of all that lies in a folder of plates: which image is which, every byte of them, and
    what the layouts say; 12 hexadecimal digits, the same wherever the folder lies."""
    order = [*FIELD, "role"]
    images = plates.images.sort_values(order)
    prints = [fingerprint(path) for path in images["path"]]
    wells = plates.wells.sort_values(WELL)
    content = [images[order].to_csv(index=False), prints, wells.to_csv(index=False)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]


def require_good(plates: Plates) -> Plates:
    """Returns the plates as they are; raises BadPlates, which lists them, for fatal findings."""
    fatal = [finding for finding in plates.findings if finding.fatal]
    if fatal:
        raise BadPlates(fatal)
    return plates


def leave_out(plates: Plates, required: Sequence[str] = REQUIRED_ROLES) -> Plates:
    """Drops what has fatal findings: a field for its images, a well for its layout, a plate for its
    pixels.

    Then every field has its required views and its well a row of the wells table, and every well,
    but empty ones, has a field; the findings stay.

    Args:
      plates: as they were read.
      required: roles of the views that a field must have.
    """
    images, wells, findings = plates
    fatal = [finding for finding in findings if finding.fatal]
    # A bad image costs its field; anything else that is wrong with a well costs the well.
    bad_paths = {finding.path for finding in fatal if finding.problem in IMAGE_PROBLEMS}
    bad_fields = images.loc[images["path"].isin(bad_paths), FIELD]
    bad_wells = {
        (finding.plate, finding.well) for finding in fatal if finding.problem not in IMAGE_PROBLEMS
    }
    complete = images[images["role"].isin(required)].groupby(FIELD)["role"].nunique()
    whole = complete[complete == len(required)].index.difference(_keys(bad_fields, FIELD))
    bad_plates = {finding.plate for finding in fatal if finding.problem in PLATE_PROBLEMS}
    images = images[_keys(images, FIELD).isin(whole) & ~images["plate"].isin(bad_plates)]
    wells = wells[~_keys(wells, WELL).isin(list(bad_wells))]
    images = images[_keys(images, WELL).isin(_keys(wells, WELL))]
    wells = wells[_keys(wells, WELL).isin(_keys(images, WELL)) | (wells["role"] == "empty")]
    return Plates(images.reset_index(drop=True), wells.reset_index(drop=True), findings)


def _keys(table: pd.DataFrame, columns: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[columns])


def _read_images(folder: Path) -> tuple[pd.DataFrame, list[Finding]]:
    """Returns every image of a folder, whatever its view."""
    table = folder / "images.csv"
    return read_images(table) if table.is_file() else find_images(folder)


def _with_role(images: pd.DataFrame, views: Mapping[str, str]) -> pd.DataFrame:
    """Returns the images whose view has a role, with it in a column `role`."""
    role = images["view"].map(_same).map({_same(view): role for role, view in views.items()})
    # Without object dtype an empty table would get a role of floats.
    images = images.assign(role=role.astype(object))
    return images[images["role"].notna()].reset_index(drop=True)


def _same(view: str) -> str:
    """The name of a view as compared: the instrument writes 'TexasRed' or 'Texas Red'."""
    return "".join(view.split()).casefold()


def _drop_duplicates(images: pd.DataFrame) -> tuple[pd.DataFrame, list[Finding]]:
    """Returns one image of each view, the first, and a finding for each further one."""
    key = [*FIELD, "role"]
    first = images.drop_duplicates(key)
    again = images[images.duplicated(key)].merge(first, on=key, suffixes=("", "_first"))
    findings = []
    for row in again.itertuples():
        message = f"field {row.field}, view {row.view} is there twice, also as {row.path}"
        cure = "move the copy, or the file that is not of this plate, elsewhere"
        place = (row.plate, row.well, row.path_first)
        findings.append(Finding("duplicate image", *place, message, cure))
    return first.reset_index(drop=True), findings


def _drop_empty_wells(
    images: pd.DataFrame, wells: pd.DataFrame
) -> tuple[pd.DataFrame, list[Finding]]:
    """Returns the images of wells that hold cells, and a note for each plate on the others."""
    empty = _keys(images, WELL).isin(_keys(wells[wells["role"] == "empty"], WELL))
    findings = []
    for plate, group in images[empty].groupby("plate"):
        message = f"{in_words(group)} marked empty in the layout; the images there are left out"
        cure = "correct the layout if there are cells in them"
        place = (plate, "", group["path"].iloc[0])
        findings.append(Finding("empty wells", *place, message, cure, fatal=False))
    return images[~empty].reset_index(drop=True), findings


def _give_condition(images: pd.DataFrame, wells: pd.DataFrame, condition: str) -> pd.DataFrame:
    """Returns the wells table with a row, role 'sample', for each well that had none."""
    without = images[~_keys(images, WELL).isin(_keys(wells, WELL))].drop_duplicates(WELL)
    rows = without[WELL].assign(condition=condition, compound="", role="sample", source="")
    return pd.concat([wells, rows], ignore_index=True).astype(WELL_COLUMNS)


def _no_images(folder: Path, images: pd.DataFrame, views: Mapping[str, str]) -> list[Finding]:
    """Says so where no image has a view that is asked for."""
    if len(images):
        return []
    message = f"there is no image of the views {', '.join(views.values())}"
    cure = (
        f"check the views' names: `jaxcell plates {folder}` says which it sees; files that it does "
        "not know are listed in images.csv"
    )
    return [Finding("no images", "", "", str(folder), message, cure)]


def _missing_views(
    every: pd.DataFrame, images: pd.DataFrame, views: Mapping[str, str], optional: Sequence[str]
) -> list[Finding]:
    """Says for each field which view it lacks; once for a plate that lacks it altogether.

    A view that is not required, such as brightfield, is missed only where the plate else has it,
    and not fatally.
    """
    findings = []
    for plate, group in every.groupby("plate"):
        fields = group.drop_duplicates(FIELD)
        for role, view in views.items():
            have = images[(images["plate"] == plate) & (images["role"] == role)]
            lacking = fields[~_keys(fields, FIELD).isin(_keys(have, FIELD))]
            fatal = role not in optional
            if have.empty and not fatal:
                continue
            if have.empty and fields["well"].nunique() > 1:
                findings.append(_missing_everywhere(plate, group, view, views, optional))
                continue
            for row in lacking.itertuples():
                message = f"well {row.well}, field {row.field} has no {view} view"
                cure = "copy its file beside the others, or move the others elsewhere"
                place = (plate, row.well, row.path)
                findings.append(Finding("missing view", *place, message, cure, fatal))
    return findings


def _missing_everywhere(
    plate: str,
    images: pd.DataFrame,
    view: str,
    views: Mapping[str, str],
    optional: Sequence[str],
) -> Finding:
    there = ", ".join(sorted(images["view"].unique()))
    message = f"no image of the plate is a {view} view; its views are {there} ({in_words(images)})"
    kinds = [role for role in views if role not in optional]
    such = ",".join(f"{kind}={other}" for kind, other in zip(kinds, OTHER_VIEWS))
    cure = f"name the views as the files do, such as --views {such}"
    return Finding("missing view", plate, "", images["path"].iloc[0], message, cure)


def _without_layout(
    images: pd.DataFrame, wells: pd.DataFrame, layout_findings: list[Finding]
) -> list[Finding]:
    """Says which wells have images and no layout, unless a finding says why already."""
    said = {(finding.plate, finding.well) for finding in layout_findings if finding.fatal}
    cure = (
        "put the plate's layout (a workbook, a CSV of blocks, or wells.csv) into the folder, or "
        "fill in that of `jaxcell plates FOLDER --out TABLES`; predicting needs none, and "
        "evaluating and measuring can be told one condition for all such wells"
    )
    findings = []
    without = images[~_keys(images, WELL).isin(_keys(wells, WELL))].drop_duplicates(WELL)
    for plate, group in without.groupby("plate"):
        if (plate, "") in said:
            continue
        if len(group) > 1 and plate not in set(wells["plate"]):
            message = f"there is no layout of this plate ({in_words(group)} with images)"
            findings.append(Finding("no layout", plate, "", group["path"].iloc[0], message, cure))
            continue
        for row in group.itertuples():
            if (plate, row.well) not in said:
                message = f"well {row.well} has images, but no layout says what is in it"
                findings.append(Finding("no layout", plate, row.well, row.path, message, cure))
    return findings


def _without_images(
    images: pd.DataFrame, wells: pd.DataFrame, findings: list[Finding]
) -> list[Finding]:
    """Says which wells of the layout have no images, unless a finding says why already."""
    said = {(finding.plate, finding.well) for finding in findings if finding.fatal}
    without = wells[(wells["role"] != "empty") & ~_keys(wells, WELL).isin(_keys(images, WELL))]
    cure = "copy the well's images into the folder, or mark it as empty in the layout"
    return [
        Finding("no images", row.plate, row.well, row.source,
                f"well {row.well} is in the layout, but has no images", cure)
        for row in without.itertuples()
        if (row.plate, row.well) not in said
    ]  # fmt: skip


def in_words(table: pd.DataFrame) -> str:
    """Returns the wells of a table in words, e.g. '384 wells: A01 ... P24'."""
    wells = in_order(table["well"])
    if len(wells) == 1:
        return f"well {wells[0]}"
    return f"{len(wells)} wells: {wells[0]} ... {wells[-1]}"
