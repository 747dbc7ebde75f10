"""Simulated cells drawn into a field: small windows, outlines, masks and contacts.

Pure: arrays in, arrays out. Lengths are in pixels.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from jaxcell.simulator.cells import Cells


class Stamps(NamedTuple):
    """Small square windows, one a cell, centred on the pixel of its centre.

    Attributes:
      top, left: int [N], the window's corner in the field padded by `reach` on every side.
      reach: pixels from the window's centre to its edge; the window is 2 * reach + 1 wide.
      distance: float32 [N, S, S], pixels from the cell's centre.
      outline: float32 [N, S, S], the cell's radius in that direction.
      dy, dx: float32 [N, S, 1] and [N, 1, S], pixels from the cell's centre.
    """

    top: np.ndarray
    left: np.ndarray
    reach: int
    distance: np.ndarray
    outline: np.ndarray
    dy: np.ndarray
    dx: np.ndarray


def stamp(cells: Cells, reach: int) -> Stamps:
    """Lays a window on every cell and measures distance and outline in it."""
    top, left = np.rint(cells.y).astype(int), np.rint(cells.x).astype(int)
    steps = np.arange(-reach, reach + 1, dtype=np.float32)
    dy = (steps + (top - cells.y)[:, None]).astype(np.float32)[:, :, None]
    dx = (steps + (left - cells.x)[:, None]).astype(np.float32)[:, None, :]
    distance = np.sqrt(dy * dy + dx * dx)
    # cos(k angle) and sin(k angle) as powers of a unit complex number: one sqrt, no arctangent.
    unit = (dx + 1j * dy) / np.maximum(distance, np.float32(1e-3))
    power, relative = unit * unit, np.ones_like(distance)
    for k in range(4):
        factor = (cells.harmonics[:, k] * np.exp(-1j * cells.phases[:, k])).astype(np.complex64)
        relative += (power * factor[:, None, None]).real
        power *= unit
    outline = cells.radius[:, None, None] * np.clip(relative, 0.6, 1.45)
    return Stamps(top, left, reach, distance, outline, dy, dx)


def soft_body(stamps: Stamps, cells: Cells) -> np.ndarray:
    """Light of each cell through its blur, float32 [N, S, S]: 1 inside, less if blurred."""
    blur, radius = cells.blur[:, None, None], cells.radius[:, None, None]
    inside = ndtr((stamps.outline - stamps.distance) / blur)
    # A defocused disc spreads its light over radius^2 + 2 blur^2.
    return inside * (radius**2 / (radius**2 + 2 * np.maximum(blur - 1, 0) ** 2))


def paste(stamps: Stamps, values: np.ndarray, size: int) -> np.ndarray:
    """Adds up windows, float32 [N, S, S], into a field, float32 [size, size]."""
    reach, width = stamps.reach, 2 * stamps.reach + 1
    field = np.zeros((size + 2 * reach, size + 2 * reach), np.float32)
    for top, left, window in zip(stamps.top, stamps.left, values):
        field[top : top + width, left : left + width] += window
    return field[reach : reach + size, reach : reach + size]


def paint_labels(stamps: Stamps, size: int) -> np.ndarray:
    """Paints each cell's mask with its number; where two overlap, the deeper one has the pixel.

    uint16 [size, size]; 0 outside, i + 1 inside cell i.
    """
    reach, width = stamps.reach, 2 * stamps.reach + 1
    labels = np.zeros((size + 2 * reach, size + 2 * reach), np.uint16)
    deepest = np.zeros(labels.shape, np.float32)
    depths = 1 - stamps.distance / stamps.outline
    for number, (top, left, depth) in enumerate(zip(stamps.top, stamps.left, depths), start=1):
        box = np.s_[top : top + width, left : left + width]
        mine = depth > deepest[box]
        labels[box][mine] = number
        deepest[box][mine] = depth[mine]
    return np.ascontiguousarray(labels[reach : reach + size, reach : reach + size])


def find_contacts(t_cells: np.ndarray, dendritic_cells: np.ndarray) -> np.ndarray:
    """Pairs of a T cell and a dendritic cell whose masks share or adjoin a pixel (8 neighbours).

    int [N, 2], sorted and unique, from label images uint16 [H, W], 0 outside.
    """
    y, x = np.nonzero(t_cells)
    around = np.pad(dendritic_cells, 1)
    shifts = [(dy, dx) for dy in range(3) for dx in range(3)]
    partner = np.stack([around[y + dy, x + dx] for dy, dx in shifts], -1)
    pairs = np.stack([np.broadcast_to(t_cells[y, x][:, None], partner.shape), partner], -1)
    pairs = pairs[partner > 0].astype(np.int64)
    return np.unique(pairs, axis=0)
