"""The readers of wells: against plain implementations, and what no shuffle may change."""

import numpy as np
import pytest
from scipy.special import logit, softmax
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf
from sklearn.neighbors import NearestNeighbors

from jaxcell.analysis.structure import design, probes
from jaxcell.analysis.structure.scores import auroc, balanced_accuracy


@pytest.fixture
def plate():
    """24 wells of 3 classes, 3 to 8 patches each, 5 features of unlike scale."""
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 8)
    well_of = np.repeat(np.arange(24), random.integers(3, 9, 24))
    wells = random.normal(size=(24, 5)) + labels[:, None] * [1.5, 0, 0, 0.5, 0]
    features = (wells[well_of] + random.normal(size=(len(well_of), 5))) * [1, 10, 0.1, 1, 3]
    folds = design.fold_wells(labels, np.zeros(24), 4, seed=0)
    labellings = np.concatenate([labels[None], design.shuffled(labels, folds, 20, seed=0)])
    return features, well_of, folds, labellings


def test_means_of_wells_by_hand():
    features = np.array([[1.0], [2], [9], [4]])
    means = probes.well_means(features, np.array([2, 0, 2, 0]), 4)
    assert means.ravel().tolist() == [3, 0, 5, 0]


def test_probe_is_the_textbook_discriminant_trained_anew_for_every_labelling(plate):
    features, well_of, folds, labellings = plate
    wells, patches = probes.probe(features, well_of, folds, labellings, 3)
    all_means = np.stack([features[well_of == w].mean(axis=0) for w in range(24)])
    within = np.stack([features[well_of == w].var(axis=0) for w in range(24)])
    for labels, found in ((labellings[0], wells[0]), (labellings[7], wells[7])):
        for fold in range(4):
            training = folds != fold
            means = all_means - all_means[training].mean(axis=0)
            means /= np.sqrt(within[training].mean(axis=0))
            total, shrinkage = ledoit_wolf(means[training], assume_centered=True)
            classes = np.stack([means[training & (labels == c)].mean(axis=0) for c in range(3)])
            share = np.array([(labels[training] == c).mean() for c in range(3)])
            between = (classes.T * share) @ classes
            spread = total - (1 - shrinkage) * between
            density = np.stack([multivariate_normal(c, spread).pdf(means) for c in classes], 1)
            chance = density / density.sum(axis=1, keepdims=True)
            odds = np.log(chance / (1 - chance))
            assert np.allclose(found[~training], odds[~training], atol=1e-3)
    assert auroc(wells[:1], labellings[:1])[0] > 0.7
    assert balanced_accuracy(patches, labellings[0][well_of]) > 0.4


@pytest.mark.parametrize("classes, features", [(3, 8), (8, 8), (20, 8)])
def test_scores_are_those_of_the_covariance_inside_classes_few_or_many(classes, features):
    random = np.random.default_rng(0)
    means = random.normal(size=(60, features))
    means -= means.mean(axis=0)
    means /= np.sqrt(60) * np.linalg.svd(means)[1].max() / 60  # their covariance is at most I
    labels = random.permutation(np.arange(60) % classes)
    learnt = probes.discriminant(means, probes.one_hot(labels[None], classes), 0.8)
    found = probes.linear_scores(means[:5], learnt)[0]
    of_class = np.stack([means[labels == label].mean(axis=0) for label in range(classes)])
    shares = np.bincount(labels) / 60
    inside = np.eye(features) - 0.8 * (of_class.T * shares) @ of_class
    expected = [multivariate_normal(mean, inside).logpdf(means[:5]) for mean in of_class]
    difference = found - np.stack(expected, axis=1)
    np.testing.assert_allclose(difference, np.broadcast_to(difference[:, :1], found.shape),
                               atol=1e-5)  # fmt: skip


