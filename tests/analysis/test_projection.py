"""The projection against a singular value decomposition, and what it refuses."""

import numpy as np
import pytest

from jaxcell.analysis.projection import principal_components


def codes(count: int = 60, features: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    scale = np.linspace(5, 0.5, features)
    return (random.normal(size=(count, features)) * scale).astype(np.float32) + 3


def test_it_equals_the_singular_value_decomposition():
    table = codes()
    coordinates, explained = principal_components(table)
    _, values, directions = np.linalg.svd(table - table.mean(0), full_matrices=False)
    np.testing.assert_allclose(explained, values[:2] ** 2 / (values**2).sum(), rtol=1e-4)
    expected = (table - table.mean(0)) @ directions[:2].T
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), atol=1e-3)
    assert coordinates.dtype == explained.dtype == np.float32


def test_the_sign_does_not_depend_on_the_order_of_patches():
    table = codes()
    forward, _ = principal_components(table)
    backward, _ = principal_components(table[::-1])
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-3)


def test_a_direction_points_where_its_largest_feature_grows():
    table = codes()
    coordinates, _ = principal_components(table)
    assert np.corrcoef(coordinates[:, 0], table[:, 0])[0, 1] > 0.5


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.zeros((2, 5)), "more than 2"),
        (np.zeros((9, 1)), "at least 2"),
        (np.ones((9, 5)), "equal"),
        (np.where(np.arange(45).reshape(9, 5) == 7, np.nan, 1.0), "1 of 9"),
        (np.zeros((9, 5, 2)), "shape"),
    ],
)
def test_what_cannot_be_projected_is_refused_in_words(table, words):
    with pytest.raises(ValueError, match=words):
        principal_components(table)
