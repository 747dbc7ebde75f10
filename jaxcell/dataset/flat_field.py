"""Uneven illumination: estimated over the fields of a plate, kept beside the data, divided out."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.stats import trim_mean
from tqdm import tqdm

from jaxcell.dataset.dark_level import bright_cells, dark_level
from jaxcell.plates.images import read_view
from jaxcell.storage.atomic import whole

FILE = "flat_fields.npz"
# Fields that an estimate is made from at most: more hardly change it, and take time to read.
MOST_FIELDS = 100
MINIMUM_FIELDS = 8
# The field is looked at in blocks of this many pixels, at as many places a side.
BLOCK, SAMPLES = 16, 8
# Standard deviation of the smoothing, in blocks: wider than clumps of cells.
SMOOTHING = 3.0
# Blocks where most fields had a cell stand alone: a median over so many blocks a side forgets them.
OUTLIERS = 5
# A lamp that leaves less light than this share is not divided by.
FAINTEST = 0.05
# Array of the dark levels in a file of estimates, in their order, and the level that those had in
# mind that say none.
LEVELS, EARLIER_LEVEL = "dark_counts", 48.0


class FlatField(NamedTuple):
    """How the fields of a plate are lit in one view.

    Attributes:
      light: float32 [H, W], positive, mean 1: what falls on a pixel, relative to the mean.
      dark: counts of the camera in the dark, added to the light and not shaded by the lamp.
    """

    light: np.ndarray
    dark: float


# (plate, view) -> how it is lit.
FlatFields = Mapping[tuple[str, str], FlatField]


def estimate_flat_fields(
    images: pd.DataFrame, dark_counts: float = 0.0
) -> dict[tuple[str, str], FlatField]:
    """One flat field for each plate and view, from fields spread evenly over the plate.

    All wells of the images table serve, whichever split they are in: it is the light of the
    microscope that is estimated, and no label is looked at.

    Args:
      images: images table, the stained views alone.
      dark_counts: of the camera in the dark; 0: estimated for each plate and view.

    Returns:
      (plate, view) -> how it is lit.

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
                estimates[plate, view] = estimate_flat_field(_read(paths, bar), dark_counts)
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
        yield read_view(path)
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
    """Writes estimates into a folder; the file is whole or not there."""
    arrays = {f"{plate} {view}": field.light for (plate, view), field in flat.items()}
    arrays[LEVELS] = np.array([field.dark for field in flat.values()])
    with whole(folder / FILE) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read_flat_fields(folder: Path) -> dict[tuple[str, str], FlatField]:
    """The estimates that `write_flat_fields` left in a folder; none where it left none."""
    if not (folder / FILE).exists():
        return {}
    with np.load(folder / FILE) as arrays:
        keys = [key for key in arrays.files if key != LEVELS]
        levels = arrays[LEVELS] if LEVELS in arrays.files else np.full(len(keys), EARLIER_LEVEL)
        return {
            tuple(key.rsplit(" ", 1)): FlatField(arrays[key], float(level))
            for key, level in zip(keys, levels, strict=True)
        }


