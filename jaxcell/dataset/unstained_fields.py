"""Fields as a network without stain is shown them, with what the stains show and what is true."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from scipy import ndimage
from tqdm import tqdm

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.crops import prepare_crops
from jaxcell.dataset.fields import AHEAD, THREADS, read_field, select_fields
from jaxcell.dataset.labelled_fields import (
    BRIGHT_PERCENTILE,
    COMPRESSION,
    DARK_PERCENTILE,
    scale_view,
)
from jaxcell.dataset.reading_ahead import work_ahead
from jaxcell.dataset.truth import read_labels, with_unstained
from jaxcell.measures.truth import DENDRITIC_CELL, T_CELL
from jaxcell.plates.folder import Plates

BRIGHTFIELD = "brightfield"
# Squares of pixels whose means tell how a field is lit, and squares that a median is taken of:
# wider than a clump of cells, narrower than the shade of a droplet.
SQUARE, SQUARES = 8, 9
# Light that differs so much from its surroundings is the edge of a cell, whatever the contrast.
EDGE_PERCENTILE = 99.0

# Of each stain the counts that are dark and that are bright.
Levels = tuple[tuple[float, float], ...]


class Seen(NamedTuple):
    """One field of which all views are known.

    Attributes:
      image: float16 [H, W, V], what a network is shown, as `scale_inputs` gives it.
      stain: uint16 [H, W, 2], counts of both stains.
      labels: int32 [H, W, 2], true stained cells of both kinds, 0 outside.
      cells: int32 [H, W, 2], the true cells that brightfield shows: round ones, whether they are
        stained T cells or not, and dendritic cells.
    """

    image: np.ndarray
    stain: np.ndarray
    labels: np.ndarray
    cells: np.ndarray

    @property
    def shown(self) -> np.ndarray:
        """What each pixel truly shows, uint8 [H, W], as `Unstained.shown`."""
        inside = self.cells > 0
        return inside[..., 0] * T_CELL | inside[..., 1] * DENDRITIC_CELL


class Unstained(NamedTuple):
    """Fields of which all views are known.

    Attributes:
      table: one row a field, as `select_fields` gives, with `split`.
      sizes: int [N, 2], height and width in pixels.
      image: float16 [N, H, W, V], what the network is shown, zeros beyond a smaller field's end.
      stain: uint16 [N, H, W, 2], counts of both stains.
      shown: uint8 [N, H, W, 1], 0 no cell, 1 a round cell, stained or not, 2 a dendritic cell, 3
        both, by the truth.
      levels: of the stains of training fields.
    """

    table: pd.DataFrame
    sizes: np.ndarray
    image: np.ndarray
    stain: np.ndarray
    shown: np.ndarray
    levels: Levels

    def rows(self, split: str) -> np.ndarray:
        """Numbers, int32, of the fields of a split."""
        return np.flatnonzero(self.table["split"] == split).astype(np.int32)


def unstained_table(plates: Plates, inputs: Sequence[str], seed: int) -> pd.DataFrame:
    """One row a field of plates with all views, split by well.

    Raises:
      ValueError: no well is left; a field lacks a view; names plate and well.
    """
    views = (*VIEWS, *(view for view in inputs if view not in VIEWS))
    config = ImmuneCellsConfig(name="unstained", split_seed=seed)
    table = select_fields(plates, config, kinds=views)
    if missing := [view for view in views if view not in table]:
        raise ValueError(f"no field has a {missing[0]} view, which the network is shown")
    for view in views:
        lacking = table[table[view].isna()]
        if len(lacking):
            first = lacking.iloc[0]
            raise ValueError(
                f"{first.plate} {first.well}, field {first.field} has no {view} view: copy it "
                "beside the others, or move the well elsewhere"
            )
    return table


def read_seen(row: Any, inputs: Sequence[str]) -> Seen:
    """Reads a field, a row of `unstained_table`.

    Raises:
      ValueError: it has no truth.
    """
    image = scale_inputs(read_field(row, {}, kinds=inputs), inputs)
    labels = read_labels(row)
    cells = np.stack([with_unstained(labels[..., 0], row), labels[..., 1]], axis=-1)
    return Seen(image, read_field(row, {}), labels, cells)


def read_unstained(plates: Plates, inputs: Sequence[str], seed: int, side: int) -> Unstained:
    """Reads simulated plates of which all views and the true cells are known.

    Args:
      plates: images and wells.
      inputs: roles of the views that the network is shown.
      seed: of the split, by well, stratified by plate and condition.
      side: pixels that a field is filled up to with zeros.

    Raises:
      ValueError: as `unstained_table`; a field has no truth.
    """
    table = unstained_table(plates, inputs, seed)

    def read(row: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        seen = read_seen(row, inputs)
        return seen.image, seen.stain, seen.shown[..., None]

    fields = work_ahead(read, table.itertuples(index=False), THREADS, AHEAD)
    read_all = list(tqdm(fields, "reading", len(table), unit=" fields", dynamic_ncols=True))
    sizes = np.array([image.shape[:2] for image, _, _ in read_all])
    height, width = np.maximum(sizes.max(axis=0), side)
    arrays = [
        np.zeros((len(table), height, width, like.shape[2]), kind)
        for like, kind in zip(read_all[0], (np.float16, np.uint16, np.uint8), strict=True)
    ]
    for number, (h, w) in enumerate(sizes):
        for array, of_field in zip(arrays, read_all[number], strict=True):
            array[number, :h, :w] = of_field
        read_all[number] = ()
    train = np.flatnonzero(table["split"] == "train")
    stains = [arrays[1][row, : sizes[row][0], : sizes[row][1]] for row in train]
    return Unstained(table, sizes, *arrays, _levels(stains))


def _levels(stains: Sequence[np.ndarray]) -> Levels:
    """Medians over fields of their dark and their bright counts, stain by stain."""
    ends = [
        np.percentile(stain, (DARK_PERCENTILE, BRIGHT_PERCENTILE), axis=(0, 1)) for stain in stains
    ]
    return tuple((float(dark), float(bright)) for dark, bright in np.median(ends, axis=0).T)


def scale_inputs(views: np.ndarray, inputs: Sequence[str]) -> np.ndarray:
    """What a network is shown of raw counts, float16 [H, W, V]; of any camera alike."""
    planes = np.moveaxis(views, -1, 0)
    shown = [
        relative_light(plane) if role == BRIGHTFIELD else scale_view(plane, 0.0)
        for role, plane in zip(inputs, planes, strict=True)
    ]
    return np.stack(shown, axis=-1).astype(np.float16)


def relative_light(view: np.ndarray) -> np.ndarray:
    """How much lighter or darker each pixel of a brightfield view is than its surroundings.

    Args:
      view: [H, W], raw counts of any offset and gain.

    Returns:
      float32 [H, W], 0 as its surroundings, 1 or -1 at the edges of cells. It is a share of the
      light there, so that a lamp or a droplet's shade does not show.
    """
    relative = view.astype(np.float32) / np.maximum(surroundings(view), 1.0) - 1
    return relative / max(float(np.percentile(np.abs(relative), EDGE_PERCENTILE)), 1e-6)


def surroundings(view: np.ndarray) -> np.ndarray:
    """The light around each pixel of a brightfield view, [H, W], float32: cells are passed over."""
    view = view.astype(np.float32)
    padded = np.pad(view, [(0, -side % SQUARE) for side in view.shape], "edge")
    coarse = padded.reshape(padded.shape[0] // SQUARE, SQUARE, -1, SQUARE).mean(axis=(1, 3))
    coarse = ndimage.median_filter(coarse, SQUARES, mode="nearest")
    around = ndimage.zoom(coarse, SQUARE, order=1, grid_mode=True, mode="nearest")
    return around[: view.shape[0], : view.shape[1]]


def scaled_stain(counts: Array, levels: Levels) -> Array:
    """Counts of stains [..., 2] as a network draws them, float32: 0 dark, 1 bright."""
    dark, bright = (jnp.broadcast_to(ends, counts.shape) for ends in np.array(levels, np.float32).T)
    share = (counts.astype(jnp.float32) - dark) / jnp.maximum(bright - dark, 1.0)
    return jnp.arcsinh(COMPRESSION * share) / jnp.arcsinh(COMPRESSION)


def stain_counts(scaled: np.ndarray, levels: Levels) -> np.ndarray:
    """The inverse of `scaled_stain`, uint16 [..., 2]."""
    dark, bright = np.array(levels, np.float32).T
    share = np.sinh(np.arcsinh(COMPRESSION) * scaled) / COMPRESSION
    return np.clip(np.rint(dark + (bright - dark) * share), 0, 65535).astype(np.uint16)


def prepare_unstained(side: int, levels: Levels) -> Callable[[dict, dict], dict]:
    """What turns a batch of corners into crops: `image`, `stain` scaled and `shown`, as
    `prepare_crops`."""
    crops = prepare_crops(side)

    def prepare(data: dict, raw: dict) -> dict:
        batch = crops(data, raw)
        return batch | {"stain": scaled_stain(batch["stain"], levels)}

    return prepare
