"""Overlap against chance: exact counts, honest p values, power, and one answer a well."""

import numpy as np
import pytest

from jaxcell.measures import chance
from jaxcell.measures.chance import (
    ANSWERS,
    MINIMUM_CELLS,
    Chance,
    Shifts,
    answer,
    compare_with_chance,
    shift_overlaps,
)

PIXEL_UM = 0.741
REGIONS = 66


def _discs(rng: np.random.Generator, count: int, radius: int, size: int = 256) -> np.ndarray:
    """Discs at random on a torus, bool [size, size]."""
    return _draw(rng.integers(0, size, (count, 2)), radius, size)


def _draw(centres: np.ndarray, radius: int, size: int = 256) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    y, x = y[y**2 + x**2 <= radius**2], x[y**2 + x**2 <= radius**2]
    for centre in centres:
        mask[(centre[0] + y) % size, (centre[1] + x) % size] = True
    return mask


def _pair(seed: int, bound: float, size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """T cells and dendritic cells; a share `bound` of T cells lies on a dendritic cell."""
    rng = np.random.default_rng(seed)
    centres, own = rng.integers(0, size, (2, 40, 2))
    on_top = rng.random(40) < bound
    own[on_top] = centres[on_top] + rng.integers(-5, 6, (on_top.sum(), 2))
    return _draw(own, 5, size), _draw(centres, 8, size)


def chance_overlap(t_cell: np.ndarray, dendritic_cell: np.ndarray, **settings: float) -> Chance:
    overlaps = shift_overlaps(t_cell, dendritic_cell, **settings)
    return compare_with_chance([Shifts(overlaps, 1, REGIONS)])


def test_every_count_is_exact():
    rng = np.random.default_rng(0)
    t_cell, dendritic_cell = rng.random((2, 48, 60)) < 0.4
    found = shift_overlaps(
        t_cell, dendritic_cell, pixel_um=1.0, nearest_shift_um=5, farthest_shift_um=20
    )
    expected = [np.count_nonzero(t_cell & dendritic_cell)]
    for dy in range(-20, 21):
        for dx in range(-20, 21):
            if 5 <= np.hypot(dy, dx) <= 20:
                shifted = np.roll(dendritic_cell, (-dy, -dx), axis=(0, 1))
                expected.append(np.count_nonzero(t_cell & shifted))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(70, 61), (23, 90), (96, 24)])
def test_a_large_field_is_counted_square_by_square_to_the_same_counts(monkeypatch, shape):
    t_cell, dendritic_cell = np.random.default_rng(0).random((2, *shape)) < 0.3
    options = {"pixel_um": 1.0, "nearest_shift_um": 2.0, "farthest_shift_um": 9.0}
    whole = shift_overlaps(t_cell, dendritic_cell, **options)
    monkeypatch.setattr(chance, "WHOLE", 40)
    monkeypatch.setattr(chance, "SQUARE", 24)
    np.testing.assert_array_equal(
        shift_overlaps(t_cell, dendritic_cell, **options), whole, strict=True
    )


@pytest.mark.parametrize("share", [0.12, 0.45, 1.0])
def test_counts_stay_exact_for_wide_masks(share):
    """Up to a mask that is True throughout."""
    rng = np.random.default_rng(1)
    t_cell, dendritic_cell = rng.random((2, 1024, 1024)) < share
    options = {"pixel_um": 1.0, "nearest_shift_um": 3.0, "farthest_shift_um": 4.0}
    found = shift_overlaps(t_cell, dendritic_cell, **options)
    shifts = [(y, x) for y in range(-4, 5) for x in range(-4, 5) if 3 <= np.hypot(y, x) <= 4]
    expected = [
        np.count_nonzero(t_cell & np.roll(dendritic_cell, (-y, -x), (0, 1)))
        for y, x in [(0, 0), *shifts]
    ]
    np.testing.assert_array_equal(found, expected)


def test_mean_sd_z_and_p_by_hand():
    fields = [Shifts(np.array([2, 1, 2, 1]), 5, 9), Shifts(np.array([3, 0, 3, 0]), 15, 9)]
    assert compare_with_chance(fields) == (5, 3, 2, 10, 1, 0.5, 1)
    assert compare_with_chance([Shifts(np.zeros(4, int), 0, 9)]) == (0, 0, 0, 0, 0, 1, 1)


def test_p_of_what_no_shift_reaches_is_that_of_a_sum_of_many_overlaps():
    random, mean = np.random.default_rng(0), 40
    pairs = random.poisson(mean, 40_000)
    overlaps = np.append(700, np.rint(10 * random.gamma(pairs)).astype(int))
    # The sum of a Poisson number of exponential overlaps, by drawing many more of them.
    many = 10 * random.gamma(random.poisson(mean, 2_000_000))
    found = compare_with_chance([Shifts(overlaps, 1, 1e6)])
    assert found.p == pytest.approx(np.mean(many >= 700), rel=0.3)
    # Fewer regions know the distribution less well; so does a sum of fields shifted alike.
    less_sure = compare_with_chance([Shifts(overlaps, 1, REGIONS)])
    assert 1.1 * found.p < less_sure.p < 3 * found.p
    assert compare_with_chance([Shifts(overlaps, 1, REGIONS)] * 2).p == less_sure.p
    # Never smaller than the share of shifts itself.
    few = compare_with_chance([Shifts(np.append(3000, overlaps[1:]), 1, REGIONS)])
    assert few.p == 1 / 40_001
    seldom = compare_with_chance([Shifts(np.append(150, overlaps[1:]), 1, REGIONS)])
    assert 1 / 40_001 <= seldom.p_less < 0.002 and seldom.p > 0.99


