"""Flat pictures of the codes of many patches, and how far each can be trusted."""

import time
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.manifold import trustworthiness as sklearn_trustworthiness
from sklearn.neighbors import NearestNeighbors

METHODS = ("PCA", "t-SNE", "UMAP")
PERPLEXITY, FEWEST_FOR_TSNE = 30.0, 10
# The reference study's settings. Its 500 epochs (umap-learn's default up to 10,000 points) take 2.5
# times as long as 200 and are as trustworthy: `benchmarks.projections`.
UMAP_NEIGHBOURS, UMAP_MIN_DIST, UMAP_EPOCHS = 30, 0.8, 200


class Projection(NamedTuple):
    """Patches on a plane.

    Attributes:
      coordinates: float32 [N, 2]; NaN where a patch was not drawn.
      seconds: wall clock, that of a first reduction by PCA included.
      axes: words for the two axes.
      note: a sentence on what is not as usual, such as a share drawn; else empty.
    """

    coordinates: np.ndarray
    trustworthiness: float
    seconds: float
    axes: tuple[str, str]
    note: str = ""


def principal_components(
    codes: np.ndarray, dimensions: int = 2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of codes float32 [N, D] along their directions of largest variance.

    The sign of a direction is arbitrary; here its largest coefficient is positive, so that the same
    codes give the same picture. The seed is that of the solver, random for large inputs.

    Returns:
      coordinates: float32 [N, dimensions], centred.
      explained: float32 [dimensions], each direction's share of the variance, in [0, 1].

    Raises:
      ValueError: too few codes, codes that are not finite, or codes that are all equal.

    Source: Pearson 1901; Halko et al. 2011 (scikit-learn's randomised solver for large inputs).
    """
    codes = np.asarray(codes, np.float32)
    if codes.ndim != 2:
        raise ValueError(f"codes must be a table [patches, features], not of shape {codes.shape}")
    if codes.shape[0] <= dimensions or codes.shape[1] < dimensions:
        raise ValueError(
            f"a projection on {dimensions} directions needs more than {dimensions} patches and at "
            f"least {dimensions} features; there are {codes.shape[0]} and {codes.shape[1]}"
        )
    bad = int(np.count_nonzero(~np.isfinite(codes).all(axis=1)))
    if bad:
        raise ValueError(f"the codes of {bad} of {len(codes)} patches are not finite numbers")
    if not np.ptp(codes, axis=0).any():
        raise ValueError("the codes of all patches are equal")
    analysis = PCA(n_components=dimensions, random_state=seed)
    coordinates = analysis.fit_transform(codes)
    largest = np.abs(analysis.components_).argmax(axis=1)
    sign = np.where(analysis.components_[np.arange(dimensions), largest] < 0, -1.0, 1.0)
    return (
        (coordinates * sign).astype(np.float32),
        analysis.explained_variance_ratio_.astype(np.float32),
    )


def reduced(codes: np.ndarray, dimensions: int = 50, seed: int = 0) -> tuple[np.ndarray, float]:
    """Codes on their main directions: what distances are measured on, at a fraction of the cost.

    float32 [N, k], k at most `dimensions`, patches - 1 and features, and the share of the variance
    that they keep, in [0, 1]. Raises as `principal_components`.
    """
    dimensions = _directions(np.shape(codes), dimensions, least=1)
    features, explained = principal_components(codes, dimensions, seed)
    return features, min(1.0, float(explained.sum()))


def _directions(shape: tuple[int, ...], at_most: int, least: int) -> int:
    """How many directions codes of that shape allow; `least` where they allow fewer."""
    return max(least, min(at_most, shape[0] - 1, *shape[1:]))


def tsne(features: np.ndarray, seed: int = 0) -> np.ndarray:
    """t-SNE of features float32 [N, D], begun from the two main directions: float32 [N, 2].

    Raises:
      ValueError: fewer than `FEWEST_FOR_TSNE` patches.

    Source: van der Maaten 2014; the start: Kobak and Berens 2019. Perplexity 30, a third of the
    patches where they are few.
    """
    if len(features) < FEWEST_FOR_TSNE:
        raise ValueError(
            f"t-SNE needs at least {FEWEST_FOR_TSNE} patches; there are {len(features)}"
        )
    method = TSNE(
        perplexity=min(PERPLEXITY, (len(features) - 1) / 3),
        init="pca",
        learning_rate="auto",
        random_state=seed,
    )
    return method.fit_transform(features).astype(np.float32)


def umap(features: np.ndarray, seed: int = 0, neighbours: int = UMAP_NEIGHBOURS) -> np.ndarray:
    """UMAP, begun from the two main directions, the same for the same seed.

    A seed binds umap-learn to one thread, also in its slowest step, an approximate search for
    neighbours. Here the exact neighbours come from scikit-learn, which uses every core and needs
    no seed; only the optimisation runs on one.

    Args:
      features: float32 [N, D], such as those of `reduced`.
      neighbours: of a patch, itself counted.

    Returns:
      float32 [N, 2].

    Raises:
      ValueError: not more patches than neighbours.

    Source: McInnes, Healy and Melville 2018; the start: Kobak and Linderman 2021.
    """
    if len(features) <= neighbours:
        raise ValueError(
            f"UMAP with {neighbours} neighbours needs more than {neighbours} patches; "
            f"there are {len(features)}"
        )
    with warnings.catch_warnings():
        # It warns that the seed costs threads and that new points cannot be added: both known.
        warnings.simplefilter("ignore")
        # Importing it takes seconds, cold up to 40.
        from umap import UMAP

        method = UMAP(
            n_neighbors=neighbours,
            min_dist=UMAP_MIN_DIST,
            n_epochs=UMAP_EPOCHS,
            random_state=seed,
            init="pca",
            precomputed_knn=_neighbours(features, neighbours),
            # Else it ignores the neighbours it is given for fewer than 4,096 points.
            force_approximation_algorithm=True,
        )
        return method.fit_transform(features).astype(np.float32)


def _neighbours(features: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact nearest neighbours, each patch its own first: int32 and float32 [N, count]."""
    search = NearestNeighbors(n_neighbors=count - 1, algorithm="brute").fit(features)
    # Without an argument a patch is not its own neighbour: with one, rounding gives it a distance.
    distances, places = search.kneighbors()
    itself = np.arange(len(features))[:, None]
    return (
        np.concatenate([itself, places], axis=1).astype(np.int32),
        np.concatenate([0.0 * itself, distances], axis=1).astype(np.float32),
    )


def trustworthiness(
    features: np.ndarray,
    coordinates: np.ndarray,
    seed: int = 0,
    neighbours: int = 15,
    at_most: int = 2000,
) -> float:
    """How far neighbours in a picture are neighbours among the codes too, in [0, 1].

    1 where every neighbour in the picture is a true one; about 0.5 where the picture is random.

    Args:
      features: float32 [N, D].
      coordinates: float32 [N, 2]; rows that are not finite are left out.
      neighbours: how many of a patch are looked at; fewer where patches are few.
      at_most: so many patches are drawn at random, and neighbours looked for among them.

    Raises:
      ValueError: fewer than three patches in the picture.

    Source: Venna and Kaski 2001; scikit-learn.
    """
    drawn = np.flatnonzero(np.isfinite(coordinates).all(axis=1))
    if len(drawn) < 3:
        raise ValueError(f"trustworthiness needs at least 3 patches; there are {len(drawn)}")
    rows = _draw(drawn, at_most, seed)
    # scikit-learn's formula holds for fewer neighbours than half of the patches.
    neighbours = min(neighbours, (len(rows) - 1) // 2)
    return float(sklearn_trustworthiness(features[rows], coordinates[rows], n_neighbors=neighbours))


def _draw(rows: np.ndarray, at_most: int, seed: int) -> np.ndarray:
    """All rows, or so many of them at random, in their order."""
    if len(rows) <= at_most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, at_most, replace=False))


def projections(
    codes: np.ndarray,
    *,
    seed: int = 0,
    methods: Sequence[str] = METHODS,
    at_most_tsne: int = 5_000,
) -> dict[str, Projection | str]:
    """Codes on a plane by each method, or why one could not be made.

    Distances are those of at most 50 main directions; trustworthiness is measured on the codes
    themselves. Patches whose codes are not finite are not drawn.

    Args:
      codes: float [N, D], one code a patch.
      methods: some of `METHODS`.
      at_most_tsne: t-SNE draws so many patches at random, because its time grows fastest.

    Returns:
      dict of method -> Projection, or one sentence; in the order of `methods`.
    """
    codes = np.asarray(codes, np.float32)
    began = time.perf_counter()
    try:
        rows = _finite_rows(codes)
        dimensions = _directions(codes[rows].shape, 50, least=2)
        features, explained = principal_components(codes[rows], dimensions, seed)
    except ValueError as error:
        return dict.fromkeys(methods, _sentence(error))
    reducing = time.perf_counter() - began
    lost = len(codes) - len(rows)
    left_out = f"{lost:,} of {len(codes):,} codes are not finite" if lost else ""
    made: dict[str, Projection | str] = {}
    for method in methods:
        began = time.perf_counter()
        try:
            drawn, axes, note = _project(method, features, explained, seed, at_most_tsne)
            seconds = reducing + time.perf_counter() - began
            coordinates = np.full((len(codes), 2), np.nan, np.float32)
            coordinates[rows] = drawn
            trust = trustworthiness(codes, coordinates, seed)
            made[method] = Projection(
                coordinates, trust, seconds, axes, "; ".join(filter(None, (note, left_out)))
            )
        except Exception as error:  # whatever one method trips over, the others are still wanted
            made[method] = _sentence(error)
    return made


def _finite_rows(codes: np.ndarray) -> np.ndarray:
    """Places of the codes that are finite; all where none is, so that they are refused as such."""
    if codes.ndim != 2:
        return np.arange(len(codes))
    finite = np.isfinite(codes).all(axis=1)
    return np.flatnonzero(finite if finite.any() else ~finite)


def _project(
    method: str, features: np.ndarray, explained: np.ndarray, seed: int, at_most_tsne: int
) -> tuple[np.ndarray, tuple[str, str], str]:
    """Coordinates by one method, words for its axes, and a note."""
    if method == "PCA":
        axes = tuple(
            f"{order} direction ({100 * share:.0f} % of variance)"
            for order, share in zip(("first", "second"), explained)
        )
        return features[:, :2], axes, ""
    if method == "UMAP":
        return umap(features, seed), ("UMAP 1 (no unit)", "UMAP 2 (no unit)"), ""
    if method != "t-SNE":
        raise ValueError(f"there is no projection {method!r}, only {', '.join(METHODS)}")
    count = len(features)
    rows = _draw(np.arange(count), at_most_tsne, seed)
    coordinates = np.full((count, 2), np.nan, np.float32)
    coordinates[rows] = tsne(features[rows], seed)
    note = f"{len(rows):,} of {count:,} patches at random" if len(rows) < count else ""
    return coordinates, ("t-SNE 1 (no unit)", "t-SNE 2 (no unit)"), note


def _sentence(error: Exception) -> str:
    """An error as a sentence of its own."""
    text = str(error).strip() or type(error).__name__
    return text[0].upper() + text[1:].rstrip(".") + "."
