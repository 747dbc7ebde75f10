"""Contacts, nearness and distance of T cells and dendritic cells against chance.

As for overlap (see `chance`), T cells are shifted over the dendritic cells, round the edges as on a
torus, and looked at again. A contact needs every T cell by itself, so that not all shifts can be
had from one transform: some are looked at, spread over the allowed ring. What is found without a
shift is looked at in the same way, torus and all, so that nothing but chance is left between them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import distance_transform_edt

from jaxcell.measures.chance import (
    beyond_chance,
    can_be_shifted,
    shifted_alike,
    some_shifts,
)
from jaxcell.measures.contacts import MAXIMUM_UM, TOLERANCE
from jaxcell.measures.field import Field

# Distances are told on a grid about so fine: a transform of all pixels would take longer than all
# other measures together, and what a coarse grid errs by is the same with and without a shift.
GRID_UM = 2.2


class Shifted(NamedTuple):
    """The T cells of a field, without a shift and at each; without alone in one that is too small.

    Attributes:
      contacts: int64 [1 + S], T cells within `contact_um` of a dendritic cell.
      near: int64 [1 + S], those within `near_um`.
      distance_um: float32 [1 + S, T], edge to edge, at most `MAXIMUM_UM`.
    """

    contacts: np.ndarray
    near: np.ndarray
    distance_um: np.ndarray


class _Edges(NamedTuple):
    """Pixels of T cells with a neighbour outside their cell, those of a cell together.

    Attributes:
      y, x: int [Q].
      first: int [T], the first pixel of each cell.
    """

    y: np.ndarray
    x: np.ndarray
    first: np.ndarray


def record(field: Field) -> Shifted:
    """Shifts the T cells of a field over its dendritic cells."""
    t_cells, others = field.cells(0), field.cells(1) > 0
    shifts = np.zeros((1, 2), int)
    if can_be_shifted(others.shape, field.pixel_um):
        shifts = np.concatenate([shifts, some_shifts(others.shape, field.pixel_um)])
    edges = _edges(t_cells)
    if not len(edges.first):
        nothing = np.zeros(len(shifts), int)
        return Shifted(nothing, nothing, np.zeros((len(shifts), 0), np.float32))
    close = _dilated(others, field.contact_um / field.pixel_um + 1 + TOLERANCE)
    step = max(1, round(GRID_UM / field.pixel_um))
    far = _distance(others, step, field.pixel_um)
    touching = _of_cells(np.logical_or, close, 1, edges, shifts, others.shape)
    distance = _of_cells(np.minimum, far, step, edges, shifts, others.shape)
    near = (distance <= field.near_um) & (distance < MAXIMUM_UM)
    return Shifted(touching.sum(axis=1), near.sum(axis=1), distance)


def contact(records: Sequence[Shifted]) -> tuple[float, float]:
    """Contact share beyond chance, in points, and in SDs over shifts; 0 without T cells."""
    return _share(records, "contacts")


def near(records: Sequence[Shifted]) -> tuple[float, float]:
    """Near share beyond chance, likewise."""
    return _share(records, "near")


def distance(records: Sequence[Shifted]) -> tuple[float, float]:
    """Median distance less that of chance, in µm, negative where cells meet; likewise."""
    if not shifted_alike([shifted.distance_um for shifted in records]):
        return np.nan, np.nan
    together = np.concatenate([shifted.distance_um for shifted in records], axis=1)
    if not together.shape[1]:
        return 0.0, 0.0
    return beyond_chance(np.median(together, axis=1).astype(np.float64))


def _share(records: Sequence[Shifted], name: str) -> tuple[float, float]:
    if not shifted_alike([shifted.distance_um for shifted in records]):
        return np.nan, np.nan
    cells = sum(shifted.distance_um.shape[1] for shifted in records)
    return beyond_chance(100 * sum(getattr(one, name) for one in records) / max(cells, 1))


def _edges(labels: np.ndarray) -> _Edges:
    """Outlines of cells; those on the border of the field belong to them."""
    padded = np.pad(labels, 1)
    flat, width = padded.ravel(), padded.shape[1]
    place = np.flatnonzero(flat)
    own = flat[place]
    inner = np.ones(len(place), bool)
    for step in (-width, -1, 1, width):
        inner &= flat[place + step] == own
    place, own = place[~inner], own[~inner]
    order = np.argsort(own, kind="stable")
    y, x = np.divmod(place[order], width)
    return _Edges(y - 1, x - 1, np.unique(own[order], return_index=True)[1])


def _dilated(mask: np.ndarray, radius: float) -> np.ndarray:
    """What lies within `radius` pixels of a mask, on a torus."""
    reach = int(radius)
    found = np.zeros_like(mask)
    rows = np.pad(mask, ((reach, reach), (reach, reach)), mode="wrap")
    height, width = mask.shape
    for dy in range(-reach, reach + 1):
        half = int(np.sqrt(radius**2 - dy**2))
        row = rows[reach + dy : reach + dy + height]
        for dx in range(-half, half + 1):
            found |= row[:, reach + dx : reach + dx + width]
    return found


def _distance(mask: np.ndarray, step: int, pixel_um: float) -> np.ndarray:
    """Edge-to-edge distance to a mask on a grid of so many pixels, µm, float32; on a torus."""
    coarse = np.pad(mask, [(0, -side % step) for side in mask.shape])
    for _ in mask.shape:
        coarse = np.logical_or.reduce([coarse[part::step] for part in range(step)]).T
    if not coarse.any():
        return np.full(coarse.shape, MAXIMUM_UM, np.float32)
    reach = min(int(MAXIMUM_UM / (step * pixel_um)) + 1, *coarse.shape)
    around = np.pad(coarse, reach, mode="wrap")
    apart = distance_transform_edt(~around)[reach:-reach, reach:-reach]
    # Of two squares the pixels that are nearest lie off their centres, a quarter square each.
    edges = step * apart - (step + 1) / 2
    return np.clip(edges * pixel_um, 0, MAXIMUM_UM).astype(np.float32)


def _of_cells(
    choose: np.ufunc,
    values: np.ndarray,
    step: int,
    edges: _Edges,
    shifts: np.ndarray,
    shape: tuple[int, int],
) -> np.ndarray:
    """What of a grid of so many pixels the edges of each cell come to lie on at each shift, and
    `choose` keeps, [S, T]."""
    reach = int(np.abs(shifts).max())
    rows, columns = ((np.arange(-reach, side + reach) % side) // step for side in shape)
    rows = rows * values.shape[1]
    flat, found = values.ravel(), np.empty((len(shifts), len(edges.first)), values.dtype)
    for place, (dy, dx) in enumerate(shifts + reach):
        found[place] = choose.reduceat(
            flat[rows[edges.y + dy] + columns[edges.x + dx]], edges.first
        )
    return found