def test_p_is_right_where_there_is_no_interaction():
    """Of 200 independent pairs about 5 % lie below 0.05; 2-9 % is three standard errors."""
    p = np.array([chance_overlap(*_pair(seed, 0), pixel_um=PIXEL_UM).p for seed in range(200)])
    assert 0.02 <= (p < 0.05).mean() <= 0.095
    assert abs((p < 0.5).mean() - 0.5) < 0.11


def test_interaction_and_avoidance_are_found():
    for seed in range(10):
        chance = chance_overlap(*_pair(seed, 0.5), pixel_um=PIXEL_UM)
        assert chance.p < 0.01 and chance.z > 3
    rng = np.random.default_rng(0)
    dendritic_cell = _discs(rng, 60, 8)
    chance = chance_overlap(_discs(rng, 150, 4) & ~dendritic_cell, dendritic_cell, pixel_um=0.741)
    assert chance.p_less < 0.01 and chance.z < -3
    assert answer(chance, 150, 60) == "less than chance"


def test_shared_density_is_not_interaction():
    """Both types crowd in the middle of the field, and that alone puts them over each other."""
    rng, size, near, far = np.random.default_rng(0), 512, [], []
    for _ in range(30):
        centres = (size * rng.beta(3, 3, (2, 150, 2))).astype(int)
        pair = _draw(centres[0], 5, size), _draw(centres[1], 8, size)
        near.append(chance_overlap(*pair, pixel_um=PIXEL_UM).z)
        far.append(chance_overlap(*pair, pixel_um=PIXEL_UM, farthest_shift_um=180).z)
    assert np.mean(far) > 1.5 and np.mean(near) < 0.5 * np.mean(far)


def test_fields_of_a_well_are_one_answer():
    overlaps = [shift_overlaps(*_pair(seed, 0.1), pixel_um=PIXEL_UM) for seed in range(6)]
    records = [Shifts(each, 1, REGIONS) for each in overlaps]
    well = compare_with_chance(records)
    observed, mean, _, _, z, _, _ = np.transpose([compare_with_chance([each]) for each in records])
    assert well.observed == observed.sum() and well.mean == pytest.approx(mean.sum())
    assert well.z > z.mean()


def test_magnification_does_not_matter():
    """The same scene at half the pixel width: every pixel is four."""
    t_cell, dendritic_cell = _pair(3, 0.3)
    fine = [mask.repeat(2, 0).repeat(2, 1) for mask in (t_cell, dendritic_cell)]
    coarse = chance_overlap(t_cell, dendritic_cell, pixel_um=1.0)
    finer = chance_overlap(*fine, pixel_um=0.5)
    assert finer.observed == 4 * coarse.observed
    assert finer.z == pytest.approx(coarse.z, rel=0.05)


def test_empty_full_and_lonely_masks():
    empty, full = np.zeros((192, 192), bool), np.ones((192, 192), bool)
    one = _draw(np.array([[90, 90]]), 5, 192)
    for pair in ((empty, one), (one, empty), (empty, empty)):
        np.testing.assert_array_equal(
            chance_overlap(*pair, pixel_um=PIXEL_UM), [0, 0, 0, 0, 0, 1, 1]
        )
    chance = chance_overlap(full, one, pixel_um=PIXEL_UM)
    assert chance.observed == chance.mean == one.sum()
    assert (chance.sd, chance.z, chance.p) == (0, 0, 1)
    chance = chance_overlap(one, one, pixel_um=PIXEL_UM)  # meets at no other shift
    assert np.isfinite(chance).all() and chance.z > 10 and 0 < chance.p < 1e-3


def test_answers():
    calls = {"interaction": (0.02, 0.99), "less than chance": (0.99, 0.02)}
    calls["no more than chance"] = (0.04, 0.97)  # two-sided: half of 0.05 on either side
    enough = MINIMUM_CELLS
    for expected, (p, p_less) in calls.items():
        chance = Chance(*np.array([10, 5, 1, 20, 5, p, p_less]))
        assert answer(chance, enough, enough) == expected
        assert answer(chance, enough - 1, 500) == "too few cells to say"
        assert answer(chance, 500, 0) == "too few cells to say"
    assert {*calls, "too few cells to say"} == set(ANSWERS)


def test_what_cannot_be_shifted_is_an_error():
    small = np.ones((64, 64), bool)
    with pytest.raises(ValueError, match="larger windows"):
        shift_overlaps(small, small, pixel_um=PIXEL_UM)
    with pytest.raises(ValueError, match="differ in shape"):
        shift_overlaps(small, small[:32], pixel_um=PIXEL_UM)
