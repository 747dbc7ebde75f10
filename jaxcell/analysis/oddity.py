"""Which wells and patches are unlike the others, and which patches are alike."""

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from jaxcell.analysis.conditions import condition_names
from jaxcell.measures.catalogue import OVERLAP, Quantity

# A robust z beyond which a value is called an outlier: Iglewicz and Hoaglin 1993.
OUTLIER_SD = 3.5
# A share of faulty patches that makes a well odd by itself.
MANY_FAULTY = 0.25
# Wells that a well is compared with, at the least.
FEWEST_OTHERS = 4
# Neighbours that are held at a time, so that memory stays bounded however large a well is.
BLOCK = 5_000_000
# Of a normal distribution: standard deviation over median absolute deviation.
SD_PER_MAD = 1.4826


def nearest(features: np.ndarray, neighbours: int = 8) -> np.ndarray:
    """Nearest neighbours of every patch in code space, exact, in blocks of bounded memory.

    Args:
      features: float [N, D], such as the codes on their 50 main directions.
      neighbours: how many, the patch itself not counted.

    Returns:
      int32 [N, k], nearest first; k = neighbours, or fewer where patches are fewer. A patch whose
      features are not finite has -1 throughout and is nobody's neighbour.
    """
    features = np.asarray(features, np.float32)
    rows = np.flatnonzero(np.isfinite(features).all(axis=1))
    count = max(0, min(neighbours, len(rows) - 1))
    result = np.full((len(features), count), -1, np.int32)
    if count:
        search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(features[rows])
        result[rows] = rows[search.kneighbors(return_distance=False)]
    return result


