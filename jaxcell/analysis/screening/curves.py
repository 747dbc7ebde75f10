"""Four-parameter log-logistic curves, found without a start value and drawn again many times.

For a half-way dose and a slope that are given, the two plateaus are a straight-line fit. So all
half-way doses and slopes of a grid are tried, by one product of matrices for all draws of a curve,
and the best of them is where least squares start. There is no start value to choose, and no Hessian
that must not be singular.

Source: separable least squares, Golub and Pereyra 1973; the model as in Ritz et al. 2015.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

# Half-way doses that are tried reach so many decades beyond the doses given, in steps of this.
BEYOND, STEP = 1.5, 0.15
NO_ENDS = -np.inf, np.inf
SLOPES = np.array([0.35, 0.6, 1.0, 1.7, 3.0, 10.0])
DESCENTS = 8


class Curve(NamedTuple):
    """f(x) = bottom + (top - bottom) / (1 + (x / half)^slope).

    Attributes:
      top: at dose 0.
      bottom: at an infinite dose; above the top where the curve rises.
      half: dose half-way between them, µM: the relative IC50 (EC50 where it rises).
      slope: positive.
    """

    top: float
    bottom: float
    half: float
    slope: float


class Grid(NamedTuple):
    """What is tried for the doses of a curve.

    Attributes:
      dose: float64 [N], µM.
      half: float64 [H], µM.
      slope: float64 [S].
      share: float64 [N, H, S], (f - bottom) / (top - bottom) at each dose.
    """

    dose: np.ndarray
    half: np.ndarray
    slope: np.ndarray
    share: np.ndarray


class Draws(NamedTuple):
    """A curve for each of B draws.

    Attributes:
      top, bottom, half, slope: float64 [B].
      squares: float64 [B], sum of whitened squares left.
    """

    top: np.ndarray
    bottom: np.ndarray
    half: np.ndarray
    slope: np.ndarray
    squares: np.ndarray


def value_at(curve: Curve | Draws, dose: np.ndarray) -> np.ndarray:
    """f at doses in µM; of draws [B] at doses [D] it is [B, D]."""
    dose = np.asarray(dose, np.float64)
    if isinstance(curve, Curve):
        return curve.bottom + (curve.top - curve.bottom) * _share(dose, curve.half, curve.slope)
    share = _share(dose, curve.half[:, None], curve.slope[:, None])
    return curve.bottom[:, None] + (curve.top - curve.bottom)[:, None] * share


def _share(dose: np.ndarray, half: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """1 / (1 + (dose / half)^slope); 1 at dose 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / (1 + np.exp(slope * (np.log(dose) - np.log(half))))


def make_grid(dose: np.ndarray) -> Grid:
    """The half-way doses and slopes that are tried.

    Args:
      dose: float [N], µM, not negative; not all 0.
    """
    logs = np.log10(dose[dose > 0])
    half = 10 ** np.arange(logs.min() - BEYOND, logs.max() + BEYOND + STEP / 2, STEP)
    share = _share(dose[:, None, None], half[:, None], SLOPES)
    return Grid(dose, half, SLOPES, share)


def fit_draws(
    values: np.ndarray, whiten: np.ndarray, grid: Grid, ends: tuple[float, float] = NO_ENDS
) -> Draws:
    """Fits a curve to each of many draws of values at the same doses.

    Args:
      values: float [B, N].
      whiten: float [N, N], what makes values equally sure and independent.
      grid: of the doses.
      ends: least and greatest value of the plateau at high doses: no share is below 0 %.
    """
    one = whiten.sum(axis=1)
    flat = one / np.linalg.norm(one)
    share = whiten @ grid.share.reshape(len(one), -1)
    along = flat @ share
    across = share - np.outer(flat, along)
    length = np.linalg.norm(across, axis=0)
    usable = length > 1e-6 * np.linalg.norm(share, axis=0).max()
    direction = across / np.where(usable, length, np.inf)
    whitened = values @ whiten.T
    middle = whitened @ flat
    left = whitened - np.outer(middle, flat)
    found = left @ direction
    size = np.linalg.norm(one)
    rise = found / np.where(usable, length, np.inf)
    bottom = (middle[:, None] - rise * along) / size
    gain = found**2
    for end, outside in ((ends[0], bottom < ends[0]), (ends[1], bottom > ends[1])):
        # With the plateau at its end only the rise is left to choose.
        row, column = np.nonzero(outside)
        if len(row):
            above = middle[row] - end * size
            product = found[row, column] * length[column] + above * along[column]
            whole = length[column] ** 2 + along[column] ** 2
            rise[row, column] = product / whole
            bottom[row, column] = end
            gain[row, column] = product**2 / whole - above**2
    gain = gain.reshape(len(values), len(grid.half), len(grid.slope))
    best_slope = gain.argmax(axis=2)
    profile = np.take_along_axis(gain, best_slope[..., None], 2)[..., 0]
    best = profile.argmax(axis=1)
    rows = np.arange(len(values))
    slope = best_slope[rows, best]
    place = best * len(grid.slope) + slope
    start = np.stack([
        (bottom + rise)[rows, place],
        bottom[rows, place],
        np.log(grid.half[best]),
        np.log(grid.slope[slope]),
    ], axis=1)  # fmt: skip
    low, high = _limits(grid, ends)
    found, left = _descend(start, whitened, whiten, grid.dose, low, high)
    top, bottom, half, slope = found.T
    return Draws(top, bottom, np.exp(half), np.exp(slope), left)


