"""How well interaction is known without stain, well by well, beside what is simpler."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from jaxcell.analysis.scores.over_wells import DRAWS, scores_over_wells
from jaxcell.measures.catalogue import BY_MASKS, MEASURES

WELL = ["plate", "well"]
# Of a field, as `measures.overlap.record` counts them.
AREAS = ("t_cell_pixels", "dendritic_cell_pixels", "shared_pixels")


def measure_of(areas: np.ndarray, target: str) -> float:
    """`true_overlap_share` or `true_iou` in percent, of `AREAS` that were counted or expected."""
    return MEASURES[BY_MASKS[target]].reduce([np.asarray(areas, np.float64)])


def wells_of(areas: pd.DataFrame, target: str) -> pd.DataFrame:
    """What each method says of each well.

    Args:
      areas: one row a field and method: plate, well, condition, method and `AREAS`.
      target: `true_overlap_share` or `true_iou`.

    Returns:
      One row a well: plate, well, condition and a column a method, in percent.
    """
    sums = areas.groupby([*WELL, "condition", "method"], sort=False)[list(AREAS)].sum()
    said = [measure_of(row, target) for row in sums.to_numpy()]
    table = pd.Series(said, sums.index).unstack("method")
    return table.reset_index().rename_axis(columns=None)


def scores_of_methods(
    wells: pd.DataFrame, methods: Sequence[str], fitted: pd.DataFrame
) -> dict[str, dict]:
    """How well each method knows the truth of wells.

    Args:
      wells: as `wells_of` gives, with `truth`.
      methods: to be scored; the first is compared with the others.
      fitted: wells on which each method is put on the scale of the truth by a line: none is
        beaten for its scale alone.

    Returns:
      Method -> as `scores_over_wells` and, of all but the first, `worse_by`: how much its
      RMSE / SD is above the first's, and `worse_by_interval`, 95 %, by drawing wells with both.

    Source: paired bootstrap over wells (Efron and Tibshirani 1993).
    """
    truth, result = wells["truth"].to_numpy(np.float64), {}
    said = {}
    for name in methods:
        slope, start = line_to_truth(fitted, name)
        said[name] = start + slope * wells[name].to_numpy(np.float64)
        result[name] = scores_over_wells(truth, said[name], np.arange(len(wells)))
    first = (said[methods[0]] - truth) ** 2
    rows = np.random.default_rng(0).integers(len(wells), size=(DRAWS, len(wells)))
    spread = truth[rows].std(axis=1)
    for name in methods[1:]:
        other = (said[name] - truth) ** 2
        drawn = np.sqrt(other[rows].mean(axis=1)) - np.sqrt(first[rows].mean(axis=1))
        drawn = drawn[spread > 0] / spread[spread > 0]
        if truth.std() and len(drawn):
            result[name]["worse_by"] = float(
                (np.sqrt(other.mean()) - np.sqrt(first.mean())) / truth.std()
            )
            result[name]["worse_by_interval"] = np.percentile(drawn, (2.5, 97.5)).tolist()
    return result


def line_to_truth(wells: pd.DataFrame, method: str) -> tuple[float, float]:
    """Slope and start of the line from what a method says of wells to the truth of them; level
    where it says the same of all."""
    said, true = (wells[name].to_numpy(np.float64) for name in (method, "truth"))
    if not np.ptp(said) > 1e-9:
        return 0.0, float(true.mean())
    slope, start = np.polyfit(said, true, 1)
    return float(slope), float(start)