def unusual_patches(
    features: np.ndarray, patches: pd.DataFrame, neighbours: int = 10
) -> np.ndarray:
    """How far each patch lies from what other wells show.

    Neighbours of its own well do not count: a droplet or an edge of light that fills a well would
    else be its own company.

    Args:
      features: float [N, D].
      patches: plate and well, one row a patch.
      neighbours: how many are averaged over; fewer where other wells hold fewer patches.

    Returns:
      float32 [N], mean Euclidean distance to the nearest patches of other wells; NaN where
      features are not finite or there is no other well.

    Raises:
      ValueError: features and patches differ in length.

    Source: the k-nearest-neighbour outlier score, Angiulli and Pizzuti 2002.
    """
    features, wells = _checked(features, patches)
    result = np.full(len(features), np.nan, np.float32)
    rows = np.flatnonzero(np.isfinite(features).all(axis=1))
    if len(rows) < 2:
        return result
    features, wells = features[rows], wells[rows]
    sizes = np.bincount(wells)
    count = min(neighbours, len(rows) - int(sizes.max()))
    if count < 1:
        return result
    search = NearestNeighbors(algorithm="brute").fit(features)
    mean, asked = np.full(len(rows), np.nan), np.arange(len(rows))
    # Few at first, because most patches have neighbours enough outside their well; for the rest
    # so many that their whole well fits among them.
    for reach in (4 * count, count + int(sizes.max())):
        reach = min(reach, len(rows))
        for block in np.array_split(asked, -(-len(asked) * reach // BLOCK) or 1):
            distances, places = search.kneighbors(features[block], reach)
            other = wells[places] != wells[block, None]
            kept = other & (np.cumsum(other, axis=1) <= count)
            enough = kept.sum(axis=1) == count
            mean[block[enough]] = np.sum(distances * kept, axis=1)[enough] / count
        asked = asked[np.isnan(mean[asked])]
        if not len(asked):
            break
    result[rows] = mean
    return result


def unusual_wells(
    features: np.ndarray, patches: pd.DataFrame, target: Quantity = OVERLAP
) -> pd.DataFrame:
    """Every well with what is odd about it, the oddest first.

    A well is compared with the other wells of its condition on its plate or, where these are fewer
    than `FEWEST_OTHERS`, on all plates.

    Args:
      features: float [N, D].
      patches: plate, well, condition, faulty (bool), target and predicted, one row a patch.

    Returns:
      DataFrame of plate, well, condition, `patches` and `faulty` (counts), `distance_sd` (how much
      farther its mean code lies from the median of the other wells than wells usually do, in robust
      standard deviations of these distances; faulty patches left out), `rmse` (unit of the
      target) and `rmse_sd` (its logarithm against the other wells, likewise), `oddness` (1 where
      something just counts as odd), `why` (empty where nothing does) and `reason` (why a number
      is missing; else empty).

    Raises:
      ValueError: features and patches differ in length.

    Source: robust z-scores, Iglewicz and Hoaglin 1993.
    """
    features, wells = _checked(features, patches)
    table, means = _describe(features, wells, patches)
    groups = _groups(table)
    distances = _distances(means, groups)
    table["distance_sd"] = _robust_z(distances, groups)
    rmse = table["rmse"].to_numpy(float)
    # Errors spread by factors; a hundredth of the median is as good as none.
    least = np.fmax(1e-6, 0.01 * _median(rmse))
    table["rmse_sd"] = _robust_z(np.log(np.maximum(rmse, least)), groups)
    parts = np.stack(
        [
            table["faulty"] / table["patches"] / MANY_FAULTY,
            table["distance_sd"] / OUTLIER_SD,
            table["rmse_sd"] / OUTLIER_SD,
        ],
        axis=1,
    )
    table["oddness"] = np.nan_to_num(parts).max(axis=1)
    typical = [_median(rmse[group]) for group in groups]
    table["why"] = [
        _why(row, odd >= 1, usual, target)
        for row, odd, usual in zip(table.itertuples(), np.nan_to_num(parts), typical)
    ]
    table["reason"] = [_reason(row, len(group)) for row, group in zip(table.itertuples(), groups)]
    return table.sort_values(
        ["oddness", "plate", "well"], ascending=[False, True, True], ignore_index=True
    )


def _checked(features: np.ndarray, patches: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Features as float32, and the number of each patch's well in order of plate and well."""
    features = np.asarray(features, np.float32)
    if features.ndim != 2 or len(features) != len(patches):
        raise ValueError(f"features of shape {features.shape} for {len(patches)} patches")
    return features, patches.groupby(["plate", "well"], sort=True).ngroup().to_numpy()


def _describe(
    features: np.ndarray, wells: np.ndarray, patches: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    """One row a well, and its mean code over usable patches, float64 [W, D] (NaN: none)."""
    error = patches["predicted"].astype(float) - patches["target"].astype(float)
    frame = pd.DataFrame(
        {
            "plate": patches["plate"].to_numpy(),
            "well": patches["well"].to_numpy(),
            "condition": condition_names(patches).to_numpy(),
            "faulty": patches["faulty"].to_numpy(bool),
            "squared_error": error.to_numpy() ** 2,
        }
    )
    groups = frame.groupby(wells)
    table = groups[["plate", "well", "condition"]].first()
    table["patches"] = groups.size()
    table["faulty"] = groups["faulty"].sum().astype(int)
    table["rmse"] = np.sqrt(groups["squared_error"].mean())
    usable = np.isfinite(features).all(axis=1) & ~frame["faulty"].to_numpy()
    means = pd.DataFrame(features[usable].astype(np.float64)).groupby(wells[usable]).mean()
    return table, means.reindex(table.index).to_numpy()


def _groups(table: pd.DataFrame) -> list[np.ndarray]:
    """For each well the places of the others that it is compared with; empty where too few."""
    condition, plate = table["condition"].to_numpy(), table["plate"].to_numpy()
    groups = []
    for own in range(len(table)):
        same = condition == condition[own]
        same[own] = False
        near = np.flatnonzero(same & (plate == plate[own]))
        others = near if len(near) >= FEWEST_OTHERS else np.flatnonzero(same)
        groups.append(others if len(others) >= FEWEST_OTHERS else others[:0])
    return groups


def _distances(means: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Distance of each well's mean code from the median of its others, float64 [W]."""
    result = np.full(len(means), np.nan)
    finite = np.isfinite(means).all(axis=1)
    for own, group in enumerate(groups):
        others = group[finite[group]]
        if finite[own] and len(others) >= FEWEST_OTHERS:
            result[own] = np.linalg.norm(means[own] - np.median(means[others], axis=0))
    return result


def _robust_z(values: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """Values less the median of their others, over an SD of all: that of four is hardly known."""
    away = np.full(len(values), np.nan)
    for own, group in enumerate(groups):
        if np.count_nonzero(np.isfinite(values[group])) >= FEWEST_OTHERS:
            away[own] = values[own] - _median(values[group])
    spread = SD_PER_MAD * _median(np.abs(away))
    return away / spread if spread > 0 else np.where(np.isfinite(away), 0.0, np.nan)


def _median(values: np.ndarray) -> float:
    """Median of the values that are finite; NaN where none is."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")


def _why(row: tuple, odd: np.ndarray, usual_rmse: float, target: Quantity) -> str:
    """What is odd about a well, in words; `odd`: bool [3], faulty patches, codes, error."""
    said = []
    if odd[0]:
        said.append(f"{row.faulty} of {row.patches} patches faulty")
    if odd[1]:
        said.append(
            f"codes unlike those of the other {row.condition} wells "
            f"({row.distance_sd:.1f} SD farther from their centre than usual)"
        )
    if odd[2]:
        error, usual = (f"{value:.{target.digits}f}" for value in (row.rmse, usual_rmse))
        said.append(
            f"predicted with an error of {error} {target.difference_unit}".rstrip()
            + f" (usual for {row.condition} wells: {usual})"
        )
    return "; ".join(said)


def _reason(row: tuple, others: int) -> str:
    """Why a number of a well is missing; empty where none is."""
    if not others:
        return (f"there are fewer than {FEWEST_OTHERS} other {row.condition} wells "
                "to compare it with")  # fmt: skip
    if row.faulty == row.patches:
        return "all its patches are faulty, so its codes were not compared"
    if np.isnan(row.distance_sd):
        return "too few of these wells have codes that are finite numbers"
    return "" if np.isfinite(row.rmse_sd) else "its predictions are not finite numbers"
