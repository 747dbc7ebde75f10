"""Simulated optics and camera: from cells to the counts of three registered views.

Pure: a random generator and arrays in, arrays out. Throughout, `rng` is the source of randomness,
`size` the side of the field in pixels, a `Stamps` the windows of the cells beside it, a `Light` the
settings of optics and camera. Light is measured in counts of a 12-bit camera, 0..4095; a relief is
float32 [size, size], about -1..1.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from jaxcell.simulator.cells import Cells
from jaxcell.simulator.light import Light
from jaxcell.simulator.stamps import Stamps, paste, soft_body

BITS = 12  # of the counts that light is measured in
SHOT_GAIN = 0.30  # counts a photo-electron: at 500 counts the noise is 12, as on the real field
HAZE_BLUR = 14.0  # pixels; light from above and below the focal plane
RELIEF = 0.16  # how much unstained cells modulate the background's glow
BRIGHTFIELD_LEVEL = 1330.0


class Droplet(NamedTuple):
    """A drop of water above the cells: a dark disc, centre and radius in pixels."""

    y: float
    x: float
    radius: float


def droplet_shade(droplet: Droplet | None, size: int, softness: float, floor: float) -> np.ndarray:
    """Transmission of light under a droplet, float32 [size, size]; `floor` at its centre.

    `softness` is the width of its rim as a share of its radius.
    """
    if droplet is None:
        return np.ones((1, 1), np.float32)
    grid = np.arange(size, dtype=np.float32)
    distance = np.hypot(grid[:, None] - droplet.y, grid[None, :] - droplet.x) / droplet.radius
    rim = np.clip((distance - 1 + softness) / (2 * softness), 0, 1)
    return floor + (1 - floor) * rim * rim * (3 - 2 * rim)


def mottle(rng: np.random.Generator, blur: float, shape: tuple) -> np.ndarray:
    """A window of smooth noise of unit SD for each of N cells, float32 [N, S, S]."""
    side = 256
    sheet = rng.standard_normal((side, side), dtype=np.float32)
    sheet = ndimage.gaussian_filter(sheet, blur, mode="wrap")
    sheet = sheet / sheet.std()
    count, width, _ = shape
    rows = rng.integers(0, side, (count, 1)) + np.arange(width)
    columns = rng.integers(0, side, (count, 1)) + np.arange(width)
    return sheet[rows[:, :, None] % side, columns[:, None, :] % side]


def t_cell_light(cells: Cells, stamps: Stamps) -> np.ndarray:
    """Fluorescence of T cells, nearly uniform discs, float32 [N, S, S]."""
    q = np.minimum(stamps.distance / stamps.outline, 1)
    dome = 0.62 + 0.38 * np.sqrt(1 - q * q)
    return soft_body(stamps, cells) * dome * cells.brightness[:, None, None]


def dendritic_cell_light(rng: np.random.Generator, cells: Cells, stamps: Stamps) -> np.ndarray:
    """Fluorescence of dendritic cells, lobed and mottled, float32 [N, S, S]."""
    grains = mottle(rng, 2.6, stamps.distance.shape)
    q = np.minimum(stamps.distance / stamps.outline, 1)
    # Out of focus the mottle washes out.
    contrast = (0.45 / np.maximum(cells.blur, 1))[:, None, None]
    body = np.clip((0.28 + 0.72 * np.sqrt(1 - q * q)) * (1 + contrast * grains), 0.05, None)
    return soft_body(stamps, cells) * body * cells.brightness[:, None, None]


def debris_light(rng: np.random.Generator, size: int, fibres: float, specks: float) -> np.ndarray:
    """Bright fibres and specks, so many on average, float32 [size, size]."""
    field = np.zeros((size, size), np.float32)
    for _ in range(rng.poisson(fibres)):
        length, bend = rng.uniform(10, 45), rng.normal(0, 0.03)
        way = np.arange(0, length, 0.5)
        angle = rng.uniform(0, 2 * np.pi) + bend * way
        y = np.rint(rng.uniform(0, size) + np.cumsum(0.5 * np.sin(angle))).astype(int)
        x = np.rint(rng.uniform(0, size) + np.cumsum(0.5 * np.cos(angle))).astype(int)
        inside = (y >= 0) & (y < size) & (x >= 0) & (x < size)
        field[y[inside], x[inside]] = rng.lognormal(np.log(2600), 0.6) * rng.uniform(0.3, 1)
    count = rng.poisson(specks)
    y, x = rng.integers(0, size, (2, count))
    field[y, x] += rng.lognormal(np.log(4500), 0.7, count).astype(np.float32)
    return ndimage.gaussian_filter(field, 1.1, truncate=3)


def defocused(image: np.ndarray, light: Light) -> np.ndarray:
    """An image of light or relief, float32 [H, W], through the blur of its field."""
    return ndimage.gaussian_filter(image, light.defocus, truncate=3) if light.defocus else image


def expose(
    rng: np.random.Generator,
    stain: np.ndarray,
    background: float,
    lamp: np.ndarray,
    relief: np.ndarray,
    shade: np.ndarray,
    light: Light,
) -> np.ndarray:
    """Camera counts of a fluorescence view, uint16 [H, W].

    Args:
      stain: float32 [H, W], light of the stained cells.
      background: glow of the medium and the unstained cells.
      lamp: float32 [H, W], relative light of the lamp.
      relief: of the unstained cells.
      shade: float32 broadcast to [H, W], transmission under a droplet.
    """
    haze = ndimage.zoom(_shrink(stain, 4, HAZE_BLUR), 4, order=1, grid_mode=True, mode="nearest")
    haze = haze[: len(stain), : len(stain)]
    glow = np.float32(background) * (1 + np.float32(RELIEF) * relief)
    return digitise(rng, lamp * shade * (glow + stain + np.float32(0.35) * haze), light)


def _shrink(image: np.ndarray, by: int, blur: float) -> np.ndarray:
    """Blurs widely on a grid `by` times coarser: a hundred times cheaper than on the full one."""
    short = -len(image) % by
    image = np.pad(image, ((0, short), (0, short)), mode="edge")
    coarse = len(image) // by
    small = image.reshape(coarse, by, coarse, by).mean((1, 3))
    return ndimage.gaussian_filter(small, blur / by, truncate=3)


def digitise(rng: np.random.Generator, incoming: np.ndarray, light: Light) -> np.ndarray:
    """Adds shot noise, read noise and offset, then rounds to the camera's bits, uint16 [H, W]."""
    variance = np.float32(SHOT_GAIN) * np.maximum(incoming, 0) + np.float32(light.read_noise**2)
    noisy = incoming + np.sqrt(variance) * rng.standard_normal(incoming.shape, dtype=np.float32)
    counts = (noisy + np.float32(light.offset)) * np.float32(2.0 ** (light.bits - BITS))
    return np.clip(np.rint(counts), 0, 2**light.bits - 1).astype(np.uint16)


