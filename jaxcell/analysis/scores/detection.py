"""Predicted cells against true cells: who is found, and how exactly."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

THRESHOLDS = np.round(np.arange(0.5, 1.0, 0.05), 2)


class Matches(NamedTuple):
    """Counts of one image, or sums over images, at each of `THRESHOLDS`.

    Attributes:
      found: int64 [10], true cells that a predicted cell covers at that IoU.
      predicted, true: cells.
      intersection, union: pixels that are inside a cell in both, in either.
    """

    found: np.ndarray
    predicted: int
    true: int
    intersection: int
    union: int


def match(true: np.ndarray, predicted: np.ndarray) -> Matches:
    """Pairs the cells of two label images one to one, so that most pairs reach each IoU.

    int [H, W] each, 0 outside cells; numbers mean nothing across the two.
    """
    true_area, predicted_area, rows, columns, shared = _overlaps(true, predicted)
    iou = shared / (true_area[rows] + predicted_area[columns] - shared)
    found = [_pairs(rows, columns, iou, threshold) for threshold in THRESHOLDS]
    both = np.count_nonzero((true > 0) & (predicted > 0))
    either = np.count_nonzero((true > 0) | (predicted > 0))
    return Matches(np.array(found), len(predicted_area), len(true_area), both, either)


def _overlaps(true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, ...]:
    """Areas of true and predicted cells; of each pair that meets, both places and shared pixels."""
    inside = (true > 0) | (predicted > 0)
    cells, areas = [], []
    for labels in (true[inside], predicted[inside]):
        numbers, place = np.unique(labels, return_inverse=True)
        # From 1 on, whether or not a pixel is in no cell.
        place = place.ravel() + (0 if len(numbers) and numbers[0] == 0 else 1)
        cells.append(place)
        areas.append(np.bincount(place, minlength=1)[1:])
    # One entry a pair that meets: a table of all pairs takes gigabytes at 10,000 cells.
    base = len(areas[1]) + 1
    keys, shared = np.unique(cells[0] * base + cells[1], return_counts=True)
    rows, columns = np.divmod(keys, base)
    meeting = (rows > 0) & (columns > 0)
    return *areas, rows[meeting] - 1, columns[meeting] - 1, shared[meeting]


def _pairs(rows: np.ndarray, columns: np.ndarray, iou: np.ndarray, threshold: float) -> int:
    """Most pairs of `iou` >= threshold in which no cell appears twice."""
    good = iou >= threshold
    if threshold > 0.5 or not good.any():
        return int(np.count_nonzero(good))  # above one half no cell can have two partners
    places = rows[good], columns[good]
    pairs = coo_array((np.ones(len(places[0]), bool), places)).tocsr()
    return int(np.count_nonzero(maximum_bipartite_matching(pairs) >= 0))


def total(matches: list[Matches]) -> Matches:
    """Sums over images, so that images with many cells count more."""
    return Matches(*(sum(parts) for parts in zip(*matches, strict=True)))


def scores(matches: Matches) -> dict[str, float]:
    """Scores of matched cells.

    Returns:
      `pixel_iou`; at IoU 0.5 `f1`, `precision`, `recall`; `mean_ap`, the mean over IoU 0.5 to 0.95
      of found / (found + false + missed); `count_ratio`, predicted to true cells; `true_cells`.
      Where there is nothing to find and nothing was found, 1 each; where only one of the two is
      empty, 0 (`count_ratio` then is the number of predicted cells to one).

    Source: Caicedo et al. 2019 (Data Science Bowl 2018) for `mean_ap`.
    """
    found, predicted, true = matches.found, matches.predicted, matches.true
    either = predicted + true - found
    return {
        "pixel_iou": _share(matches.intersection, matches.union),
        "f1": _share(2 * int(found[0]), predicted + true),
        "precision": _share(int(found[0]), predicted, empty=float(true == 0)),
        "recall": _share(int(found[0]), true, empty=float(predicted == 0)),
        "mean_ap": float(np.mean([_share(int(f), int(e)) for f, e in zip(found, either)])),
        "count_ratio": float(predicted / max(true, 1)) if predicted or true else 1.0,
        "true_cells": int(true),
    }


def scores_of_fields(matches: list[Matches], seed: int = 0, draws: int = 2000) -> dict:
    """`scores` of the cells of several fields together, and `f1_interval`, [low, high].

    It holds 95 % of other fields like these; None of one field.

    Source: the percentile bootstrap, Efron and Tibshirani 1993, chapter 13.
    """
    found, cells = np.array([[item.found[0], item.true + item.predicted] for item in matches]).T
    rows = np.random.default_rng(seed).integers(len(matches), size=(draws, len(matches)))
    f1 = 2 * found[rows].sum(axis=1) / np.maximum(cells[rows].sum(axis=1), 1)
    ends = np.percentile(f1, (2.5, 97.5)).tolist() if len(matches) > 1 else None
    return scores(total(matches)) | {"f1_interval": ends}


def _share(part: int, whole: int, empty: float = 1.0) -> float:
    return float(part / whole) if whole else empty
