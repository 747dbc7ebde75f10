"""Cells that another program or a person has found: label images, found by name, in place of masks.

The label image of an image is what `images.csv` names in its column `labels`; or, in a folder of
label images, the file that is called like the image (`NAME.tif`), or like it with one of `ENDINGS`
(`NAME_cp_masks.png`), the view or the kind of cell between the two where one image shows several
(`NAME_FITC_labels.tif`); or as `measure --labels` and `segment` call their own
(`PLATE/B02_f1_t_cell.tif`, `PLATE/B02_f1_t_cell_labels.tif`).
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.cells.numbering import check_numbers
from jaxcell.configs.kinds import population_of
from jaxcell.experiments.measurement.label_images import label_paths
from jaxcell.plates.addresses import first_file
from jaxcell.plates.findings import Finding
from jaxcell.plates.folder import Plates, leave_out, require_good
from jaxcell.plates.images import BAR_FROM, THREADS, image_shape
from jaxcell.plates.readers.labels import ENDINGS, SUFFIXES, read_label_image
from jaxcell.plates.readers.planes import BadImage
from jaxcell.storage import content

FIELD = ["plate", "well", "field"]
CURE = (
    "name it like the image with _labels behind it, or list it in a column `labels` of images.csv"
)


class OwnLabels(NamedTuple):
    """The cells of one view, by another program.

    Attributes:
      labels: int32 [H, W], 0 outside cells, 1..n without gaps.
      numbers: [n], the number that each has in its file.
    """

    labels: np.ndarray
    numbers: np.ndarray


def own_labels(plates: Plates, config: ConfigDict) -> Plates | None:
    """The plates with their label images, where a measurement is to take its cells from these.

    Args:
      plates: as they were read.
      config: as `configs/measure.py` describes.

    Returns:
      As `with_own_labels`, judged as `config.plates.on_bad_image` says; None where cells are to be
      found here.

    Raises:
      BadPlates: a label image cannot be used, and nothing is skipped.
      ValueError: there is no such folder.
    """
    folder = config.measurement.labels_from
    if config.measurement.segmentation or not (folder or "labels" in plates.images):
        return None
    kinds = population_of(config).keys
    found = with_own_labels(plates, Path(config.plates.folder), folder, kinds)
    return leave_out(found, kinds) if config.plates.on_bad_image == "skip" else require_good(found)


def with_own_labels(plates: Plates, place: Path, folder: str, kinds: Sequence[str]) -> Plates:
    """Finds the label image of every stained view and opens each.

    Args:
      plates: as they were read.
      place: the plates' folder.
      folder: of label images; empty: those that `images.csv` names.
      kinds: of cells.

    Returns:
      The plates with the column `labels` of images, paths, and findings about those that cannot be
      used, which are fatal.

    Raises:
      ValueError: there is no such folder.
    """
    images, stained = plates.images.copy(), plates.images[plates.images["role"].isin(kinds)].copy()
    if folder:
        stained["labels"], findings = _find(stained, place, Path(folder), kinds)
    else:
        findings = [
            _finding(row, f"images.csv names no label image for {first_file(row.path).name}")
            for row in stained.itertuples()
            if not row.labels
        ]
    findings += _of_several_kinds(stained)
    found = stained[stained["labels"] != ""]
    with ThreadPoolExecutor(THREADS) as pool:
        opened = pool.map(_trouble, found.itertuples(index=False))
        bar = tqdm(
            opened, "checking labels", len(found), unit="file", disable=len(found) < BAR_FROM
        )
        findings += [finding for finding in bar if finding]
    images["labels"] = stained["labels"].reindex(images.index, fill_value="")
    return plates._replace(images=images, findings=plates.findings + findings)


def label_columns(plates: Plates, kinds: Sequence[str]) -> pd.DataFrame:
    """One row a field: plate, well, field and, of each kind of cell, the path `KIND_labels`."""
    paths = plates.images.pivot(index=FIELD, columns="role", values="labels")
    return paths[list(kinds)].add_suffix("_labels").reset_index()


def read_own_labels(row: Any, shape: tuple[int, ...], kinds: Sequence[str]) -> list[OwnLabels]:
    """Reads the cells of a field that another program has found.

    Args:
      row: of a field, with the columns of `label_columns`.
      shape: of its images, [H, W].
      kinds: of cells.

    Returns:
      One of each kind.

    Raises:
      ValueError: a label image cannot be read or used.
    """
    found = []
    for kind in kinds:
        path = getattr(row, f"{kind}_labels")
        labels = read_label_image(path)
        if labels.shape != tuple(shape):
            raise ValueError(_sizes(path, labels.shape, shape))
        try:
            found.append(OwnLabels(*check_numbers(labels)))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return found


def label_print(path: Path | str) -> str:
    """Digest of the whole content of a label image, of a folder of Zarr too."""
    path = Path(path)
    parts = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
    return " ".join(content.digest(part) for part in parts)


def _find(
    stained: pd.DataFrame, plates: Path, folder: Path, kinds: Sequence[str]
) -> tuple[list[str], list[Finding]]:
    """The path of each view's label image, '' where there is none or several."""
    if not folder.is_dir():
        raise ValueError(f"there is no folder of label images {folder}: check the path")
    ours = {os.path.abspath(first_file(path)) for path in stained["path"]}
    by_name: dict[str, list[Path]] = {}
    for path in _label_files(folder):
        if os.path.abspath(path) not in ours:
            by_name.setdefault(_stem(path.name), []).append(path)
    paths, findings = [], []
    for row in stained.itertuples():
        found = _of_image(row, by_name, plates, folder, kinds)
        paths.append(str(found[0].absolute()) if len(found) == 1 else "")
        name = first_file(row.path).name
        if not found:
            findings.append(_finding(row, f"{folder} holds no label image of {name}"))
        elif len(found) > 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found[:3])
            message = f"{folder} holds {len(found)} label images of {name}: {names}"
            findings.append(_finding(row, message, "keep the one that is meant, move the others"))
    return paths, findings


