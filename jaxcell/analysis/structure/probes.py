"""Reading the condition of a well from its patches, by rules trained on other wells.

A well's label holds for all its patches, so what both readers learn (means of classes, votes for
classes) is linear in the labels of wells: thousands of shuffled labels cost a matrix product.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf

NEIGHBOURS = 15
# No direction is taken to vary less than this share of the average one.
SMALLEST_SHARE = 1e-3
# Noise, in SDs of a feature, so that it is chance who is nearest where many are alike (overlap 0).
TIE_BREAK = 1e-3
# Distances held at a time, 32 MB.
DISTANCES_AT_ONCE = 8_000_000
# Scores held at a time, 32 MB.
VALUES_AT_ONCE = 4_000_000


class Readers(NamedTuple):
    """What is read of wells and patches, whose labels are given last.

    Attributes:
      wells: labels int [P, W] -> scores float32 [P, W, C], higher for wells of that class.
      patches: labels int [W] -> scores float32 [N, C].
    """

    wells: Callable[[np.ndarray], np.ndarray]
    patches: Callable[[np.ndarray], np.ndarray]


def well_means(features: np.ndarray, well_of: np.ndarray, wells: int) -> np.ndarray:
    """Mean features of each well's patches, float64 [wells, D]; 0 for a well without patches."""
    order = np.argsort(well_of, kind="stable")
    counts = np.bincount(well_of, minlength=wells)
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    result = np.zeros((wells, features.shape[1]))
    full = counts > 0
    ordered = np.asarray(features, np.float64)[order]
    result[full] = np.add.reduceat(ordered, starts[full], axis=0) / counts[full, None]
    return result


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """float32 [..., classes] of labels int [...]."""
    return (labels[..., None] == np.arange(classes)).astype(np.float32)


