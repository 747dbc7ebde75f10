"""Codes of patches: the autoencoder's, or all that a network of truth estimates, patch by patch."""

import numpy as np
import pytest

from jaxcell.models.interaction_unet import AMOUNTS, TARGETS, code, share


def test_a_code_of_estimates_is_amounts_and_shares_by_hand():
    amounts = np.array([[400.0, 300.0, 100.0, 10.0, 4.0, 3.0], [0.0] * 6], np.float32)
    found = np.asarray(code(amounts))
    assert found.shape == (2, len(AMOUNTS) + len(TARGETS))
    expected = [*amounts[0], 100 * 100 / 600, 25.0, 40.0, 30.0]
    np.testing.assert_allclose(found[0], np.log1p(expected), rtol=1e-6)
    np.testing.assert_array_equal(found[1], 0)
    assert float(share(amounts, "bound_share")[0]) == pytest.approx(30.0)
