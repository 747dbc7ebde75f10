import numpy as np

from jaxcell.measures import truth
from jaxcell.measures.catalogue import BY_MASKS, MEASURES, TRUTHS


def test_amounts_and_shares_by_hand():
    patch = np.zeros((6, 6), np.uint8)
    patch[:2] = 1  # 12 pixels of T cells
    patch[1:4, :3] |= 2  # 9 of dendritic cells, 3 of both
    patch[0, 0] |= 4
    patch[0, 2] |= 4 + 8
    patch[1, 4] |= 4 + 8 + 16
    record = truth.record(patch)
    assert record.tolist() == [12, 9, 3, 3, 2, 1]
    assert truth.iou([record]) == 100 * 3 / 18
    assert truth.overlap_share([record]) == 100 * 3 / 12
    assert truth.contact_share([record]) == 100 * 2 / 3
    assert truth.bound_share([record, record]) == 100 / 3


def test_a_patch_without_cells_has_shares_of_zero():
    record = truth.record(np.zeros((4, 4), np.uint8))
    assert all(measure.reduce([record]) == 0 for measure in TRUTHS.values())


def test_masks_have_something_to_say_in_place_of_every_truth():
    assert BY_MASKS.keys() == TRUTHS.keys() and set(BY_MASKS.values()) <= set(MEASURES)
