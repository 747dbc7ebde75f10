"""Fields whose true cells are known: read, scaled, held for training."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxcell.cells.instances import distance_map
from jaxcell.cells.kinds import VIEWS
from jaxcell.cells.masks import MINIMUM_CONTRAST_IN_NOISES
from jaxcell.cells.noise import pixel_noise
from jaxcell.cells.numbering import check_numbers
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.crops import prepare_crops
from jaxcell.dataset.fields import read_field, select_fields
from jaxcell.dataset.splits import FRACTIONS, assign
from jaxcell.dataset.truth import read_labels
from jaxcell.plates.folder import Plates
from jaxcell.plates.readers.grey import SUFFIXES, read_grey
from jaxcell.plates.readers.labels import ENDINGS, read_label_image

# Grey values at these percentiles of a view become 0 and 1.
DARK_PERCENTILE, BRIGHT_PERCENTILE = 1.0, 99.8
# How strongly the dim is spread: cells of one field differ tenfold in brightness.
COMPRESSION = 10.0
# Folders of label images, beside `images`.
LABEL_FOLDERS = ("labels", "masks")


class Labelled(NamedTuple):
    """Fields with their true cells.

    Attributes:
      names: of each field, for people.
      splits: object [N], `train`, `validation` or `test`; no well is in two.
      images: uint8 or uint16 [H, W, C] each, raw counts.
      labels: int32 [H, W, K] each, 0 outside cells; K kinds of cells.
      kinds: the K kinds, e.g. `t_cell`, `dendritic_cell`.
    """

    names: list[str]
    splits: np.ndarray
    images: list[np.ndarray]
    labels: list[np.ndarray]
    kinds: tuple[str, ...]

    def rows(self, split: str) -> np.ndarray:
        """Numbers, int32, of the fields of a split."""
        return np.flatnonzero(self.splits == split).astype(np.int32)

    @property
    def sizes(self) -> np.ndarray:
        """Height and width of each field in pixels, int [N, 2]."""
        return np.array([image.shape[:2] for image in self.images])


def read_pairs(folder: Path, kind: str, seed: int) -> Labelled:
    """Reads images of one view with one kind of cell, as `find_pairs` finds them.

    Args:
      folder: where they lie.
      kind: what the cells are, e.g. `nucleus`.
      seed: of the split, image by image, in shares of `splits.FRACTIONS`.

    Returns:
      The fields.

    Raises:
      ValueError: as `find_pairs`; an image is not grey of 8 or 16 bits, a label image is none, the
        two differ in size, or there are too few to split.
    """
    pairs = find_pairs(folder)
    images, labels = [], []
    for path, truth in tqdm(list(pairs.values()), "reading", unit=" pairs", dynamic_ncols=True):
        image, label = read_grey(path), read_label_image(truth)
        if image.shape != label.shape:
            raise ValueError(
                f"{path} is {image.shape} and {truth.name} {label.shape}: both must be one grey "
                "image of the same size"
            )
        try:
            label = check_numbers(label)[0]
        except ValueError as error:
            raise ValueError(f"{truth}: {error}") from error
        images.append(image[..., None])
        labels.append(label[..., None])
    names = list(pairs)
    splits = assign([""] * len(names), seed)
    if missing := [split for split in FRACTIONS if split not in splits]:
        raise ValueError(
            f"{folder} holds {len(names)} images, nothing is left for {', '.join(missing)}: add "
            "images with labels"
        )
    return Labelled(names, splits, images, labels, (kind,))


def find_pairs(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Finds images with their labels: `NAME_image.tif`, `NAME_labels.tif`, TIFF or PNG.

    The image may also be `NAME.tif` or `NAME_img.tif`, the labels may have any of `ENDINGS`; or all
    images lie in `images/` and the labels, of the same names, in `labels/` or `masks/`.

    Args:
      folder: where they lie.

    Returns:
      Name -> image and labels, sorted.

    Raises:
      ValueError: there are none, one lacks its labels, or there are two of one name.
    """
    files = [path for path in folder.glob("*") if _is_image(path)]
    files += [
        path
        for place in ("images", *LABEL_FOLDERS)
        for path in (folder / place).glob("*")
        if _is_image(path)
    ]
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    for path in sorted(files):
        name = path.name[: -len(path.suffix)].removesuffix(".ome")
        ending = next((end for end in ENDINGS if name.casefold().endswith(end)), "")
        is_label = path.parent.name in LABEL_FOLDERS or (ending and path.parent.name != "images")
        kept = labels if is_label else images
        name = name[: len(name) - len(ending)] if is_label else name
        name = name.removesuffix("_image").removesuffix("_img")
        if name in kept:
            raise ValueError(f"{kept[name]} and {path} are of one name: move one elsewhere")
        kept[name] = path
    for name, path in images.items():
        if name not in labels:
            wanted = f"{name}_labels{path.suffix}"
            raise ValueError(f"{path} has no {wanted} beside it: add it, or move the image")
    if not images:
        raise ValueError(
            f"{folder} holds no NAME_image.tif with NAME_labels.tif, TIFF or PNG: check the path"
        )
    return {name: (path, labels[name]) for name, path in sorted(images.items())}


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def read_simulated(plates: Plates, seed: int) -> Labelled:
    """Reads simulated plates with the truth that lies in their `truth/`.

    Args:
      plates: images and wells.
      seed: of the split, by well, stratified by plate and condition.

    Returns:
      The fields, T cells and dendritic cells.

    Raises:
      ValueError: a field has no truth.
    """
    fields = select_fields(plates, ImmuneCellsConfig(name="labelled", split_seed=seed))
    names, images, labels = [], [], []
    for row in tqdm(list(fields.itertuples()), "reading", unit=" fields", dynamic_ncols=True):
        names.append(f"{row.plate} {row.well} field {row.field}")
        images.append(read_field(row, {}))
        labels.append(read_labels(row))
    splits = fields["split"].to_numpy(dtype=object)
    return Labelled(names, splits, images, labels, VIEWS)


