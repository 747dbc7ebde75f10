"""Which T cells lie by which dendritic cells: distances, contacts, lengths of contact.

The edge-to-edge distance of two cells is that of the centres of their nearest pixels less one
pixel, and at least 0: it is 0 where they share a pixel or the side of one, 0.41 pixels where they
meet at a corner. Work is done on the pixels of the cells, so time grows with their number.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from jaxcell.measures.field import Field, percent

MAXIMUM_UM = 100.0  # distances are looked for, and reported, up to this
# Compared lengths in pixels may differ by this much through rounding.
TOLERANCE = 1e-6
SIDES = ((-1, 0), (0, -1), (0, 1), (1, 0))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))


class Contacts(NamedTuple):
    """T cells 1..T of a field and the dendritic cells 1..D near them; row i is cell i + 1.

    Attributes:
      distance_um: float32 [T], edge to edge to the nearest dendritic cell; 0 where they share
        pixels or sides; at most, and where there is none at all, `MAXIMUM_UM`.
      near: bool [T], whether that is at most `near_um`, and one was found.
      nearest: int32 [T], number of that dendritic cell: of those that overlap, the one that shares
        most pixels; 0 where none is within `MAXIMUM_UM`.
      contact_length_um: float32 [T], length of the T cell's outline that is within `contact_um`
        of a dendritic cell or inside one.
      dendritic_cells_in_contact: int32 [T], number of them within `contact_um`.
      t_cells_in_contact: int32 [D], number of T cells within `contact_um` of a dendritic cell.
      pairs: int32 [P, 2], sorted: every T cell and dendritic cell within `contact_um`.
    """

    distance_um: np.ndarray
    near: np.ndarray
    nearest: np.ndarray
    contact_length_um: np.ndarray
    dendritic_cells_in_contact: np.ndarray
    t_cells_in_contact: np.ndarray
    pairs: np.ndarray


class _Cells(NamedTuple):
    """Cells of one type: their number, their edge pixels, what they share with the other type.

    Attributes:
      count: highest number of a cell.
      points: int [Q, 2], y and x of pixels with a neighbour outside their cell.
      cell: int32 [Q], whose they are.
      length: float64 [Q], pixels of outline that each stands for.
      other: int32 [Q], the cell of the other type on the same pixel, 0 without.
      shared: int64 [P, 2], pairs of a cell and one of the other type that share pixels.
      shared_pixels: int [P], how many.
    """

    count: int
    points: np.ndarray
    cell: np.ndarray
    length: np.ndarray
    other: np.ndarray
    shared: np.ndarray
    shared_pixels: np.ndarray


def record(field: Field) -> Contacts:
    """Finds distances and contacts between the cells of a field.

    Two cells are in contact where their edge-to-edge distance is at most `field.contact_um`: where
    the dendritic cell, dilated by a disc of that radius and one pixel, shares a pixel with the T
    cell. A number without a pixel counts as a cell that is near nothing.

    Raises:
      ValueError: the label images differ in shape or are not of integers.

    Source: length of an outline by the Cauchy-Crofton formula in four directions, as
    `skimage.measure.perimeter_crofton`; sides on the field's border do not count.
    """
    labels = t_labels, dendritic_labels = field.cells(0), field.cells(1)
    if t_labels.shape != dendritic_labels.shape or t_labels.ndim != 2:
        raise ValueError(
            f"label images of shapes {t_labels.shape} and {dendritic_labels.shape}: give both "
            "kinds of cells of the same field, [H, W]"
        )
    for image in labels:
        if not np.issubdtype(image.dtype, np.integer):
            raise ValueError(f"labels are whole numbers of cells, these are {image.dtype}")
    reach, limit = field.contact_um / field.pixel_um + TOLERANCE, MAXIMUM_UM / field.pixel_um
    t_cell, dendritic_cell = _find_cells(*labels), _find_cells(*labels[::-1])

    gap, neighbour = _nearest_cell(t_cell, dendritic_cell, limit)
    distance, nearest = _least(t_cell, gap, neighbour, limit)
    # The pair that shares most pixels is written last; of equal ones that of the lowest number.
    last = t_cell.shared[::-1][np.argsort(t_cell.shared_pixels[::-1], kind="stable")]
    distance[last[:, 0] - 1], nearest[last[:, 0] - 1] = 0, last[:, 1]
    distance_um = np.minimum(distance * field.pixel_um, MAXIMUM_UM).astype(np.float32)

    touching = gap <= reach
    length = np.bincount(
        t_cell.cell[touching] - 1, weights=t_cell.length[touching], minlength=t_cell.count
    )
    close = _close_pairs(t_cell, dendritic_cell, touching, reach)
    pairs = _distinct(np.concatenate([t_cell.shared, close]))[0]
    return Contacts(
        distance_um=distance_um,
        near=(distance_um <= field.near_um) & (distance_um < MAXIMUM_UM),
        nearest=nearest.astype(np.int32),
        contact_length_um=(length * field.pixel_um).astype(np.float32),
        dendritic_cells_in_contact=_count(pairs[:, 0], t_cell.count),
        t_cells_in_contact=_count(pairs[:, 1], dendritic_cell.count),
        pairs=pairs.astype(np.int32),
    )


def contact_share(records: Sequence[Contacts]) -> float:
    """Share of T cells in contact with a dendritic cell, in percent; 0 without T cells."""
    partners = _all(records, "dendritic_cells_in_contact")
    return percent(np.count_nonzero(partners), len(partners))


def t_cells_per_dendritic_cell(records: Sequence[Contacts]) -> float:
    """Mean number of T cells in contact with a dendritic cell; 0 without dendritic cells."""
    visitors = _all(records, "t_cells_in_contact")
    return float(visitors.sum() / max(len(visitors), 1))


def contact_length_um(records: Sequence[Contacts]) -> float:
    """Mean length of a T cell's outline that is in contact, in µm; 0 without T cells."""
    length = _all(records, "contact_length_um")
    return float(length.sum(dtype=np.float64) / max(len(length), 1))