def test_log_odds_of_many_classes_are_those_of_shares():
    scores = np.random.default_rng(0).normal(0, 20, (3, 7, 400))
    shares = softmax(scores, axis=-1)
    some = (shares > 1e-12) & (shares < 1 - 1e-9)
    assert np.allclose(probes.log_odds(scores)[some], logit(shares[some]), rtol=1e-9, atol=1e-6)
    # Where the share itself is rounded to 1, what is left to the others still counts.
    assert probes.log_odds(np.array([[0.0, -80, -90]]))[0, 0] == pytest.approx(80, abs=1e-3)
    far = probes.log_odds(np.array([[-3000.0, -1000, 0], [5, 5, -2000]]))
    assert far == pytest.approx(np.array([[-3000, -1000, 1000], [0, 0, -2005 - np.log(2)]]))


def test_probe_does_not_depend_on_units_nor_on_what_else_is_added(plate):
    features, well_of, folds, labellings = plate
    wells, _ = probes.probe(features, well_of, folds, labellings, 3)
    moved, _ = probes.probe(features * [3, 0.1, 7, 1, 2] + 50, well_of, folds, labellings, 3)
    assert np.allclose(wells, moved, atol=1e-3)


def test_features_that_say_nothing_say_nothing(plate):
    _, well_of, folds, labellings = plate
    wells, _ = probes.probe(np.full((len(well_of), 2), 7.0), well_of, folds, labellings, 3)
    assert np.isfinite(wells).all() and np.ptp(wells) == 0


def test_votes_are_of_the_nearest_patches_of_other_groups(plate):
    features, well_of, folds, _ = plate
    groups = folds[well_of]
    votes = probes.neighbour_votes(features, well_of, groups, 5)
    sizes = np.bincount(well_of)
    for patch in range(0, len(features), 11):
        others = np.flatnonzero(groups != groups[patch])
        search = NearestNeighbors(n_neighbors=5).fit(features[others])
        nearest = others[search.kneighbors(features[[patch]])[1][0]]
        expected = np.bincount(well_of[nearest], minlength=24) / sizes
        assert np.allclose(votes[patch], expected, atol=1e-6)
        assert votes[patch][folds == groups[patch]].sum() == 0


def test_votes_do_not_favour_the_larger_condition():
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], [6, 54])
    well_of = np.repeat(np.arange(60), 20)
    folds = design.fold_wells(labels, np.zeros(60), 5, seed=0)
    features = random.normal(size=(1200, 4))
    wells, _ = probes.nearest_neighbours(features, well_of, folds, labels[None], 2)
    assert wells[0, :, 0].mean() == pytest.approx(0.5, abs=0.06)


def test_among_many_alike_it_is_chance_who_is_near():
    well_of = np.repeat(np.arange(10), 20)
    votes = probes.neighbour_votes(np.zeros((200, 1)), well_of, well_of, 5)
    tied = np.append(np.zeros(199), 1.0)[:, None]
    assert np.isfinite(votes).all()
    votes = probes.neighbour_votes(tied, well_of, well_of % 5, 5)
    assert (votes.sum(axis=0) > 0).all()


def test_chunks_of_distances_change_nothing(plate, monkeypatch):
    features, well_of, folds, _ = plate
    whole = probes.neighbour_votes(features, well_of, folds[well_of], 5)
    monkeypatch.setattr(probes, "DISTANCES_AT_ONCE", 500)
    assert np.allclose(whole, probes.neighbour_votes(features, well_of, folds[well_of], 5))


def test_a_split_of_patches_leaks_where_wells_differ_and_conditions_do_not():
    random = np.random.default_rng(1)
    labels = np.tile([0, 1], 10)
    well_of = np.repeat(np.arange(20), 20)
    features = 3 * random.normal(size=(20, 8))[well_of] + random.normal(size=(400, 8))
    folds = design.fold_wells(labels, np.zeros(20), 5, seed=0)
    patch_folds = random.integers(5, size=400)
    truth = labels[well_of]
    for honest, leaky in (
        (probes.probe, probes.leaky_probe),
        (probes.nearest_neighbours, probes.leaky_neighbours),
    ):
        fair = balanced_accuracy(honest(features, well_of, folds, labels[None], 2)[1], truth)
        leak = balanced_accuracy(leaky(features, well_of, patch_folds, labels), truth)
        assert leak > fair + 0.15
