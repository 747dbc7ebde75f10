import numpy as np
import pytest
from dose_plates import DOSES, response
from scipy.optimize import isotonic_regression

from jaxcell.analysis.screening.curves import make_grid
from jaxcell.analysis.screening.shape import FLAT_DRAWS, bend_statistic, p_values

DOSE = np.concatenate([np.zeros(8), np.repeat(DOSES, 2)])
KNOWN = np.ones(FLAT_DRAWS)


def _p(values, root=None):
    root = np.eye(len(DOSE)) if root is None else root
    return p_values(values, DOSE, root, make_grid(DOSE), KNOWN)


def test_the_best_monotone_sequence_is_scipys():
    random = np.random.default_rng(0)
    values = random.normal(size=(30, len(DOSE)))
    _, number, wells = np.unique(DOSE, return_inverse=True, return_counts=True)
    for row, found in zip(values, bend_statistic(values, DOSE)):
        means = np.bincount(number, row) / wells
        by_scipy = min(
            wells @ (means - isotonic_regression(means, weights=wells, increasing=up).x) ** 2
            for up in (True, False)
        )
        assert found == pytest.approx(by_scipy)


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_p_is_uniform_where_nothing_happens(shared):
    """Also where all wells of the compound share what is uncertain of their row."""
    random = np.random.default_rng(1)
    covariance = np.eye(len(DOSE)) + shared * np.outer(DOSE > 0, DOSE > 0)
    root = np.linalg.cholesky(covariance)
    p = np.array([_p(root @ random.normal(size=len(DOSE)), root) for _ in range(300)])
    for column in p.T:
        assert np.mean(column <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(p[:, 0] <= 0.2) == pytest.approx(0.2, abs=0.08)


def test_a_curve_is_not_flat_and_a_hook_is_not_monotone():
    random = np.random.default_rng(2)
    falling = response(DOSE, 0, -6, 0.3, 1) + random.normal(size=len(DOSE))
    flat, bend = _p(falling)
    assert flat <= 0.001 and bend > 0.05
    hook = falling + 6.0 * (DOSE >= 10)
    flat, bend = _p(hook)
    assert flat <= 0.001 and bend <= 0.01
