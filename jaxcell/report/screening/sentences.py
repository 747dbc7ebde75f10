"""What a screen came to, in words, for the page and the terminal."""

from collections.abc import Mapping

import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.screening.answers import Screened
from jaxcell.analysis.screening.hits import ENHANCER, FALSE_DISCOVERIES, INHIBITOR
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common.words import count, joined, number

# Hits that a sentence names.
NAMED = 10


def named(row: Mapping, doses: bool) -> str:
    """A compound, with its dose where there are several."""
    dose = row["concentration_um"]
    return f"{row['compound']} at {dose:g} µM" if doses and pd.notna(dose) else str(row["compound"])


def has_doses(effects: pd.DataFrame) -> bool:
    """Whether any compound of a condition has several doses."""
    return bool(effects.groupby(["condition", "compound"]).size().gt(1).any())


def on_hits(effects: pd.DataFrame, name: str) -> str:
    """Which compounds act in a condition.

    Args:
      effects: as `Screened.effects`.
      name: of the condition.
    """
    own = effects[effects["condition"] == name]
    doses = has_doses(effects)
    what = "compound" if not doses else "compound and dose"
    many = "compounds" if not doses else "compounds and doses"
    hits = own[own["q"] <= FALSE_DISCOVERIES].sort_values("p")
    if hits.empty:
        return f"{name}: none of {count(len(own), what, many)} acts beyond chance."
    parts = []
    for call in (INHIBITOR, ENHANCER):
        chosen = hits[hits["call"] == call]
        if len(chosen):
            names = [named(row, doses) for row in chosen.head(NAMED).to_dict("records")]
            more = len(chosen) - len(names)
            listed = joined([*names, f"{more} more"] if more else names)
            parts.append(f"{count(len(chosen), call)} ({listed})")
    toxic = int(hits["toxic"].sum())
    also = f"; with {toxic} of them cells are fewer too" if toxic else ""
    return f"{name}: of {count(len(own), what, many)} {joined(parts)}{also}."


def on_quality(row: Mapping) -> str:
    """Whether the assay tells the controls of a condition from unstimulated ones."""
    if row["reason"]:
        return f"{row['condition']}: cannot be said, {row['reason']}."
    score = row["z_prime"]["value"]
    if score is None:
        return f"{row['condition']}: cannot be said, the controls are all alike."
    low, high = row["z_prime"]["interval"]
    word = "well apart" if score >= 0.5 else "apart, but not well" if score > 0 else "overlapping"
    return (
        f"{row['condition']}: the controls lie {word} (Z′ {number(score)}, 95 % interval "
        f"{number(low)} to {number(high)}; {row['wells']} and {row['reference_wells']} wells)."
    )


def on_empty(empty: Mapping) -> str:
    """What is in wells that are called empty; '' where they are."""
    if not empty["holding"]:
        return ""
    cells = empty["median_cells"]
    middle = "" if cells is None else f", a median of {number(cells, 0)} T cells"
    like = [f"{many} like {name}" for name, many in empty["like"].items() if name]
    looks = f" By their values {joined(like)} controls." if like else ""
    what = "hold cells" if cells is not None else "have a value"
    return (
        f"{empty['holding']} of {count(empty['named'], 'well')} that the layout calls empty "
        f"{what}{middle}.{looks} They were compared with nothing."
    )


def summary_lines(found: Screened, measure: Quantity) -> dict[str, str]:
    """What a screen came to, for the terminal.

    Args:
      found: the screen.
      measure: what was screened.

    Returns:
      Name -> text.
    """
    wells, effects = found.hits.wells, found.effects
    plates = count(wells["plate"].nunique(), "plate")
    lines = {
        "screened": f"{measure.label}, {count(effects['compound'].nunique(), 'compound')}, "
        f"{count(len(wells), 'well')} of {plates}",
        "hits": "\n".join(on_hits(effects, name) for name in conditions(effects))
        + f"\n({100 * FALSE_DISCOVERIES:.0f} % of hits are false on average, q)",
    }
    if found.quality:
        said = [f"plate {row['plate']}, {on_quality(row)}" for row in found.quality]
        lines["controls"] = "\n".join(said)
    agree = [
        f"{row['condition']} r {number(row['r'])} ({row['compounds']} compounds)"
        for row in found.agreement
        if row["r"] is not None
    ]
    if agree:
        lines["replicates"] = ", ".join(agree)
    if said := on_empty(found.empty):
        lines["empty wells"] = said
    if found.hits.reasons:
        lines["not compared"] = "\n".join(found.hits.reasons)
    return lines