def whitening(features: np.ndarray, well_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre [D] and map [D, D] after which well means, whatever their label, vary alike.

    What hides a difference between conditions is how much wells of a condition differ, so it is
    the covariance of *well means* that counts, not that of patches. It is shrunk, because there
    may be fewer wells than features, and towards the scatter of patches inside a well, since no
    direction of well means is quieter than that: features are first put in its units. Last comes
    what shrinkage left of the covariance that was measured, in [0, 1).

    Source: Ledoit and Wolf 2004.
    """
    _, well_of = np.unique(well_of, return_inverse=True)
    means = well_means(features, well_of, int(well_of.max()) + 1)
    centre, between = means.mean(axis=0), means.var(axis=0)
    squares = np.square(np.asarray(features, np.float64) - means[well_of])
    within = well_means(squares, well_of, len(means)).mean(axis=0)
    # A feature that is the same in all patches of a well, such as its column, has no such unit.
    unit = np.sqrt(np.where(within > 1e-9 * between, within, between))
    unit[unit == 0] = 1.0
    covariance, shrinkage = ledoit_wolf((means - centre) / unit, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    floor = SMALLEST_SHARE * values.mean() if values.mean() > 0 else 1.0
    whiten = (vectors / np.sqrt(np.maximum(values, floor))) / unit[:, None]
    return centre, whiten, min(1.0 - float(shrinkage), 1.0 - SMALLEST_SHARE)


class Discriminant(NamedTuple):
    """Linear discriminants of P labellings: weights [P, C, D], and what is taken off, [P, C]."""

    weights: np.ndarray
    offsets: np.ndarray


def discriminant(trained: np.ndarray, labels: np.ndarray, kept: float) -> Discriminant:
    """Linear discriminants with equal priors, for many labellings at once.

    In whitened space the covariance inside classes is I - kept * (that of class means), so its
    inverse needs a matrix of C x C only (Woodbury's identity), or, of more classes than features,
    one of D x D. With the covariance of all wells in its place a strong effect would be taken for
    noise in its own direction.

    Of means of training wells [T, D] and their one-hot labels [P, T, C].

    Source: Fisher 1936; Friedman 1989 (regularised discriminant analysis).
    """
    counts = np.maximum(labels.sum(axis=1), 1).astype(np.float64)
    means = (np.swapaxes(labels, 1, 2) @ trained.astype(np.float32)) / counts[..., None]
    turned = np.swapaxes(means, 1, 2)
    classes, features = means.shape[1:]
    if features < classes:
        between = turned @ (means * (counts / len(trained))[..., None])
        weights = np.swapaxes(np.linalg.solve(np.eye(features) - kept * between, turned), 1, 2)
    else:
        products = means @ turned
        priors = np.eye(classes) * (len(trained) / counts)[:, None]
        correction = np.linalg.solve(priors - kept * products, kept * products)
        weights = means + np.swapaxes(correction, 1, 2) @ means
    return Discriminant(weights, 0.5 * np.einsum("pcd,pcd->pc", weights, means))


def linear_scores(points: np.ndarray, learnt: Discriminant) -> np.ndarray:
    """float64 [P, M, C] of points [M, D]: log-likelihood of each class up to a term shared by all.

    A few points at a time, which are many where they are patches.
    """
    labellings, classes = learnt.offsets.shape
    result = np.empty((labellings, len(points), classes))
    step = max(1, VALUES_AT_ONCE // (labellings * classes))
    for start in range(0, len(points), step):
        some = points[start : start + step]
        result[:, start : start + step] = some @ np.swapaxes(learnt.weights, 1, 2)
    return result - learnt.offsets[:, None]


def log_odds(scores: np.ndarray) -> np.ndarray:
    """log(share / (1 - share)) of each class, last, where shares are proportional to exp(scores).

    A middle class (stronger than one, weaker than another) has no linear score of its own that
    ranks wells; its odds do. What is left of a sum without one class is a difference, which is
    exact enough for all but the largest, and for that one a sum of its own.
    """
    flat = scores.reshape(-1, scores.shape[-1])
    result = np.empty_like(flat)
    step = max(1, VALUES_AT_ONCE // flat.shape[1])
    for start in range(0, len(flat), step):
        own = flat[start : start + step].astype(np.float64)
        largest = own.argmax(axis=1)[:, None]
        own -= np.take_along_axis(own, largest, 1)
        others = own.copy()
        np.put_along_axis(others, largest, -np.inf, 1)
        second = others.max(axis=1, keepdims=True)
        without_largest = second + np.log(np.exp(others - second).sum(axis=1, keepdims=True))
        rest = np.log1p(np.exp(without_largest) - np.exp(others))
        np.put_along_axis(rest, largest, without_largest, 1)
        result[start : start + step] = own - rest
    return result.reshape(scores.shape)


def probe_readers(
    features: np.ndarray, well_of: np.ndarray, folds: np.ndarray, classes: int
) -> Readers:
    """A linear probe, fitted to all but labels: a discriminant trained on the other folds.

    A well's score is the mean of its patches' scores, which is the score of their mean.

    Args:
      features: float [N, D], finite.
      well_of: int [N], the well of each patch in [0, W).
      folds: int [W].
      classes: C.
    """
    parts = []
    for fold in np.unique(folds):
        test = folds == fold
        centre, whiten, kept = whitening(features[~test[well_of]], well_of[~test[well_of]])
        means = well_means((features - centre) @ whiten, well_of, len(folds))
        parts.append((test, centre, whiten, kept, means))

    def wells(labels: np.ndarray) -> np.ndarray:
        hot = one_hot(labels, classes)
        scores = np.zeros(hot.shape, np.float32)
        for test, _, _, kept, means in parts:
            learnt = discriminant(means[~test], hot[:, ~test], kept)
            scores[:, test] = linear_scores(means[test], learnt)
        return log_odds(scores)

    def patches(labels: np.ndarray) -> np.ndarray:
        hot = one_hot(labels[None], classes)
        scores = np.zeros((len(features), classes), np.float32)
        for test, centre, whiten, kept, means in parts:
            tested = test[well_of]
            learnt = discriminant(means[~test], hot[:, ~test], kept)
            scores[tested] = linear_scores((features[tested] - centre) @ whiten, learnt)[0]
        return log_odds(scores)

    return Readers(wells, patches)


def probe(
    features: np.ndarray, well_of: np.ndarray, folds: np.ndarray, labels: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """What `probe_readers` say of labels int [P, W]; patches of the first labelling.

    Returns:
      float32 [P, W, C] and [N, C], log odds of each class for wells and patches.
    """
    read = probe_readers(features, well_of, folds, classes)
    return read.wells(labels), read.patches(labels[0])


def neighbour_votes(
    features: np.ndarray, well_of: np.ndarray, groups: np.ndarray, neighbours: int
) -> np.ndarray:
    """Neighbours of each patch from each well, float32 [N, W], sought in other `groups` int [N].

    Each weighs 1 / (patches of its well that could have been chosen), so that a well with many
    patches has no louder voice.
    """
    features = np.asarray(features, np.float64)
    features = features - features.mean(axis=0)
    noise = np.random.default_rng(0).normal(size=features.shape)
    features = (features + TIE_BREAK * features.std(axis=0) * noise).astype(np.float32)
    wells = int(well_of.max()) + 1
    votes = np.zeros((len(features), wells), np.float32)
    for group in np.unique(groups):
        candidates = np.flatnonzero(groups != group)
        k = min(neighbours, len(candidates))
        from_wells = well_of[candidates]
        weights = (1 / np.maximum(np.bincount(from_wells, minlength=wells), 1)).astype(np.float32)
        half_norm = 0.5 * np.square(features[candidates]).sum(axis=1)
        queries = np.flatnonzero(groups == group)
        step = max(1, DISTANCES_AT_ONCE // len(candidates))
        for rows in np.split(queries, range(step, len(queries), step)):
            # Half the squared distance, less what is the same for all candidates.
            distance = half_norm - features[rows] @ features[candidates].T
            nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
            chosen = from_wells[nearest]
            np.add.at(votes, (rows[:, None], chosen), weights[chosen])
    return votes


def vote_shares(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Votes [M, T] of wells labelled [P, T, C] as shares [P, M, C]; classes have an equal voice."""
    counts = np.maximum(labels.sum(axis=1), 1)[:, None]
    shares = votes @ labels / counts
    return shares / np.maximum(shares.sum(axis=2, keepdims=True), 1e-30)


def neighbour_readers(
    features: np.ndarray,
    well_of: np.ndarray,
    folds: np.ndarray,
    classes: int,
    neighbours: int = NEIGHBOURS,
) -> Readers:
    """Every well judged by the patches of other folds that lie nearest to its patches.

    As `probe_readers`, with shares of the votes in place of log odds, and features in units in
    which distances mean something. `neighbours` are at most half of what a class has on average.

    Source: Fix and Hodges 1951.
    """
    groups = folds[well_of]
    fair = max(1, len(features) // (2 * classes))
    votes = neighbour_votes(features, well_of, groups, min(neighbours, fair))
    by_well = well_means(votes, well_of, len(folds)).astype(np.float32)

    def wells(labels: np.ndarray) -> np.ndarray:
        hot = one_hot(labels, classes)
        shares = np.zeros(hot.shape, np.float32)
        for test in (folds == fold for fold in np.unique(folds)):
            shares[:, test] = vote_shares(by_well[np.ix_(test, ~test)], hot[:, ~test])
        return shares

    def patches(labels: np.ndarray) -> np.ndarray:
        hot = one_hot(labels[None], classes)
        shares = np.zeros((len(features), classes), np.float32)
        for fold in np.unique(folds):
            tested, trained = groups == fold, folds != fold
            shares[tested] = vote_shares(votes[tested][:, trained], hot[:, trained])[0]
        return shares

    return Readers(wells, patches)


def nearest_neighbours(
    features: np.ndarray,
    well_of: np.ndarray,
    folds: np.ndarray,
    labels: np.ndarray,
    classes: int,
    neighbours: int = NEIGHBOURS,
) -> tuple[np.ndarray, np.ndarray]:
    """What `neighbour_readers` say of labels int [P, W], as `probe` does."""
    read = neighbour_readers(features, well_of, folds, classes, neighbours)
    return read.wells(labels), read.patches(labels[0])


def leaky_probe(
    features: np.ndarray, well_of: np.ndarray, folds: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """`probe` as it would seem if patches, not wells, were split by `folds`: float32 [N, C]."""
    result = np.zeros((len(features), int(labels.max()) + 1), np.float32)
    for fold in np.unique(folds):
        test = folds == fold
        trained, well_in_training = np.unique(well_of[~test], return_inverse=True)
        centre, whiten, kept = whitening(features[~test], well_of[~test])
        points = (features - centre) @ whiten
        means = well_means(points[~test], well_in_training, len(trained))
        hot = one_hot(labels[trained], result.shape[1])[None]
        result[test] = linear_scores(points[test], discriminant(means, hot, kept))[0]
    return result


def leaky_neighbours(
    features: np.ndarray, well_of: np.ndarray, folds: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """`nearest_neighbours` likewise: a neighbour may be of the patch's own well; float32 [N, C]."""
    classes = int(labels.max()) + 1
    fair = max(1, len(features) // (2 * classes))
    votes = neighbour_votes(features, well_of, folds, min(NEIGHBOURS, fair))
    return vote_shares(votes, one_hot(labels, classes)[None])[0]
