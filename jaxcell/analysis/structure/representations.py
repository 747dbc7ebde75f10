"""How well a representation of patches tells the conditions of wells, by two readers."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import silhouette_score

from jaxcell.analysis.structure import probes
from jaxcell.analysis.structure import scores as well_scores
from jaxcell.analysis.structure.design import Design

# Neighbours are sought among so many patches, drawn alike from all wells.
NEIGHBOUR_PATCHES = 10_000
# Neighbouring wells that the condition of a well is guessed from by its place.
POSITION_NEIGHBOURS = 4


def score_features(
    features: np.ndarray, design: Design, seed: int
) -> tuple[dict, dict[str, np.ndarray] | None]:
    """How well a representation, float [all patches, D], tells the conditions of wells.

    Returns:
      scores: an entry of `structure`'s `scores`.
      draws: reader -> AUROC in bootstrap samples, float64 [bootstraps]; None with a reason.
    """
    features = np.asarray(features, np.float64)[design.rows]
    bad = int(np.count_nonzero(~np.isfinite(features).all(axis=1)))
    if bad:
        reason = f"{bad:,} of {len(features):,} patches have values that are not finite numbers"
        names = ("probe", "neighbours", "silhouette", "map", "map_chance", "map_p")
        return {"reason": reason} | dict.fromkeys(names), None
    classes = int(design.labels.max()) + 1
    linear = probes.probe_readers(features, design.well_of, design.folds, classes)
    few = drawn_patches(design.well_of, seed)
    near = probes.neighbour_readers(features[few], design.well_of[few], design.folds, classes)
    means = probes.well_means(features, design.well_of, len(design.labels))
    readings = {
        "probe": (linear.wells, linear.patches(design.labels), design.well_of),
        "neighbours": (near.wells, near.patches(design.labels), design.well_of[few]),
    }
    return _judge(readings, means, design)


def score_position(design: Design) -> tuple[dict, dict[str, np.ndarray]]:
    """How well the place of a well, and nothing else, tells its condition; as `score_features`.

    The probe is given row and column as numbers with their squares and product, each row and
    each column by itself, and all that once more for each plate; the neighbours are the nearest
    wells, those on other plates as if one row further away.
    """
    wells = design.wells
    row, column = (wells[name].to_numpy(np.float64) for name in ("row", "column"))
    plate = pd.get_dummies(wells["plate"]).to_numpy(np.float64)
    lines = pd.get_dummies(wells[["row", "column"]].astype(str)).to_numpy(np.float64)
    curved = np.column_stack([row, column, row**2, column**2, row * column])
    place = np.column_stack([curved, lines])
    if plate.shape[1] > 1:
        place = np.column_stack([place, plate, *(place * p[:, None] for p in plate.T)])
    near = np.column_stack([row, column, plate / np.sqrt(2)])
    shared = (np.arange(len(wells)), design.folds, int(design.labels.max()) + 1)
    linear = probes.probe_readers(place, *shared).wells
    nearest = probes.neighbour_readers(near, *shared, POSITION_NEIGHBOURS).wells
    readings = {
        name: (read, read(design.labels[None])[0][design.well_of], design.well_of)
        for name, read in (("probe", linear), ("neighbours", nearest))
    }
    return _judge(readings, near, design)


def _judge(
    readings: Mapping[str, tuple], means: np.ndarray, design: Design
) -> tuple[dict, dict[str, np.ndarray]]:
    """Scores of what each reader says of wells, by their labels, and of patches [N, C]."""
    result, draws = {"reason": None}, {}
    classes = int(design.labels.max()) + 1
    for name, (read, patches, well_of) in readings.items():
        statistics = well_scores.auroc_of_labellings(read, design.labellings, classes)
        wells = read(design.labels[None])[0]
        draws[name] = well_scores.drawn_auroc(wells, design.labels, design.weights)
        accuracy = well_scores.drawn_accuracy(wells, design.labels, design.weights)
        result[name] = {
            "balanced_accuracy": well_scores.balanced_accuracy(wells, design.labels),
            "interval": well_scores.interval(accuracy),
            "patch_balanced_accuracy": well_scores.balanced_accuracy(
                patches, design.labels[well_of]
            ),
            "auroc": float(statistics[0]),
            "auroc_interval": well_scores.interval(draws[name]),
            "p": None if design.untestable else well_scores.p_value(statistics),
        }
    everyone = ~np.eye(len(means), dtype=bool)
    order = well_scores.similarity_order(means, everyone)
    found = well_scores.mean_average_precision(order, design.labellings)
    # Of wells by condition: Rousseeuw 1987.
    result["silhouette"] = float(silhouette_score(well_scores.standardised(means), design.labels))
    result["map"] = float(found[0])
    result["map_chance"] = None if design.untestable else float(found[1:].mean())
    result["map_p"] = None if design.untestable else well_scores.p_value(found)
    return result, draws


def drawn_patches(well_of: np.ndarray, seed: int) -> np.ndarray:
    """Rows of at most `NEIGHBOUR_PATCHES` patches, as many of each well as it has or may give."""
    share = max(2, NEIGHBOUR_PATCHES // (int(well_of.max()) + 1))
    order = np.random.default_rng(seed).permutation(len(well_of))
    place = pd.Series(well_of[order]).groupby(well_of[order]).cumcount().to_numpy()
    return np.sort(order[place < share])
