"""Dose series answered: no effect, IC50 with its interval, beyond the top dose, not monotone."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.screening.curves import (
    NO_ENDS,
    Curve,
    Draws,
    fit_curve,
    fit_draws,
    make_grid,
    value_at,
)
from jaxcell.analysis.screening.hits import Hits, natural_order, selective_q
from jaxcell.analysis.screening.moderation import Moderated, fit_prior, moderated
from jaxcell.analysis.screening.scale import AS_IS, Scale
from jaxcell.analysis.screening.shape import FLAT_DRAWS, p_values
from jaxcell.analysis.strength import REFERENCE

LEAST_DOSES = 4
# Top, bottom, half-way dose, slope.
NUMBERS_OF_A_CURVE = 4
DRAWS = 999
SIGNIFICANT = 0.05
FOUND, NO_EFFECT, UNKNOWN = "found", "no effect", "cannot be said"
BEYOND, BELOW, NOT_MONOTONE = "beyond the top dose", "below the lowest dose", "not monotone"
# Doses between the lowest and the highest over which the mean effect is taken.
DOSES_OF_AREA = 41
# Series drawn at a time: products of matrices let go of Python's lock.
THREADS = 2
# Of the steepest place of a curve: at its bounds a scale would make a well infinitely sure.
LEAST_STEEP = 0.05


class Series(NamedTuple):
    """The wells of a compound in a condition, with its controls at dose 0.

    Attributes:
      condition, compound: whose they are.
      dose: float64 [N], µM.
      scaled: float64 [N], corrected values on the scale.
      control: bool [N], whether the well is a control.
      wells: list [N] of plate and well.
      root: float64 [N, N], lower Cholesky factor of the covariance of `scaled` over the variance of
        a well: what is uncertain about places is shared by the wells of a row.
      floor: value, in the unit of the measure, half of the way to which is the absolute IC50; None
        where nothing tells it.
    """

    condition: str
    compound: str
    dose: np.ndarray
    scaled: np.ndarray
    control: np.ndarray
    wells: list[tuple[str, str]]
    root: np.ndarray
    floor: float | None


class Response(NamedTuple):
    """A series and what was found of it; without a curve the last four are None.

    Attributes:
      series: the wells.
      row: what the tables say of it.
      curve: of least squares, in the unit of the measure.
      residual: float64 [N], whitened, in SDs of a well.
      noise: float64 [draws, N], standard normal, that the bootstrap drew.
      draws: the curves of the bootstrap.
    """

    series: Series
    row: dict
    curve: Curve | None = None
    residual: np.ndarray | None = None
    noise: np.ndarray | None = None
    draws: Draws | None = None


class _Fit(NamedTuple):
    """A curve, how steep the way back from the scale is at each well, and what it leaves."""

    curve: Curve
    steep: np.ndarray
    whiten: np.ndarray
    left: np.ndarray
    freedom: int


def respond(
    hits: Hits,
    scale: Scale,
    bounds: tuple[float | None, float | None],
    *,
    seed: int,
    draws: int = DRAWS,
    beside: Mapping[tuple[str, str], Response] | None = None,
) -> list[Response]:
    """Answers every dose series of a screen.

    Args:
      hits: of the measure.
      scale: on which its wells scatter alike.
      bounds: least and greatest value of the measure, None where there is none.
      seed: of the draws.
      draws: samples of the bootstrap.
      beside: (condition, compound) -> the response of another measure of the same wells, whose
        noise is drawn together with this one's, as far as the residuals of the two correlate.

    Returns:
      One for each compound with two doses at least, by condition and compound. `row` has
      `condition`, `compound`, `wells`, `doses`, `lowest_um`, `highest_um`, `control_wells`,
      `answer` (`FOUND`, `NO_EFFECT`, `BEYOND`, `BELOW`, `NOT_MONOTONE` or `UNKNOWN`), `reason` (of
      the last), `p` and `q` (against no effect), `p_bend` and `q_bend` (against any monotone
      curve), `falls` (bool), `top`, `bottom`, `slope`, `half_um` (relative IC50), `absolute_um`
      (half of the way from the controls to the unstimulated controls or, without them, to 0; inf
      where the curve never gets there, NaN where it rises), `emax` (effect at the top dose) and
      `auc` (mean effect over the logarithm of the dose), in the unit of the measure; these four
      with `..._low` and `..._high` (95 %).

    Source: parametric bootstrap, percentiles, Davison and Hinkley 1997; variance shared over
    series, Smyth 2004; q as `selective_q`.
    """
    every = [item for pair in _pairs(hits) if (item := _series_of(hits, scale, bounds[0], *pair))]
    usable = [item for item in every if _doses(item) >= LEAST_DOSES]
    ends = tuple(own if end is None else end for end, own in zip(bounds, NO_ENDS))
    fits = [_fit(item, scale, ends) for item in usable]
    work = [
        (item, fit, of, ends, np.random.default_rng([seed, place]), draws,
         (beside or {}).get((item.condition, item.compound)))
        for place, (item, fit, of) in enumerate(zip(usable, fits, _noise(usable, fits)))
    ]  # fmt: skip
    with ThreadPoolExecutor(THREADS) as pool:
        responses = list(pool.map(lambda given: _response(*given), work))
    found = {(item.series.condition, item.series.compound): item for item in responses}
    answered = _answered([item.row for item in found.values()])
    found = {pair: item._replace(row=row) for (pair, item), row in zip(found.items(), answered)}
    few = f"there are fewer than {LEAST_DOSES} different doses"
    return [
        found.get((item.condition, item.compound))
        or Response(item, _about(item) | {"answer": UNKNOWN, "reason": few})
        for item in every
    ]


def _pairs(hits: Hits) -> list[tuple[str, str]]:
    """Conditions and compounds with two doses at least, in order."""
    samples = hits.wells[hits.wells["role"] == "sample"]
    pairs = []
    for name in conditions(samples):
        own = samples[(samples["condition"] == name) & (samples["compound"] != "")]
        doses = own.groupby("compound")["concentration_um"].nunique()
        several = pd.Series(doses.index[doses > 1].astype(str))
        pairs += [(name, compound) for compound in several.sort_values(key=natural_order)]
    return pairs


def _series_of(
    hits: Hits, scale: Scale, minimum: float | None, condition: str, compound: str
) -> Series | None:
    """The wells of a series, plates moved to where their controls agree; None without controls."""
    here = hits.wells[hits.wells["condition"] == condition]
    own = here[(here["role"] == "sample") & (here["compound"] == compound)]
    controls = here[here["control"] & here["plate"].isin(set(own["plate"]))]
    own = own[own["plate"].isin(set(controls["plate"])) & own["concentration_um"].notna()]
    if own.empty or not (own["concentration_um"] > 0).any():
        return None
    centre = controls.groupby("plate")["corrected"].mean()
    both = pd.concat([own, controls[controls["plate"].isin(set(own["plate"]))]])
    moved = both["corrected"] - both["plate"].map(centre) + centre[own["plate"].unique()].mean()
    dose = both["concentration_um"].where(both["role"] == "sample", 0.0)
    return Series(
        condition,
        compound,
        dose.to_numpy(np.float64),
        moved.to_numpy(np.float64),
        both["control"].to_numpy(bool),
        list(zip(both["plate"], both["well"])),
        _root(both, hits),
        _floor(hits, scale, minimum, condition, set(own["plate"])),
    )


def _root(wells: pd.DataFrame, hits: Hits) -> np.ndarray:
    covariance = np.eye(len(wells))
    for plate, found in hits.plates.items():
        own = np.flatnonzero(wells["plate"] == plate)
        if len(own) and not found.reason and found.noise > 0:
            place = found.place[wells["of_plate"].to_numpy()[own]]
            covariance[np.ix_(own, own)] += place @ found.covariance @ place.T / found.noise**2
    return np.linalg.cholesky(covariance)


def _floor(
    hits: Hits, scale: Scale, minimum: float | None, condition: str, plates: set[str]
) -> float | None:
    """The mean of the unstimulated controls of the plates, or 0 where that is the least value."""
    table = hits.wells
    here = table["control"] & table["plate"].isin(plates) & (table["condition"] == REFERENCE)
    if condition != REFERENCE and here.any():
        return float(scale.backward(table.loc[here, "corrected"].mean()))
    return 0.0 if minimum == 0 else None


def _doses(item: Series) -> int:
    return len(np.unique(item.dose[item.dose > 0]))


def _fit(item: Series, scale: Scale, ends: tuple[float, float]) -> _Fit:
    """A curve whose squares are weighed so that wells scatter alike, as they do on the scale."""
    grid, values = make_grid(item.dose), scale.backward(item.scaled)
    independent = np.linalg.inv(item.root)
    steep = np.ones(len(values))
    for _ in range(1 if scale.name == AS_IS else 2):
        whiten = independent / steep
        curve = fit_curve(item.dose, values, whiten, grid, ends)
        steep = _steepness(scale, value_at(curve, item.dose))
    whiten = independent / steep
    left = whiten @ (values - value_at(curve, item.dose))
    return _Fit(curve, steep, whiten, left, max(len(values) - NUMBERS_OF_A_CURVE, 0))


def _steepness(scale: Scale, values: np.ndarray) -> np.ndarray:
    """Slope of the way back from the scale, at values in the unit of the measure."""
    if scale.name == AS_IS:
        return np.ones(len(values))
    # A curve may leave the bounds of a share a little: there the least steepness counts.
    if scale.maximum is None:
        slope = values + scale.offset
    else:
        slope = (values + scale.offset) * (scale.maximum - values + scale.offset)
    return np.maximum(slope, LEAST_STEEP * slope.max()) / (scale.maximum or 1.0)


def _noise(usable: list[Series], fits: list[_Fit]) -> list[Moderated | None]:
    """The variance of a well of each series, shared over those of its condition; None: unknown."""
    freedom = np.array([fit.freedom for fit in fits], float)
    variance = np.array([
        fit.left @ fit.left / fit.freedom if fit.freedom else np.nan for fit in fits
    ])  # fmt: skip
    names = np.array([item.condition for item in usable])
    known = np.isin(names, np.unique(names[freedom > 0]))
    if not known.any():
        return [None] * len(fits)
    given = variance[known], freedom[known], np.unique(names[known], return_inverse=True)[1]
    of, place = moderated(fit_prior(*given), *given), np.cumsum(known) - 1
    return [
        Moderated(of.weight, of.variance[:, [at]], of.freedom[:, [at]]) if here else None
        for here, at in zip(known, place)
    ]


def _response(
    item: Series,
    fit: _Fit,
    of: Moderated | None,
    ends: tuple[float, float],
    random: np.random.Generator,
    draws: int,
    beside: Response | None,
) -> Response:
    """A curve drawn again and again, and tested."""
    if of is None:
        why = "there are too few wells to know how they scatter"
        return Response(item, _about(item) | {"answer": UNKNOWN, "reason": why})
    # How far off the usual variance may be from the true one: drawn for tests and for curves.
    usual = float(of.weight @ of.variance[:, 0])
    choice = random.choice(len(of.weight), FLAT_DRAWS, p=of.weight)
    freedom = of.freedom[choice, 0]
    true = np.where(of.variance[choice, 0] > 0, of.variance[choice, 0], 1.0)
    share = random.chisquare(freedom) / freedom * (usual if usual > 0 else 1.0) / true
    residual = fit.left / np.sqrt(usual) if usual > 0 else np.zeros(len(fit.left))
    noise = _drawn_with(residual, beside, random, draws)
    middle = value_at(fit.curve, item.dose)
    grid = make_grid(item.dose)
    sd = np.sqrt(usual / share[:draws, None])
    drawn = fit_draws(middle + fit.steep * sd * (noise @ item.root.T), fit.whiten, grid, ends)
    if usual > 0:
        scaled = item.scaled / np.sqrt(usual)
        p, p_bend = p_values(scaled, item.dose, item.root, grid, share)
    else:  # All wells of each dose are alike: then any difference is one.
        p, p_bend = (0.0 if np.ptp(item.scaled) > 0 else 1.0), 1.0
    row = _about(item) | {"p": p, "p_bend": p_bend} | _numbers(item, fit.curve, drawn, grid.half)
    return Response(item, row, fit.curve, residual, noise, drawn)


def _drawn_with(
    residual: np.ndarray, beside: Response | None, random: np.random.Generator, draws: int
) -> np.ndarray:
    """Noise [draws, N] that goes with that of another measure of the same wells."""
    own = random.normal(size=(draws, len(residual)))
    if beside is None or beside.noise is None or beside.noise.shape != own.shape:
        return own
    if min(residual.std(), beside.residual.std()) == 0:
        return own
    r = float(np.corrcoef(residual, beside.residual)[0, 1])
    return r * beside.noise + np.sqrt(1 - r**2) * own


def _about(item: Series) -> dict:
    """What is known of a series before anything is fitted; all that is not known is None."""
    names = ("half_um", "absolute_um", "emax", "auc")
    nothing = [*names, *(f"{name}_{end}" for name in names for end in ("low", "high"))]
    given = item.dose[~item.control & (item.dose > 0)]
    return {
        "condition": item.condition,
        "compound": item.compound,
        "wells": int((~item.control).sum()),
        "doses": len(np.unique(given)),
        "lowest_um": float(given.min()),
        "highest_um": float(given.max()),
        "control_wells": int(item.control.sum()),
        **dict.fromkeys(("answer", "reason", "p", "q", "p_bend", "q_bend", "falls")),
        **dict.fromkeys(("top", "bottom", "slope", *nothing)),
    }


def _numbers(item: Series, curve: Curve, drawn: Draws, halves: np.ndarray) -> dict:
    """The numbers of a curve with their intervals."""
    given = item.dose[item.dose > 0]
    over = np.geomspace(given.min(), given.max(), DOSES_OF_AREA)
    ends, area = np.array([0.0, given.max()]), np.append(0.0, over)

    def emax(of: Curve | Draws) -> np.ndarray:
        return np.diff(value_at(of, ends))[..., 0]

    def auc(of: Curve | Draws) -> np.ndarray:
        values = value_at(of, area)
        return (values[..., 1:] - values[..., :1]).mean(axis=-1)

    absolute = _absolute(curve, item.floor), _absolute(drawn, item.floor)
    values = {
        "half_um": (curve.half, drawn.half),
        "absolute_um": absolute,
        "emax": (emax(curve), emax(drawn)),
        "auc": (auc(curve), auc(drawn)),
    }
    row = {"falls": curve.bottom < curve.top, **curve._asdict()}
    del row["half"]
    for name, (value, of_draws) in values.items():
        low, high = np.quantile(of_draws, (0.025, 0.975), method="nearest")
        row |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
    # A half-way dose at the end of what was tried may as well lie anywhere beyond.
    for name in ("half_um_low", "half_um_high"):
        if row[name] <= halves[0] * 1.01:
            row[name] = 0.0
        elif row[name] >= halves[-1] * 0.99:
            row[name] = float("inf")
    return row


def _absolute(of: Curve | Draws, floor: float | None) -> np.ndarray:
    """Dose at which half of the way from the top to the floor is gone: inf if never."""
    top, bottom = np.asarray(of.top), np.asarray(of.bottom)
    if floor is None:
        return np.full(top.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = ((top + floor) / 2 - bottom) / (top - bottom)
        dose = of.half * (1 / share - 1) ** (1 / np.asarray(of.slope))
    dose = np.where((share > 0) & (share < 1), dose, np.inf)
    return np.where((bottom < top) & (floor < top), dose, np.inf if np.ndim(top) else np.nan)


def _answered(rows: list[dict]) -> list[dict]:
    """Rows with q and the answer; many series are asked, so q decides."""
    tested = [row for row in rows if row["p"] is not None]
    if not tested:
        return rows
    family = np.array([row["condition"] for row in tested])
    q, q_bend = (
        selective_q(np.array([row[name] for row in tested]), family) for name in ("p", "p_bend")
    )
    known = {id(row): pair for row, *pair in zip(tested, q, q_bend)}
    return [_answer(row, *known[id(row)]) if id(row) in known else row for row in rows]


def _answer(row: dict, q: float, q_bend: float) -> dict:
    row = row | {"q": float(q), "q_bend": float(q_bend)}
    if q > SIGNIFICANT:
        answer = NO_EFFECT
    elif q_bend <= SIGNIFICANT:
        answer = NOT_MONOTONE
    elif row["half_um"] > row["highest_um"] or np.isinf(row["half_um_high"]):
        answer = BEYOND
    elif row["half_um"] < row["lowest_um"] or row["half_um_low"] == 0:
        answer = BELOW
    else:
        answer = FOUND
    return row | {"answer": answer}
