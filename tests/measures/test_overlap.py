"""Overlaps agree with scikit-image and with hand counts."""

import numpy as np
import pytest
from skimage import measure

from jaxcell.measures import overlap
from jaxcell.measures.field import Field


def record(t_cell: np.ndarray, dendritic_cell: np.ndarray) -> np.ndarray:
    masks = np.stack([t_cell, dendritic_cell])
    return overlap.record(Field(np.zeros(masks.shape, np.uint16), masks, None, 1.0))


def test_shares_by_hand():
    t_cell, dendritic_cell = np.zeros((2, 4, 10, 10), bool)
    t_cell[0, :4, :5], dendritic_cell[0, 2:6, :5] = True, True  # 10 shared of 30, T cells 20
    t_cell[1, :4] = True  # the other is empty
    dendritic_cell[2, :4] = True  # the T cells' is empty; patch 3: both are
    records = list(map(record, t_cell, dendritic_cell))
    ious = [overlap.iou([each]) for each in records]
    np.testing.assert_allclose(ious, [100 / 3, 0, 0, 0], rtol=1e-15)
    assert [overlap.overlap_share([each]) for each in records] == [50, 0, 0, 0]
    turned = map(record, dendritic_cell, t_cell)
    assert [overlap.overlap_share([each]) for each in turned] == [50, 0, 0, 0]
    # Pixels of all fields count alike: 10 shared of 30 + 40 + 40, T cells 20 + 40.
    assert overlap.iou(records) == pytest.approx(100 * 10 / 110)
    assert overlap.overlap_share(records) == pytest.approx(100 * 10 / 60)


def test_overlap_share_is_scikit_images_overlap():
    t_cell, dendritic_cell = np.random.default_rng(0).random((2, 40, 50)) < 0.3
    expected = 100 * measure.intersection_coeff(t_cell, dendritic_cell)
    found = overlap.overlap_share([record(t_cell, dendritic_cell)])
    assert found == pytest.approx(expected, rel=1e-12)
