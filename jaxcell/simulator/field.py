"""One simulated co-culture field: cells, light, camera and truth."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.simulator import camera, cells, stamps
from jaxcell.simulator.light import Light, draw_light, lamp_profile

CELL_TYPES = ("t_cell", "dendritic_cell")

# Cells in a field of 2048 x 2048, as the instrument counts them on CK19.
T_CELLS, DENDRITIC_CELLS, UNSTAINED_CELLS = 1100, 900, 3200
ROLL_OFF = 0.5
CROWDING_SPREAD = 0.25  # within a field
# Glow without offset: between CK19's (up to 255) and the real field's (about 500).
BACKGROUND = (230.0, 0.3)
DROPLET_SHARE = 0.04  # of fields

Populations = tuple[cells.Cells, cells.Cells, cells.Cells]  # T cells, dendritic cells, unstained


class Well(NamedTuple):
    """What all fields of a well share.

    Attributes:
      association: share of T cells bound to a dendritic cell.
      t_cells, dendritic_cells, unstained_cells: expected cells in a field of 2048 x 2048.
      roll_off: share of the T cells that settle on a dendritic cell without being bound which come
        to lie beside it.
      swelling: factors on the diameters of T cells and of dendritic cells.
      gain: brightness of FITC and TexasRed relative to the usual.
      background: glow of FITC and TexasRed in counts.
    """

    association: float
    t_cells: float = T_CELLS
    dendritic_cells: float = DENDRITIC_CELLS
    unstained_cells: float = UNSTAINED_CELLS
    roll_off: float = ROLL_OFF
    swelling: tuple[float, float] = (1.0, 1.0)
    gain: tuple[float, float] = (1.0, 1.0)
    background: tuple[float, float] = (BACKGROUND[0], BACKGROUND[0])


class Field(NamedTuple):
    """One simulated field.

    Attributes:
      views: uint16 [3, H, W] counts: FITC, TexasRed, Brightfield.
      labels: uint16 [2, H, W], numbers of T cells and of dendritic cells, 0 outside.
      unstained: uint16 [H, W], numbers of cells without stain, which brightfield alone shows.
      cells: one row a cell: cell (number in the label image), type, y, x (pixels), diameter_um,
        area_um2 (of its label), brightness (counts), focus (1 sharp, towards 0 blurred), bound
        (a T cell that was put on or beside a dendritic cell; those of that kind never are).
      contacts: one row a pair whose masks share or adjoin a pixel: t_cell, dendritic_cell.
      light: what optics and camera were.
    """

    views: np.ndarray
    labels: np.ndarray
    unstained: np.ndarray
    cells: pd.DataFrame
    contacts: pd.DataFrame
    light: Light


def simulate_field(
    rng: np.random.Generator,
    size: int,
    association: float,
    *,
    well: Well | None = None,
    light: Light | None = None,
    droplet_share: float = DROPLET_SHARE,
) -> Field:
    """Simulates one field of view with its truth; the same `rng` gives the same field, bit by bit.

    Args:
      size: side of the field in pixels, at least 64.
      association: share of T cells bound to a dendritic cell, in [0, 1]; not used with `well`.
      well: what the field's well fixes; the usual values without.
      light: optics and camera; drawn from the usual ranges without.
      droplet_share: chance of a droplet.
    """
    well = Well(association) if well is None else well
    light = draw_light(rng) if light is None else light
    scale = size * size / cells.REFERENCE_AREA
    droplet = None
    if rng.random() < droplet_share:
        (y, x), radius = rng.uniform(0, size, 2), rng.uniform(0.2, 0.45)
        droplet = camera.Droplet(float(y), float(x), float(radius * size))
    populations, bound = _draw_populations(rng, size, scale, well, light, droplet)
    laid = [stamps.stamp(some, reach) for some, reach in zip(populations, (14, 21, 11))]
    *labels, unstained = (stamps.paint_labels(some, size) for some in laid)
    labels = np.stack(labels)
    views = _draw_views(rng, size, scale, well, light, droplet, populations, laid)
    neither = np.zeros(len(populations[1].y), bool)
    table = pd.concat(
        [
            _cell_table(some, mask, kind, which, light)
            for some, mask, kind, which in zip(populations, labels, CELL_TYPES, (bound, neither))
        ],
        ignore_index=True,
    )
    contacts = pd.DataFrame(stamps.find_contacts(labels[0], labels[1]), columns=list(CELL_TYPES))
    return Field(views, labels, unstained, table, contacts, light)


def _draw_views(
    rng: np.random.Generator,
    size: int,
    scale: float,
    well: Well,
    light: Light,
    droplet: camera.Droplet | None,
    populations: Populations,
    laid: list[stamps.Stamps],
) -> np.ndarray:
    """The three views, uint16 [3, size, size]."""
    t_cells, dendritic_cells, unstained = populations
    ghosts = camera.ghost_relief(rng, unstained, laid[2], size)
    relief = (
        camera.cell_relief(rng, unstained, laid[2], camera.LYMPHOCYTE, size)
        + camera.cell_relief(rng, t_cells, laid[0], camera.LYMPHOCYTE, size)
        + camera.cell_relief(rng, dendritic_cells, laid[1], camera.DENDRITIC_CELL, size)
        + camera.bubbles(rng, size, 2 * scale)
    )
    green = stamps.paste(laid[0], camera.t_cell_light(t_cells, laid[0]), size)
    lobes = camera.dendritic_cell_light(rng, dendritic_cells, laid[1])
    red = stamps.paste(laid[1], lobes, size)
    green += np.float32(light.crosstalk) * red
    green += camera.debris_light(rng, size, 3 * scale, 40 * scale)
    red += camera.debris_light(rng, size, 10 * scale, 60 * scale)
    shade = camera.droplet_shade(droplet, size, 0.3, 0.12)
    green, red, ghosts, relief = (
        camera.defocused(image, light) for image in (green, red, ghosts, relief)
    )
    lamps = [lamp_profile(lamp, size) for lamp in light.lamps]
    views = (
        camera.expose(rng, green, well.background[0], lamps[0], ghosts, shade, light),
        camera.expose(rng, red, well.background[1], lamps[1], ghosts, shade, light),
        camera.brightfield(rng, relief, lamps[2], droplet, light),
    )
    return np.stack(views)


def _draw_populations(
    rng: np.random.Generator,
    size: int,
    scale: float,
    well: Well,
    light: Light,
    droplet: camera.Droplet | None,
) -> tuple[Populations, np.ndarray]:
    """T cells, dendritic cells and unstained cells; and which T cells are bound."""
    crowding = [cells.draw_crowding(rng, CROWDING_SPREAD) for _ in range(3)]
    gain = np.multiply(well.gain, light.gain)
    count = rng.poisson(well.dendritic_cells * scale)
    kind = cells.swollen(cells.DENDRITIC_CELL, well.swelling[1])
    points, clump = cells.place_dendritic_cells(rng, count, size, crowding[1], kind)
    keep = _outside(rng, points, droplet, 0.4)
    points, clump = points[keep], clump[keep]
    dendritic_cells = cells.draw_cells(rng, points, kind, gain[1])
    count = rng.poisson(well.t_cells * scale)
    points, bound = cells.place_t_cells(
        rng, count, size, crowding[0], well.association, well.roll_off, dendritic_cells, clump
    )
    points, bound = _sweep(rng, points, bound, droplet, size)
    kind = cells.swollen(cells.T_CELL, well.swelling[0])
    t_cells = cells.draw_cells(rng, points, kind, gain[0])
    points = cells.scatter(rng, rng.poisson(well.unstained_cells * scale), size, crowding[2])
    points = points[cells.separate(points, size, 8.0)]
    return (t_cells, dendritic_cells, cells.draw_cells(rng, points, cells.UNSTAINED)), bound


def _outside(
    rng: np.random.Generator, points: np.ndarray, droplet: camera.Droplet | None, kept: float
) -> np.ndarray:
    """Marks points outside the droplet, and a share `kept` of those inside, bool [N]."""
    lucky = rng.random(len(points)) < kept
    if droplet is None:
        return np.ones(len(points), bool)
    return lucky | (
        np.hypot(points[:, 0] - droplet.y, points[:, 1] - droplet.x) > 0.85 * droplet.radius
    )


def _sweep(
    rng: np.random.Generator,
    points: np.ndarray,
    bound: np.ndarray,
    droplet: camera.Droplet | None,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Sweeps T cells from under a droplet: they crowd round its rim, as on the real field.

    Points, and which of them are bound: one swept away leaves its dendritic cell behind.
    """
    swept = ~_outside(rng, points, droplet, 0.02)
    if not swept.any():
        return points, bound
    centre = np.array([droplet.y, droplet.x])
    away = points[swept] - centre
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    points = points.copy()
    points[swept] = centre + away * droplet.radius * rng.uniform(0.85, 1.4, (len(away), 1))
    keep = cells.separate(points, size)
    return points[keep], (bound & ~swept)[keep]


def _cell_table(
    population: cells.Cells, labels: np.ndarray, kind: str, bound: np.ndarray, light: Light
) -> pd.DataFrame:
    pixels = np.bincount(labels.ravel(), minlength=len(population.y) + 1)[1:]
    return pd.DataFrame(
        {
            "cell": np.arange(1, len(population.y) + 1),
            "type": kind,
            "y": population.y,
            "x": population.x,
            "diameter_um": 2 * population.radius * np.float32(cells.PIXEL_UM),
            "area_um2": pixels * cells.PIXEL_UM**2,
            "brightness": population.brightness,
            "focus": 1 / np.maximum(np.hypot(population.blur, np.float32(light.defocus)), 1),
            "bound": bound,
        }
    )