def scale_view(view: np.ndarray, minimum_contrast: float) -> np.ndarray:
    """Scales one view of a whole field, so that a tile of it needs no scaling of its own.

    Args:
      view: [H, W], raw counts.
      minimum_contrast: counts; a view with less between dark and bright is not stretched, so
        that noise where there are no cells is not blown up to look like cells. 0:
        `MINIMUM_CONTRAST_IN_NOISES` times the noise of the view, of unsigned numbers.

    Returns:
      float32 [H, W], 0 at the dark and 1 at the bright percentile, a little beyond outside them.

    Raises:
      ValueError: the view has pixels that are not finite.
    """
    if not np.isfinite(view).all():
        raise ValueError("the view has pixels that are not finite: export it again")
    dark, bright = np.percentile(view, (DARK_PERCENTILE, BRIGHT_PERCENTILE))
    least = minimum_contrast or max(MINIMUM_CONTRAST_IN_NOISES * pixel_noise(view), 1)
    share = (view.astype(np.float32) - dark) / max(bright - dark, least)
    return np.arcsinh(COMPRESSION * share).astype(np.float32) / np.float32(np.arcsinh(COMPRESSION))


def scale_field(image: np.ndarray, minimum_contrast: float) -> np.ndarray:
    """Scales each view of a field [H, W, C] by `scale_view`."""
    views = [scale_view(view, minimum_contrast) for view in np.moveaxis(image, -1, 0)]
    return np.stack(views, axis=-1)


def device_fields(fields: Labelled, minimum_contrast: float, side: int) -> dict[str, np.ndarray]:
    """What training needs of the fields, to be held on the device.

    Args:
      fields: with their true cells.
      minimum_contrast: counts, as for `scale_view`.
      side: of a crop in pixels; smaller fields are filled up with zeros to it.

    Returns:
      `image` float16 [N, H, W, C] scaled, `distance` uint8 [N, H, W, K] as `distance_map`
      makes it, H and W the largest of all fields and zeros beyond a smaller field's end.
    """
    sizes = [image.shape[:2] for image in fields.images]
    height, width = np.maximum(np.max(sizes, axis=0), side)
    shape = (len(fields.images), height, width)
    image = np.zeros((*shape, fields.images[0].shape[2]), np.float16)
    distance = np.zeros((*shape, len(fields.kinds)), np.uint8)
    some = zip(fields.images, fields.labels, strict=True)
    for number, (raw, labels) in enumerate(tqdm(some, "preparing", len(image), unit=" fields")):
        h, w = raw.shape[:2]
        image[number, :h, :w] = scale_field(raw, minimum_contrast)
        for kind in range(labels.shape[2]):
            distance[number, :h, :w, kind] = distance_map(labels[..., kind])
    return {"image": image, "distance": distance}


def prepare_labelled(side: int) -> Callable[[dict, dict], dict]:
    """What turns a batch of corners into crops of what `device_fields` gives, as `prepare_crops`:
    `image`, and `distance` float32 [B, side, side, K] in [0, 1]."""
    crops = prepare_crops(side)

    def prepare(data: dict, raw: dict) -> dict:
        batch = crops(data, raw)
        return batch | {"distance": batch["distance"].astype(jnp.float32) / jnp.float32(255)}

    return prepare