class Relief(NamedTuple):
    """How a kind of cell looks in transmitted light, as shares of the light around it.

    Attributes:
      halo: bright ring just outside its edge.
      rim: dark ring just inside.
      body: how much darker it is within.
      grain: SD of its granules.
      grain_px: SD in pixels of the blur of the granules.
      ragged: how far dendrites reach beyond its outline, as a share of the radius; 0: round.
    """

    halo: float
    rim: float
    body: float
    grain: float
    grain_px: float = 0.95
    ragged: float = 0.0


# Fitted by eye to the mean profile and the spread around stained cells of two real fields, see
# docs/results/label_free.md: lymphocytes, stained or not, are dark discs, dendritic cells pale,
# granular and ragged.
LYMPHOCYTE = Relief(halo=0.6, rim=0.2, body=0.7, grain=0.7)
DENDRITIC_CELL = Relief(halo=0.4, rim=0.2, body=0.3, grain=0.65, grain_px=0.75, ragged=0.55)


def cell_relief(
    rng: np.random.Generator, cells: Cells, stamps: Stamps, look: Relief, size: int
) -> np.ndarray:
    """Relief of cells in transmitted light: body, granules, a dark ring in a bright halo, shaded
    on one side."""
    count = len(cells.y)
    from_rim = stamps.distance - stamps.outline * _ragged(cells, stamps, look.ragged)
    halo = rng.uniform(0.25, 0.95, (count, 1, 1)).astype(np.float32)
    ring = np.float32(look.halo) * halo * np.exp(-(((from_rim - 1.1) / 1.0) ** 2)) - np.float32(
        look.rim
    ) * np.exp(-(((from_rim + 1.0) / 0.9) ** 2))
    inside = np.clip(0.2 - from_rim / 1.5, 0, 1)
    side = (0.6 * stamps.dy + 0.35 * stamps.dx) / cells.radius[:, None, None]
    granules = mottle(rng, look.grain_px, stamps.distance.shape)
    strength = rng.lognormal(-0.35, 0.4, count).astype(np.float32)[:, None, None]
    relief = ring * (1 + 0.6 * side) + inside * (
        np.float32(look.grain) * granules - np.float32(look.body) + 0.12 * side
    )
    return paste(stamps, (relief * strength).astype(np.float32), size)


