"""Is a dose series flat, is it monotone: tests whose distributions are drawn, not assumed.

Half-way dose and slope mean nothing where a curve is flat, so the usual F test of a curve against a
line has no F distribution (Davies 1977). Both tests draw noise at the same doses and see how large
their statistic becomes.
"""

from functools import lru_cache

import numpy as np

from jaxcell.analysis.screening.curves import Grid

FLAT_DRAWS, BEND_DRAWS = 9999, 999
# Of the grid of curves, which has more than a test needs.
EVERY_HALF, EVERY_SLOPE = 2, 2


def curve_statistic(whitened: np.ndarray, root: np.ndarray, grid: Grid) -> np.ndarray:
    """What the best curve explains beyond the mean, a sum of squares; float [B].

    Args:
      whitened: float [B, N], values made independent: those solved for `root`.
      root: float64 [N, N], lower Cholesky factor of their covariance over that of a well.
      grid: of their doses.
    """
    share = grid.share[:, ::EVERY_HALF, ::EVERY_SLOPE].reshape(whitened.shape[1], -1)
    solved = np.linalg.solve(root, np.column_stack([np.ones(len(share)), share]))
    flat, share = solved[:, 0] / np.linalg.norm(solved[:, 0]), solved[:, 1:]
    across = share - np.outer(flat, flat @ share)
    length = np.linalg.norm(across, axis=0)
    # Orthogonal to the mean: so values need not be freed of theirs.
    across = (across[:, length > 1e-6] / length[length > 1e-6]).astype(whitened.dtype)
    parts = np.array_split(np.arange(len(whitened)), max(1, len(whitened) // 1000))
    return np.concatenate([_greatest(whitened[part] @ across) for part in parts])


def _greatest(projected: np.ndarray) -> np.ndarray:
    ends = projected.max(axis=1, initial=0.0), projected.min(axis=1, initial=0.0)
    return np.maximum(ends[0], -ends[1]) ** 2


def bend_statistic(values: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """What the means of doses explain beyond the better monotone sequence, [B] sums of squares.

    Args:
      values: float [B, N].
      dose: float [N], µM.

    Source: isotonic regression by its max-min formula, Barlow et al. 1972.
    """
    doses, number = np.unique(dose, return_inverse=True)
    of_dose = (number[:, None] == np.arange(len(doses))).astype(np.float64)
    wells = of_dose.sum(axis=0)
    sums = np.pad(np.cumsum(values @ of_dose, axis=1), ((0, 0), (1, 0)))
    counts = np.append(0, np.cumsum(wells))
    first, last = np.triu_indices(len(doses))
    blocks = np.full((len(values), len(doses), len(doses)), np.nan)
    blocks[:, first, last] = (sums[:, last + 1] - sums[:, first]) / (
        counts[last + 1] - counts[first]
    )
    means = (values @ of_dose) / wells
    left = []
    for sign in (1, -1):
        signed = np.where(np.isnan(blocks), np.inf, sign * blocks)
        # The least mean of a block that begins at `a` and ends at `i` or later; then the greatest.
        ahead = np.minimum.accumulate(signed[:, :, ::-1], axis=2)[:, :, ::-1]
        ahead[:, *np.tril_indices(len(doses), -1)] = -np.inf
        fitted = sign * ahead.max(axis=1)
        left.append((wells * (means - fitted) ** 2).sum(axis=1))
    return np.minimum(*left)


@lru_cache(maxsize=32)
def _noise(wells: int) -> np.ndarray:
    """The same noise for all series with as many wells: drawing it takes longer than testing."""
    return np.random.default_rng(0).normal(size=(FLAT_DRAWS, wells)).astype(np.float32)


def p_values(
    values: np.ndarray, dose: np.ndarray, root: np.ndarray, grid: Grid, share: np.ndarray
) -> tuple[float, float]:
    """p of a flat series and p of a monotone one.

    Of all monotone sequences the flat one gives the largest statistics (Robertson et al. 1988).

    Args:
      values: float [N], in SDs of a well.
      dose: float [N], µM.
      root: as for `curve_statistic`.
      grid: of the doses.
      share: float [FLAT_DRAWS], the usual variance over what the true one may be.
    """
    noise = _noise(len(dose))
    curve = curve_statistic(noise, root, grid) / share
    bend = bend_statistic(noise[:BEND_DRAWS] @ root.T, dose) / share[:BEND_DRAWS]
    whitened = np.linalg.solve(root, values - values.mean())
    found = curve_statistic(whitened[None], root, grid)[0], bend_statistic(values[None], dose)[0]
    return tuple(
        float((1 + np.sum(null >= one)) / (1 + len(null)))
        for null, one in zip((curve, bend), found)
    )
