"""Wells drawn without images follow the simulator's law."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.experiments.design import law
from jaxcell.experiments.design.law import draw_bound_share, expected_bound_share
from jaxcell.simulator import biology

SIZE = (16, 24)


def _wells(condition, inhibition, plates=40, wells=50):
    number = np.arange(plates * wells)
    return pd.DataFrame({
        "plate": number // wells, "row": 8, "column": 12, "condition": condition,
        "inhibition": inhibition,
    })  # fmt: skip


@pytest.mark.parametrize("inhibition", [0.0, 0.4, 1.0])
def test_the_middle_well_is_what_is_expected(inhibition):
    values = draw_bound_share(np.random.default_rng(0), _wells("ConA", inhibition), SIZE)
    expected = expected_bound_share("ConA", inhibition)
    whole, rest = (100 * biology.CONDITIONS[name].association for name in ("ConA", "Unstimulated"))
    assert expected == pytest.approx((1 - inhibition) * whole + inhibition * rest)
    # Batches of a log-odds SD of 0.1 on 40 plates: 0.016 of the log odds.
    assert np.nanmedian(values) == pytest.approx(expected, rel=0.05)


def test_replicates_vary_by_their_law_and_by_counting():
    wells = _wells("ConA", 0.0)
    values = draw_bound_share(np.random.default_rng(0), wells, SIZE)
    odds = np.log(values / (100 - values))
    within = np.sqrt(pd.Series(odds).groupby(wells["plate"]).var().mean())
    share, t_cells = biology.CONDITIONS["ConA"].association, biology.CONDITIONS["ConA"].t_cells
    counting = 1 / (t_cells * share * (1 - share))
    assert within == pytest.approx(np.sqrt(biology.REPLICATE_SHIFT**2 + counting), rel=0.05)
    assert np.isnan(values).mean() == pytest.approx(biology.EMPTY_SHARE, abs=0.01)


def test_conditions_that_the_simulator_does_not_know_have_no_values():
    assert np.isnan(expected_bound_share("CD3", 0.0))
    assert np.isnan(draw_bound_share(np.random.default_rng(0), _wells("CD3", 0.0, 1), SIZE)).all()


def test_the_rim_of_any_plate_is_as_near_as_that_of_a_384_well_plate():
    """A well of a small plate is taken for one as many wells from the rim of a large one."""
    for place, size, inwards in [((1, 5), (8, 12), 0), ((4, 6), (8, 12), 3), ((3, 6), (4, 6), 0)]:
        closeness = biology.closeness_to_rim(*law._place(place, size))
        assert closeness == pytest.approx(np.exp(-inwards))
