"""The light of simulated plates: lamps, stains, focus and camera, and the ranges they come from.

Pure: a random generator in, settings out. A plate is imaged through one lamp and one filter a view;
focus is found anew in every field.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

Range = tuple[float, float]


class Lamp(NamedTuple):
    """The profile of a lamp over a field: a tilted paraboloid of mean about 1.

    Lengths are in halves of the field's side, from its middle; values are shares of the light.

    Attributes:
      strength: what tilt and bowl were drawn from: 0 is even, 0.22 usual, 0.6 severe.
      tilt_y, tilt_x: slope.
      centre_y, centre_x: where the bowl is brightest.
      bowl: fall of the light at one length from there.
    """

    strength: float = 0.0
    tilt_y: float = 0.0
    tilt_x: float = 0.0
    centre_y: float = 0.0
    centre_x: float = 0.0
    bowl: float = 0.0


class Light(NamedTuple):
    """What optics and camera make of one field.

    Attributes:
      gain: factors on the light of stained T cells and of stained dendritic cells.
      lamps: of the T-cell view, the dendritic-cell view and the brightfield view.
      crosstalk: share of the dendritic cells' light that the T-cell view shows too.
      defocus: SD in pixels of the blur of the whole field, beside each cell's own.
      offset: counts of the camera in the dark, of 12 bits.
      read_noise: SD in counts of 12 bits.
      bits: depth of the camera's counts, 8, 12 or 16; other depths scale those of 12 bits.
    """

    gain: tuple[float, float] = (1.0, 1.0)
    lamps: tuple[Lamp, Lamp, Lamp] = (Lamp(), Lamp(), Lamp())
    crosstalk: float = 0.0
    defocus: float = 0.0
    offset: float = 48.0
    read_noise: float = 4.0
    bits: int = 12


class Regime(NamedTuple):
    """Ranges that a plate's light is drawn from, evenly; gain evenly on a logarithmic scale.

    Attributes:
      strength: of the lamps.
      by_field: whether everything is drawn anew for every field, or defocus alone.
    """

    gain: Range = (1.0, 1.0)
    strength: Range = (0.22, 0.22)
    crosstalk: Range = (0.0, 0.02)
    defocus: Range = (0.0, 0.0)
    offset: Range = (48.0, 48.0)
    read_noise: Range = (4.0, 4.0)
    by_field: bool = False


REGIMES: Mapping[str, Regime] = {
    "base": Regime(),
    "defocus": Regime(defocus=(1.0, 3.0)),
    "dim": Regime(gain=(0.35, 0.35)),
    "uneven": Regime(strength=(0.6, 0.6)),
    "varied": Regime(
        gain=(0.2, 2.0),
        strength=(0.0, 0.7),
        crosstalk=(0.0, 0.2),
        defocus=(0.0, 3.0),
        offset=(10.0, 150.0),
        read_noise=(2.0, 12.0),
        by_field=True,
    ),
}


def draw_light(rng: np.random.Generator, regime: Regime = REGIMES["base"]) -> Light:
    """Draws the light of a plate, or of a field where a regime draws it by field."""
    low, high = np.log(regime.gain)
    gain = np.exp(rng.uniform(low, high, 2))
    return Light(
        gain=(float(gain[0]), float(gain[1])),
        lamps=tuple(draw_lamp(rng, float(rng.uniform(*regime.strength))) for _ in range(3)),
        crosstalk=float(rng.uniform(*regime.crosstalk)),
        defocus=float(rng.uniform(*regime.defocus)),
        offset=float(rng.uniform(*regime.offset)),
        read_noise=float(rng.uniform(*regime.read_noise)),
    )


def field_light(rng: np.random.Generator, regime: Regime, plate: Light) -> Light:
    """Draws the light of one field of a plate."""
    if regime.by_field:
        return draw_light(rng, regime)
    return plate._replace(defocus=float(rng.uniform(*regime.defocus)))


def draw_lamp(rng: np.random.Generator, strength: float) -> Lamp:
    """Draws a lamp: its tilt and its brightest place are chance, its unevenness is `strength`."""
    tilt_y, tilt_x = rng.normal(0, strength / 1.5, 2)
    centre_y, centre_x = rng.normal(0, 0.3, 2)
    places = (float(value) for value in (tilt_y, tilt_x, centre_y, centre_x))
    return Lamp(strength, *places, strength / 2)


def lamp_profile(lamp: Lamp, size: int) -> np.ndarray:
    """Relative light of a lamp over a field, float32 [size, size], about 1 on average."""
    grid = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = grid[:, None], grid[None, :]
    bowl = (y - np.float32(lamp.centre_y)) ** 2 + (x - np.float32(lamp.centre_x)) ** 2
    tilt = np.float32(lamp.tilt_y) * y + np.float32(lamp.tilt_x) * x
    return np.clip(1 + tilt - np.float32(lamp.bowl) * (bowl - 0.8), 0.35, 1.6)
