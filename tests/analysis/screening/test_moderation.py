import numpy as np
import pytest
from scipy.stats import t as student

from jaxcell.analysis.screening.moderation import (
    FREEDOMS,
    Difference,
    fit_prior,
    moderated,
    reach,
    two_sided_p,
)


def _sampled(prior, groups=4000, freedom=1, seed=0):
    """Sample variances whose true ones have a prior of so many degrees of freedom."""
    random = np.random.default_rng(seed)
    true = np.ones(groups) if np.isinf(prior) else prior / random.chisquare(prior, groups)
    return true, true * random.chisquare(freedom, groups) / freedom


@pytest.mark.parametrize("true", [4.0, 14.0, np.inf])
def test_many_groups_tell_the_prior_and_its_variance(true):
    _, variance = _sampled(true)
    family = np.arange(len(variance)) % 2
    variance = variance * np.where(family == 0, 1.0, 9.0)
    prior = fit_prior(variance, np.ones(len(variance)), family)
    place = int(np.flatnonzero(FREEDOMS == true)[0])
    assert abs(int(np.argmax(prior.weight)) - place) <= 1  # the next choice at most
    usual = prior.weight @ prior.variance
    np.testing.assert_allclose(usual, [1.0, 9.0], rtol=0.15)


def test_the_posterior_variance_is_limmas():
    variance, freedom = np.array([0.5, 2.0, 1.0, 4.0]), np.array([1.0, 1.0, 2.0, 0.0])
    family = np.zeros(4, int)
    prior = fit_prior(variance, freedom, family)
    found = moderated(prior, variance, freedom, family)
    for place, known in enumerate(FREEDOMS[:-1]):
        usual = prior.variance[place, 0]
        # Smyth 2004: (d0 s0^2 + d s^2) / (d0 + d); a group without freedom has the usual one.
        by_hand = (known * usual + freedom * variance) / (known + freedom)
        np.testing.assert_allclose(found.variance[place], by_hand)
    np.testing.assert_allclose(found.variance[-1], (0.5 + 2 + 2) / 4)
    assert (found.freedom <= 4).all()


def _of_one_mean(of, wells):
    """The error of a mean of so many wells, compared with what is known for certain."""
    own = of.variance / wells
    return Difference(of.weight, own, 0 * own, of.freedom, of.freedom, np.zeros(own.shape[1]))


@pytest.mark.parametrize("true", [4.0, np.inf])
def test_p_is_uniform_without_an_effect(true):
    random = np.random.default_rng(1)
    sd, variance = _sampled(true, seed=2)
    values = random.normal(size=len(sd)) * np.sqrt(sd / 2)
    family = np.zeros(len(sd), int)
    prior = fit_prior(variance, np.ones(len(sd)), family)
    of = moderated(prior, variance, np.ones(len(sd)), family)
    p = two_sided_p(values, _of_one_mean(of, 2))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) == pytest.approx(level, abs=4 * np.sqrt(level / len(p)))


def test_variances_that_are_all_alike_give_the_pooled_t_test():
    variance = np.full(60, 2.0)
    family = np.zeros(60, int)
    prior = fit_prior(variance, np.full(60, 50.0), family)
    of = moderated(prior, variance, np.full(60, 50.0), family)
    p = two_sided_p(np.full(60, 2.0), _of_one_mean(of, 1))
    np.testing.assert_allclose(p, 2 * student.sf(2 / np.sqrt(2), 3000), rtol=0.05)
    half = reach(_of_one_mean(of, 1), 0.95)
    np.testing.assert_allclose(half, student.ppf(0.975, 3000) * np.sqrt(2), rtol=0.02)


@pytest.mark.parametrize("own,other", [(1.0, 0.0), (0.5, 0.5), (0.9, 0.1), (0.1, 0.9)])
def test_p_is_that_of_a_simulation_of_both_variances(own, other):
    """Behrens' and Fisher's distribution, drawn: t times the error of two scaled chi-squareds."""
    freedom = np.full((len(FREEDOMS), 4), 5.0)
    weight = np.zeros(len(FREEDOMS))
    weight[3] = 1.0
    parts = (np.full_like(freedom, part) for part in (own, other))
    of = Difference(weight, *parts, freedom, 3 * freedom, np.zeros(4))
    effect = np.array([0.5, 2.0, 4.0, 7.0])
    random = np.random.default_rng(0)
    first, second = (d / random.chisquare(d, 2_000_000) for d in (5.0, 15.0))
    drawn = np.abs(random.normal(size=len(first)) * np.sqrt(own * first + other * second))
    by_draws = [(drawn >= one).mean() for one in effect]
    np.testing.assert_allclose(two_sided_p(effect, of), by_draws, rtol=0.05, atol=2e-5)


def test_against_a_known_mean_p_is_students_far_into_the_tail():
    freedom = np.full((len(FREEDOMS), 3), 4.0)
    weight = np.eye(len(FREEDOMS))[2]
    of = Difference(weight, 0 * freedom + 1, 0 * freedom, freedom, freedom, np.zeros(3))
    effect = np.array([1.0, 8.0, 20.0])
    np.testing.assert_allclose(two_sided_p(effect, of), 2 * student.sf(effect, 4), rtol=0.01)


def test_a_condition_without_replicates_is_an_error():
    with pytest.raises(ValueError, match="no compound of a condition has two wells"):
        fit_prior(np.ones(3), np.array([1.0, 0.0, 0.0]), np.array([0, 1, 1]))