def _of_image(
    row: Any, by_name: dict[str, list[Path]], plates: Path, folder: Path, kinds: Sequence[str]
) -> list[Path]:
    """Every label image that is called after an image."""
    stem, view = _stem(first_file(row.path).name), "".join(row.view.split()).casefold()
    middles = ("", f"_{view}", f"_{row.role}")
    names = {f"{stem}{middle}{ending}" for middle in middles for ending in ("", *ENDINGS)}
    found = [path for name in sorted(names) for path in by_name.get(name, ())]
    # Images of one name in several folders have their labels in folders that are called alike.
    place = Path(os.path.relpath(first_file(row.path).parent, plates.absolute()))
    beside = [path for path in found if path.relative_to(folder).parent == place]
    written = label_paths(folder, row.plate, row.well, [row.field], kinds)
    written = written[int(row.field), row.role]
    own = [
        path
        for ending in ("", *ENDINGS)
        for path in by_name.get(f"{_stem(written.name)}{ending}", ())
        if path.parent == written.parent
    ]
    return (beside or found) + own


def _stem(name: str) -> str:
    """A file's name as compared, without its ending: `a.ome.tif` and `A.tif` are alike."""
    name = name.casefold()
    suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), Path(name).suffix)
    return name.removesuffix(suffix).removesuffix(".ome")


def _label_files(folder: Path) -> Iterator[Path]:
    """Files, and folders of Zarr, that may be label images; hidden ones are left out."""
    for parent, folders, files in os.walk(folder):
        names = [name for name in (*folders, *files) if not name.startswith(".")]
        yield from (Path(parent, n) for n in sorted(names) if n.casefold().endswith(SUFFIXES))
        folders[:] = sorted(n for n in folders if n in names and not n.endswith(".zarr"))


def _of_several_kinds(stained: pd.DataFrame) -> list[Finding]:
    """One label image, or two alike, for two kinds of cells would be all overlap."""
    findings = []
    for _, views in stained[stained["labels"] != ""].groupby(FIELD):
        for row, other in combinations(views.itertuples(), 2):
            if not _are_alike(row.labels, other.labels):
                continue
            both = "both" if len(views) == 2 else "two"
            message = f"{row.labels} is the label image of {both} kinds of cells"
            findings.append(_finding(row, message, "give each kind a label image of its own cells"))
    return findings


def _are_alike(one: str, other: str) -> bool:
    """Whether two label images are one file, or hold the same cells byte for byte."""
    if one == other:
        return True
    try:
        return label_print(one) == label_print(other) and bool(read_label_image(one).any())
    except (OSError, ValueError):  # what is wrong with them is said elsewhere
        return False


def _trouble(row: Any) -> Finding | None:
    """What is wrong with one label image, if anything."""
    try:
        labels, shape = read_label_image(row.labels), image_shape(row.path)
        if labels.shape != shape:
            return _finding(row, _sizes(row.labels, labels.shape, shape), "label this very image")
        check_numbers(labels)
    except BadImage as error:
        return _finding(row, str(error).partition(" -> ")[0], error.cure)
    except (ValueError, OSError) as error:
        message, _, cure = f"{row.labels}: {error}".partition("; ")
        return _finding(row, message, cure or "write it again")
    return None


def _sizes(path: str, labels: tuple[int, ...], image: tuple[int, ...]) -> str:
    return f"{path} has {labels[0]} x {labels[1]} pixels, its image {image[0]} x {image[1]}"


def _finding(row: Any, message: str, cure: str = CURE) -> Finding:
    said = f"field {row.field}, view {row.view}: {message}"
    return Finding("unusable labels", row.plate, row.well, row.path, said, cure)
