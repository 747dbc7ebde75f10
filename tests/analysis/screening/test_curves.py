import numpy as np
import pytest
from dose_plates import DOSES, response
from scipy.optimize import curve_fit

from jaxcell.analysis.screening.curves import (
    BEYOND,
    Curve,
    fit_curve,
    fit_draws,
    make_grid,
    value_at,
)

# Ferulic acid on the roots of ryegrass (Inderjit et al. 2002), the example of Ritz et al. 2015
# ("Dose-response analysis using R", PLoS ONE 10), with the estimates printed there.
RYEGRASS_MM = np.repeat([0, 0.94, 1.88, 3.75, 7.5, 15, 30], [6, 3, 3, 3, 3, 3, 3])
RYEGRASS_CM = np.array([
    7.58, 8.0, 8.3285714, 7.25, 7.375, 7.9625, 8.3555556, 6.9142857, 7.75, 6.8714286, 6.45,
    5.9222222, 1.925, 2.8857143, 4.2333333, 1.1875, 0.8571429, 1.0571429, 0.6875, 0.525, 0.825,
    0.25, 0.22, 0.44,
])  # fmt: skip
PUBLISHED = Curve(top=7.79296, bottom=0.48141, half=3.05795, slope=2.98222)


def _fit(dose, values, *ends):
    return fit_curve(dose, values, np.eye(len(dose)), make_grid(dose), *ends)


def test_the_published_example_has_its_published_estimates():
    found = _fit(RYEGRASS_MM, RYEGRASS_CM)
    np.testing.assert_allclose(found, PUBLISHED, rtol=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_estimates_are_those_of_scipys_curve_fit(seed):
    random = np.random.default_rng(seed)
    true = 60.0, 25.0, 10 ** random.uniform(-2, 0.8), random.uniform(0.7, 2)
    dose = np.concatenate([np.full(8, 0.0), np.repeat(DOSES, 2)])
    values = response(dose, *true) + random.normal(size=len(dose))
    by_scipy, _ = curve_fit(response, dose, values, p0=true, maxfev=20_000)
    found = _fit(dose, values)
    np.testing.assert_allclose([found.top, found.bottom], by_scipy[:2], rtol=1e-3)
    np.testing.assert_allclose([found.half, found.slope], by_scipy[2:], rtol=5e-3)


def test_the_curve_is_what_its_formula_says():
    curve = Curve(top=10, bottom=2, half=3, slope=1)
    assert value_at(curve, 0.0) == 10 and value_at(curve, 3.0) == 6
    assert value_at(curve, 9.0) == pytest.approx(2 + 8 / 4)


def test_draws_are_fitted_by_least_squares_too():
    random = np.random.default_rng(0)
    dose = np.concatenate([np.zeros(8), np.repeat(DOSES, 2)])
    values = response(dose, 60, 25, 0.4, 1.2) + random.normal(size=(40, len(dose)))
    drawn = fit_draws(values, np.eye(len(dose)), make_grid(dose))
    exact = [_fit(dose, row) for row in values]
    np.testing.assert_allclose(drawn.half, [curve.half for curve in exact], rtol=0.02)
    left = [np.sum((value_at(c, dose) - row) ** 2) for c, row in zip(exact, values)]
    np.testing.assert_allclose(drawn.squares, left, rtol=1e-4)
    at_draws = ((value_at(drawn, dose) - values) ** 2).sum(axis=1)
    np.testing.assert_allclose(drawn.squares, at_draws)


def test_whitening_weighs_wells():
    dose = np.array([0.0, 0.0, *np.repeat(DOSES, 2)])
    values = response(dose, 60, 25, 0.4, 1.2)
    wrong = values.copy()
    wrong[5] += 30.0
    whiten = np.eye(len(dose))
    whiten[5, 5] = 1e-6  # of which nothing is known
    found = fit_curve(dose, wrong, whiten, make_grid(dose))
    np.testing.assert_allclose(found, (60, 25, 0.4, 1.2), rtol=1e-3)


def test_a_step_between_two_doses_has_no_singular_hessian():
    # 3 of 160, 1, 1, 5, 8 and 80 of 80 respond.
    dose = np.array([0, 0.944, 2.18, 4.14, 8.37, 16.1])
    share = np.array([3 / 160, 1 / 80, 1 / 80, 5 / 80, 8 / 80, 1.0])
    found = _fit(dose, share, (0, 1))
    assert 8.37 < found.half < 16.1
    assert found.bottom > found.top  # it rises
    np.testing.assert_allclose(value_at(found, dose), share, atol=0.06)


def test_half_way_doses_are_looked_for_well_beyond_the_doses():
    grid = make_grid(np.array([0.0, 0.01, 10.0]))
    assert grid.half[0] == pytest.approx(0.01 / 10**BEYOND)
    assert grid.half[-1] == pytest.approx(10 * 10**BEYOND, rel=0.4)
    assert (grid.share[0] == 1).all()  # at dose 0 nothing has happened


def test_a_plateau_beyond_the_bounds_of_a_share_is_moved_to_them():
    """Against scipy with the same bounds, over draws whose plateau lies about 0."""
    random = np.random.default_rng(3)
    dose = np.concatenate([np.zeros(6), np.repeat(DOSES[:8], 2)])  # up to 3 uM only
    values = response(dose, 60, 1, 2.0, 1.0) + 3 * random.normal(size=(20, len(dose)))
    drawn = fit_draws(values, np.eye(len(dose)), make_grid(dose), (0, 100))
    assert (drawn.bottom >= 0).all() and (drawn.bottom == 0).any()
    for row, squares in zip(values, drawn.squares):
        found = _fit(dose, row, (0, 100))
        by_scipy, _ = curve_fit(
            response, dose, row, p0=(60, 5, 2, 1), maxfev=20_000,
            bounds=([-np.inf, 0, 1e-4, 0.35], [np.inf, 100, 90, 10]),
        )  # fmt: skip
        best = np.sum((response(dose, *by_scipy) - row) ** 2)
        assert np.sum((value_at(found, dose) - row) ** 2) <= best * (1 + 1e-6)
        assert squares <= best * 1.01
