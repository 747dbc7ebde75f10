"""The study's two questions, asked of patches that were seen: structure, and strength."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis import oddity
from jaxcell.analysis.conditions import condition_names, conditions
from jaxcell.analysis.intervals import by_group, conformal
from jaxcell.analysis.intervals.coverage import calibration_curve, coverage
from jaxcell.analysis.projection import Projection, projections, reduced
from jaxcell.analysis.scores.agreement import limits_of_agreement
from jaxcell.analysis.scores.regression import wells_table
from jaxcell.analysis.strength import strength
from jaxcell.analysis.structure.answer import AVERAGED, CODES, structure
from jaxcell.analysis.structure.batches import batch_effects, standardise_on_controls
from jaxcell.measures.catalogue import Quantity

# Numbers of a code that structure is looked for in, and patches that are shown as neighbours.
DIMENSIONS, NEIGHBOURS = 50, 8


# Why nothing is said of how often intervals hold.
NO_TRUTH = (
    "intervals were promised for the truth, on the simulated wells that the run held out; these "
    "plates have none to hold them against"
)
Calibrations = Sequence[tuple[Mapping, np.ndarray]]


class Answers(NamedTuple):
    """What can be said of patches; where something cannot, a sentence says why.

    Attributes:
      patches: with `low`, `high` (prediction interval, in the unit of the target), `unusual` (how
        far the code lies from those of other wells, the middle patch 1) and the coordinates
        `SOURCE_METHOD_1`, `_2` of each projection; NaN where not defined.
      wells: `wells_table` with `low` and `high` of the predicted mean.
      odd_wells: as `oddity.unusual_wells`.
      projections: `codes` and `raw pixels` -> method -> projection, or why there is none.
      neighbours: int32 [N, k], rows nearest in code space; -1 where not defined.
      numbers: for metrics.json: `structure`, `batches`, `strength`, `agreement`, `coverage`,
        `calibration_curve`, `projections`, `standardised`.
    """

    patches: pd.DataFrame
    wells: pd.DataFrame
    odd_wells: pd.DataFrame
    projections: dict[str, dict[str, Projection | str]]
    neighbours: np.ndarray
    numbers: dict


def answer(
    patches: pd.DataFrame,
    codes: np.ndarray,
    baselines: Mapping[str, np.ndarray],
    *,
    places: int,
    target: Quantity,
    calibrations: Calibrations | str,
    level: float,
    methods: Sequence[str],
    standardise: bool,
    seed: int,
    progress: Callable[[str], None] = lambda stage: None,
    unknown: bool = False,
) -> Answers:
    """Asks all questions of patches and their codes.

    Args:
      patches: one row a patch, see `summarise`, with role.
      codes: float32 [N, D].
      baselines: name -> float32 [N, k], what codes are compared with; `raw-pixel PCA` is projected.
      places: places of a spatial code, channels last; 1 where the code is none.
      calibrations: as `by_group.calibrate` gives by condition, each with the rows, bool [N], that
        it is for, no well in two; or why there are none.
      level: coverage of prediction intervals, a share.
      standardise: whether codes are standardised plate by plate on control wells first.
      progress: called with the words of each stage as it begins.
      unknown: whether predictions estimate something else than `target`, which stands in its place;
        strength is then that of the predictions, and nothing is said of how often intervals hold.
    """
    progress("codes")
    plain, standardised = codes, None
    if standardise:
        try:
            codes, standardised = standardise_on_controls(codes, patches), "on control wells"
        except ValueError as error:
            standardised = f"not standardised: {error}"
    features = main_directions(codes, seed)
    progress("structure")
    representations = {CODES: features, **_averaged(codes, places), **baselines}
    found = structure(representations, patches, seed=seed)
    progress("plates")
    as_they_are = features if codes is plain else main_directions(plain, seed)
    batches = batch_effects(as_they_are, patches, seed=seed)
    progress("strength")
    patches, numbers = _with_intervals(patches, calibrations, level, target)
    if unknown:
        numbers |= dict.fromkeys(("coverage", "calibration_curve"), {"reason": NO_TRUTH})
    wells = _well_intervals(patches, calibrations, level, target)
    numbers |= {
        "structure": found,
        "batches": batches,
        "strength": strength(
            wells.assign(target_mean=wells["predicted_mean"]) if unknown else wells, seed=seed
        ),
        "agreement": limits_of_agreement(wells["target_mean"], wells["predicted_mean"]),
        "standardised": standardised,
    }
    progress("neighbours")
    neighbours = oddity.nearest(features, NEIGHBOURS)
    odd_wells = oddity.unusual_wells(features, patches, target)
    distance = oddity.unusual_patches(features, patches)
    finite = distance[np.isfinite(distance)]
    middle = float(np.median(finite)) if len(finite) else 0.0
    patches = patches.assign(unusual=distance / np.float32(middle or np.nan))
    drawn = _drawn(codes, baselines["raw-pixel PCA"], methods, seed, progress)
    numbers["projections"] = {
        source: {method: _numbers(item) for method, item in items.items()}
        for source, items in drawn.items()
    }
    patches = patches.assign(**_coordinates(drawn, len(patches)))
    return Answers(patches, wells, odd_wells, drawn, neighbours, numbers)


def _drawn(
    codes: np.ndarray, pixels: np.ndarray, methods: Sequence[str], seed: int, progress: Callable
) -> dict[str, dict[str, Projection | str]]:
    """Projections of codes and, as the baseline, of raw pixels."""
    drawn = {}
    for source, values in (("codes", codes), ("raw pixels", pixels)):
        progress(f"projections of {source}")
        drawn[source] = projections(values, seed=seed, methods=methods)
    if isinstance(flat := drawn["raw pixels"].get("PCA"), Projection):
        # Their shares would be those of the directions kept, not of the images' variance.
        axes = ("first direction", "second direction")
        drawn["raw pixels"]["PCA"] = flat._replace(axes=axes)
    return drawn


def main_directions(codes: np.ndarray, seed: int) -> np.ndarray:
    """Codes along their main directions, float32 [N, k]; NaN where a code is not finite."""
    finite = np.isfinite(codes).all(axis=1)
    try:
        some, _ = reduced(codes[finite], DIMENSIONS, seed=seed)
    except ValueError:  # too few, or all alike: then each question says for itself what it lacks
        return np.where(finite[:, None], codes, np.nan).astype(np.float32)
    result = np.full((len(codes), some.shape[1]), np.nan, np.float32)
    result[finite] = some
    return result


def _averaged(codes: np.ndarray, places: int) -> dict[str, np.ndarray]:
    """Means and SDs of a spatial code over its places: what does not depend on where cells lie."""
    if places == 1:
        return {}
    spatial = codes.reshape(len(codes), places, -1)
    return {AVERAGED: np.concatenate(
        [spatial.mean(axis=1), spatial.std(axis=1)], axis=1
    )}  # fmt: skip


def _with_intervals(
    patches: pd.DataFrame, calibrations: Calibrations | str, level: float, target: Quantity
) -> tuple[pd.DataFrame, dict]:
    """Patches with their intervals, and how often these hold."""
    patches = patches.assign(low=np.nan, high=np.nan)
    if isinstance(calibrations, str):
        reason = {"reason": calibrations}
        return patches, {"coverage": reason, "calibration_curve": reason}
    names, ends = condition_names(patches).to_numpy(), (level, target.minimum, target.maximum)
    for calibration, rows in calibrations:
        of, at = patches[rows], conformal.places(patches[rows])
        patches.loc[rows, ["low", "high"]] = np.column_stack(
            by_group.interval(calibration, names[rows], of["predicted"], *ends, at)
        )
    reasons = (conformal.why_no_interval(calibration, level) for calibration, _ in calibrations)
    reason = next(filter(None, reasons), None)
    parts = [(calibration, patches[rows]) for calibration, rows in calibrations]
    own = [by_group.with_own(calibration, level) for calibration, _ in calibrations]
    own = [name for name in conditions(patches) if all(name in names for names in own)]
    return patches, {
        "coverage": {
            "reason": reason,
            "level": level,
            "wells": min(calibration["wells"] for calibration, _ in calibrations),
            "halves": len(calibrations) > 1,
            "own": own,
            "pooled": [name for name in conditions(patches) if name not in own],
            "needed": conformal.wells_needed(level),
            **({} if reason else coverage(patches)),
        },
        "calibration_curve": calibration_curve(parts),
    }


def _well_intervals(
    patches: pd.DataFrame, calibrations: Calibrations | str, level: float, target: Quantity
) -> pd.DataFrame:
    """`wells_table` with the interval of each mean, NaN where there is none."""
    wells = wells_table(patches).assign(low=np.nan, high=np.nan)
    places = pd.MultiIndex.from_frame(wells[["plate", "well"]])
    at = patches.assign(at=conformal.places(patches)).groupby(["plate", "well"])["at"].mean()
    at = at.reindex(places).to_numpy()
    for calibration, rows in () if isinstance(calibrations, str) else calibrations:
        own = places.isin(pd.MultiIndex.from_frame(patches.loc[rows, ["plate", "well"]]))
        names, of = condition_names(wells).to_numpy()[own], wells[own]
        ends = (level, target.minimum, target.maximum)
        wells.loc[own, ["low", "high"]] = np.column_stack(
            by_group.well_interval(
                calibration, names, of["predicted_mean"], of["patches"], *ends, at[own]
            )
        )
    return wells


def _numbers(item: Projection | str) -> dict:
    """What metrics.json says of a projection."""
    if isinstance(item, str):
        return {"reason": item}
    # Without its seconds: the same run gives the same numbers.
    return {"reason": None, "trustworthiness": item.trustworthiness}


def _coordinates(drawn: Mapping, count: int) -> dict[str, np.ndarray]:
    """Columns of coordinates; a projection that could not be made is NaN."""
    columns = {}
    for source, items in drawn.items():
        for method, item in items.items():
            empty = np.full((count, 2), np.nan, np.float32)
            values = empty if isinstance(item, str) else item.coordinates
            for axis in (0, 1):
                name = f"{source}_{method}".lower().replace(" ", "_").replace("-", "")
                columns[f"{name}_{axis + 1}"] = values[:, axis]
    return columns
