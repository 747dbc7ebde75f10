"""What a well owes to its place on the plate, learnt from controls and wells without effect.

Values of a plate are a condition's mean, a group's own effect (a compound at a dose), a quadratic
surface over rows and columns, where rows (or columns) clearly differ beyond that an offset of each,
and noise. Surface, offsets and the effects of inert groups are random: each is drawn towards zero
as far as the plate itself asks for (restricted maximum likelihood). Groups that act have an effect
of their own, and tell of the surface only by how their replicates differ: so hits in one corner do
not tilt it, as they do in a B-score, and a quiet plate is left as it is.

Source: mixed models by restricted maximum likelihood, Patterson and Thompson 1971; prediction of
random effects, Henderson 1975; the B-score of plates, Brideau et al. 2003.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.stats import f as f_distribution

# Different rows (or columns) that a straight and a curved trend over them ask for.
ROWS_OF_TREND, ROWS_OF_CURVE = 3, 5
# p of rows (or columns) from which each has an offset: those of a quiet plate hardly ever do, and
# offsets that are not there would cost compounds some of their difference from controls elsewhere.
CLEAR = 0.001
# Variances over that of the noise: where the search for them starts, and its ends.
START_OF_GROUPS, START_OF_LINES = 0.3, 0.05
LEAST_RATIO, MOST_RATIO = 1e-8, 100.0
# Wells beyond the terms of a model that tell its noise.
LEAST_FREEDOM = 3


class Places(NamedTuple):
    """Where the wells of a plate are and what they hold.

    Attributes:
      row, column: int [N], from 1.
      condition: int [N], from 0.
      group: int [N], a compound at a dose, or a kind of control, in its condition; from 0.
      inert: bool [N], whether the well's group is taken to have no effect of its own.
      edge: bool [N], whether the well is at the rim of the physical plate.
    """

    row: np.ndarray
    column: np.ndarray
    condition: np.ndarray
    group: np.ndarray
    inert: np.ndarray
    edge: np.ndarray


class PlateEffect(NamedTuple):
    """What was found of a plate.

    Attributes:
      effect: float64 [N], what each well owes to its place, 0 in the mean of a condition.
      place: float64 [N, K], of each well; `place @ coefficients` is the effect before centring.
      covariance: float64 [K, K], of the coefficients.
      noise: SD of wells of one group at one place.
      surface_sd: SD of each term of the surface, whose own SD over wells is 1.
      row_sd, column_sd: SD of the offsets of rows and of columns.
      reason: None, or why nothing was corrected.
    """

    effect: np.ndarray
    place: np.ndarray
    covariance: np.ndarray
    noise: float
    surface_sd: float
    row_sd: float
    column_sd: float
    reason: str | None


class LineTest(NamedTuple):
    """Whether rows, columns or the edge differ by more than noise.

    Attributes:
      p: None with a reason.
      size: of rows and columns the SD of their offsets over wells of a condition, of the edge its
        difference, on the scale of the values.
    """

    p: float | None
    size: float | None
    reason: str | None


def plate_effect(values: np.ndarray, places: Places) -> PlateEffect:
    """Fits the model to the wells of one plate.

    Args:
      values: float [N], finite.
      places: of the same wells.
    """
    conditions, kinds = _dummies(places.condition), _kinds(values, places)
    place = np.column_stack(kinds)
    products = _products(values, conditions, kinds, places)
    if products.freedom < LEAST_FREEDOM or not place.shape[1]:
        reason = "there are too few wells to see what their places do"
        nothing, zero = np.zeros(len(values)), np.zeros((place.shape[1],) * 2)
        return PlateEffect(nothing, place, zero, np.nan, 0.0, 0.0, 0.0, reason)
    ratios = np.maximum(_fit(products), LEAST_RATIO)
    weighed, _ = _weighed(products, ratios[0])
    precision = np.zeros(len(weighed) - 1)
    drawn = np.concatenate([np.full(k.shape[1], 1 / r) for k, r in zip(kinds, ratios[1:])])
    precision[-place.shape[1] :] = drawn
    inverse = np.linalg.pinv(weighed[:-1, :-1] + np.diag(precision), hermitian=True)
    coefficients = inverse @ weighed[:-1, -1]
    # The quadratic form with offsets predicted is that of the whole covariance (Henderson 1975).
    squares = weighed[-1, -1] - weighed[:-1, -1] @ coefficients
    noise = float(np.sqrt(max(squares, 0.0) / products.freedom))
    effect = _centred(place @ coefficients[-place.shape[1] :], places.condition)
    covariance = noise**2 * inverse[-place.shape[1] :, -place.shape[1] :]
    sds = [noise * float(np.sqrt(r)) if k.shape[1] else 0.0 for k, r in zip(kinds, ratios[1:])]
    return PlateEffect(effect, place, covariance, noise, *sds, None)


def line_tests(
    values: np.ndarray, places: Places, surface: np.ndarray | None = None
) -> dict[str, LineTest]:
    """Whether rows, columns and the edge of a plate differ, beyond conditions and compounds.

    Args:
      values: float [N], finite, not corrected.
      places: of the same wells.
      surface: float64 [N, K], what they must differ beyond too; None: nothing.

    Returns:
      `row`, `column` and `edge`.

    Source: F test of nested linear models, groups without effect random.
    """
    conditions = _dummies(places.condition)
    if surface is not None:
        conditions = np.column_stack([conditions, surface])
    ratio = _fit(_products(values, conditions, [], places))[0]
    edge = places.edge[:, None].astype(np.float64)
    found = {}
    for name, lines, own in (
        ("row", _dummies(places.row), "each row holds"),
        ("column", _dummies(places.column), "each column holds"),
        ("edge", edge, "the wells at the edge hold"),
    ):
        if name == "edge" and not edge.any():
            found[name] = LineTest(None, None, "no well at the edge of the plate was measured")
            continue
        less, _ = _weighed(_products(values, conditions, [], places), ratio)
        more, _ = _weighed(_products(values, conditions, [lines], places), ratio)
        found[name] = _line_test(less, more, lines, places, own)
    return found


def _line_test(
    less: np.ndarray, more: np.ndarray, lines: np.ndarray, places: Places, own: str
) -> LineTest:
    """F test of the lines, the last terms of `more`; cross products, with the values last."""
    ranks = [np.linalg.matrix_rank(part[:-1, :-1], 1e-9, True) for part in (less, more)]
    extra = int(ranks[1] - ranks[0])
    freedom = len(lines) - int(ranks[1]) - len(np.unique(places.group[~places.inert]))
    if not extra:
        return LineTest(None, None, f"{own} conditions or compounds of their own")
    if freedom < LEAST_FREEDOM:
        return LineTest(None, None, "there are too few wells")
    fits = [np.linalg.pinv(part[:-1, :-1], 1e-9, True) @ part[:-1, -1] for part in (less, more)]
    before, after = (
        float(part[-1, -1] - part[:-1, -1] @ fit) for part, fit in zip((less, more), fits)
    )
    if after <= 1e-12 * less[-1, -1]:
        return LineTest(None, None, "the wells of a group are all alike")
    p = float(f_distribution.sf((before - after) / extra / (after / freedom), extra, freedom))
    offsets = fits[1][-lines.shape[1] :]
    if len(offsets) == 1:
        return LineTest(p, float(offsets[0]), None)
    return LineTest(p, float(np.std(_centred(lines @ offsets, places.condition))), None)


class _Products(NamedTuple):
    """Sums that a model of a plate is fitted from, groups with an effect of their own removed.

    Attributes:
      all: float64 [M, M], cross products of fixed terms (orthonormal), lines and, last, values.
      of_groups: float64 [G, M], their sums over each inert group.
      wells: int [G], wells of each.
      lines: number of lines of each kind.
      freedom: wells less fixed terms.
    """

    all: np.ndarray
    of_groups: np.ndarray
    wells: np.ndarray
    lines: list[int]
    freedom: int


def _products(
    values: np.ndarray, fixed: np.ndarray, lines: list[np.ndarray], places: Places
) -> _Products:
    active, groups = ~places.inert, _dummies(places.group)
    owned = groups[:, (groups * active[:, None]).any(axis=0)]
    means = owned / np.maximum(owned.sum(axis=0), 1)
    everything = np.column_stack([fixed, *lines, values])
    everything = everything - owned @ (means.T @ everything)
    left, sizes, _ = np.linalg.svd(everything[:, : fixed.shape[1]], full_matrices=False)
    kept = left[:, sizes > 1e-9 * max(sizes.max(initial=0), 1)]
    everything = np.column_stack([kept, everything[:, fixed.shape[1] :]])
    inert = groups[:, ~(groups * active[:, None]).any(axis=0)]
    return _Products(
        everything.T @ everything,
        inert.T @ everything,
        inert.sum(axis=0),
        [line.shape[1] for line in lines],
        len(values) - kept.shape[1] - owned.shape[1],
    )


def _weighed(products: _Products, ratio: float) -> tuple[np.ndarray, float]:
    """Cross products weighed by the inverse covariance of groups, and its log determinant."""
    share = ratio / (1 + ratio * products.wells)
    weighed = products.all - (products.of_groups * share[:, None]).T @ products.of_groups
    return weighed, float(np.log1p(ratio * products.wells).sum())


def _fit(products: _Products) -> np.ndarray:
    """Variance of groups, then of each kind of line, over that of the noise: by REML."""
    kinds = products.lines
    ends = len(products.all) - 1 - np.cumsum([0, *kinds[::-1]])[::-1]

    def deviance(ratios: np.ndarray) -> float:
        weighed, determinant = _weighed(products, ratios[0])
        system = weighed[:-1, :-1].copy()
        for ratio, start, stop in zip(ratios[1:], ends[:-1], ends[1:]):
            own = np.arange(start, stop)
            system[own, own] += 1 / ratio
            determinant += len(own) * np.log(ratio)
        factor = cho_factor(system, lower=True, check_finite=False)
        solved = cho_solve(factor, weighed[:-1, -1], check_finite=False)
        squares = max(weighed[-1, -1] - weighed[:-1, -1] @ solved, 1e-300)
        determinant += 2 * np.log(np.diag(factor[0])).sum()
        return determinant + products.freedom * np.log(squares)

    start = np.array([START_OF_GROUPS, *[START_OF_LINES] * len(kinds)])
    bounds = [(LEAST_RATIO, MOST_RATIO)] * len(start)
    if products.freedom < LEAST_FREEDOM or not products.all[-1, -1] > 0:
        return np.full(len(start), LEAST_RATIO)
    return minimize(deviance, start, method="L-BFGS-B", bounds=bounds).x


def _kinds(values: np.ndarray, places: Places) -> list[np.ndarray]:
    """Terms of the surface, rows and columns, as far as there are any: [N, K] each."""
    surface = _surface(places)
    tests = line_tests(values, places, surface)
    lines = [
        _dummies(line)[:, : None if (tests[name].p or 1.0) < CLEAR else 0]
        for name, line in (("row", places.row), ("column", places.column))
    ]
    return [surface, *lines]


def _surface(places: Places) -> np.ndarray:
    """Linear and squared terms of row and column, and their product, each with an SD of 1."""
    linear, squared = [], []
    for line in (places.row, places.column):
        levels = len(np.unique(line))
        scaled = line - (line.max() + line.min()) / 2
        if levels >= ROWS_OF_TREND:
            linear.append(scaled)
        if levels >= ROWS_OF_CURVE:
            squared.append(scaled**2)
    product = [linear[0] * linear[1]] if len(linear) == 2 else []
    terms = [*linear, *squared, *product]
    surface = np.column_stack(terms) if terms else np.zeros((len(places.row), 0))
    surface = surface - surface.mean(axis=0)
    return surface / np.maximum(surface.std(axis=0), 1e-12)


def _centred(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Values less their mean over the wells of one label, float64 [N]."""
    number = np.unique(labels, return_inverse=True)[1]
    return values - (np.bincount(number, values) / np.bincount(number))[number]


def _dummies(labels: np.ndarray) -> np.ndarray:
    """A column of 0 and 1 for each label, float64 [N, L]."""
    return (labels[:, None] == np.unique(labels)).astype(np.float64)
