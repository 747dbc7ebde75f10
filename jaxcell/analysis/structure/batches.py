"""Do plates differ, does that hide or feign a difference of conditions, and do controls help?"""

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import NO_CONDITION, condition_names
from jaxcell.analysis.structure import design, probes
from jaxcell.analysis.structure import scores as well_scores

CONTROLS = ("vehicle", "untreated")
SHUFFLES = 199
BOOTSTRAPS = 1_000


def standardise_on_controls(features: np.ndarray, patches: pd.DataFrame) -> np.ndarray:
    """Features in SDs from the controls of their own plate.

    Controls are patches that are not faulty, of wells with role `vehicle` or `untreated`, of those
    conditions that have controls on every plate; each condition weighs the same, so that a plate
    with more controls of one condition is not moved by it.

    Args:
      features: float [N, D]; rows that are not finite stay so and are no controls.
      patches: N rows: plate, condition, role, faulty.

    Returns:
      float32 [N, D]: (x - mean) / SD; a feature without spread is only centred.

    Raises:
      ValueError: a plate without controls, or no condition with controls on every plate.

    Source: plate-wise standardisation of image-based profiles, Caicedo et al. 2017.
    """
    features = np.asarray(features, np.float64)
    plates = patches["plate"].to_numpy()
    names = condition_names(patches).to_numpy()
    control = patches["role"].isin(CONTROLS).to_numpy() & ~patches["faulty"].to_numpy(bool)
    control &= np.isfinite(features).all(axis=1) & (names != NO_CONDITION)
    present = {plate: set(names[control & (plates == plate)]) for plate in np.unique(plates)}
    for plate, found in present.items():
        if not found:
            raise ValueError(f"plate {plate} has no control wells (role vehicle or untreated)")
    shared = set.intersection(*present.values()) if present else set()
    if present and not shared:
        raise ValueError("no condition has control wells on every plate")
    result = np.empty(features.shape, np.float32)
    for plate in present:
        own = plates == plate
        groups = [features[own & control & (names == name)] for name in sorted(shared)]
        mean = np.mean([group.mean(axis=0) for group in groups], axis=0)
        square = np.mean([np.square(group - mean).mean(axis=0) for group in groups], axis=0)
        spread = np.sqrt(square)
        result[own] = (features[own] - mean) / np.where(spread > 0, spread, 1)
    return result


def batch_effects(features: np.ndarray, patches: pd.DataFrame, *, seed: int) -> dict:
    """How far plates can be told apart, and conditions recognised on plates never trained on.

    Args:
      features: float [N, D], D at most about 60.
      patches: N rows: plate, well, condition, role, faulty.

    Returns:
      dict of `reason` (None, or why there is nothing to compare), `plates` (names), `as_is` and
      `standardised` (on controls), each a dict of `reason` and, where that is None,
        `plate`: `balanced_accuracy` over wells of a linear probe for the plate, `interval`,
          `chance`, `reason`;
        `condition`: `balanced_accuracy` and `auroc` of a probe trained on the other plates, over
          the wells of each plate and then averaged, with `interval` and `auroc_interval`, `chance`,
          `map` (retrieval of wells of the same condition on other plates), `map_chance`,
          `reason`.
    """
    plates = sorted(patches["plate"].unique())
    result = {"reason": None, "plates": plates, "as_is": None, "standardised": None}
    if len(plates) < 2:
        return result | {"reason": "there is only one plate, so plates cannot be compared"}
    result["as_is"] = _effects(np.asarray(features, np.float64), patches, seed)
    try:
        standardised = standardise_on_controls(features, patches)
    except ValueError as error:
        return result | {"standardised": {"reason": str(error)}}
    return result | {"standardised": _effects(standardised, patches, seed)}


def _effects(features: np.ndarray, patches: pd.DataFrame, seed: int) -> dict:
    good = ~patches["faulty"].to_numpy(bool)
    bad = int(np.count_nonzero(~np.isfinite(features[good]).all(axis=1)))
    if bad:
        return {"reason": f"{bad:,} of {good.sum():,} patches have values that are not numbers"}
    features, patches = features[good], patches[good]
    groups = patches.groupby(["plate", "well"], sort=True)
    wells = groups[["condition"]].first().reset_index()
    wells["condition"] = condition_names(wells)
    well_of = groups.ngroup().to_numpy()
    return {
        "reason": None,
        "plate": _plate_told(features, well_of, wells, seed),
        "condition": _condition_elsewhere(features, well_of, wells, seed),
    }


