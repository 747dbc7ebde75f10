"""Simulated cells: where they lie, how large, bright and sharp they are.

Pure: a random generator and numbers in, arrays out. Throughout, `rng` is the source of randomness,
`size` the side of the field, `points` float32 [N, 2] are y and x, and `crowding` float [G, G] is a
coarse map of relative density. Lengths are in pixels unless a name says otherwise.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

PIXEL_UM = 0.741  # IN Cell Analyzer 2000, 10x: a 200 um bar is 270 pixels.
REFERENCE_AREA = 2048 * 2048  # Densities are stated for a field of this many pixels.

OUT_OF_FOCUS_SHARE = 0.25
# Standard deviation of the point spread function.
SHARP, BLURRED = (0.9, 1.3), (1.6, 3.2)

# Clumps of dendritic cells: shares of singles, of 2-4 cells, of 5-30 cells.
CLUMP_SHARES = (0.66, 0.24, 0.10)
# Radius of a clump: this times a cell's diameter times the root of the number of cells.
CLUMP_SPREAD = 0.6
LEAST_DISTANCE = 5.5  # between centres of T cells: each stays inside its own mask
DENDRITIC_CELL_GAP = 0.6  # between centres of dendritic cells, in diameters: they lie side by side
PLACES_A_CELL = 1.6  # drawn for each cell: those too close to others are dropped
# Some clumps draw many more T cells than others: log-normal weights.
ATTRACTION_SPREAD = 0.8
ROLLED = 0.95  # where those that roll off come to lie, in distances at which two cells touch


class Kind(NamedTuple):
    """The laws of a kind of cell.

    Attributes:
      diameter: mean and standard deviation in pixels.
      irregularity: amplitude of the outline's second harmonic as a share of the radius.
      brightness: counts above background, median and standard deviation of the logarithm.
      softening: factor on the blur.
    """

    diameter: tuple[float, float]
    irregularity: float
    brightness: tuple[float, float]
    softening: float = 1.0


# Diameters as read off the real images: T cells 8-11 px and round, dendritic cells 12-20 px and
# irregular; these are spread in height and look softer.
T_CELL = Kind((10.1, 0.8), 0.035, (1350.0, 0.7))
DENDRITIC_CELL = Kind((13.5, 1.8), 0.085, (900.0, 0.6), 1.35)
UNSTAINED = Kind((10.5, 1.8), 0.035, (1.0, 0.3))


def swollen(kind: Kind, factor: float) -> Kind:
    """A kind whose cells are so many times as wide."""
    mean, deviation = kind.diameter
    return kind._replace(diameter=(factor * mean, factor * deviation))


class Cells(NamedTuple):
    """Cells of one kind.

    Attributes:
      y, x: float32 [N], centre in pixels.
      radius: float32 [N], mean radius in pixels.
      harmonics: float32 [N, 4], relative amplitude of the outline's harmonics 2 to 5.
      phases: float32 [N, 4], radians.
      brightness: float32 [N], counts above background at the centre, in focus.
      blur: float32 [N], standard deviation of the point spread function in pixels.
    """

    y: np.ndarray
    x: np.ndarray
    radius: np.ndarray
    harmonics: np.ndarray
    phases: np.ndarray
    brightness: np.ndarray
    blur: np.ndarray


def scatter(rng: np.random.Generator, count: int, size: int, crowding: np.ndarray) -> np.ndarray:
    """Places so many points at random, in proportion to the density."""
    grid = len(crowding)
    chance = crowding.ravel() / crowding.sum()
    boxes = rng.choice(grid * grid, count, p=chance)
    corners = np.stack(np.divmod(boxes, grid), -1)
    return ((corners + rng.random((count, 2))) * (size / grid)).astype(np.float32)


def draw_crowding(rng: np.random.Generator, spread: float, grid: int = 16) -> np.ndarray:
    """Draws a smooth log-normal density map of mean about 1, float [grid, grid]."""
    noise = ndimage.gaussian_filter(rng.standard_normal((grid, grid)), grid / 6, mode="reflect")
    noise = (noise - noise.mean()) / max(noise.std(), 1e-6)
    return np.exp(spread * noise)


def separate(points: np.ndarray, size: int, distance: float = LEAST_DISTANCE) -> np.ndarray:
    """Marks points inside the field that keep this distance from every earlier one, bool [N]."""
    keep = np.all((points >= 0) & (points < size - 1), axis=1)
    for first, second in cKDTree(points).query_pairs(distance, output_type="ndarray"):
        if keep[min(first, second)]:
            keep[max(first, second)] = False
    return keep


def place_dendritic_cells(
    rng: np.random.Generator, count: int, size: int, crowding: np.ndarray, kind: Kind
) -> tuple[np.ndarray, np.ndarray]:
    """Places dendritic cells singly and in clumps: points, and the number of the clump of each.

    So many as asked for, unless the field is too full for them.
    """
    drawn = round(PLACES_A_CELL * count)
    form = rng.choice(3, max(drawn, 1), p=CLUMP_SHARES)
    few = rng.integers(2, 5, len(form))
    many = np.clip(np.round(rng.lognormal(np.log(9), 0.55, len(form))), 5, 30).astype(int)
    sizes = np.where(form == 0, 1, np.where(form == 1, few, many))
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), drawn)) + 1]
    clump = np.repeat(np.arange(len(sizes)), sizes)[:drawn]
    centres = scatter(rng, len(sizes), size, crowding)
    reach = CLUMP_SPREAD * kind.diameter[0] * np.sqrt(sizes) * (sizes > 1)
    distance = reach[clump] * np.sqrt(rng.random(len(clump)))
    angle = rng.uniform(0, 2 * np.pi, len(clump))
    points = centres[clump] + distance[:, None] * np.stack([np.sin(angle), np.cos(angle)], -1)
    keep = np.flatnonzero(separate(points, size, DENDRITIC_CELL_GAP * kind.diameter[0]))[:count]
    return points[keep].astype(np.float32), clump[keep]


def place_t_cells(
    rng: np.random.Generator,
    count: int,
    size: int,
    crowding: np.ndarray,
    association: float,
    roll_off: float,
    dendritic_cells: Cells,
    clump: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Places T cells: a share `association` bound to dendritic cells, the others wherever.

    Points, and which of them are bound, bool [N]: as many as asked for, unless there is no room for
    them. `clump` int [N] is that of each dendritic cell, `roll_off` the share of those not bound
    that fell on a dendritic cell and come to lie beside it.
    """
    wanted = np.array([0, rng.binomial(count, association if len(clump) else 0.0)])
    wanted[0] = count - wanted[1]
    drawn = np.ceil(PLACES_A_CELL * wanted).astype(int)
    points = scatter(rng, int(drawn.sum()), size, crowding)
    bound = rng.permutation(len(points)) < drawn[1]
    if len(clump):
        centres = np.stack([dendritic_cells.y, dendritic_cells.x], -1)
        points = _roll_off(rng, points, centres, dendritic_cells.radius, roll_off)
    if bound.any():
        attraction = rng.lognormal(0, ATTRACTION_SPREAD, int(clump.max()) + 1)[clump]
        partner = rng.choice(len(clump), len(points), p=attraction / attraction.sum())
        # From on top of the cell (0) to touching its rim (1).
        depth = np.sqrt(rng.uniform(0.0, 1.0, len(points)))
        distance = depth * (dendritic_cells.radius[partner] + T_CELL.diameter[0] / 2)
        angle = rng.uniform(0, 2 * np.pi, len(points))
        step = distance[:, None] * np.stack([np.sin(angle), np.cos(angle)], -1)
        points = np.where(bound[:, None], centres[partner] + step, points)
    keep = separate(points, size)
    for kind, number in enumerate(wanted):
        keep[np.flatnonzero(keep & (bound == kind))[number:]] = False
    return points[keep].astype(np.float32), bound[keep]


