"""Wells of a layout drawn from the simulator's law of wells, without images."""

import numpy as np
import pandas as pd

from jaxcell.simulator import biology
from jaxcell.simulator.layout import Place, Treatment

# Half of its effect at so little that any dose acts in full.
IC50_UM = 1e-12
# T cells in a field, about.
CELLS = 1000


def treatments(layout: pd.DataFrame) -> dict[Place, Treatment]:
    """The wells of one plate in the words of the simulator; empty ones left out.

    Args:
      layout: row, column (from 1), condition, compound, concentration_um, role.
    """
    used = layout[layout["role"] != "empty"]
    columns = [used[name].tolist() for name in Treatment._fields]
    return dict(zip(zip(used["row"], used["column"]), map(Treatment, *columns)))


def draw_bound_share(
    random: np.random.Generator, layout: pd.DataFrame, size: tuple[int, int], fields: int = 1
) -> np.ndarray:
    """Draws what share of T cells is bound in each well, if every cell is counted rightly.

    Args:
      random: of all draws.
      layout: plate, row, column, condition and `inhibition` (share of the stimulation's effect that
        the well's compound takes away).
      size: rows and columns of the physical plate.
      fields: of view of a well, of 2048 x 2048 pixels.

    Returns:
      float64 [N], %; NaN without T cells, and in conditions that the simulator does not know.
    """
    batches = {plate: biology.draw_batch(random) for plate in layout["plate"].unique()}
    medians = {pair: _median(*pair) for pair in set(zip(layout["condition"], layout["inhibition"]))}
    shares = []
    for row in layout.itertuples():
        median = medians[row.condition, row.inhibition]
        if median is None:
            shares.append(np.nan)
            continue
        place = _place((row.row, row.column), size)
        well = biology.draw_well(random, median, batches[row.plate], place)
        t_cells = random.poisson(well.t_cells * fields)
        bound = random.binomial(t_cells, well.association)
        shares.append(100 * bound / t_cells if t_cells else np.nan)
    return np.array(shares)


def expected_bound_share(name: str, inhibition: float) -> float:
    """Share of T cells bound in the median well of a condition, %; NaN of one it does not know.

    Args:
      name: of the condition.
      inhibition: share of the stimulation's effect that a compound takes away.
    """
    median = _median(name, inhibition)
    return float("nan") if median is None else 100 * median.association


def _median(name: str, inhibition: float) -> biology.Condition | None:
    """The median well of a condition whose compound takes away a share of the stimulation."""
    if name not in biology.CONDITIONS:
        return None
    condition = biology.CONDITIONS[name]._replace(resistance=1.0)
    compound = biology.VEHICLE._replace(efficacy=inhibition, ic50_um=IC50_UM)
    return biology.treated(condition, biology.CONDITIONS["Unstimulated"], compound, 1.0)


def _place(place: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """A place as far from the rim of a 384-well plate as this one is from its own plate's."""
    inwards = min(*(line - 1 for line in place), *(end - line for line, end in zip(place, size)))
    return 1 + inwards, biology.PLATE_COLUMNS // 2
