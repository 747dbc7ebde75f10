"""Projections against other implementations, how far they are trusted, and what they refuse."""

import numpy as np
import pytest

from jaxcell.analysis import projection
from jaxcell.analysis.projection import principal_components


def codes(count: int = 60, features: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    scale = np.linspace(5, 0.5, features)
    return (random.normal(size=(count, features)) * scale).astype(np.float32) + 3


def test_it_equals_the_singular_value_decomposition():
    table = codes()
    coordinates, explained = principal_components(table)
    _, values, directions = np.linalg.svd(table - table.mean(0), full_matrices=False)
    np.testing.assert_allclose(explained, values[:2] ** 2 / (values**2).sum(), rtol=1e-4)
    expected = (table - table.mean(0)) @ directions[:2].T
    np.testing.assert_allclose(np.abs(coordinates), np.abs(expected), atol=1e-3)
    assert coordinates.dtype == explained.dtype == np.float32


def test_the_sign_does_not_depend_on_the_order_of_patches():
    table = codes()
    forward, _ = principal_components(table)
    backward, _ = principal_components(table[::-1])
    np.testing.assert_allclose(forward, backward[::-1], atol=1e-3)


def test_a_direction_points_where_its_largest_feature_grows():
    table = codes()
    coordinates, _ = principal_components(table)
    assert np.corrcoef(coordinates[:, 0], table[:, 0])[0, 1] > 0.5


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.zeros((2, 5)), "more than 2"),
        (np.zeros((9, 1)), "at least 2"),
        (np.ones((9, 5)), "equal"),
        (np.where(np.arange(45).reshape(9, 5) == 7, np.nan, 1.0), "1 of 9"),
        (np.zeros((9, 5, 2)), "shape"),
    ],
)
def test_what_cannot_be_projected_is_refused_in_words(table, words):
    with pytest.raises(ValueError, match=words):
        principal_components(table)


def clusters(each: int = 40, features: int = 6) -> np.ndarray:
    random = np.random.default_rng(1)
    centres = 12 * np.eye(3, features)
    return (np.repeat(centres, each, axis=0) + random.normal(size=(3 * each, features))).astype("f")


def share_of_own_cluster(coordinates: np.ndarray, each: int = 40) -> float:
    """How often the nearest point on the plane comes from the same cluster."""
    apart = np.linalg.norm(coordinates[:, None] - coordinates[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(np.mean(apart.argmin(axis=1) // each == np.arange(len(coordinates)) // each))


def test_reduced_codes_keep_distances_and_say_what_they_lose():
    table = codes(features=8)
    features, explained = projection.reduced(table)
    assert features.shape == (60, 8) and explained == pytest.approx(1, abs=1e-4)
    full = np.linalg.norm(table[:1] - table, axis=1)
    np.testing.assert_allclose(np.linalg.norm(features[:1] - features, axis=1), full, atol=1e-3)
    fewer, explained = projection.reduced(table, 3)
    variance = np.linalg.svd(table - table.mean(0), compute_uv=False) ** 2
    assert fewer.shape == (60, 3)
    assert explained == pytest.approx(variance[:3].sum() / variance.sum(), rel=1e-4)
    assert projection.reduced(table[:4])[0].shape == (4, 3)


def test_neighbours_are_exact_and_begin_with_the_patch_itself():
    table = np.concatenate([codes(), codes()[:5]])  # twins, which are at distance 0 too
    places, distances = projection._neighbours(table, 7)
    apart = np.linalg.norm(table[:, None] - table[None], axis=2)
    assert (places[:, 0] == np.arange(65)).all() and (distances[:, 0] == 0).all()
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :7], atol=2e-2)


def test_tsne_keeps_clusters_whole_and_repeats_itself():
    first, again = (projection.tsne(clusters(), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert share_of_own_cluster(first) == 1


@pytest.mark.slow  # compiles for ten seconds
def test_umap_keeps_clusters_whole_and_repeats_itself():
    first, again = (projection.umap(clusters(), seed=3, neighbours=15) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert share_of_own_cluster(first) == 1


@pytest.mark.slow
def test_umap_from_given_neighbours_is_as_true_as_from_its_own():
    import umap

    table = clusters(100)
    own = umap.UMAP(n_neighbors=30, min_dist=0.8, random_state=0).fit_transform(table)
    ours = projection.umap(table)
    trust = [projection.trustworthiness(table, picture) for picture in (ours, own)]
    assert trust[0] > trust[1] - 0.01


def test_trustworthiness_follows_its_formula():
    table = codes(40)
    picture = np.random.default_rng(2).normal(size=(40, 2)).astype(np.float32)
    ranks = [np.argsort(np.argsort(np.linalg.norm(table - row, axis=1))) for row in table]
    lost, k = 0, 6
    for own in range(40):
        near = np.argsort(np.linalg.norm(picture - picture[own], axis=1))[1 : k + 1]
        lost += sum(max(0, ranks[own][other] - k) for other in near)
    expected = 1 - 2 * lost / (40 * k * (2 * 40 - 3 * k - 1))
    assert projection.trustworthiness(table, picture, neighbours=k) == pytest.approx(expected)


def test_a_true_picture_is_trusted_and_a_random_one_is_not():
    table = np.random.default_rng(4).normal(size=(300, 2)).astype(np.float32)
    assert projection.trustworthiness(table, -2 * table) == pytest.approx(1)
    shuffled = np.random.default_rng(0).permutation(table)
    assert projection.trustworthiness(table, shuffled) < 0.6
    some = np.where(np.arange(300)[:, None] < 200, -2 * table, np.nan)
    assert projection.trustworthiness(table, some, at_most=100) == pytest.approx(1)


def test_a_method_that_fails_costs_no_other(monkeypatch):
    def broken(features, seed):
        raise RuntimeError("no memory left")

    monkeypatch.setattr(projection, "umap", broken)
    made = projection.projections(codes(), seed=1, at_most_tsne=20)
    assert list(made) == ["PCA", "t-SNE", "UMAP"]
    assert made["UMAP"] == "No memory left."
    np.testing.assert_allclose(made["PCA"].coordinates, principal_components(codes())[0], atol=1e-3)
    assert "%" in made["PCA"].axes[0] and made["PCA"].seconds > 0
    drawn = np.isfinite(made["t-SNE"].coordinates).all(axis=1)
    assert drawn.sum() == 20 and made["t-SNE"].coordinates.shape == (60, 2)
    assert made["t-SNE"].note == "20 of 60 patches at random"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (codes()[:2], "more than 2"),
        (np.ones((40, 5)), "equal"),
        (np.full((40, 5), np.nan), "40 of 40"),
        (np.zeros((40, 5, 2)), "shape"),
        (np.zeros((0, 5)), "more than 2"),
    ],
)
def test_codes_of_no_use_give_a_sentence_for_every_method(table, words):
    made = projection.projections(table)
    assert all(words in made[method] and made[method].endswith(".") for method in made)


def test_too_few_patches_say_what_a_method_needs_and_bad_codes_are_left_out():
    table = codes(9)
    table[4, 2] = np.nan
    made = projection.projections(table)
    assert "at least 10 patches; there are 8" in made["t-SNE"]
    assert "more than 30 patches; there are 8" in made["UMAP"]
    missing = np.isnan(made["PCA"].coordinates).all(axis=1)
    assert np.flatnonzero(missing).tolist() == [4] and "1 of 9" in made["PCA"].note
    assert 0 <= made["PCA"].trustworthiness <= 1
