"""Where drawn wells come from: the simulator's law, or the variances of an earlier plate."""

from collections.abc import Callable, Collection
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
from jaxcell.report.common.words import joined
from jaxcell.simulator import biology

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
      can_draw: whether there is a stimulated condition that it knows.
      doubt: None, or what it does not know, in words.
    """

    name: str
    measure: str
    unit: str
    scale: Scale
    draw: Callable[[np.random.Generator, pd.DataFrame], np.ndarray]
    expected: Callable[[str, float], float]
    components: Components | None
    can_draw: bool
    doubt: str | None


def of_simulator(experiment: Experiment, size: tuple[int, int]) -> Source:
    """The simulator's law of wells: the share of T cells bound, every cell counted rightly.

    Args:
      experiment: whose conditions are drawn.
      size: rows and columns of the plate.
    """
    return Source(
        SIMULATOR,
        "share of T cells bound",
        "%",
        Scale(LOG_ODDS, 100.0, HALF_A_CELL),
        partial(draw_bound_share, size=size),
        expected_bound_share,
        None,
        *_doubts(experiment, biology.CONDITIONS, "the simulator"),
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
        *_doubts(experiment, found.controls, "the previous plate"),
    )


def _doubts(experiment: Experiment, known: Collection[str], who: str) -> tuple[bool, str | None]:
    """Whether power can be drawn, and what is to be said of conditions that are not known."""
    stimulated = [name for name in experiment.conditions if name != REFERENCE]
    if not stimulated:
        return False, "without a stimulation there is nothing that a compound could take away"
    unknown = [name for name in stimulated if name not in known]
    if not unknown:
        return True, None
    said = f"{who} knows nothing of {joined(unknown)}, only of {joined(list(known))}"
    return len(unknown) < len(stimulated), said