def _ragged(cells: Cells, stamps: Stamps, reach: float) -> np.ndarray:
    """Factor on the outline of each cell in each direction, float32 [N, S, S]: its dendrites.

    Their directions follow from the phases of its outline: nothing new is drawn.
    """
    if not reach:
        return np.ones((1, 1, 1), np.float32)
    angle = np.arctan2(stamps.dy, stamps.dx)
    waves = [
        np.cos(k * (angle - cells.phases[:, index, None, None]))
        for index, k in enumerate((3, 5, 7))
    ]
    return (1 + np.float32(reach) * np.clip(sum(waves) / 2, 0, 1)).astype(np.float32)


def ghost_relief(rng: np.random.Generator, cells: Cells, stamps: Stamps, size: int) -> np.ndarray:
    """Relief of unstained cells in a stained view: faint dents in the glow, lit from one side."""
    inside = ndtr((stamps.outline - 1 - stamps.distance) / 1.2)
    side = (0.75 * stamps.dy + 0.55 * stamps.dx) / cells.radius[:, None, None]
    strength = rng.lognormal(-0.5, 0.6, len(cells.y)).astype(np.float32)[:, None, None]
    return paste(stamps, (inside * (side - 0.45) * strength).astype(np.float32), size)


def bubbles(rng: np.random.Generator, size: int, expected: float) -> np.ndarray:
    """Relief of large specks far out of focus: bright core, dark ring, faint halo; up to 2."""
    relief = np.zeros((size, size), np.float32)
    for _ in range(rng.poisson(expected)):
        radius, (y, x) = rng.uniform(8, 36), rng.uniform(0, size, 2)
        reach = int(2.2 * radius)
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        box = relief[top : int(y) + reach, left : int(x) + reach]
        rows, columns = np.ogrid[top : top + box.shape[0], left : left + box.shape[1]]
        shift_y, shift_x = rng.normal(0, 0.15 * radius, 2)
        q = np.hypot(rows - y, columns - x) / radius
        off_centre = np.hypot(rows - y - shift_y, columns - x - shift_x) / radius
        core = rng.uniform(0.6, 2.0) * np.exp(-((off_centre / 0.4) ** 2))
        ring = -1.9 * np.exp(-(((q - 0.85) / 0.22) ** 2))
        box += (core + ring + 0.4 * np.exp(-(((q - 1.35) / 0.2) ** 2))).astype(np.float32)
    return relief


def brightfield(
    rng: np.random.Generator,
    relief: np.ndarray,
    lamp: np.ndarray,
    droplet: Droplet | None,
    light: Light,
) -> np.ndarray:
    """Camera counts of the brightfield view, uint16 [H, W], from the relief of all cells."""
    size = len(relief)
    base = np.float32(BRIGHTFIELD_LEVEL) * (0.55 + 0.45 * lamp)
    if droplet is not None:
        edge = droplet_shade(droplet, size, 0.12, 0.32)
        well = droplet_shade(droplet._replace(radius=droplet.radius * 0.85), size, 0.18, 0.0)
        rim = droplet_shade(droplet._replace(radius=droplet.radius * 0.72), size, 0.2, 0.0)
        base = base * edge * (1 - 0.85 * well * (1 - edge) - 0.15 * rim * (1 - edge))
    ripple = 1 + 0.012 * ndimage.gaussian_filter1d(
        rng.standard_normal((size, 1), dtype=np.float32), 1.0, axis=0
    )
    return digitise(rng, base * ripple * np.clip(1 + 0.36 * relief, 0.15, 2.4), light)
