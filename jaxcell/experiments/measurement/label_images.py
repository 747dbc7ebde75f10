"""Where each cell is, as images that ImageJ and napari open: one file a field and kind of cell."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile

from jaxcell.cells.kinds import VIEWS
from jaxcell.storage.atomic import whole
from jaxcell.storage.file_names import file_name


def label_paths(
    folder: Path, plate: str, well: str, fields: Iterable[int], kinds: Sequence[str] = VIEWS
) -> dict[tuple[int, str], Path]:
    """The files of a well's label images, `PLATE/WELL_f1_t_cell.tif`.

    Args:
      folder: of the label images of all plates.
      plate, well: names; of a plate's, what no file name may hold is quoted.
      fields: numbers of its fields.
      kinds: of cells.

    Returns:
      (field, kind) -> path.
    """
    home = folder / file_name(plate)
    return {
        (int(field), kind): home / f"{well}_f{field}_{kind}.tif"
        for field in fields
        for kind in kinds
    }


def remove_labels(folder: Path, plate: str, well: str, kinds: Sequence[str] = VIEWS) -> None:
    """Removes the label images of a well, also those of fields that it no longer has."""
    ours = re.compile(rf"{well}_f\d+_({'|'.join(kinds)})\.tif")
    for path in (folder / file_name(plate)).glob(f"{well}_f*.tif"):
        if ours.fullmatch(path.name):
            path.unlink()


def write_labels(
    paths: Mapping[tuple[int, str], Path],
    labels: Mapping[int, np.ndarray],
    pixel_um: float,
    kinds: Sequence[str] = VIEWS,
) -> None:
    """Writes the label images of a well, each whole or not at all.

    Args:
      paths: as `label_paths` gives them.
      labels: field -> int32 [K, H, W], 0 outside cells.
      pixel_um: width of a pixel.
      kinds: of cells, in the order of the labels.
    """
    for (field, kind), path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_label_image(path, labels[field][list(kinds).index(kind)], pixel_um)


def write_label_image(path: Path, labels: np.ndarray, pixel_um: float) -> None:
    """Writes one label image as compressed TIFF; the file is whole or not there.

    Args:
      path: where to.
      labels: int [H, W], 0 outside cells; stored as uint16, or as uint32 where the largest label
        does not fit in that.
      pixel_um: width of a pixel.
    """
    largest = int(labels.max(initial=0))
    with whole(path) as partial:
        tifffile.imwrite(
            partial,
            labels.astype(np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32),
            photometric="minisblack",
            compression="zlib",
            resolution=(1 / pixel_um, 1 / pixel_um),
            resolutionunit="NONE",
            # Where ImageJ looks for the unit. tifffile would say it itself, but not of uint32.
            description="ImageJ=1.54f\nunit=um\n",
            metadata=None,
        )
