"""Wells measured, by condition."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binom, binomtest

from jaxcell.analysis.conditions import condition_names, conditions
from jaxcell.analysis.evidence import false_discovery
from jaxcell.measures.catalogue import Quantity
from jaxcell.measures.chance import ANSWERS, CANNOT_SAY, TOO_FEW, two_sided
from jaxcell.measures.chance import LEVEL as FALSE_DISCOVERIES
from jaxcell.measures.population import Pair, Population
from jaxcell.storage.atomic import plain

INTERACTION, NO_MORE, LESS, _ = ANSWERS
LEVEL = 0.95
# The words of what `judged` adds.
Q = Quantity(
    "chance_q", "q of interaction or avoidance", "", 0, 1,
    "Twice the smaller of both p, corrected for the wells of the plate that have cells enough "
    "(Benjamini and Hochberg 1995).",
)  # fmt: skip


def of_pair(wells: pd.DataFrame, pair: Pair) -> pd.DataFrame:
    """Wells, or fields, with the columns of one pair of kinds of cells named as of a lone pair."""
    start = len(pair.prefix)
    own = {name: name[start:] for name in wells if start and name.startswith(pair.prefix)}
    return wells.rename(columns=own)


def judged_pairs(wells: pd.DataFrame, population: Population) -> pd.DataFrame:
    """The wells as `judged` gives them of every pair, with its prefix."""
    for pair in population.pairs:
        own = judged(of_pair(wells, pair))
        wells = wells.assign(**{pair.prefix + name: own[name] for name in ("chance_q", "answer")})
    return wells


def judged(wells: pd.DataFrame) -> pd.DataFrame:
    """Wells with their answers, corrected for how many wells of their plate were asked.

    Args:
      wells: one row a well: plate, chance_p, chance_p_less and the answer of each well by itself.

    Returns:
      The wells with `chance_q`, NaN where nothing is said, and with answers by it: what a well is
      called by itself stands where q is at most `chance.LEVEL`.

    Source: Benjamini and Hochberg 1995.
    """
    asked = ~wells["answer"].isin((TOO_FEW, CANNOT_SAY))
    p = two_sided(wells["chance_p"], wells["chance_p_less"])[asked]
    q = p.groupby(wells["plate"][asked]).transform(lambda own: false_discovery(own.to_numpy()))
    q = q.reindex(wells.index).astype(np.float64)
    answer = wells["answer"].where(~asked | (q <= FALSE_DISCOVERIES), NO_MORE)
    return wells.assign(chance_q=q, answer=answer)


def by_condition(wells: pd.DataFrame) -> list[dict]:
    """What the wells of each condition came to.

    Args:
      wells: one row a well: condition, answer, overlap_share, contact_share (both in %),
        chance_excess (points) and chance_z.

    Returns:
      For each condition its `name`, `wells`, `answered` (those with cells enough for an answer), of
      these `interacting` and `less`; `share`, interacting of those answered in %, with `low` and
      `high`, its 95 % interval; and medians over the answered with their `median_interval`:
      `overlap`, `chance`, `contact`, `z` and `NAME_interval`. None where no well is answered.

    Source: for the interval of the share Wilson 1927.
    """
    of_well, rows = condition_names(wells), []
    for name in conditions(wells):
        group = wells[of_well == name]
        answered = group[~group["answer"].isin((TOO_FEW, CANNOT_SAY))]
        number, share = int((answered["answer"] == INTERACTION).sum()), [None] * 3
        if len(answered):
            ends = binomtest(number, len(answered)).proportion_ci(LEVEL, method="wilson")
            share = [100 * value for value in (number / len(answered), ends.low, ends.high)]
        row = {
            "name": name,
            "wells": len(group),
            "answered": len(answered),
            "interacting": number,
            "less": int((answered["answer"] == LESS).sum()),
            **dict(zip(("share", "low", "high"), share)),
        }
        measured = {
            "overlap": answered["overlap_share"],
            "chance": answered["overlap_share"] - answered["chance_excess"],
            "contact": answered["contact_share"],
            "z": answered["chance_z"],
        }
        for measure, values in measured.items():
            row |= {measure: values.median(), f"{measure}_interval": median_interval(values)}
        rows.append(plain(row))
    return rows


def counts_by_condition(wells: pd.DataFrame, population: Population) -> list[dict]:
    """How many cells the wells of each condition have.

    Args:
      wells: one row a well: condition, fields, and the count of each kind.
      population: the kinds of cells.

    Returns:
      For each condition its `name`, `wells`, `fields` and, by the column of each kind's count, the
      median over wells and its `COUNT_interval`.
    """
    of_well, rows = condition_names(wells), []
    for name in conditions(wells):
        group = wells[of_well == name]
        row = {"name": name, "wells": len(group), "fields": int(group["fields"].sum())}
        for kind in population.kinds:
            values = group[kind.counts]
            row |= {kind.counts: values.median()}
            row |= {f"{kind.counts}_interval": median_interval(values)}
        rows.append(plain(row))
    return rows


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of a median from the order of independent values, of any distribution.

    Two of the values; None below six, of which even the outermost are not wide enough.

    Source: Conover 1999, section 3.2, the confidence interval of a quantile.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    place = int(binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5)) if len(ordered) else 0
    return (float(ordered[place - 1]), float(ordered[-place])) if place else None