def _limits(grid: Grid, ends: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest top, bottom, logarithms of the half-way dose and of the slope."""
    halves, slopes = np.log(grid.half[[0, -1]]), np.log(grid.slope[[0, -1]])
    low = np.array([-np.inf, ends[0], halves[0], slopes[0]])
    return low, np.array([np.inf, ends[1], halves[1], slopes[1]])


def _descend(
    start: np.ndarray,
    whitened: np.ndarray,
    whiten: np.ndarray,
    dose: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """From the best point of the grid to the minimum beside it, all draws together.

    Levenberg's and Marquardt's steps, which end at the limits; [B, 4] and squares left [B].
    """
    logs = np.where(dose > 0, np.log(np.maximum(dose, 1e-300)), -np.inf)
    found, damping = start, np.full(len(start), 1e-2)
    residual, slopes = _linearised(found, whitened, whiten, logs)
    squares = (residual**2).sum(axis=1)
    for _ in range(DESCENTS):
        downhill = (slopes @ residual[..., None])[..., 0]
        # What is at its limit and would leave it stays there, and the others go on without it.
        free = ~(((found <= low) & (downhill < 0)) | ((found >= high) & (downhill > 0)))
        of_free = slopes * free[..., None]
        normal = of_free @ of_free.transpose(0, 2, 1)
        own = np.arange(4)
        normal[:, own, own] *= 1 + damping[:, None]
        normal[:, own, own] += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None] + 1e-300
        step = np.linalg.solve(normal, (downhill * free)[..., None])[..., 0]
        tried = np.clip(found + step, low, high)
        tried_residual, tried_slopes = _linearised(tried, whitened, whiten, logs)
        tried_squares = (tried_residual**2).sum(axis=1)
        better = tried_squares < squares
        found = np.where(better[:, None], tried, found)
        residual = np.where(better[:, None], tried_residual, residual)
        slopes = np.where(better[:, None, None], tried_slopes, slopes)
        squares = np.where(better, tried_squares, squares)
        damping = np.where(better, damping / 5, damping * 10)
    return found, squares


def _linearised(
    at: np.ndarray, whitened: np.ndarray, whiten: np.ndarray, logs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What curves [B, 4] leave, [B, N], and how they change with each number, [B, 4, N]."""
    top, bottom, half, slope = (column[:, None] for column in at.T)
    steep = np.exp(slope)
    with np.errstate(over="ignore", invalid="ignore"):
        away = steep * (logs - half)
        share = 1 / (1 + np.exp(away))
    # At dose 0 the share stays 1 whatever the half-way dose and the slope.
    change = (top - bottom) * share * (1 - share)
    by_slope = np.where(np.isfinite(away), -change * np.where(np.isfinite(away), away, 0), 0)
    rows = np.stack([share, 1 - share, change * steep, by_slope], axis=1)
    return whitened - (bottom + (top - bottom) * share) @ whiten.T, rows @ whiten.T


def fit_curve(
    dose: np.ndarray,
    values: np.ndarray,
    whiten: np.ndarray,
    grid: Grid,
    ends: tuple[float, float] = NO_ENDS,
) -> Curve:
    """The curve of least squares.

    Args:
      dose: float [N], µM.
      values: float [N].
      whiten, ends: as for `fit_draws`.
      grid: of the doses.
    """
    first = fit_draws(values[None], whiten, grid, ends)
    start = np.array([first.top[0], first.bottom[0], np.log(first.half[0]), np.log(first.slope[0])])
    low, high = _limits(grid, ends)
    size = max(float(np.ptp(values)), 1e-12)

    def residual(p: np.ndarray) -> np.ndarray:
        curve = Curve(p[0], p[1], np.exp(p[2]), np.exp(p[3]))
        return whiten @ (value_at(curve, dose) - values)

    inside = np.clip(start, low + 1e-6, high - 1e-6)
    fitted = least_squares(residual, inside, bounds=(low, high), x_scale=[size, size, 1.0, 1.0])
    top, bottom, half, slope = fitted.x
    # The grid's best is kept where the search ended worse, at the end of a flat valley.
    if 2 * fitted.cost > first.squares[0] * (1 + 1e-9):
        top, bottom, half, slope = start
    return Curve(float(top), float(bottom), float(np.exp(half)), float(np.exp(slope)))
