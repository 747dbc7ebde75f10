"""The images of a folder that a network is to find cells in: single files, or fields of plates."""

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from jaxcell.plates.files import no_folder
from jaxcell.plates.folder import read_plates, require_good
from jaxcell.plates.images import THREADS, read_view, reader_of
from jaxcell.plates.pixels import one_size
from jaxcell.plates.readers.grey import SUFFIXES, read_grey
from jaxcell.plates.readers.labels import ENDINGS
from jaxcell.plates.readers.planes import BadImage
from jaxcell.storage.atomic import UNFINISHED


class Image(NamedTuple):
    """What is segmented at once.

    Attributes:
      name: path from the folder without its ending, or of a field `PLATE/B02_f1`.
      paths: its file, or one a view.
      plate: whether it is a field of a plate.
      pixel_um: edge of a pixel as its files say it; NaN where they do not.
    """

    name: str
    paths: tuple[Path, ...]
    plate: bool
    pixel_um: float

    def read(self) -> np.ndarray:
        """Its counts, uint8 or uint16 [H, W, C].

        Raises:
          BadImage: a file cannot be used.
          ValueError: its views differ in size.
        """
        views = [(read_view if self.plate else read_grey)(path) for path in self.paths]
        if len({view.shape for view in views}) > 1:
            raise ValueError(f"{self.name}: the views differ in size")
        return np.stack(views, axis=-1)


def find_images(
    folder: Path, kinds: Sequence[str], views: Mapping[str, str], out: Path
) -> list[Image]:
    """Finds what is to be segmented.

    A network of one view takes every TIFF and PNG in the folder and below, but for hidden files,
    label images of other images, and what lies in `out`. With `views`, or a network of several, the
    folder is one of plates.

    Args:
      folder: of the images.
      kinds: of cells that the network finds, one a view.
      views: kind -> view that shows it; kinds that are not named are not looked for.
      out: where results go.

    Returns:
      The images by name.

    Raises:
      BadPlates: an image of a plate is bad.
      ValueError: there is no image, there are two of one name, or `views` names another kind.
    """
    if not folder.is_dir():
        raise ValueError(no_folder(folder, "images"))
    if other := [kind for kind in views if kind not in kinds]:
        raise ValueError(f"the network finds {' and '.join(kinds)}, not {other[0]}: name its kinds")
    found = _fields(folder, kinds, views) if views or len(kinds) > 1 else _files(folder, out)
    if not found:
        raise ValueError(f"{folder} holds no image ({', '.join(SUFFIXES)}): check the path")
    first: dict[str, Image] = {}
    for image in found:
        if image.name in first:
            raise ValueError(
                f"{first[image.name].paths[0]} and {image.paths[0]} are of one name, and so would "
                "their labels be: rename one"
            )
        first[image.name] = image
    return sorted(found)


def own_pixel_um(images: Sequence[Image]) -> float:
    """Edge of a pixel in um as the files say it; NaN where none does.

    Raises:
      ValueError: they say different sizes; names two images.
    """
    known = sorted((image.pixel_um, image.name) for image in images if image.pixel_um > 0)
    if not known:
        return math.nan
    (least, one), (most, other) = known[0], known[-1]
    if not one_size([least, most]):
        raise ValueError(
            f"the pixels of {one} are of {least:g} µm, those of {other} of {most:g} µm: give those "
            "of one size as a folder of their own, or say by --pixel-um what holds for all"
        )
    return least


def check_readable(images: Sequence[Image]) -> dict[str, str]:
    """Reads every image and says what is wrong with those that cannot be used: name -> sentence."""

    def trouble(image: Image) -> str:
        try:
            image.read()
        except (BadImage, ValueError, OSError) as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(THREADS) as pool:
        said = zip(images, pool.map(trouble, images), strict=True)
        return {image.name: words for image, words in said if words}


def _files(folder: Path, out: Path) -> list[Image]:
    paths, results = [], out.resolve()
    for parent, folders, names in os.walk(folder):
        inside = [Path(parent, name).resolve() for name in folders]
        folders[:] = sorted(
            name
            for name, path in zip(folders, inside)
            if not name.startswith(".") and path != results
        )
        paths += [
            Path(parent, name)
            for name in sorted(names)
            if not name.startswith((".", UNFINISHED)) and name.lower().endswith(SUFFIXES)
        ]
    stems = {path.with_name(_stem(path)) for path in paths}
    return [
        Image(
            path.relative_to(folder).with_name(_stem(path)).as_posix(), (path,), False,
            _said_by(path),
        )
        for path in paths
        if not _is_labels(path.with_name(_stem(path)), stems)
    ]  # fmt: skip


def _said_by(path: Path) -> float:
    try:
        return reader_of(path).read_header(path).pixel_um
    except BadImage:
        return math.nan  # said when the image is read


def _stem(path: Path) -> str:
    return path.name[: -len(path.suffix)].removesuffix(".ome")


def _is_labels(path: Path, stems: set[Path]) -> bool:
    """Whether it is called as the labels of an image that lies beside it."""
    bases = [path.name.removesuffix(end) for end in ENDINGS if path.name.endswith(end)]
    return any(
        path.with_name(base + end) in stems for base in bases for end in ("", "_image", "_img")
    )


def _fields(folder: Path, kinds: Sequence[str], views: Mapping[str, str]) -> list[Image]:
    plates = require_good(read_plates(folder, views, condition=""))
    rows = plates.images[plates.images["role"].isin(kinds)]
    if rows.empty:
        return []
    paths = rows.pivot(index=["plate", "well", "field"], columns="role", values="path")
    if lacking := [kind for kind in kinds if kind not in paths]:
        raise ValueError(f"{folder} has no view that shows {lacking[0]}: name it by --views")
    paths = paths.dropna()
    sizes = rows.groupby(["plate", "well", "field"])["pixel_um"].first()
    return [
        Image(f"{quote(plate, safe=' ')}/{well}_f{field}", tuple(map(Path, own)), True,
              float(sizes[plate, well, field]))
        for (plate, well, field), own in zip(paths.index, paths[list(kinds)].to_numpy())
    ]  # fmt: skip
