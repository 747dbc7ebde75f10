"""All measures of the catalogue for a patch, a field or a well.

A field becomes a `FieldRecord` of sums and of arrays over its cells; a well's measures are computed
from the sums of all its fields, so that a field with three cells does not weigh as much as one with
a thousand. Shares are in percent. A field without cells has defined values: shares, lengths, counts
and z are 0, distances `MAXIMUM_UM`, chance_p 1; Pearson, of all pixels, is 0 for a constant view.
Plain numpy and scipy, not compiled: data sets are built in threads, a 2-D transform of a patch is
as quick as JAX's on a CPU, and compiling one takes longer than measuring a field.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxcell.cells.labelling import label_cells
from jaxcell.measures import chance, overlap
from jaxcell.measures.catalogue import CONTACT_UM, MAXIMUM_UM, MEASURES, NEAR_UM
from jaxcell.measures.contacts import Contacts, measure_contacts


class FieldRecord(NamedTuple):
    """What a well needs to know of one of its fields.

    Attributes:
      areas: int64 [4], pixels of the T-cell mask, of the DC mask, of both, of either.
      light: float64 [4], counts: T-cell view in both masks, in its own; DC view likewise.
      spread: float64 [3], squared counts: of the T-cell view, of the DC view, their product.
      contacts: of every T cell and DC, for the table of cells.
      overlaps: int64 [1 + S], overlap area at every shift, the first without one.
    """

    areas: np.ndarray
    light: np.ndarray
    spread: np.ndarray
    contacts: Contacts
    overlaps: np.ndarray


def record_field(
    views: np.ndarray,
    masks: np.ndarray,
    labels: np.ndarray,
    *,
    pixel_um: float,
    contact_um: float = CONTACT_UM,
) -> FieldRecord:
    """Gathers what all measures of a field, or of its well, are computed from.

    Args:
      views: uint16 [2, H, W], raw counts of the T-cell and the dendritic-cell view.
      masks: bool [2, H, W], True inside cells.
      labels: int32 [2, H, W], cells from 1 on, 0 outside.
      pixel_um: width of a pixel.
      contact_um: longest edge-to-edge distance of a contact.

    Returns:
      The record.

    Raises:
      ValueError: the shapes differ, the field is too small to be shifted against itself, or
        `views` holds NaN.
    """
    if not views.shape == masks.shape == labels.shape or len(views) != 2:
        raise ValueError(
            f"views {views.shape}, masks {masks.shape} and labels {labels.shape}: give [2, H, W] "
            "of the same field, T cells first"
        )
    t_cell, dendritic_cell = masks
    counts = [np.count_nonzero(mask) for mask in (t_cell, dendritic_cell, t_cell & dendritic_cell)]
    return FieldRecord(
        areas=np.array([*counts, counts[0] + counts[1] - counts[2]], np.int64),
        light=np.array(
            [
                *overlap.light_inside(views[0], t_cell, dendritic_cell),
                *overlap.light_inside(views[1], dendritic_cell, t_cell),
            ]
        ),
        spread=np.array(overlap.joint_spread(*views)),
        contacts=measure_contacts(
            *labels, pixel_um=pixel_um, contact_um=contact_um, maximum_um=MAXIMUM_UM
        ),
        overlaps=chance.shift_overlaps(t_cell, dendritic_cell, pixel_um=pixel_um),
    )


def measure_field(
    views: np.ndarray,
    masks: np.ndarray,
    labels: np.ndarray,
    *,
    pixel_um: float,
    contact_um: float = CONTACT_UM,
    near_um: float = NEAR_UM,
) -> dict[str, float]:
    """Measures one field; arguments as `record_field`, result as `measure_well`."""
    record = record_field(views, masks, labels, pixel_um=pixel_um, contact_um=contact_um)
    return measure_well([record], near_um=near_um)


def measure_well(
    fields: Sequence[FieldRecord], *, near_um: float = NEAR_UM
) -> dict[str, float | int | str]:
    """Measures a well from the records of its fields, all cells and pixels counting alike.

    Args:
      fields: of one or several fields.
      near_um: edge-to-edge distance up to which a T cell counts as near.

    Returns:
      Every measure of `MEASURES`, the cells (`t_cells`, `dendritic_cells`), `chance_p`,
      `chance_p_less` and the `answer`, one of `chance.ANSWERS`.

    Raises:
      ValueError: there is no field, or fields differ so in size that their shifts do.
    """
    if not fields:
        raise ValueError("a well without a field has no measures: leave it out")
    if len({len(field.overlaps) for field in fields}) > 1:
        raise ValueError("the fields of a well differ in size or pixel width: measure them apart")
    t_area, _, shared, either = sum(field.areas for field in fields)
    t_shared, t_light, dendritic_shared, dendritic_light = sum(field.light for field in fields)
    against = chance.compare_with_chance(sum(field.overlaps for field in fields))
    of_cells = _measure_cells([field.contacts for field in fields], near_um)
    measures = {
        "iou": _percent(shared, either),
        "overlap_share": _percent(shared, t_area),
        "manders_t_cell": _percent(t_shared, t_light),
        "manders_dendritic_cell": _percent(dendritic_shared, dendritic_light),
        "pearson": overlap.correlation(*sum(field.spread for field in fields)),
        **of_cells,
        "chance_z": against.z,
        "chance_excess": _percent(against.observed - against.mean, t_area),
        "chance_p": against.p,
        "chance_p_less": against.p_less,
    }
    cells = {name: int(of_cells[name]) for name in ("t_cells", "dendritic_cells")}
    answer = chance.answer(against, **cells)
    return {name: float(value) for name, value in measures.items()} | cells | {"answer": answer}


def _measure_cells(fields: Sequence[Contacts], near_um: float) -> dict[str, float]:
    """Measures of the cells of all fields together."""
    distance, length, partners, visitors = (
        np.concatenate([getattr(field, name) for field in fields])
        for name in (
            "distance_um",
            "contact_length_um",
            "dendritic_cells_in_contact",
            "t_cells_in_contact",
        )
    )
    near = np.count_nonzero((distance <= near_um) & (distance < MAXIMUM_UM))
    return {
        "contact_share": _percent(np.count_nonzero(partners), len(partners)),
        "t_cells_per_dendritic_cell": visitors.sum() / max(len(visitors), 1),
        "contact_length_um": length.sum(dtype=np.float64) / max(len(length), 1),
        "distance_um": np.median(distance) if len(distance) else MAXIMUM_UM,
        "near_share": _percent(near, len(distance)),
        "t_cells": len(distance),
        "dendritic_cells": len(visitors),
    }


def measure_patches(
    patches: np.ndarray, masks: np.ndarray, name: str, *, pixel_um: float
) -> np.ndarray:
    """Computes one measure of each patch, and only what that needs.

    Args:
      patches: uint16 [N, H, W, 2], raw counts of the T-cell and the dendritic-cell view.
      masks: bool [N, H, W, 2], True inside cells. Cells are labelled here where `name` needs them;
        one cut by the patch's border counts as a cell.
      name: of `MEASURES`.
      pixel_um: width of a pixel.

    Returns:
      float32 [N].

    Raises:
      ValueError: there is no such measure, or the patches are too small to be shifted.
    """
    if name not in MEASURES:
        raise ValueError(f"no measure is called {name!r}: choose one of {', '.join(MEASURES)}")
    views, (t_cell, dendritic_cell) = np.moveaxis(patches, -1, 0), np.moveaxis(masks, -1, 0)
    if name == "pearson":
        return overlap.pearson(*views)
    if name.startswith("chance"):
        overlaps = chance.shift_overlaps(t_cell, dendritic_cell, pixel_um=pixel_um)
        against = chance.compare_with_chance(overlaps)
        if name == "chance_z":
            return against.z.astype(np.float32)
        area = np.maximum(np.count_nonzero(t_cell, axis=(1, 2)), 1)
        return (100 * (against.observed - against.mean) / area).astype(np.float32)
    quick = {
        "iou": lambda: overlap.iou(t_cell, dendritic_cell),
        "overlap_share": lambda: overlap.overlap_share(t_cell, dendritic_cell),
        "manders_t_cell": lambda: overlap.manders(views[0], t_cell, dendritic_cell),
        "manders_dendritic_cell": lambda: overlap.manders(views[1], dendritic_cell, t_cell),
    }
    if name in quick:
        return np.float32(100) * quick[name]()
    contacts = (
        measure_contacts(*map(label_cells, pair), pixel_um=pixel_um, contact_um=CONTACT_UM)
        for pair in zip(t_cell, dendritic_cell)
    )
    return np.array([_measure_cells([found], NEAR_UM)[name] for found in contacts], np.float32)


def _percent(part: float, whole: float) -> float:
    """Percentage; 0 of nothing."""
    return 100 * float(part) / float(whole) if whole else 0.0