def distance_um(records: Sequence[Contacts]) -> float:
    """Median distance of a T cell to a dendritic cell, in µm; `MAXIMUM_UM` without T cells."""
    distance = _all(records, "distance_um")
    return float(np.median(distance)) if len(distance) else MAXIMUM_UM


def near_share(records: Sequence[Contacts]) -> float:
    """Share of T cells near a dendritic cell, in percent; 0 without T cells."""
    near = _all(records, "near")
    return percent(np.count_nonzero(near), len(near))


def _all(records: Sequence[Contacts], name: str) -> np.ndarray:
    return np.concatenate([getattr(contacts, name) for contacts in records])


def _find_cells(labels: np.ndarray, others: np.ndarray) -> _Cells:
    """Gathers the pixels of cells that matter, and the length of outline each stands for."""
    # Beyond the field nothing is known, and -1 says so: no edge there.
    padded = np.pad(labels.astype(np.int32), 1, constant_values=-1)
    flat, width = padded.ravel(), padded.shape[1]
    place = np.flatnonzero(flat > 0)
    cell = flat[place]
    y, x = np.divmod(place, width)
    other = others[y - 1, x - 1].astype(np.int32)
    open_sides, open_corners = (
        sum(
            ((beside := flat[place + dy * width + dx]) != cell) & (beside >= 0) for dy, dx in steps
        ).astype(np.float64)
        for steps in (SIDES, CORNERS)
    )
    length = np.pi / 8 * (open_sides + open_corners / np.sqrt(2))
    edge, both = np.flatnonzero(length), np.flatnonzero(other)
    return _Cells(
        int(cell.max(initial=0)),
        np.stack([y[edge] - 1, x[edge] - 1], axis=1),
        cell[edge],
        length[edge],
        other[edge],
        *_distinct(np.stack([cell[both], other[both]], axis=1)),
    )


def _nearest_cell(
    t_cell: _Cells, dendritic_cell: _Cells, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Distance in pixels, less one, of T cells' edge pixels to a dendritic cell, and which.

    float64 [Q], inf where none is within `limit`; int [Q], 0 there.
    """
    if not len(dendritic_cell.points) or not len(t_cell.points):
        return np.where(t_cell.other > 0, 0.0, np.inf), t_cell.other
    apart, index = _tree(dendritic_cell.points).query(
        t_cell.points, distance_upper_bound=limit + 1 + TOLERANCE
    )
    cell = np.append(dendritic_cell.cell, 0)[index]
    inside = t_cell.other > 0
    return np.where(inside, 0, np.maximum(apart - 1, 0)), np.where(inside, t_cell.other, cell)


def _least(
    t_cell: _Cells, gap: np.ndarray, neighbour: np.ndarray, limit: float
) -> tuple[np.ndarray, np.ndarray]:
    """Least gap of each cell's edge pixels and the neighbour there; `limit` and 0 without."""
    order = np.lexsort((neighbour, gap, t_cell.cell))
    order = order[np.isfinite(gap[order])]
    found, first = np.unique(t_cell.cell[order], return_index=True)
    distance, nearest = np.full(t_cell.count, limit), np.zeros(t_cell.count, np.int64)
    distance[found - 1] = gap[order][first]
    nearest[found - 1] = neighbour[order][first]
    return distance, nearest


def _close_pairs(
    t_cell: _Cells, dendritic_cell: _Cells, touching: np.ndarray, reach: float
) -> np.ndarray:
    """Pairs of cells with edge pixels at most `reach` pixels and one apart, int [P, 2].

    `touching` (bool [Q]) marks the T cells' pixels that are so near to any.
    """
    if not len(dendritic_cell.points) or not touching.any():
        return np.zeros((0, 2), np.int64)
    mine, theirs = _tree(t_cell.points[touching]), _tree(dendritic_cell.points)
    near = mine.sparse_distance_matrix(theirs, reach + 1, output_type="ndarray")
    cells = t_cell.cell[touching][near["i"]], dendritic_cell.cell[near["j"]]
    return _distinct(np.stack(cells, axis=1))[0]


def _tree(points: np.ndarray) -> cKDTree:
    # Balancing takes longer than it saves: edge pixels are spread evenly enough.
    return cKDTree(points, balanced_tree=False, compact_nodes=False)


def _distinct(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct pairs, sorted, int64 [P, 2], and how often each occurs, int [P]."""
    # As one number a pair: sorting rows takes ten times as long.
    base = int(pairs.max(initial=0)) + 1
    keys, counts = np.unique(pairs[:, 0].astype(np.int64) * base + pairs[:, 1], return_counts=True)
    return np.stack(np.divmod(keys, base), axis=1), counts


def _count(numbers: np.ndarray, count: int) -> np.ndarray:
    """How often each number 1..count occurs, int32 [count]."""
    return np.bincount(numbers, minlength=count + 1)[1:].astype(np.int32)
