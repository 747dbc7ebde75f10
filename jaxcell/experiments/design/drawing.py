"""Where drawn wells come from: the simulator's law, or the variances of an earlier plate."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.design.components import Components, components, draw, expected
from jaxcell.analysis.design.plan import Experiment
from jaxcell.analysis.screening.answers import at_the_edge
from jaxcell.analysis.screening.scale import LOG_ODDS, Scale, choose_scale
from jaxcell.analysis.strength import REFERENCE
from jaxcell.configs import settings
from jaxcell.experiments.design.law import CELLS, draw_bound_share, expected_bound_share
from jaxcell.experiments.screening.tables import read_screen_table

SIMULATOR, PREVIOUS = "simulator", "previous plate"
# Half a bound cell of the usual number, %: what keeps wells without any finite on the scale.
HALF_A_CELL = 50 / CELLS


class Source(NamedTuple):
    """Where drawn wells come from.

    Attributes:
      name: `SIMULATOR` or `PREVIOUS`.
      measure: what is drawn, in words; unit: its unit.
      scale: on which it is compared.
      draw: random and layout -> values in the unit.
      expected: condition and inhibition -> the value of a well in the middle; NaN where not known.
      components: of the earlier plate; None of the simulator.
      reason: None, or why nothing can be drawn.
    """

    name: str
    measure: str
    unit: str
    scale: Scale
    draw: Callable[[np.random.Generator, pd.DataFrame], np.ndarray]
    expected: Callable[[str, float], float]
    components: Components | None
    reason: str | None


def of_simulator(experiment: Experiment, size: tuple[int, int]) -> Source:
    """The simulator's law of wells: the share of T cells bound, every cell counted rightly.

    Args:
      experiment: whose conditions are drawn.
      size: rows and columns of the plate.
    """
    known = {name: expected_bound_share(name, 0.0) for name in experiment.conditions}
    known = [name for name, value in known.items() if np.isfinite(value)]
    return Source(
        SIMULATOR,
        "share of T cells bound",
        "%",
        Scale(LOG_ODDS, 100.0, HALF_A_CELL),
        partial(draw_bound_share, size=size),
        expected_bound_share,
        None,
        _reason(experiment, known, "the simulator"),
    )


def of_previous(path: Path, measure: str, experiment: Experiment) -> Source:
    """The variances of an earlier plate, whose table is read as `jaxcell screen` does.

    Args:
      path: of the table; its layout lies beside it where it does not say it itself.
      measure: its column; '': a usual one, or the only one.
      experiment: whose conditions are drawn.

    Raises:
      ValueError: the table cannot be read for certain, or tells no spread.
    """
    views = settings.load_config("measure").plates.views.to_dict()
    table = read_screen_table([path], measure=measure, views=views)
    words, wells = table.measure, table.wells
    scale = choose_scale(wells[words.name].to_numpy(), words.minimum, words.maximum)
    found = components(wells.assign(edge=at_the_edge(wells)), words.name, scale)

    def of_condition(name: str, inhibition: float) -> float:
        control = np.array([found.controls.get(name, np.nan)])
        return float(expected(found, control, np.array([inhibition]))[0])

    return Source(
        PREVIOUS,
        words.label,
        words.unit,
        scale,
        partial(draw, of=found),
        of_condition,
        found,
        _reason(experiment, list(found.controls), "the previous plate"),
    )


def _reason(experiment: Experiment, known: list[str], who: str) -> str | None:
    """None, or why no power can be drawn."""
    stimulated = [name for name in experiment.conditions if name != REFERENCE]
    if not stimulated:
        return "without a stimulation there is nothing that a compound could take away"
    if set(stimulated) & set(known):
        return None
    listed = ", ".join(known) or "none"
    return f"{who} knows nothing of {', '.join(stimulated)} (it knows {listed})"
