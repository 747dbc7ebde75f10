"""What a screen came to, in words, for the page and the terminal."""

import math
from collections.abc import Mapping

import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.screening.answers import Screened
from jaxcell.analysis.screening.doses import BELOW, BEYOND, FOUND
from jaxcell.analysis.screening.hits import ENHANCER, FALSE_DISCOVERIES, INHIBITOR
from jaxcell.cells.kinds import Kind
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


def dose_words(um: float | None) -> str:
    """A dose with its unit: `0.31 µM`, `12 nM`."""
    if um is None or not math.isfinite(um):
        return "–"
    value, unit = (um, "µM") if um >= 0.1 or um == 0 else (1000 * um, "nM")
    digits = max(0, 1 - math.floor(math.log10(value))) if value else 0
    return f"{value:,.{digits}f} {unit}"


def interval_words(low: float, high: float) -> str:
    """`0.2 µM to 0.5 µM`, open where an end was not found."""
    if low == 0:
        return f"up to {dose_words(high)}" if math.isfinite(high) else "any dose"
    return f"{dose_words(low)} to {dose_words(high)}" if math.isfinite(high) else (
        f"{dose_words(low)} or more"
    )  # fmt: skip


def on_series(row: Mapping) -> str:
    """The answer of a dose series in words."""
    name = "IC50" if row["falls"] else "EC50"
    answer = row["answer"]
    if answer == FOUND:
        ends = interval_words(row["half_um_low"], row["half_um_high"])
        return f"{name} = {dose_words(row['half_um'])} ({ends})"
    if answer == BEYOND:
        return f"not reached by the top dose: {name} above {dose_words(row['half_least'])}"
    if answer == BELOW:
        return f"below the lowest dose: {name} under {dose_words(row['half_most'])}"
    return f"{answer}: {row['reason']}" if row["reason"] else answer


def on_cells(row: Mapping, kind: Kind) -> str:
    """What the number of a kind of cells does in a dose series; '' where nothing is known."""
    cells = row.get(f"{kind.key}s_cells")
    if not isinstance(cells, str):
        return ""
    words = f"{kind.plural}: {cells.replace('cells ', '', 1)}"
    ratio = row[f"{kind.key}s_ratio"]
    if ratio is None or not math.isfinite(ratio):
        return words
    low, high = row[f"{kind.key}s_ratio_low"], row[f"{kind.key}s_ratio_high"]
    return f"{words}, {ratio:.2g} times the IC50 ({low:.2g} to {high:.2g})"


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
    if len(found.series):
        lines["doses"] = "\n".join(
            f"{row['condition']}, {row['compound']}: {on_series(row)}"
            for row in found.series.to_dict("records")
        )
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
