import numpy as np
import pytest

from jaxcell.analysis.screening.scale import AS_IS, LOG_ODDS, LOGARITHM, choose_scale


@pytest.mark.parametrize(
    "values,ends,name",
    [
        ([0, 3, 50, 100], (0, 100), LOG_ODDS),
        ([0.2, 0.9], (0, 1), LOG_ODDS),
        ([0, 1, 20], (0, None), LOGARITHM),
        ([0, 0, 0, 5], (0, None), AS_IS),
        ([-3, 8], (None, None), AS_IS),
        ([3, 120], (0, 100), AS_IS),  # no share after all
    ],
)
def test_values_come_back_and_their_order_stays(values, ends, name):
    scale = choose_scale(np.array(values, float), *ends)
    assert scale.name == name
    scaled = scale.forward(values)
    assert np.isfinite(scaled).all() and (np.diff(scaled) >= 0).all()
    np.testing.assert_allclose(scale.backward(scaled), values, atol=1e-9)


def test_log_odds_are_those_of_the_textbook_where_nothing_is_at_a_bound():
    scale = choose_scale(np.array([20.0, 50.0]), 0, 100)
    np.testing.assert_allclose(scale.forward([20.0, 50.0]), [np.log(0.25), 0.0])


def test_a_value_at_the_bound_is_drawn_in_by_half_the_least_distance():
    scale = choose_scale(np.array([0.0, 2.0, 60.0]), 0, 100)
    assert scale.offset == 1.0
    assert scale.forward([0.0])[0] == pytest.approx(np.log(1 / 101))
