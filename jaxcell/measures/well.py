"""All measures of the catalogue for a field or a well.

A field becomes a record of sums and of arrays over its cells; a well's measures are computed from
the records of all its fields, so that a field with three cells does not weigh as much as one with a
thousand. A field without cells has defined values: shares, lengths, counts and z are 0, distances
`MAXIMUM_UM`, chance_p 1; Pearson, of all pixels, is 0 for a constant view.
Plain numpy and scipy, not compiled: data sets are built in threads, a 2-D transform of a patch is
as quick as JAX's on a CPU, and compiling one takes longer than measuring a field.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxcell.measures import chance
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.field import CONTACT_UM, NEAR_UM, Field

# What a well needs to know of one of its fields, by the function that gathered it.
FieldRecord = Mapping[Callable[[Field], Any], Any]


def record_field(
    views: np.ndarray,
    masks: np.ndarray,
    labels: np.ndarray,
    *,
    pixel_um: float,
    contact_um: float = CONTACT_UM,
    near_um: float = NEAR_UM,
) -> FieldRecord:
    """Gathers what all measures of a field, or of its well, are computed from.

    Args:
      views: uint16 [2, H, W], raw counts of the T-cell and the dendritic-cell view.
      masks: bool [2, H, W], True inside cells.
      labels: int32 [2, H, W], cells from 1 on, 0 outside.
      pixel_um: width of a pixel.
      contact_um: longest edge-to-edge distance of a contact.
      near_um: edge-to-edge distance up to which a T cell counts as near.

    Returns:
      `record` of each measure -> what it gave.

    Raises:
      ValueError: the shapes differ, or `views` holds NaN.
    """
    if not views.shape == masks.shape == labels.shape or len(views) != 2:
        raise ValueError(
            f"views {views.shape}, masks {masks.shape} and labels {labels.shape}: give [2, H, W] "
            "of the same field, T cells first"
        )
    field = Field(views, masks, labels.__getitem__, pixel_um, contact_um, near_um)
    records = dict.fromkeys(measure.record for measure in MEASURES.values())
    return {record: record(field) for record in records}


def measure_well(fields: Sequence[FieldRecord]) -> dict[str, float | int | str]:
    """Measures a well from the records of its fields, all cells and pixels counting alike.

    Args:
      fields: of one or several fields.

    Returns:
      Every measure of `MEASURES`, and the `answer`, one of `chance.ANSWERS` or
      `chance.CANNOT_SAY`; then what is set against chance is NaN.

    Raises:
      ValueError: there is no field.
    """
    if not fields:
        raise ValueError("a well without a field has no measures: leave it out")
    measures = {
        name: measure.reduce([field[measure.record] for field in fields])
        for name, measure in MEASURES.items()
    }
    shifted = chance.compare_with_chance([field[chance.record] for field in fields])
    return measures | {
        "answer": chance.answer(shifted, measures["t_cells"], measures["dendritic_cells"])
    }
