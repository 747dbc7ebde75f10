"""Power by drawn plates is what a calculation says where there is one; of nothing there is none."""

import numpy as np
import pytest
from scipy.stats import nct
from scipy.stats import t as student

from jaxcell.analysis.design.layout import lay_out
from jaxcell.analysis.design.plan import Experiment
from jaxcell.analysis.design.power import EFFECTS, least_effect, power, tables_of
from jaxcell.analysis.screening.scale import AS_IS, Scale

PLAIN = Scale(AS_IS)


def _draw(size):
    """Unit noise, and `size` for whatever acts."""
    return lambda random, wells: (
        random.standard_normal(len(wells)) + size * (wells["inhibition"] > 0)
    )


@pytest.fixture(scope="module")
def layout():
    return lay_out(Experiment(20, 3, ("ConA",), (1.0,)), 96, rim=True, seed=0)


def test_a_large_effect_is_always_found_and_false_hits_stay_rare(layout):
    table, inert = power(layout, _draw(-9.0), PLAIN, seed=0, drawn=4)
    assert table["inhibition"].tolist() == list(EFFECTS)
    assert (table["power"] == 1).all() and (table["low"] > 0.3).all()
    assert inert["false_hits"] <= 0.12 * inert["hits"]


def test_no_effect_and_one_of_the_wrong_sign_are_not_found(layout):
    for size in (0.0, 9.0):
        table, _ = power(layout, _draw(size), PLAIN, seed=0, drawn=3)
        assert table["found"].sum() <= 1


@pytest.mark.slow
def test_one_compound_is_found_as_often_as_a_t_test_says():
    """q is p for one compound: Student's t of 8 against 8 wells, less a little for their places."""
    layout = lay_out(Experiment(1, 8, ("ConA",), (1.0,)), 24, rim=True, seed=0)
    wells = layout.groupby("role").size()
    freedom = wells.sum() - 2
    shift = 1.8 / np.sqrt((1 / wells).sum())
    calculated = nct.sf(student.isf(0.025, freedom), freedom, shift)
    assert 0.8 < calculated < 0.95
    table, _ = power(layout, _draw(-1.8), PLAIN, seed=0, drawn=20)
    found = table["found"].sum() / table["drawn"].sum()  # of 140: a standard error of 3 points
    assert found == pytest.approx(calculated, abs=0.15)
    assert found < calculated + 0.06


def test_draws_are_as_many_as_asked_for_and_the_same_again(layout):
    first, again = (power(layout, _draw(-2.0), PLAIN, seed=3, drawn=1)[0] for _ in range(2))
    assert (first["drawn"] >= 1).all() and first.equals(again)
    # A fifth of 20 compounds act, of 7 effects each is wanted 4 times: 28 / 4 tables.
    assert tables_of(20, 4) == 7


def test_the_unstimulated_condition_has_nothing_to_take_away():
    layout = lay_out(Experiment(6, 2, ("Unstimulated", "ConA"), (1.0,)), 96, rim=True, seed=0)
    table, _ = power(layout, _draw(-3.0), PLAIN, seed=0, drawn=1)
    assert set(table["condition"]) == {"ConA"}


def test_the_least_effect_lies_between_those_drawn():
    """Half way between 60 and 100 % on a logarithmic axis: the root of 0.1 x 0.4."""
    assert least_effect([0.1, 0.4], [0.6, 1.0]) == pytest.approx(0.2)
    assert least_effect([0.1, 0.4], [0.9, 1.0]) == 0.1
    assert least_effect([0.1, 0.4], [0.0, 0.7]) is None
    assert least_effect([0.1, 0.2, 0.8], [0.6, 0.4, 1.0]) == pytest.approx(0.4)
