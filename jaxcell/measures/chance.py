"""Is the overlap of two cell types interaction, or chance?

Cells lie over each other by chance. How often is told by the field itself: one mask is shifted
over the other, round the edges as on a torus, and the overlap counted at every shift. Shape, size
and number of the cells, and how each type clumps, stay as they are; only who lies by whom changes.

Every shift between a nearest and a farthest length counts. A shorter one would keep real contacts:
T cells that decorate a clump still lie on it. A longer one would break up the density that both
types share (a droplet sweeps both aside, a well's rim gathers both), and mere crowding would look
like interaction. Chosen on simulated fields of 0.6 and 2.3 mm2 by their true masks: with 30-75 um,
p < 0.05 in 21 of 420 pairs of views of different fields, 8 of 140 fields without interaction and
9 of 140 such fields with a droplet; with all shifts, in 18 of the latter. A hard edge of density
that both types share still leaves z too high by one or so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import fft
from scipy.stats import norm, pearson3
from scipy.stats import t as student

from jaxcell.measures.field import Field, percent

NEAREST_SHIFT_UM = 30.0  # a clump of some ten dendritic cells and the T cells round it
FARTHEST_SHIFT_UM = 75.0
# Shifts that are looked at where not all can be counted at once: the mean of some 150 regions of
# the ring that differ is known to a tenth of their SD.
SOME_SHIFTS = 128

TOO_FEW = "too few cells to say"
ANSWERS = ("interaction", "no more than chance", "less than chance", TOO_FEW)
# Overlaps at shifts nearer to each other are alike: the ring holds one for each square so wide.
ALIKE_UM = 15.0
# Fields with a longer side are transformed in squares so wide, which gives the same counts: a whole
# field of 10,000 x 10,000 pixels would take 3 GiB.
WHOLE, SQUARE = 4096, 2048
# Of overlap by chance, in units of SD over mean: see `_tails`. With it p <= 0.01 in 1.0 and 1.1 %
# (more, less overlap) of 2,419 pairs of simulated fields of 0.14 mm2 that do not know of each
# other, p <= 0.001 in 0.03 %; by the share of shifts alone in 1.9, 1.2 and 0.5 %.
SKEWNESS = 1.5
# Of wells whose fields are too small to be shifted, or differ in size.
CANNOT_SAY = "cannot be said"
# Of the rarer type, in all fields together. On simulated fields of 20 T cells and 20 DCs, 3 of 60
# without interaction are called one, 55 of 60 with 23 % of T cells bound; with fewer cells one pair
# that meets by chance decides (z up to 160).
MINIMUM_CELLS = 20
# Share of wells without interaction that are called one thing or the other nevertheless.
LEVEL = 0.05


class Shifts(NamedTuple):
    """How the masks of a field overlap.

    Attributes:
      overlaps: int64 [1 + S], as `shift_overlaps` counts them; of a field too small to be shifted
        [1], without a shift alone.
      t_area: pixels of the T-cell mask.
      regions: parts of the ring of shifts whose overlaps differ.
    """

    overlaps: np.ndarray
    t_area: int
    regions: float


class Chance(NamedTuple):
    """An observed overlap against its distribution by chance; NaN where there is none.

    Attributes:
      observed: overlap area in pixels.
      mean, sd: of the overlap area over all allowed shifts and no shift, in pixels.
      excess: observed - mean in percent of the T cells' area; 0 without T cells.
      z: (observed - mean) / sd; 0 where sd is 0.
      p: share of these shifts with at least the observed overlap: small for interaction. Shifts
        that are alike cannot tell how rare an overlap is that none of them has, so that p is no
        smaller than in a Pearson III distribution of that mean and standard deviation.
      p_less: share with at most the observed overlap, likewise: small for avoidance.
    """

    observed: float
    mean: float
    sd: float
    excess: float
    z: float
    p: float
    p_less: float


def record(field: Field) -> Shifts:
    """Shifts the masks of a field."""
    t_cell, dendritic_cell = field.masks
    if can_be_shifted(t_cell.shape, field.pixel_um):
        overlaps = shift_overlaps(t_cell, dendritic_cell, pixel_um=field.pixel_um)
    else:
        overlaps = np.array([np.count_nonzero(t_cell & dendritic_cell)], np.int64)
    regions = max(2.0, len(overlaps) * (field.pixel_um / ALIKE_UM) ** 2)
    return Shifts(overlaps, np.count_nonzero(t_cell), regions)


def compare_with_chance(records: Sequence[Shifts]) -> Chance:
    """Places the overlap of a well in its distribution over shifts, all fields shifted alike.

    The unshifted overlap is one of the distribution: p is never 0, and a field whose few cells
    meet at no other shift has a standard deviation.

    Nothing can be said where a field is too small to be shifted, or where fields differ so in size
    that their shifts do.

    Source: p as in Davison and Hinkley 1997, (1 + number as extreme) / (1 + number); a new value
    from a mean and SD that are estimated, by Student's t.
    """
    if not shifted_alike([shifts.overlaps for shifts in records]):
        observed = float(sum(shifts.overlaps[0] for shifts in records))
        return Chance(observed, *[np.nan] * (len(Chance._fields) - 1))
    overlaps = sum(shifts.overlaps for shifts in records)
    observed, mean, sd = map(float, (overlaps[0], overlaps.mean(), overlaps.std()))
    more, less = _tails(observed, mean, sd, min(shifts.regions for shifts in records))
    return Chance(
        observed=observed,
        mean=mean,
        sd=sd,
        excess=percent(observed - mean, sum(shifts.t_area for shifts in records)),
        z=(observed - mean) / sd if sd > 0 else 0.0,
        p=max(float((overlaps >= overlaps[0]).mean()), more),
        p_less=max(float((overlaps <= overlaps[0]).mean()), less),
    )


def _tails(observed: float, mean: float, sd: float, regions: float) -> tuple[float, float]:
    """Chances of at least and of at most the observed overlap, by mean and SD of the shifts.

    Overlap is a sum of the overlaps of single pairs of cells. Were their number Poisson's and their
    sizes exponential, its skewness would be 1.5 times SD over mean: a Pearson III distribution. Of
    so many regions mean and SD are not known exactly.
    """
    if sd == 0:
        return 0.0, 0.0  # then the shares decide
    z = (observed - mean) / sd / np.sqrt(1 + 1 / regions)
    known = norm.ppf(student.cdf(z, regions - 1)) if z < 0 else norm.isf(student.sf(z, regions - 1))
    law = pearson3(SKEWNESS * sd / mean)
    return float(law.sf(known)), float(law.cdf(known))


def shifted_alike(fields: Sequence[np.ndarray]) -> bool:
    """Whether fields, by what each gives at no shift and at every shift, have the same shifts."""
    return len({len(values) for values in fields}) == 1 and len(fields[0]) > 1


def part(records: Sequence[Shifts], name: str) -> float:
    """One of the numbers of `compare_with_chance`."""
    return getattr(compare_with_chance(records), name)


def shift_overlaps(
    t_cell: np.ndarray,
    dendritic_cell: np.ndarray,
    *,
    pixel_um: float,
    nearest_shift_um: float = NEAREST_SHIFT_UM,
    farthest_shift_um: float = FARTHEST_SHIFT_UM,
) -> np.ndarray:
    """Counts the pixels that two masks share, unshifted and at every allowed shift on a torus.

    Args:
      t_cell: bool [H, W].
      dendritic_cell: bool [H, W].
      pixel_um: width of a pixel.
      nearest_shift_um, farthest_shift_um: lengths of the allowed shifts, no further than half the
        image's shorter side: on a torus, further is nearer.

    Returns:
      int64 [1 + S], exact; first the overlap without a shift, then those of S shifts, in an order
      that depends on the lengths, in pixels, and the image's shape alone.

    Raises:
      ValueError: no shift is allowed, or the masks differ in shape.

    Source: the cross-correlation theorem; toroidal shifts as in Lotwick and Silverman 1982.
    """
    if t_cell.shape != dendritic_cell.shape:
        raise ValueError(
            f"the masks differ in shape, {t_cell.shape} and {dendritic_cell.shape}: give both "
            "views of the same field"
        )
    reach = _reach(t_cell.shape, pixel_um, nearest_shift_um, farthest_shift_um)
    steps = np.arange(-reach, reach + 1)
    length = np.hypot(steps[:, None], steps)
    allowed = (length >= nearest_shift_um / pixel_um) & (length <= reach)
    overlaps = _overlaps(t_cell, dendritic_cell, steps)
    return np.append(overlaps[reach, reach], overlaps[allowed])


def _reach(
    shape: tuple[int, int], pixel_um: float, nearest_shift_um: float, farthest_shift_um: float
) -> int:
    """Length in pixels of the longest shift; ValueError where none is long enough."""
    height, width = shape
    reach = int(min(farthest_shift_um / pixel_um, min(height, width) // 2))
    if reach < nearest_shift_um / pixel_um:
        raise ValueError(
            f"an image of {height} x {width} pixels of {pixel_um} um leaves no shift of "
            f"{nearest_shift_um} to {farthest_shift_um} um over half of it: measure larger "
            "windows, or allow shorter shifts"
        )
    return reach


def can_be_shifted(shape: tuple[int, ...], pixel_um: float) -> bool:
    """Whether an image of a shape, [H, W], is large enough for the shortest allowed shift."""
    return min(shape) // 2 >= NEAREST_SHIFT_UM / pixel_um


def some_shifts(shape: tuple[int, int], pixel_um: float) -> np.ndarray:
    """`SOME_SHIFTS` of the allowed shifts, spread evenly over their ring: int64 [S, 2], y and x.

    Raises:
      ValueError: no shift is allowed.

    Source: points of a sunflower, Vogel 1979.
    """
    reach, nearest = _reach(shape, pixel_um, NEAREST_SHIFT_UM, FARTHEST_SHIFT_UM), NEAREST_SHIFT_UM
    number = np.arange(SOME_SHIFTS)
    inner = (nearest / pixel_um) ** 2
    length = np.sqrt(inner + (number + 0.5) / SOME_SHIFTS * (reach**2 - inner))
    angle = np.pi * (3 - np.sqrt(5)) * number
    return np.rint(np.stack([length * np.sin(angle), length * np.cos(angle)], axis=1)).astype(int)


def beyond_chance(values: np.ndarray) -> tuple[float, float]:
    """A value without a shift, less its mean over shifts; and that in SDs over these, 0 without.

    `values` float [1 + S], that without a shift first; NaN both where there is no shift.
    """
    if len(values) == 1:
        return np.nan, np.nan
    excess, spread = float(values[0] - values[1:].mean()), float(values[1:].std())
    return excess, excess / spread if spread > 0 else 0.0


def _overlaps(t_cell: np.ndarray, dendritic_cell: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """`_correlate`, of a large field square by square: each with what its shifts reach round it."""
    if max(t_cell.shape) <= WHOLE:
        return _correlate(t_cell, dendritic_cell, steps)
    height, width = t_cell.shape
    reach, total = steps[-1], np.zeros((len(steps), len(steps)), np.int64)
    for top in range(0, height, SQUARE):
        for left in range(0, width, SQUARE):
            square = t_cell[top : top + SQUARE, left : left + SQUARE]
            rows, columns = (
                np.arange(start - reach, start + side + reach) % whole
                for start, side, whole in zip((top, left), square.shape, (height, width))
            )
            around = dendritic_cell[np.ix_(rows, columns)]
            total += _correlate(np.pad(square, reach), around, steps)
    return total


def _correlate(t_cell: np.ndarray, dendritic_cell: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Overlap at every shift with both parts in `steps`, int64 [steps, steps]."""
    areas = np.count_nonzero(t_cell), np.count_nonzero(dendritic_cell)
    if 0 in areas:
        return np.zeros((len(steps), len(steps)), np.int64)
    # Rounding errors grow with the masks. Below this they stay under 0.2 of a count in float32,
    # which is twice as fast; masks that cover a tenth of a field of 2048 x 2048 are below it.
    precision = np.float32 if areas[0] * areas[1] < 2**38 else np.float64
    product = fft.rfft2(t_cell.astype(precision))
    np.conjugate(product, out=product)
    product *= fft.rfft2(dendritic_cell.astype(precision))
    # Back along the rows' axis first, and along the other one for the few rows that are wanted.
    rows = fft.ifft(product, axis=0, overwrite_x=True)[steps]
    shared = fft.irfft(rows, n=t_cell.shape[1], axis=1)[:, steps]
    return np.rint(shared).astype(np.int64)


def two_sided(p: float, p_less: float) -> float:
    """One p of interaction or avoidance; works on arrays too."""
    return np.minimum(1, 2 * np.minimum(p, p_less))


def answer(chance: Chance, t_cells: int, dendritic_cells: int) -> str:
    """Answers, for one well, whether its overlap is interaction or chance.

    Two-sided: half of `LEVEL` on either side. Of the wells of a plate see
    `jaxcell.analysis.wells.judged`.

    Args:
      chance: of one well.
      t_cells, dendritic_cells: cells in all its fields.

    Returns:
      `CANNOT_SAY` where nothing was shifted; else one of `ANSWERS`: 'too few cells to say' below
      `MINIMUM_CELLS` of either type; else 'interaction' where p <= LEVEL / 2, 'less than chance'
      where p_less <= LEVEL / 2, and 'no more than chance' otherwise.
    """
    if np.isnan(chance.p):
        return CANNOT_SAY
    interaction, no_more, less, _ = ANSWERS
    if min(t_cells, dendritic_cells) < MINIMUM_CELLS:
        return TOO_FEW
    if chance.p <= LEVEL / 2:
        return interaction
    return less if chance.p_less <= LEVEL / 2 else no_more
