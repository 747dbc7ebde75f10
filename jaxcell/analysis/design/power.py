"""How many wells see which effect: layouts filled with drawn wells and screened, over and over."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.screening.answers import at_the_edge
from jaxcell.analysis.screening.hits import FALSE_DISCOVERIES, compare
from jaxcell.analysis.screening.scale import Scale
from jaxcell.analysis.strength import REFERENCE

# Shares of the stimulation's effect that compounds take away.
EFFECTS = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75)
# Of compounds and doses, how many act: hits are rare, and q depends on how rare.
ACTING = 0.2
# Compounds drawn for each effect in a condition.
DRAWN = 40
POWER = 0.8
LEVEL = 0.95
# Fills a layout: values [N] in the unit of the measure; it has a column `inhibition`.
Draw = Callable[[np.random.Generator, pd.DataFrame], np.ndarray]


def power(
    layout: pd.DataFrame,
    draw: Draw,
    scale: Scale,
    *,
    seed: int,
    drawn: int = DRAWN,
    progress: Callable[[], object] = lambda: None,
) -> tuple[pd.DataFrame, dict]:
    """Screens drawn tables of a layout and counts which effects are found.

    In every table a fifth of compounds (at each dose by itself) act, the effects in turn; each
    table is screened by `compare`, as `jaxcell screen` does. A compound is found where q is at most
    0.05 and its effect has the right sign.

    Args:
      layout: plate, well, row, column, condition, compound, concentration_um, role of each well.
      draw: fills it.
      scale: on which wells are compared.
      seed: of all draws.
      drawn: compounds for each effect in a condition, at least.
      progress: called after each table.

    Returns:
      One row an effect and condition but the unstimulated one: condition, inhibition, drawn, found,
      `power`, `low`, `high` (95 %); and of the compounds without effect `inert`, how many were
      drawn, and `false_hits`, how many of the hits are such, with `hits`.

    Source: for the interval Clopper and Pearson 1934.
    """
    layout = layout.assign(edge=at_the_edge(layout)).reset_index(drop=True)
    sample = layout["role"] == "sample"
    pairs = layout.loc[sample, ["compound", "concentration_um"]].drop_duplicates()
    acting = max(1, round(ACTING * len(pairs)))
    tables = tables_of(len(pairs), drawn)
    effects = np.resize(EFFECTS, tables * acting)
    rows, inert, hits, false_hits = [], 0, 0, 0
    for number in range(tables):
        random = np.random.default_rng([seed, number])
        chosen = pairs.iloc[random.permutation(len(pairs))[:acting]]
        chosen = chosen.assign(inhibition=effects[number * acting : (number + 1) * acting])
        given = layout.merge(chosen, "left", ["compound", "concentration_um"])
        given["inhibition"] = given["inhibition"].fillna(0.0)
        own = compare(given.assign(value=draw(random, given)), "value", scale).effects
        own = own.merge(chosen, "left", ["compound", "concentration_um"])
        acts = own["inhibition"].notna() & (own["condition"] != REFERENCE)
        found = own["q"] <= FALSE_DISCOVERIES
        inert, hits = inert + int((~acts).sum()), hits + int(found.sum())
        false_hits += int((found & ~acts).sum())
        rows.append(own[acts].assign(found=found & (own["effect"] < 0)))
        progress()
    table = pd.concat(rows, ignore_index=True)
    counts = table.groupby(["condition", "inhibition"])["found"].agg(["size", "sum"])
    summary = [
        {"condition": name, "inhibition": effect} | _share(*counts.loc[(name, effect)])
        for name in conditions(table)
        for effect in counts.loc[name].index
    ]
    return pd.DataFrame(summary), {"inert": inert, "hits": hits, "false_hits": false_hits}


def tables_of(pairs: int, drawn: int) -> int:
    """How many tables are drawn, for so many compounds at their doses."""
    return -(-drawn * len(EFFECTS) // max(1, round(ACTING * pairs)))


def _share(drawn: int, found: int) -> dict:
    ends = binomtest(int(found), int(drawn)).proportion_ci(LEVEL, "exact")
    return {
        "drawn": int(drawn),
        "found": int(found),
        "power": found / drawn,
        "low": float(ends.low),
        "high": float(ends.high),
    }


def least_effect(inhibition: Sequence[float], found: Sequence[float]) -> float | None:
    """The least effect that is found in four of five cases, between those drawn.

    Args:
      inhibition: float [E], rising.
      found: power, float [E]; drawn, so that it may fall by chance: it is made to rise.

    Returns:
      Linear in the logarithm of the effect; None where not even the largest is found so often.
    """
    rising = np.maximum.accumulate(np.asarray(found, np.float64))
    if rising[-1] < POWER:
        return None
    at = int(np.argmax(rising >= POWER))
    if at == 0:
        return float(inhibition[0])
    low, high = rising[at - 1 : at + 1]
    share = (POWER - low) / (high - low)
    ends = np.log(np.asarray(inhibition[at - 1 : at + 1], np.float64))
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))
