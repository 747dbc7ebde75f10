"""Scores of wells against scikit-learn and hand calculation."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score

from jaxcell.analysis.structure import scores as well_scores


@pytest.fixture
def read():
    random = np.random.default_rng(3)
    labels = np.repeat([0, 1, 2], [5, 9, 14])
    scores = random.normal(size=(28, 3)).round(1)  # rounded: there are ties
    scores[np.arange(28), labels] += 0.5
    return scores, labels


def test_accuracy_and_auroc_are_scikit_learns(read):
    scores, labels = read
    apart = scores + 1e-6 * np.arange(3)
    expected = balanced_accuracy_score(labels, apart.argmax(axis=1))
    assert well_scores.balanced_accuracy(apart, labels) == pytest.approx(expected)
    expected = [roc_auc_score(labels == c, scores[:, c]) for c in range(3)]
    assert well_scores.auroc(scores[None], labels[None])[0] == pytest.approx(np.mean(expected))


def test_many_classes_are_read_a_few_labellings_at_a_time_with_the_same_result():
    random, labels = np.random.default_rng(0), np.repeat(np.arange(300), 2)
    labellings = np.stack([labels, *(random.permutation(labels) for _ in range(24))])
    scores = random.normal(size=(len(labellings), 600, 300)).round(1)
    expected = np.mean([roc_auc_score(labels == c, scores[0, :, c]) for c in range(300)])
    asked, at_once = iter(scores), []

    def read(some):
        at_once.append(len(some))
        return np.stack([next(asked) for _ in some])

    found = well_scores.auroc_of_labellings(read, labellings, 300)
    assert found[0] == pytest.approx(expected, abs=1e-12)
    np.testing.assert_array_equal(found, well_scores.auroc(scores, labellings))
    assert sum(at_once) == 25 and max(at_once) * 600 * 300 <= well_scores.VALUES_AT_ONCE


def test_a_reader_that_knows_nothing_gets_what_chance_gives():
    labels = np.repeat([0, 1, 2], [5, 9, 14])
    assert well_scores.balanced_accuracy(np.zeros((28, 3)), labels) == pytest.approx(1 / 3)
    assert well_scores.auroc(np.zeros((1, 28, 3)), labels[None])[0] == 0.5


def test_bootstrap_samples_score_as_if_wells_were_really_drawn(read):
    scores, labels = read
    weights = well_scores.bootstrap_weights(labels, 50, seed=0)
    for label in range(3):
        assert (weights[:, labels == label].sum(axis=1) == (labels == label).sum()).all()
    aurocs = well_scores.drawn_auroc(scores, labels, weights)
    accuracies = well_scores.drawn_accuracy(scores, labels, weights)
    for draw in (0, 17, 49):
        rows = np.repeat(np.arange(28), weights[draw].astype(int))
        drawn = well_scores.auroc(scores[rows][None], labels[rows][None])[0]
        assert aurocs[draw] == pytest.approx(drawn)
        accuracy = well_scores.balanced_accuracy(scores[rows], labels[rows])
        assert accuracies[draw] == pytest.approx(accuracy)


def test_p_counts_the_truth_itself():
    assert well_scores.p_value(np.array([0.9, 0.1, 0.2, 0.3])) == 0.25
    assert well_scores.p_value(np.array([0.5, 0.5, 0.9, 0.1])) == 0.75


def test_retrieval_is_scikit_learns_average_precision(read):
    _, labels = read
    random = np.random.default_rng(0)
    means = random.normal(size=(28, 6)) * 10 + 100
    order = well_scores.similarity_order(means, ~np.eye(28, dtype=bool))
    unit = (means - means.mean(axis=0)) / means.std(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    shuffled = random.permutation(labels)
    for found, truth in zip(
        well_scores.mean_average_precision(order, np.stack([labels, shuffled])), (labels, shuffled)
    ):
        each = []
        for well in range(28):
            others = np.arange(28) != well
            same = truth[others] == truth[well]
            each.append(average_precision_score(same, (unit @ unit[well])[others]))
        expected = np.mean([np.mean(np.array(each)[truth == c]) for c in range(3)])
        assert found == pytest.approx(expected, abs=1e-6)


def test_retrieval_asks_only_who_may_answer_and_who_has_somebody_to_find():
    plates, labels = np.array([0, 0, 1, 1]), np.array([[0, 1, 0, 2]])
    means = np.array([[0.0, 1], [1, 0], [0.1, 1], [5, 5]])
    order = well_scores.similarity_order(means, plates[:, None] != plates)
    assert [set(row) for row in order] == [{2, 3}, {2, 3}, {0, 1}, {0, 1}]
    assert well_scores.mean_average_precision(order, labels)[0] == 1.0
