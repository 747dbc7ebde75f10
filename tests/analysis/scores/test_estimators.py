import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.scores.estimators import MEAN, compare_estimators


def _patches():
    random = np.random.default_rng(0)
    truth = random.gamma(1.0, 4.0, 240)
    well = np.repeat(np.arange(24), 10)
    return pd.DataFrame(
        {
            "plate": "P",
            "well": well,
            "target": truth,
            "predicted": truth + np.tile([0.1, -0.1], 120),
            "by_two_means": 0.5 * truth,
            "light": np.where(well % 2, "dim", "base"),
        }
    )


def test_each_estimator_is_scored_by_hand():
    patches = _patches()
    network, masks, mean = compare_estimators(patches, 3.0)
    sd = patches["target"].std(ddof=0)
    assert network["name"] == "this network" and mean["name"] == MEAN
    assert network["patches"]["rmse_over_sd"] == pytest.approx(0.1 / sd)
    # Ten errors of a well cancel.
    assert network["wells"]["rmse_over_sd"] == pytest.approx(0, abs=1e-9)
    assert masks["patches"]["bias_percent"] == pytest.approx(-50)
    assert masks["patches"]["r"] == pytest.approx(1)
    assert mean["patches"]["r"] is None
    off = np.sqrt(np.mean((3.0 - patches["target"]) ** 2))
    assert mean["patches"]["rmse_over_sd"] == pytest.approx(off / sd)


def test_each_light_is_scored_against_its_own_truth():
    patches = _patches()
    masks = compare_estimators(patches, None)[1]
    dim = patches[patches["light"] == "dim"]
    error = np.sqrt(np.mean((0.5 * dim["target"]) ** 2)) / dim["target"].std(ddof=0)
    assert masks["lights"].keys() == {"base", "dim"}
    assert masks["lights"]["dim"] == pytest.approx(error)


def test_what_is_not_defined_is_none():
    (network,) = compare_estimators(
        _patches().assign(target=2.0).drop(columns="by_two_means"), None
    )
    assert network["patches"]["rmse_over_sd"] is None