def _roll_off(
    rng: np.random.Generator,
    points: np.ndarray,
    centres: np.ndarray,
    radius: np.ndarray,
    share: float,
) -> np.ndarray:
    """Moves a share of the points that fell on a dendritic cell to its rim, where they touch it."""
    distance, nearest = cKDTree(centres).query(points)
    reach = radius[nearest] + T_CELL.diameter[0] / 2
    rolls = (distance < reach) & (rng.random(len(points)) < share)
    outwards = (points - centres[nearest]) / np.maximum(distance, 1e-6)[:, None]
    rim = centres[nearest] + outwards * (ROLLED * reach)[:, None]
    return np.where(rolls[:, None], rim, points)


def draw_cells(
    rng: np.random.Generator, points: np.ndarray, kind: Kind, gain: float = 1.0
) -> Cells:
    """Draws size, outline, brightness (times `gain`) and focus of cells at given places."""
    count = len(points)
    mean, deviation = kind.diameter
    width = np.clip(rng.normal(mean, deviation, count), mean - 2 * deviation, mean + 2 * deviation)
    falling = kind.irregularity / np.array([1.0, 1.4, 2.0, 2.6])
    blurred = rng.random(count) < OUT_OF_FOCUS_SHARE
    blur = np.where(blurred, rng.uniform(*BLURRED, count), rng.uniform(*SHARP, count))
    median, spread = kind.brightness
    drawn = (
        points[:, 0],
        points[:, 1],
        width / 2,
        np.clip(rng.normal(0, 1, (count, 4)), -1.8, 1.8) * falling,
        rng.uniform(0, 2 * np.pi, (count, 4)),
        rng.lognormal(np.log(median * gain), spread, count),
        kind.softening * blur,
    )
    return Cells(*(values.astype(np.float32) for values in drawn))
