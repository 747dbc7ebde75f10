"""What stimulation, compounds, batch and place do to the cells of a simulated well.

Pure: a random generator and numbers in, numbers out. A stimulation sets how many T cells are bound,
how many cells of each kind there are and how large they are. A compound takes a share of that away
and acts on dendritic cells whatever the stimulation; its replicates share this effect and differ by
the noise between wells alone.

The constants were fitted to rows A-H of the real plate CK19, numbers and sizes of cells to medians
over the whole plate; docs/explanation/simulator.md says how, and what rows I-P say of them.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv

from jaxcell.simulator.field import BACKGROUND, ROLL_OFF, UNSTAINED_CELLS, Well


class Condition(NamedTuple):
    """Cells of the median well of a stimulation without compound.

    Attributes:
      association: share of T cells bound to a dendritic cell.
      t_cells, dendritic_cells: in a field of 2048 x 2048 pixels.
      swelling: factors on the diameters of T cells and of dendritic cells.
      resistance: power that the efficacy of compounds is raised to: above 1, only strong ones
        act against this stimulation.
    """

    association: float
    t_cells: float
    dendritic_cells: float
    swelling: tuple[float, float]
    resistance: float = 1.0


CONDITIONS: Mapping[str, Condition] = {
    "Unstimulated": Condition(0.01, 1220, 1000, (1.0, 1.035)),
    "OVA": Condition(0.205, 985, 970, (1.015, 1.065)),
    "ConA": Condition(0.62, 685, 683, (1.048, 1.2), 2.7),
}


class Compound(NamedTuple):
    """What a compound does.

    Attributes:
      efficacy: share of the stimulation's effect that it takes away where it acts in full.
      ic50_um: concentration at which it acts by half, in uM.
      hill: steepness of its dose-response curve.
      toxicity: log of the share of cells that survive it where it acts in full; mostly 0.
    """

    efficacy: float
    ic50_um: float
    hill: float
    toxicity: float


VEHICLE = Compound(0.0, 1.0, 1.0, 0.0)
EFFICACY = (0.45, 0.55)  # of a beta distribution: most compounds do little, a few nearly all
GOLDEN_SECTION = (math.sqrt(5) - 1) / 2
IC50_UM = (0.03, 10.0)  # evenly on a logarithmic scale
TOXIC_SHARE, TOXICITY = 0.04, math.log(0.4)
# Logarithms of the factors that a compound of full efficacy has besides, in every condition: on the
# number of T cells, the number of dendritic cells, and the diameter of dendritic cells.
DIRECT = (0.10, 0.40, -0.09)


class Batch(NamedTuple):
    """What all wells of a plate share: shift of the log odds of association, and factors.

    No second plate was at hand to fit their spread to.

    Attributes:
      density: on the numbers of T cells, dendritic cells and unstained cells.
      gain: on the light of both stains.
    """

    shift: float = 0.0
    density: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gain: tuple[float, float] = (1.0, 1.0)


USUAL_BATCH = Batch()
BATCH_SHIFT, BATCH_DENSITY, BATCH_GAIN = 0.1, 0.05, 0.1  # standard deviations of logarithms
# Between wells alike: of the log odds, and of the logarithms of numbers, diameters and light.
REPLICATE_SHIFT = 0.15
REPLICATE_DENSITY = (0.12, 0.07, 0.10)
REPLICATE_SWELLING = (0.015, 0.018)
REPLICATE_GAIN = 0.12
REPLICATE_ROLL_OFF = 0.15  # standard deviation of the share itself
# At the rim of a plate water evaporates: logarithms of the factors there on the numbers of T cells
# and dendritic cells and on the glow. They fall to a third from one well to the next inwards.
RIM_DENSITY, RIM_BACKGROUND = (0.18, -0.14), 0.10
EMPTY_SHARE = 0.01  # of wells: nothing was dispensed
PLATE_ROWS, PLATE_COLUMNS = 16, 24


def draw_compound(rng: np.random.Generator, rank: float) -> Compound:
    """Draws what a compound does; `rank` in (0, 1) is the share of compounds of less efficacy."""
    low, high = np.log(IC50_UM)
    ic50, hill = math.exp(rng.uniform(low, high)), rng.lognormal(0.0, 0.25)
    toxicity = TOXICITY if rng.random() < TOXIC_SHARE else 0.0
    return Compound(float(betaincinv(*EFFICACY, rank)), ic50, float(hill), toxicity)


def compound(seed: int, number: int) -> Compound:
    """The compound of a number, from 1, in the library that a seed stands for.

    Ranks of efficacy follow each other by the golden section, so that the first few compounds of
    any library are already weak and strong ones: small plates are like large ones.
    """
    # Plates are numbered from 1, so that 0 is free for the library.
    start = np.random.default_rng([seed, 0, 0]).random()
    rank = (start + number * GOLDEN_SECTION) % 1
    return draw_compound(np.random.default_rng([seed, 0, number]), rank)


def response(compound: Compound, concentration_um: float) -> float:
    """How far a compound acts at a concentration: 0 not at all, 1 in full.

    The four-parameter logistic law with its lower end at 0 and its upper end at 1, which efficacy
    and toxicity scale.
    """
    if not concentration_um > 0:  # the vehicle has no concentration
        return 0.0
    return 1 / (1 + (compound.ic50_um / concentration_um) ** compound.hill)


def log_odds(share: float) -> float:
    """Natural logarithm of the odds of a share in (0, 1), which is kept off its ends."""
    share = min(max(share, 1e-6), 1 - 1e-6)
    return math.log(share / (1 - share))


def treated(
    condition: Condition, rest: Condition, compound: Compound, concentration_um: float
) -> Condition:
    """The median well of a stimulation with a compound.

    Association and the logarithms of numbers and sizes move a share, efficacy times response, of
    the way to `rest`, the unstimulated cells; the compound's own effects come on top.
    """
    acting = response(compound, concentration_um)
    share = compound.efficacy**condition.resistance * acting
    death = compound.toxicity * acting

    def between(stimulated: float, resting: float) -> float:
        return stimulated * (resting / stimulated) ** share

    association = (1 - share) * condition.association + share * rest.association
    t_cells = between(condition.t_cells, rest.t_cells)
    dendritic_cells = between(condition.dendritic_cells, rest.dendritic_cells)
    widths = [between(*pair) for pair in zip(condition.swelling, rest.swelling)]
    return Condition(
        association,
        t_cells * math.exp(death + DIRECT[0] * share),
        dendritic_cells * math.exp(death + DIRECT[1] * share),
        (widths[0], widths[1] * math.exp(DIRECT[2] * share)),
        condition.resistance,
    )


def draw_batch(rng: np.random.Generator) -> Batch:
    """Draws what all wells of a plate share."""
    density = np.exp(BATCH_DENSITY * rng.standard_normal(3))
    gain = np.exp(BATCH_GAIN * rng.standard_normal(2))
    shift = BATCH_SHIFT * rng.standard_normal()
    return Batch(float(shift), tuple(map(float, density)), tuple(map(float, gain)))


def closeness_to_rim(row: int, column: int) -> float:
    """1 in a well at the rim of a 384-well plate, a third of that in the next; from 1, 1."""
    inwards = min(row - 1, PLATE_ROWS - row, column - 1, PLATE_COLUMNS - column)
    return math.exp(-inwards)


def draw_well(
    rng: np.random.Generator,
    median: Condition,
    batch: Batch = USUAL_BATCH,
    place: tuple[int, int] = (8, 12),
) -> Well:
    """Draws a well: what treatment makes of it, batch, place and the noise between replicates.

    Args:
      median: of `treated`.
      place: row and column, from 1.
    """
    shift = batch.shift + REPLICATE_SHIFT * rng.standard_normal()
    density = np.exp(np.array(REPLICATE_DENSITY) * rng.standard_normal(3)) * batch.density
    swelling = np.exp(np.array(REPLICATE_SWELLING) * rng.standard_normal(2)) * median.swelling
    gain = np.exp(REPLICATE_GAIN * rng.standard_normal(2)) * batch.gain
    background = BACKGROUND[0] * np.exp(BACKGROUND[1] * rng.standard_normal(2))
    roll_off = ROLL_OFF + REPLICATE_ROLL_OFF * rng.standard_normal()
    rim = closeness_to_rim(*place)
    density[:2] *= np.exp(rim * np.array(RIM_DENSITY))
    background *= np.exp(rim * RIM_BACKGROUND)
    if rng.random() < EMPTY_SHARE:
        density, background = density * 0.0, background * 0.5
    odds = math.exp(log_odds(median.association) + shift)
    return Well(
        association=odds / (1 + odds) if median.association > 0 else 0.0,
        t_cells=float(median.t_cells * density[0]),
        dendritic_cells=float(median.dendritic_cells * density[1]),
        unstained_cells=float(UNSTAINED_CELLS * density[2]),
        roll_off=float(np.clip(roll_off, 0.0, 1.0)),
        swelling=(float(swelling[0]), float(swelling[1])),
        gain=(float(gain[0]), float(gain[1])),
        background=(float(background[0]), float(background[1])),
    )
