"""How well labels of wells are read, how sure that is, and what chance alone would give."""

from collections.abc import Callable

import numpy as np

# Values held at a time, 64 MB.
VALUES_AT_ONCE = 8_000_000


def recalls(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 [N], 1 where the class of the highest score [N, C] is the label; ties share it."""
    best = scores == scores.max(axis=1, keepdims=True)
    return best[np.arange(len(labels)), labels] / best.sum(axis=1)


def balanced_accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the share that is recognised; 1 / C by chance: Brodersen et al. 2010."""
    right = recalls(scores, labels)
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def auroc(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, each class against the rest, mean over classes; 0.5 by chance.

    float64 [P] of scores [P, W, C], higher for wells of that class, and labels [P, W], every class
    in each labelling; a tie counts one half. Each well is compared with all others in the score of
    its own class, which is no more work for many classes than for few.

    Source: Hanley and McNeil 1982, by the count of Mann and Whitney 1947.
    """
    classes, wells = scores.shape[2], scores.shape[1]
    result = np.empty(len(scores))
    for place, (own, label) in enumerate(zip(scores, labels)):
        of_class = own.T[label]  # [W, W], the scores of all wells in the class of each
        mine = np.diagonal(of_class)[:, None]
        above = (mine > of_class).sum(axis=1) + 0.5 * (mine == of_class).sum(axis=1)
        count = np.bincount(label, minlength=classes)
        # Of each two of a class one is above the other, or both one half; each ties with itself.
        others = np.bincount(label, above, classes) - count**2 / 2
        result[place] = (others / (count * (wells - count))).mean()
    return result


def auroc_of_labellings(
    read: Callable[[np.ndarray], np.ndarray], labels: np.ndarray, classes: int
) -> np.ndarray:
    """`auroc` of what a reader says of each labelling, a few at a time.

    Args:
      read: labels [P, W] -> scores [P, W, C].
      labels: int [P, W].
      classes: C.

    Returns:
      float64 [P].
    """
    wells = labels.shape[1]
    step = max(1, VALUES_AT_ONCE // (2 * wells * classes + 4 * classes**2))
    parts = (labels[start : start + step] for start in range(0, len(labels), step))
    return np.concatenate([auroc(read(some), some) for some in parts])


def p_value(statistics: np.ndarray) -> float:
    """Share of labellings that do as well as the first, the true one, itself included, in (0, 1].

    Source: Phipson and Smyth 2010.
    """
    # Equal statistics may differ in the last bits; what is no number never counts as evidence.
    return float(np.mean(~(statistics < statistics[0] - 1e-9)))


def bootstrap_weights(labels: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """How often each well is drawn, when each condition's wells are drawn with replacement.

    float64 [draws, W], summing to the number of wells of each label.
    """
    random = np.random.default_rng(seed)
    weights = np.zeros((draws, len(labels)))
    for label in np.unique(labels):
        where = np.flatnonzero(labels == label)
        weights[:, where] = random.multinomial(
            len(where), np.full(len(where), 1 / len(where)), draws
        )
    return weights


def drawn_accuracy(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`balanced_accuracy` in bootstrap samples; float64 [draws]."""
    counts = np.bincount(labels)
    return weights @ (recalls(scores, labels) / counts[labels]) / np.count_nonzero(counts)


def drawn_auroc(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`auroc` in bootstrap samples; float64 [draws].

    As there, wells are compared in the score of their own class: one product for all classes.
    """
    of_class = scores.T[labels]  # [W, W], the scores of all wells in the class of each
    better = 0.5 * (1 + np.sign(np.diagonal(of_class)[:, None] - of_class, dtype=np.float64))
    better[labels[:, None] == labels] = 0
    above = (weights @ better.T) * weights
    counts = np.bincount(labels, minlength=scores.shape[1])
    of_classes = above @ (labels[:, None] == np.arange(len(counts)))
    return (of_classes / (counts * (len(labels) - counts))).mean(axis=1)


def interval(draws: np.ndarray) -> list[float]:
    """Percentile interval that holds 95 % of bootstrap samples: [low, high]."""
    return [float(value) for value in np.percentile(draws, (2.5, 97.5))]


def standardised(means: np.ndarray) -> np.ndarray:
    """Features centred and divided by their SD over wells; one that is the same in all is 0."""
    spread = means.std(axis=0)
    return (means - means.mean(axis=0)) / np.where(spread > 0, spread, 1)


def similarity_order(means: np.ndarray, allowed: np.ndarray) -> list[np.ndarray]:
    """For each well the wells that may answer its query, most similar first.

    `allowed` is bool [W, W], True where the column may answer the row's query. Similarity is the
    cosine of centred, standardised mean features [W, D].
    """
    scaled = standardised(means)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    scaled = scaled / np.where(length > 0, length, 1)
    order = np.argsort(-np.round(scaled @ scaled.T, 9), axis=1, kind="stable")
    return [row[allowed[well, row]] for well, row in enumerate(order)]


def mean_average_precision(order: list[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """How far up wells of the same label stand when each well asks for its likes, float64 [P].

    Average precision of a query: the mean, over the wells of its label, of the share of that label
    among all wells down to there. Mean over the queries of a class, then over classes; queries
    that have nobody to find are left out.

    Source: Kalinin et al. 2025 (retrieval of image-based profiles).
    """
    classes = int(labels.max()) + 1
    total = np.zeros((len(labels), classes))
    queries = np.zeros((len(labels), classes))
    for well, others in enumerate(order):
        same = labels[:, others] == labels[:, [well]]
        found = np.cumsum(same, axis=1, dtype=np.float32)
        precision = found / np.arange(1, len(others) + 1, dtype=np.float32)
        relevant = same.sum(axis=1)
        average = (precision * same).sum(axis=1) / np.maximum(relevant, 1)
        rows = np.arange(len(labels))
        total[rows, labels[:, well]] += average
        queries[rows, labels[:, well]] += relevant > 0
    asked = queries > 0
    means = np.where(asked, total / np.maximum(queries, 1), 0)
    return means.sum(axis=1) / np.maximum(asked.sum(axis=1), 1)
