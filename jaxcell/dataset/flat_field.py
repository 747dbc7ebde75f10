"""How unevenly plates are lit: one flat field a plate and view, kept beside the data set."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from jaxcell.dataset.illumination import correct_field, estimate_flat_field
from jaxcell.plates.images import read_view

FILE = "flat_fields.npz"
# Fields that an estimate is made from at most: more hardly change it, and take time to read.
MOST_FIELDS = 100
# (plate, view) -> float32 [H, W], mean 1.
FlatFields = Mapping[tuple[str, str], np.ndarray]


def estimate_flat_fields(images: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """One flat field for each plate and view, from fields spread evenly over the plate.

    All wells of the images table serve, whichever split they are in: it is the light of the
    microscope that is estimated, and no label is looked at.

    Args:
      images: images table, the stained views alone.

    Returns:
      (plate, view) -> float32 [H, W], relative illumination, mean 1.

    Raises:
      ValueError: a plate has too few fields, or fields of different sizes; says which.
    """
    groups = {
        key: rows["path"].to_numpy()[_evenly(len(rows))]
        for key, rows in images.sort_values(["well", "field"]).groupby(["plate", "role"])
    }
    estimates = {}
    total = sum(map(len, groups.values()))
    with tqdm(total=total, desc="flat fields", unit=" images", dynamic_ncols=True) as bar:
        for (plate, view), paths in groups.items():
            try:
                estimates[plate, view] = estimate_flat_field(_read(paths, bar))
            except ValueError as error:
                raise ValueError(
                    f"plate {plate}, view {view}: {error}. Or leave the fields as they are: "
                    "flat_field=False in the config"
                ) from error
    return estimates


def _evenly(count: int) -> np.ndarray:
    """At most `MOST_FIELDS` of so many positions, int [n], evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_FIELDS)).round().astype(int))


def _read(paths: Iterable[str], bar: tqdm) -> Iterator[np.ndarray]:
    """Fields one after the other, so that a plate need not fit into memory."""
    for path in paths:
        yield read_view(Path(path))
        bar.update()


def correct(views: np.ndarray, plate: str, names: tuple[str, ...], flat: FlatFields) -> np.ndarray:
    """Corrects the views of one field for uneven light.

    Args:
      views: uint16 [H, W, C], raw counts.
      plate: whose field it is.
      names: of its C views.
      flat: the estimates.

    Returns:
      uint16 [H, W, C], counts as if lit evenly.
    """
    corrected = [
        correct_field(np.ascontiguousarray(views[..., index]), flat[plate, name])
        for index, name in enumerate(names)
    ]
    return np.stack(corrected, axis=-1)


def write_flat_fields(folder: Path, flat: FlatFields) -> None:
    """Writes estimates into a folder; beside first and then renamed, so whole or not there."""
    partial = folder / f"{FILE}.tmp"
    with partial.open("wb") as file:
        np.savez(file, **{f"{plate} {view}": field for (plate, view), field in flat.items()})
    os.replace(partial, folder / FILE)


def read_flat_fields(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """The estimates that `write_flat_fields` left in a folder; none where it left none."""
    if not (folder / FILE).exists():
        return {}
    with np.load(folder / FILE) as arrays:
        return {tuple(key.rsplit(" ", 1)): arrays[key] for key in arrays.files}
