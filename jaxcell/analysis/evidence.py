"""One standard of evidence for every difference between groups of wells.

A difference counts where shuffling the groups of wells within their plates seldom gives one as
large, corrected for how many differences were asked about, and where the place of wells cannot
explain it. Place is blocked, not modelled: whoever reads plate, row and column and nothing else
must not be able to tell the groups apart, be it by a gradient, by single rows and columns or by
neighbouring wells. So no shape of a plate's gradient is assumed, and conditions that stand in
blocks of columns are never evidence by themselves.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control

from jaxcell.analysis.structure import probes
from jaxcell.analysis.structure import scores as well_scores
from jaxcell.analysis.structure.design import choose, design_wells
from jaxcell.analysis.structure.representations import score_position

SIGNIFICANT = 0.05
YES, NONE, CONFOUNDED, UNKNOWN = "yes", "no", "confounded", "unknown"
# Shuffles of labels, and draws of wells, that the readers of place are judged by.
SHUFFLES, DRAWS = 999, 1000
# What `judged` adds.
NOT_JUDGED = {"q": None, "verdict": UNKNOWN, "place_auroc": None, "place_reason": None}


class Place(NamedTuple):
    """What the place of wells says of the group that they are in.

    Attributes:
      auroc: of the better of two readers of place; 0.5 is guessing.
      p: the smaller of their p, by shuffling groups within plates.
      beyond: whether what was found tells groups apart better than place does, in 95 % of draws.
      reason: None, or why nothing of this can be said.
    """

    auroc: float
    p: float
    beyond: bool
    reason: str | None


def verdict(p: float | None, place: Place | None) -> str:
    """The answer that reviewers would accept.

    `UNKNOWN` where there is no p, or too few wells to see whether place explains what was found.
    `NONE` where p is above `SIGNIFICANT`. Otherwise `YES` if place cannot explain it: because
    neither of its readers does better than chance, as on a plate whose groups were drawn by lot
    (there shuffling is exact whatever the plate does to its wells), or because what was found tells
    groups apart better than place. Otherwise `CONFOUNDED`.

    Args:
      p: corrected for the number of differences asked about; None where there is none.
      place: of the same wells; None is enough where p is above `SIGNIFICANT` or None.
    """
    if p is None:
        return UNKNOWN
    if p > SIGNIFICANT:
        return NONE
    if place.reason:
        return UNKNOWN
    return YES if place.p > SIGNIFICANT or place.beyond else CONFOUNDED


def minus_position(
    found: Mapping,
    position: Mapping,
    draws: Mapping[str, np.ndarray],
    position_draws: Mapping[str, np.ndarray],
) -> dict:
    """`auroc` of the probe minus that of position's better reader, and its `interval`.

    The draws are reader -> AUROC in bootstrap samples of the same wells.
    """
    reader = max(("probe", "neighbours"), key=lambda name: position[name]["auroc"])
    return {
        "auroc": found["probe"]["auroc"] - position[reader]["auroc"],
        "interval": well_scores.interval(draws["probe"] - position_draws[reader]),
    }


def place_of(position: Mapping, difference: Mapping, untestable: str | None) -> Place:
    """What two readers of place say.

    Args:
      position: scores of position, as `score_position` gives.
      difference: as `minus_position` gives.
      untestable: None, or why there is no p.
    """
    readers = [position[name] for name in ("probe", "neighbours")]
    return Place(
        auroc=max(reader["auroc"] for reader in readers),
        p=min(reader["p"] for reader in readers) if not untestable else 1.0,
        beyond=difference["interval"][0] > 0,
        reason=untestable,
    )


def place_of_groups(wells: pd.DataFrame, *, seed: int) -> Place:
    """What place says of wells that differ by a number.

    Args:
      wells: one row a well: plate, well, row, column, `condition` (the group) and `value`, freed of
        differences between plates.
      seed: of folds, shuffles and draws.
    """
    table = wells.assign(faulty=False)
    chosen = choose(table)
    if chosen.reason:
        return Place(0.5, 1.0, False, chosen.reason)
    design = design_wells(table, chosen, seed, SHUFFLES, DRAWS)
    if design.untestable:
        return Place(0.5, 1.0, False, design.untestable)
    values = table["value"].to_numpy(np.float64)[design.rows, None]
    labels, classes = design.labels, int(design.labels.max()) + 1
    read, _ = probes.probe(values, design.well_of, design.folds, labels[None], classes)
    found = {"probe": {"auroc": float(well_scores.auroc(read, labels[None])[0])}}
    draws = {"probe": well_scores.drawn_auroc(read[0], labels, design.weights)}
    position, position_draws = score_position(design)
    return place_of(position, minus_position(found, position, draws, position_draws), None)


def judged(
    found: list[dict], pairs: list[tuple[pd.DataFrame, pd.DataFrame]], *, seed: int
) -> list[dict]:
    """What was found of pairs of groups that belong together, each with its verdict.

    Args:
      found: as `strength.compared` gives.
      pairs: the wells of each: plate, well, row, column and value.

    Returns:
      What was given, with `q`, the share of false discoveries among those with no larger p (None
      without p); `verdict`, as `evidence.verdict` gives of q; `place_auroc`, how well the place of
      a well tells its group, None where it was not asked because q was too large; `place_reason`,
      None, or why that could not be told.

    Source: Benjamini and Hochberg 1995 for q.
    """
    result = [row | NOT_JUDGED for row in found]
    tested = [place for place, row in enumerate(found) if row["p"] is not None]
    shares = false_discovery([found[place]["p"] for place in tested])
    for place, share in zip(tested, shares):
        read = _place(*pairs[place], seed) if share <= SIGNIFICANT else None
        told = read and not read.reason
        result[place] |= {
            "q": share,
            "verdict": verdict(share, read),
            "place_auroc": read.auroc if told else None,
            "place_reason": read.reason if read else None,
        }
    return result


def _place(wells: pd.DataFrame, reference: pd.DataFrame, seed: int) -> Place:
    """What the place of wells says of two groups, on the plates that hold both."""
    both = pd.concat([wells.assign(condition="group"), reference.assign(condition="reference")])
    means = both.pivot_table(index="plate", columns="condition", values="value").dropna()
    both = both[both["plate"].isin(means.index)]
    middle = means.mean(axis=1)[both["plate"]].to_numpy()
    return place_of_groups(both.assign(value=both["value"] - middle), seed=seed)


def false_discovery(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p-values (q), in the order given."""
    return false_discovery_control(p, method="bh").tolist() if len(p) else []
