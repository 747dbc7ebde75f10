"""The best AUROC possible agrees with closed forms, and no guess from the truth beats it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from jaxcell.analysis.structure.scores import auroc
from jaxcell.simulator import biology
from jaxcell.simulator.ceiling import area_under_curve, ceiling
from jaxcell.simulator.plates import simulate_plates


def wells_of(count: int, shares: dict[str, float], seed: int = 0) -> pd.DataFrame:
    """Vehicle wells, as many of each condition, drawn with the batch of a plate of their own."""
    rng = np.random.default_rng(seed)
    rows = []
    for name, share in shares.items():
        median = biology.CONDITIONS[name]._replace(association=share)
        for _ in range(count):
            well = biology.draw_well(rng, median, biology.draw_batch(rng))
            rows.append(
                {
                    "condition": name,
                    "concentration_um": np.nan,
                    "condition_association": share,
                    "association": well.association,
                    "expected_t_cells": well.t_cells,
                    "expected_dendritic_cells": well.dendritic_cells,
                    "swelling_dendritic_cell": well.swelling[1],
                }
            )
    return pd.DataFrame(rows)


def test_two_conditions_of_vehicle_wells_have_the_ceiling_of_two_normal_laws():
    wells = wells_of(1500, {"Unstimulated": 0.050, "OVA": 0.055})
    spread = np.hypot(biology.REPLICATE_SHIFT, biology.BATCH_SHIFT)
    apart = biology.log_odds(0.055) - biology.log_odds(0.050)
    found = ceiling(wells)
    expected = norm.cdf(apart / (spread * np.sqrt(2)))
    assert found["pairs"]["Unstimulated / OVA"] == pytest.approx(expected, abs=0.03)
    assert found["association"] == pytest.approx(expected, abs=0.03)
    assert found["cells"] > found["association"]


def test_area_under_curve_is_that_of_others():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 5, 80).astype(float)
    labels = rng.random(80) < 0.4
    mine = area_under_curve(scores[labels], scores[~labels])
    assert mine == pytest.approx(roc_auc_score(labels, scores))
    both = np.stack([-scores, scores], axis=1)[None]
    assert mine == pytest.approx(auroc(both, labels.astype(int)[None])[0])


def test_no_reader_of_the_truth_beats_the_ceiling(tmp_path):
    simulate_plates(tmp_path / "p", plates=1, rows=8, columns=15, field_size=64)
    wells = pd.read_parquet(tmp_path / "p" / "SIM01" / "truth" / "wells.parquet")
    found = ceiling(wells)
    assert 0.8 < found["association"] < found["cells"] <= 1
    wells = wells[wells["expected_t_cells"] > 0]
    odds = wells["association"].map(biology.log_odds).to_numpy()
    features = np.stack([odds, odds**2, odds**3], axis=1)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    reader = LogisticRegression(C=1e3, max_iter=5000).fit(features, wells["condition"])
    guess = roc_auc_score(wells["condition"], reader.predict_proba(features), multi_class="ovr")
    # Fitted to the very wells that it is tested on, it may come out a little above.
    assert guess < found["association"] + 0.02
    assert guess > found["association"] - 0.1


def test_one_condition_has_no_ceiling():
    found = ceiling(wells_of(10, {"OVA": 0.1}))
    assert found == {"association": None, "cells": None, "pairs": {}}
