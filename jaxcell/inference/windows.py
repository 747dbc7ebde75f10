"""Windows of fields straight from image files, in batches, without a data set in between."""

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd

from jaxcell.dataset.config import ImmuneCellsConfig
from jaxcell.dataset.fields import cut_fields
from jaxcell.dataset.flat_field import FlatFields
from jaxcell.inference.mapping import Batch

# Threads that read and cut fields.
THREADS = min(8, os.cpu_count() or 1)


def window_batches(
    fields: pd.DataFrame, config: ImmuneCellsConfig, flat: FlatFields, size: int
) -> Iterator[Batch]:
    """Windows of fields in batches of one size, the last filled up with zeros.

    Args:
      fields, config, flat: as for `cut_fields`.
      size: windows a batch.

    Yields:
      uint16 [size, w, w, 2]; known of each are the `number` of its field, `y`, `x` (pixels) and
      whether it is `faulty`; done are the fields before that of its last.

    Raises:
      ValueError: as `cut_fields`.
    """
    filled, known = 0, []
    cut = cut_fields(fields, config, flat, labelled=False, threads=THREADS)
    for number, (_, patches, corners, labels) in enumerate(cut):
        about = {"number": np.full(len(patches), number), "y": corners[:, 0], "x": corners[:, 1]}
        about |= labels
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
