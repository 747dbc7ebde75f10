"""Wells from areas, and methods beside each other: by hand, and where one is better by design."""

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.scores.label_free import line_to_truth, scores_of_methods, wells_of


def test_areas_of_a_well_are_pooled_over_its_fields():
    place = {"plate": "P", "well": "A01", "condition": "OVA", "method": "truth"}
    areas = pd.DataFrame(
        [
            place | {"t_cell_pixels": 100, "dendritic_cell_pixels": 50, "shared_pixels": 10},
            place | {"t_cell_pixels": 300, "dendritic_cell_pixels": 0, "shared_pixels": 30},
        ]
    )
    assert wells_of(areas, "true_overlap_share")["truth"][0] == pytest.approx(10.0)
    assert wells_of(areas, "true_iou")["truth"][0] == pytest.approx(100 * 40 / 410)


def test_a_better_method_is_better_and_scale_alone_is_forgiven():
    random = np.random.default_rng(0)
    truth = random.uniform(0, 20, 60)
    wells = pd.DataFrame(
        {
            "truth": truth,
            "first": truth + random.normal(0, 1, 60),
            "scaled": 3 * truth - 7,  # perfect, but for its scale
            "poor": truth + random.normal(0, 8, 60),
            "flat": np.full(60, 4.0),
        }
    )
    found = scores_of_methods(wells, ["first", "scaled", "poor", "flat"], wells[::2])
    assert found["scaled"]["rmse_over_sd"] == pytest.approx(0, abs=1e-6)
    assert found["scaled"]["worse_by_interval"][1] < 0
    assert found["poor"]["worse_by_interval"][0] > 0
    assert found["poor"]["worse_by"] == pytest.approx(
        found["poor"]["rmse_over_sd"] - found["first"]["rmse_over_sd"]
    )
    assert found["flat"]["rmse_over_sd"] == pytest.approx(1, abs=0.1)
    assert line_to_truth(wells, "scaled") == pytest.approx((1 / 3, 7 / 3))
