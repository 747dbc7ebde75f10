"""Within a group of wells the promise holds where it has wells enough; else all wells are asked."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.intervals import by_group, conformal

LEVEL = {"at": [0.0], "scale": [1.0], "reason": None}


def calibrated(names, error, of=by_group.calibrate):
    """A calibration of wells, error [wells, patches] about a prediction of 5."""
    wells, patches = error.shape
    well, error = np.repeat(np.arange(wells), patches), error.ravel()
    given = (well, 5 + error, np.full(len(error), 5.0), LEVEL)
    return of(np.repeat(names, patches), *given) if of is by_group.calibrate else of(*given)


def test_a_group_with_wells_enough_is_calibrated_on_its_own_and_others_on_all():
    random = np.random.default_rng(0)
    names = np.repeat(["quiet", "loud", "rare"], [9, 9, 8])
    error = random.normal(size=(26, 4)) * np.repeat([0.1, 3.0, 0.1], [9, 9, 8])[:, None]
    found = calibrated(names, error)
    assert by_group.with_own(found, 0.9) == ["quiet", "loud"]
    assert by_group.with_own(found, 0.8) == ["quiet", "loud", "rare"]
    asked = np.array(["rare", "loud", "new", "quiet", "loud"])
    low, high = by_group.interval(found, asked, np.full(5, 50.0), 0.9)
    expected = {
        name: conformal.interval(
            calibrated(names[names == name], error[names == name], conformal.calibrate),
            np.array([50.0]),
            0.9,
        )[1][0]
        for name in ("quiet", "loud")
    }
    pooled = conformal.interval(found, np.array([50.0]), 0.9)[1][0]
    expected |= {"rare": pooled, "new": pooled}
    assert high.tolist() == [expected[name] for name in asked]
    assert (50 - low).tolist() == pytest.approx((high - 50).tolist())
    assert json.loads(json.dumps(found)) == found


def test_the_share_inside_agrees_with_the_intervals():
    random = np.random.default_rng(1)
    names = np.repeat(["a", "b"], 10)
    found = calibrated(names, random.normal(size=(20, 5)))
    table = pd.DataFrame({"predicted": 50.0, "target": 50 + random.normal(0, 2, 60)})
    groups = np.tile(["a", "b", "c"], 20)
    hits = by_group.inside(found, groups, table, (0.5, 0.9))
    for place, level in enumerate((0.5, 0.9)):
        low, high = by_group.interval(found, groups, table["predicted"], level, lowest=None)
        assert (hits[:, place] == ((low <= table["target"]) & (table["target"] <= high))).all()


def test_groups_of_unequal_spread_are_each_covered_as_promised():
    random, names = np.random.default_rng(2), np.repeat(["a", "b", "c"], 12)
    spread = np.where(names == "c", 2.0, 0.3)[:, None]

    def errors(patches):
        return spread * (random.normal(size=(36, 1)) + random.standard_t(3, (36, patches)))

    inside, pooled, means = [], [], []
    for _ in range(60):
        found, new = calibrated(names, errors(20)), errors(20)
        at = np.full(36, 50.0)
        _, high = by_group.interval(found, names, at)
        inside.append((np.abs(new) <= high[:, None] - 50).mean(axis=1))
        _, high = conformal.interval(found, at)
        pooled.append((np.abs(new) <= high[:, None] - 50).mean(axis=1))
        _, high = by_group.well_interval(found, names, at, np.full(36, 5))
        means.append(np.abs(new[:, :5].mean(axis=1)) <= high - 50)

    def of_each(shares):
        return np.mean(shares, axis=0).reshape(3, 12).mean(axis=1)

    assert (of_each(inside) >= 0.87).all()
    assert (of_each(means) >= 0.87).all()
    assert of_each(pooled)[2] < 0.82 < 0.98 < of_each(pooled)[0]


def test_where_errors_grow_with_a_doubt_intervals_read_at_it_hold_in_good_light_and_in_bad():
    random = np.random.default_rng(5)

    def wells(count):
        doubt = np.repeat(random.choice([0.2, 2.0], count), 20)  # of good light, and of bad
        target = random.uniform(20, 60, len(doubt))
        table = pd.DataFrame({"target": target, "doubt": doubt})
        table["predicted"] = target + random.normal(0, doubt)
        return table.assign(well=np.repeat(np.arange(count), 20))

    training, known, new = wells(100), wells(200), wells(200)
    error = training["predicted"] - training["target"]
    scale = conformal.fit_scale(conformal.places(training), error)
    told = (known["well"], known["target"], known["predicted"], scale, conformal.places(known))
    found = by_group.calibrate(np.full(len(known), "a"), *told)
    names, at = np.full(len(new), "a"), conformal.places(new)
    low, high = by_group.interval(found, names, new["predicted"], 0.9, at=at)
    held = (low <= new["target"]) & (new["target"] <= high)
    assert held.groupby(new["doubt"]).mean().between(0.87, 0.93).all()
    assert (held == by_group.inside(found, names, new, [0.9])[:, 0]).all()
    # Means of wells likewise, and wider where in doubt.
    means = new.groupby("well")[["target", "predicted", "doubt"]].mean()
    given = (means["predicted"], np.full(200, 20), 0.9)
    low, high = by_group.well_interval(found, np.full(200, "a"), *given, at=means["doubt"])
    held = (low <= means["target"]) & (means["target"] <= high)
    assert held.groupby(means["doubt"]).mean().between(0.82, 0.98).all()
    width = pd.Series(high - low).groupby(means["doubt"].to_numpy()).mean()
    assert width[2.0] > 5 * width[0.2]
