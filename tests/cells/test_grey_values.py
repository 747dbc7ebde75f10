"""Grey values are counted alike whatever fits in memory."""

import numpy as np
import pytest

from jaxcell.cells import grey_values
from jaxcell.cells.grey_values import count_values


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_counts_are_those_of_all_pixels_also_in_parts(monkeypatch, kind):
    image = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (37, 53), kind)[:, ::2]
    whole = count_values(image)
    np.testing.assert_array_equal(whole, np.bincount(image.ravel()))
    monkeypatch.setattr(grey_values, "AT_A_TIME", 100)
    np.testing.assert_array_equal(count_values(image), whole)
    assert count_values(np.zeros((0, 4), kind)).size == 0