def _plate_told(features: np.ndarray, well_of: np.ndarray, wells: pd.DataFrame, seed: int) -> dict:
    """How well a probe tells the plate of wells that it was not trained on."""
    names = ("balanced_accuracy", "interval", "chance")
    names_of, labels = np.unique(wells["plate"], return_inverse=True)
    fewest = np.bincount(labels, minlength=1).min()
    if len(names_of) < 2 or fewest < 2:
        reason = "at least two plates with two wells that are not faulty are needed"
        return dict.fromkeys(names) | {"reason": reason}
    folds = design.fold_wells(
        labels, wells["condition"].to_numpy(), min(design.FOLDS, fewest), seed
    )
    scores = probes.probe(features, well_of, folds, labels[None], len(names_of))[0][0]
    weights = well_scores.bootstrap_weights(labels, BOOTSTRAPS, seed)
    return {
        "balanced_accuracy": well_scores.balanced_accuracy(scores, labels),
        "interval": well_scores.interval(well_scores.drawn_accuracy(scores, labels, weights)),
        "chance": 1 / len(names_of),
        "reason": None,
    }


def _condition_elsewhere(
    features: np.ndarray, well_of: np.ndarray, wells: pd.DataFrame, seed: int
) -> dict:
    """How well a probe tells conditions on a plate that it has not seen, plate after plate."""
    names = ("balanced_accuracy", "interval", "auroc", "auroc_interval", "chance", "map",
             "map_chance")  # fmt: skip
    known = wells[wells["condition"] != NO_CONDITION]
    spread = known.groupby("condition")["plate"].nunique()
    shared = sorted(spread.index[spread > 1])
    if len(shared) < 2:
        return dict.fromkeys(names) | {"reason": "fewer than two conditions are on two plates"}
    used = wells["condition"].isin(shared).to_numpy()
    rows = used[well_of]
    well_of = (np.cumsum(used) - 1)[well_of[rows]]
    features, wells = features[rows], wells[used]
    labels = pd.Index(shared).get_indexer(wells["condition"])
    plates = np.unique(wells["plate"], return_inverse=True)[1]
    scores = probes.probe(features, well_of, plates, labels[None], len(shared))[0][0]
    shuffles = design.shuffled(labels, plates, SHUFFLES, seed)
    order = well_scores.similarity_order(
        probes.well_means(features, well_of, len(wells)), plates[:, None] != plates
    )
    found = well_scores.mean_average_precision(order, np.concatenate([labels[None], shuffles]))
    return {
        **_within_plates(scores, labels, plates, seed),
        "chance": 1 / len(shared),
        "map": float(found[0]),
        "map_chance": float(found[1:].mean()),
    }


def _within_plates(scores: np.ndarray, labels: np.ndarray, plates: np.ndarray, seed: int) -> dict:
    """Scores of wells [W, C] judged plate by plate, then averaged by number of wells.

    What shifts all wells of a plate alike would otherwise pass for a difference of conditions
    wherever plates hold them in different numbers.
    """
    strata = np.unique(np.stack([plates, labels]), axis=1, return_inverse=True)[1].ravel()
    weights = well_scores.bootstrap_weights(strata, BOOTSTRAPS, seed)
    sizes, accuracy, drawn_accuracy, auroc, drawn_auroc = [], [], [], [], []
    for plate in np.unique(plates):
        own = plates == plate
        present, relabelled = np.unique(labels[own], return_inverse=True)
        if len(present) < 2:
            continue
        of_present = scores[own][:, present]
        sizes.append(int(own.sum()))
        accuracy.append(well_scores.balanced_accuracy(scores[own], labels[own]))
        drawn_accuracy.append(well_scores.drawn_accuracy(scores[own], labels[own], weights[:, own]))
        auroc.append(well_scores.auroc(of_present[None], relabelled[None])[0])
        drawn_auroc.append(well_scores.drawn_auroc(of_present, relabelled, weights[:, own]))
    if not sizes:
        names = ("balanced_accuracy", "interval", "auroc", "auroc_interval")
        return dict.fromkeys(names) | {"reason": "no plate holds two conditions"}
    return {
        "balanced_accuracy": float(np.average(accuracy, weights=sizes)),
        "interval": well_scores.interval(np.average(drawn_accuracy, axis=0, weights=sizes)),
        "auroc": float(np.average(auroc, weights=sizes)),
        "auroc_interval": well_scores.interval(np.average(drawn_auroc, axis=0, weights=sizes)),
        "reason": None,
    }
