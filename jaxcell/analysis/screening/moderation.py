"""Variances of few replicates, shared over compounds: what makes two replicates enough."""

from typing import NamedTuple

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import t as student

# Degrees of freedom that knowing the variances of all other groups may be worth; infinity: all
# groups have one variance.
FREEDOMS = np.array([2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 22.0, 40.0, np.inf])
# Variances below this share of the usual one come of rounded values.
LEAST_SHARE = 1e-3
STEPS = 80


class Prior(NamedTuple):
    """What the variances of all groups say of that of any one.

    Attributes:
      weight: float [K], how likely each of `FREEDOMS` is; sums to 1.
      variance: float [K, F], the usual variance in each family with each of them.
      pooled: float [F], degrees of freedom of all groups of a family, which no test may exceed.
    """

    weight: np.ndarray
    variance: np.ndarray
    pooled: np.ndarray


class Moderated(NamedTuple):
    """Variances drawn towards the usual one of their family, for each of `FREEDOMS`.

    Attributes:
      weight: float [K].
      variance: float [K, G].
      freedom: float [K, G].
    """

    weight: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray


def fit_prior(variance: np.ndarray, freedom: np.ndarray, family: np.ndarray) -> Prior:
    """Fits the prior of variances.

    A sample variance over the usual one of its family is F-distributed with the group's and the
    prior's degrees of freedom. With two replicates a group the latter are hardly known, so that
    every choice is kept with its likelihood, and tests average over them: a single estimate finds
    two to three times as many false hits where variances do differ.

    Args:
      variance: float [G], sample variances; those without freedom are not looked at.
      freedom: float [G], their degrees of freedom.
      family: int [G], families (conditions) of which each has its own usual variance; all share the
        prior's degrees of freedom.

    Raises:
      ValueError: no group of a family has a degree of freedom.

    Source: the hierarchical model of Smyth 2004 (limma), its degrees of freedom averaged over.
    """
    families = int(family.max(initial=-1)) + 1
    use = freedom > 0
    d, own = freedom[use], family[use]
    total = np.bincount(own, d, families)
    if not total.all():
        raise ValueError("no compound of a condition has two wells, so nothing tells their spread")
    pooled = np.bincount(own, variance[use] * d, families) / total
    usual = np.tile(pooled, (len(FREEDOMS), 1))
    only_one = np.zeros(len(FREEDOMS))
    only_one[-1] = 1.0
    if (pooled == 0).any():
        return Prior(only_one, usual, total)
    ratio = np.maximum(variance[use] / pooled[own], LEAST_SHARE)
    prior = FREEDOMS[:-1, None]
    scale = np.ones((len(FREEDOMS) - 1, families))
    for _ in range(STEPS):  # expectation-maximisation: the precision expected of each group
        precision = (prior + d) / (prior * scale[:, own] + d * ratio)
        sums = np.stack([np.bincount(own, row, families) for row in precision])
        scale = np.bincount(own, minlength=families) / sums
    usual[:-1] *= scale
    scale = np.vstack([scale, np.ones(families)])[:, own]
    # An F distribution with many degrees of freedom is as good as chi-squared.
    density = f_distribution.logpdf(ratio / scale, d, np.minimum(FREEDOMS, 1e6)[:, None])
    likelihood = (density - np.log(scale)).sum(axis=1)
    weight = np.exp(likelihood - likelihood.max())
    return Prior(weight / weight.sum(), usual, total)


def moderated(
    prior: Prior, variance: np.ndarray, freedom: np.ndarray, family: np.ndarray
) -> Moderated:
    """Variances of groups given those of all others.

    Args:
      prior: as `fit_prior` gives.
      variance, freedom, family: [G]; the variance of a group without freedom is not looked at.

    Source: Smyth 2004, the posterior variance; freedom no more than the family has.
    """
    usual, known = prior.variance[:, family], FREEDOMS[:-1, None]
    own = np.where(freedom > 0, variance, 0.0) * freedom
    drawn = (known * usual[:-1] + own) / (known + freedom)
    most = prior.pooled[family]
    return Moderated(
        prior.weight,
        np.vstack([drawn, usual[-1]]),
        np.vstack([np.minimum(known + freedom, most), most]),
    )


def two_sided_p(effect: np.ndarray, error: np.ndarray, of: Moderated) -> np.ndarray:
    """p of Student's t, averaged over the prior; float64 [G], 1 where there is no error.

    Args:
      effect: float [G].
      error: float [K, G], standard errors.
      of: degrees of freedom and weights.
    """
    t = np.divide(np.abs(effect), error, where=error > 0, out=np.zeros_like(error))
    return of.weight @ (2 * student.sf(t, of.freedom))


def reach(error: np.ndarray, of: Moderated, level: float) -> np.ndarray:
    """Half the width of the interval that holds `level` of an effect's distribution; [G]."""
    low, high = np.zeros(error.shape[1]), student.ppf((1 + level) / 2, 2) * error.max(axis=0)
    for _ in range(60):  # bisection
        middle = (low + high) / 2
        outside = two_sided_p(middle, error, of) > 1 - level
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return high
