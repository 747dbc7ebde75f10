"""The rest of a plate from its stained wells: exact where it can be, and as sure as it says."""

import numpy as np
import pytest

from jaxcell.analysis.intervals.stained_wells import curve, predict_rest


def _plate(random, count=60, noise=1.5):
    known = random.uniform(0, 20, count)
    return 0.4 * known + 5 + random.normal(0, noise, count) * 0.4, known


def test_an_error_that_all_wells_share_is_taken_out():
    known = np.linspace(1, 20, 30)
    seen = 0.3 * known + 9
    stained = np.where(np.arange(30) % 2, known, np.nan)
    rest = predict_rest(seen, stained, 0.9)
    np.testing.assert_allclose(rest.predicted, known, atol=1e-9)
    assert rest.reason is None and rest.said.all()
    assert np.all(rest.high - rest.low < 1e-6)


def test_stained_wells_are_predicted_by_the_others_alone():
    random = np.random.default_rng(3)
    seen, known = _plate(random, 12)
    rest = predict_rest(seen, known, 0.9)
    others = np.delete(np.arange(12), 4)
    slope, start = np.polyfit(seen[others], known[others], 1)
    assert rest.predicted[4] == pytest.approx(start + slope * seen[4])


def test_intervals_hold_as_many_as_they_promise():
    random, held = np.random.default_rng(0), []
    for _ in range(300):
        seen, known = _plate(random)
        stained = np.full(60, np.nan)
        stained[:12] = known[:12]
        rest = predict_rest(seen, stained, 0.9)
        held.append(((rest.low <= known) & (known <= rest.high))[12:].mean())
    assert 0.89 < np.mean(held) < 0.96


def test_nothing_is_said_by_images_that_know_nothing():
    random, said = np.random.default_rng(1), []
    for _ in range(100):
        seen, known = random.normal(size=40), random.normal(10, 3, 40)
        stained = np.where(np.arange(40) < 12, known, np.nan)
        said.append(predict_rest(seen, stained, 0.9).said.mean())
    seen, known = _plate(random)
    stained = np.where(np.arange(60) < 12, known, np.nan)
    assert np.mean(said) < 0.45 and predict_rest(seen, stained, 0.9).said.all()


@pytest.mark.parametrize(("count", "reason"), [(2, "stain 3 at least"), (8, "need 9")])
def test_too_few_stained_wells_are_said(count, reason):
    seen, known = _plate(np.random.default_rng(2))
    stained = np.where(np.arange(60) < count, known, np.nan)
    rest = predict_rest(seen, stained, 0.9)
    assert reason in rest.reason and np.isnan(rest.low).all() and not rest.said.any()
    assert np.isfinite(rest.predicted).all()


def test_more_stained_wells_help_and_beat_their_mean():
    random = np.random.default_rng(4)
    table = curve(*_plate(random, 72), (3, 12, 36), 0.9)
    assert list(table["stained"]) == [3, 12, 36]
    assert table["rmse"].is_monotonic_decreasing
    assert (table["rmse"] < table["rmse_of_mean"])[1:].all()
    assert np.isnan(table["hold"][0]) and 0.85 < table["hold"][1] < 0.97