def estimate_flat_field(fields: Iterable[np.ndarray], dark_counts: float = 0.0) -> FlatField:
    """Estimates the illumination that many fields of one view have in common.

    Each field is reduced to the background of blocks of 16 x 16 pixels (the mean of the middle half
    of its grey values, which cells do not reach while they cover less than a quarter), above the
    dark level and relative to the field's median, so that bright and dim wells count alike. The
    median over the fields, which forgets droplets and clumps, is smoothed and brought to full size.
    A field takes a few dozen kilobytes, so a plate can be streamed.

    Args:
      fields: uint8 or uint16 [H, W] each, raw counts of one view, at least `MINIMUM_FIELDS`; an
        array [N, H, W] or an iterable that reads one after the other.
      dark_counts: of the camera in the dark; 0: estimated, see `dark_level`.

    Returns:
      How they are lit.

    Raises:
      ValueError: the fields differ in size or are not raw counts, or fewer than `MINIMUM_FIELDS`
        are brighter than the dark level.

    Source: retrospective correction by the median over images, as CellProfiler's
    CorrectIlluminationCalculate ("Background", block size, median filter over all images).
    """
    shape, backgrounds, cells = None, [], []
    for number, field in enumerate(fields, 1):
        _require_counts(field)
        shape = shape or field.shape
        if field.shape != shape:
            raise ValueError(
                f"field {number} has {field.shape[0]} x {field.shape[1]} pixels, those before it "
                f"{shape[0]} x {shape[1]}: estimate each size on its own"
            )
        backgrounds.append(_background(field))
        if not dark_counts:
            cells.append(bright_cells(field, backgrounds[-1]))
    dark = dark_counts or (dark_level(np.stack(backgrounds), cells) if backgrounds else 0.0)
    light = [
        (above / level).astype(np.float32)
        for above in (background - dark for background in backgrounds)
        if (level := np.median(above)) > 0
    ]
    if len(light) < MINIMUM_FIELDS:
        raise ValueError(
            f"{len(light)} of {len(backgrounds)} fields are brighter than the dark level of "
            f"{dark:.4g} counts, {MINIMUM_FIELDS} are needed to tell illumination from cells: give "
            "more fields of this view"
        )
    flat = _smooth(np.median(light, axis=0), shape)
    flat = np.maximum(flat, FAINTEST * flat.mean())
    return FlatField((flat / flat.mean(dtype=np.float64)).astype(np.float32), dark)


def correct_field(field: np.ndarray, flat: FlatField) -> np.ndarray:
    """Divides uneven illumination out of a field: `(field - dark) / light + dark`.

    The dark level is the camera's and stays where it is; only light above it was shaded. Pixels
    that were saturated are divided like the others and may end above the camera's full scale.

    Args:
      field: uint8 or uint16 [H, W], raw counts.
      flat: from `estimate_flat_field`.

    Returns:
      uint16 [H, W], rounded and clipped to 0..65535.

    Raises:
      ValueError: the field is not raw counts, the sizes differ, or `light` is not positive.
    """
    _require_counts(field)
    if field.shape != flat.light.shape:
        raise ValueError(
            f"the field has {field.shape[0]} x {field.shape[1]} pixels, its illumination "
            f"{' x '.join(map(str, flat.light.shape))}: estimate it from fields of this size"
        )
    if not (flat.light > 0).all():  # NaN is not, either
        raise ValueError("illumination must be positive everywhere: estimate_flat_field gives such")
    dark = np.float32(flat.dark)
    even = (field - dark) / flat.light.astype(np.float32) + dark
    return np.clip(np.rint(even), 0, np.iinfo(np.uint16).max).astype(np.uint16)


def _require_counts(field: np.ndarray) -> None:
    if field.dtype not in (np.uint8, np.uint16) or field.ndim != 2 or not field.size:
        raise ValueError(
            f"a field is uint8 or uint16 [H, W], this one is {field.dtype} {list(field.shape)}: "
            "pass one view of raw counts (replace NaN, round, then .astype(np.uint16))"
        )


def _background(field: np.ndarray) -> np.ndarray:
    """Background of each block of a field, float64 [H / 16, W / 16] (at least 1), counts."""
    rows, columns = (max(side // BLOCK, 1) for side in field.shape)
    y, x = (
        ((np.arange(SAMPLES * blocks) + 0.5) * side / (SAMPLES * blocks)).astype(int)
        for blocks, side in zip((rows, columns), field.shape)
    )
    samples = field[y[:, None], x].reshape(rows, SAMPLES, columns, SAMPLES).swapaxes(1, 2)
    return trim_mean(samples.reshape(rows, columns, -1), 0.25, axis=-1)


def _smooth(shade: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Smooths the blocks' values widely and interpolates between their centres, float64 [H, W].

    Borders are reflected in value too (one block is kept to interpolate to), so that a slope keeps
    its steepness up to the border.
    """
    reach = int(4 * SMOOTHING)
    wide = np.pad(shade, reach + 1, mode="reflect", reflect_type="odd")
    wide = ndimage.median_filter(wide, OUTLIERS)
    wide = ndimage.gaussian_filter(wide, SMOOTHING)[reach:-reach, reach:-reach]
    step = np.divide(shade.shape, shape)
    return ndimage.affine_transform(wide, step, 0.5 * step + 0.5, shape, order=1, mode="nearest")
