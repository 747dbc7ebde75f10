"""Variances of few replicates, shared over compounds: what makes two replicates enough."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr
from scipy.stats import chi2
from scipy.stats import f as f_distribution
from scipy.stats import t as student

# Degrees of freedom that knowing the variances of all other groups may be worth; infinity: all
# groups have one variance. Before data their inverse is as likely to lie anywhere.
FREEDOMS = np.array([2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 22.0, 40.0, np.inf])
BEFORE_DATA = 1 / np.minimum(FREEDOMS, 80.0)
# Variances below this share of the usual one come of rounded values.
LEAST_SHARE = 1e-3
STEPS = 80
# Steps of the logarithm by which variances are integrated over (the first matters more), how far
# their tails are followed, and freedom from which they are taken as known.
OWN_STEP, OTHER_STEP, TAIL, MOST_INTEGRATED = 0.25, 0.5, 1e-7, 300.0
LEAST_WEIGHT = 1e-4


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
    every choice is kept as likely as it is, and tests average over them: a single estimate makes
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
    weight = BEFORE_DATA * np.exp(likelihood - likelihood.max())
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


class Difference(NamedTuple):
    """What the error of a difference of two means consists of, for each of `FREEDOMS`.

    Attributes:
      weight: float [K].
      own, other: float [K, G], variance of each of the two means.
      own_freedom, other_freedom: float [K, G], degrees of freedom of these.
      known: float [G], variance that is known besides.
    """

    weight: np.ndarray
    own: np.ndarray
    other: np.ndarray
    own_freedom: np.ndarray
    other_freedom: np.ndarray
    known: np.ndarray


def error_of(of: Difference) -> np.ndarray:
    """Standard errors of differences, float64 [G]."""
    return np.sqrt(of.weight @ (of.own + of.other) + of.known)


def two_sided_p(effect: np.ndarray, of: Difference) -> np.ndarray:
    """p of differences, averaged over what their variances may be; float64 [G].

    Welch's degrees of freedom are an approximation that fails in the far tail, where hits are made:
    with 5 it finds three times as many as it should at 0.001. So the two variances are integrated
    over.

    Args:
      effect: float [G].
      of: its error.

    Source: Behrens 1929 and Fisher 1935, with the posterior variances of Smyth 2004.
    """
    result = np.zeros(effect.shape)
    for place, weight in enumerate(of.weight):
        if weight < LEAST_WEIGHT:
            continue
        own, own_mass = _true_over_estimate(of.own_freedom[place], OWN_STEP)
        other, other_mass = _true_over_estimate(of.other_freedom[place], OTHER_STEP)
        variance = (
            (of.own[place] * own)[:, None] + (of.other[place] * other)[None] + of.known
        )  # [own nodes, other nodes, G]
        size = np.abs(effect)
        z = np.divide(size, np.sqrt(variance), where=variance > 0,
                      out=np.where(size > 0, np.inf, 0.0) + np.zeros_like(variance))  # fmt: skip
        tails = 2 * ndtr(-z)
        result += weight * (own_mass[:, None] * other_mass[None] * tails).sum(axis=(0, 1))
    return np.clip(result, 0.0, 1.0)


def _true_over_estimate(freedom: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
    """What a variance may be over its estimate, and how likely that is: [nodes, G] each."""
    values, number = np.unique(freedom, return_inverse=True)
    of_values = [_nodes(float(value), step) for value in values]
    most = max(len(ratios) for ratios, _ in of_values)
    padded = [
        [np.pad(part, (0, most - len(part)), constant_values=fill) for part, fill in
         zip(pair, (1.0, 0.0))]
        for pair in of_values
    ]  # fmt: skip
    ratios, masses = (np.stack(part, axis=1)[:, number] for part in zip(*padded))
    return ratios, masses


@lru_cache(maxsize=4096)
def _nodes(freedom: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of equal distance in the logarithm: exponentially exact for what is so smooth."""
    if freedom > MOST_INTEGRATED:
        return np.ones(1), np.ones(1)
    ends = np.log(freedom / chi2.ppf((1 - TAIL, TAIL), freedom))
    logs = np.arange(ends[0], ends[1] + step, min(step, np.ptp(ends) / 12))
    ratio = np.exp(logs)
    mass = chi2.pdf(freedom / ratio, freedom) / ratio
    return ratio, mass / mass.sum()


def reach(of: Difference, level: float) -> np.ndarray:
    """Half the width of the interval of a difference, float64 [G].

    Args:
      of: its error.
      level: of the interval; by Welch's degrees of freedom, which do in the near tail.
    """
    known = of.known + of.own + of.other
    parts = of.own**2 / of.own_freedom + of.other**2 / of.other_freedom
    freedom = np.divide(known**2, parts, where=parts > 0, out=np.full(known.shape, 1e6))
    return of.weight @ (student.ppf((1 + level) / 2, freedom) * np.sqrt(known))
