"""Windows of fields straight from image files, in batches, without a data set in between.

Threads read fields and cut them, a bounded number ahead of whoever fills the batches, so that
memory does not grow with the plates.
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from jaxcell.dataset.fields import masks_of, read_field
from jaxcell.dataset.flat_field import FlatFields
from jaxcell.dataset.immune_cells import ImmuneCellsConfig
from jaxcell.dataset.patches import faulty_patches, remove_background, windows
from jaxcell.dataset.reading_ahead import work_ahead
from jaxcell.inference.mapping import Batch

# Threads that read and cut fields, and fields that each may be ahead: each takes tens of MiB.
THREADS = min(8, os.cpu_count() or 1)
FIELDS_AHEAD = 2


def window_batches(
    fields: pd.DataFrame, settings: ImmuneCellsConfig, flat: FlatFields, size: int
) -> Iterator[Batch]:
    """Windows of fields in batches of one size, the last filled up with zeros.

    Args:
      fields: as `select_fields` gives them.
      settings: how fields are cut and masked.
      flat: what they are corrected by; empty: by nothing.
      size: windows a batch.

    Yields:
      uint16 [size, w, w, 2]; known of each are the `number` of its field, `y`, `x` (pixels) and
      whether it is `faulty`; done are the fields before that of its last.

    Raises:
      ValueError: a field cannot be read or cut; names plate, well and field.
    """

    def cut(row: tuple[int, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        return _cut(*row, settings, flat)

    rows = enumerate(fields.itertuples(index=False))
    return _batches(work_ahead(cut, rows, THREADS, FIELDS_AHEAD), size)


def _cut(
    number: int, field: Any, settings: ImmuneCellsConfig, flat: FlatFields
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Patches of a field, uint16 [N, w, w, 2], and what is known of each."""
    try:
        views = read_field(field, flat)
        patches, corners = windows(views, settings.window, settings.stride)
        faulty = faulty_patches(patches)  # before anything is masked
        if settings.masked:
            patches = remove_background(patches, masks_of(views, patches, settings))
    except ValueError as error:
        raise ValueError(f"{field.plate} {field.well}, field {field.field}: {error}") from error
    y, x = corners.T
    return patches, {"number": np.full(len(y), number), "y": y, "x": x, "faulty": faulty}


def _batches(cut: Iterable[tuple[np.ndarray, dict[str, np.ndarray]]], size: int) -> Iterator[Batch]:
    """Patches of fields, as `_cut` gives them, in batches."""
    filled, known = 0, []
    for patches, about in cut:
        taken = 0
        while taken < len(patches):
            if not filled:
                # Another for each batch: the device may use the host's memory as it is.
                image, known = np.zeros((size, *patches.shape[1:]), np.uint16), []
            some = slice(taken, taken + size - filled)
            count = len(patches[some])
            image[filled : filled + count] = patches[some]
            known.append({name: array[some] for name, array in about.items()})
            taken, filled = taken + count, (filled + count) % size
            if not filled:
                yield _batch(image, known)
    if filled:
        yield _batch(image, known)


def _batch(image: np.ndarray, known: list[dict[str, np.ndarray]]) -> Batch:
    joined = {name: np.concatenate([some[name] for some in known]) for name in known[0]}
    return Batch(image, joined, int(joined["number"][-1]))
