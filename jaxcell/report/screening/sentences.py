"""What a screen came to, in words, for the page and the terminal."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.screening.answers import Screened
from jaxcell.analysis.screening.doses import BELOW, BEYOND, FOUND, NO_EFFECT, UNKNOWN
from jaxcell.analysis.screening.hits import ENHANCER, FALSE_DISCOVERIES, INHIBITOR
from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common.words import count, joined, number

# Hits that a sentence names.
NAMED = 10
# Controls below which an error of theirs is worth a doubt.
FEW_CONTROLS = 4
# Share of columns with several conditions, below which conditions stand in blocks.
MIXED_COLUMNS = 0.2


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
    also = f", {toxic} of them with fewer cells too" if toxic else ""
    return f"{name}: of {count(len(own), what, many)} {joined(parts)}{also}."


def dose_words(um: float | None) -> str:
    """A dose with its unit: `0.31 µM`, `12 nM`."""
    if um is None or not math.isfinite(um):
        return "–"
    value, unit = (um, "µM") if um >= 0.1 or um == 0 else (1000 * um, "nM")
    digits = max(0, 1 - math.floor(math.log10(value))) if value else 0
    return f"{value:,.{digits}f} {unit}"


def interval_words(low: float, high: float) -> str:
    """`0.2 to 0.5 µM`, `20 nM to 0.5 µM`, open where an end was not found."""
    if low == 0:
        return f"up to {dose_words(high)}" if math.isfinite(high) else "any dose"
    first, last = dose_words(low), dose_words(high)
    if not math.isfinite(high):
        return f"{first} or more"
    return f"{first.split()[0] if first.split()[1] == last.split()[1] else first} to {last}"


def on_series(row: Mapping) -> str:
    """The answer of a dose series in words."""
    name = "IC50" if row["falls"] else "EC50"
    answer = row["answer"]
    if answer == FOUND:
        ends = interval_words(row["half_um_low"], row["half_um_high"])
        return f"{name} = {dose_words(row['half_um'])} ({ends})"
    if answer == BEYOND:
        low = row["half_um_low"]
        limit = f"{name} above {dose_words(low)}" if low > 0 else f"no limit to the {name}"
        return f"not reached by the top dose: {limit}"
    if answer == BELOW:
        high = row["half_um_high"]
        limit = f"{name} under {dose_words(high)}" if high < math.inf else f"no limit to the {name}"
        return f"below the lowest dose: {limit}"
    return f"{answer}: {row['reason']}" if row["reason"] else answer


def _in_short(row: Mapping) -> str:
    """A series without its interval, such as `IC50 0.31 µM`."""
    if row["answer"] != FOUND:
        return row["answer"]
    return f"{'IC50' if row['falls'] else 'EC50'} {dose_words(row['half_um'])}"


def on_absolute(row: Mapping) -> str:
    """The absolute IC50 of a dose series; a dash where there is none."""
    dose = row["absolute_um"]
    if row["answer"] not in (FOUND, BEYOND, BELOW) or dose is None or math.isnan(dose):
        return "–"
    if dose > row["highest_um"]:
        return f"above {dose_words(row['highest_um'])}"
    ends = interval_words(row["absolute_um_low"], row["absolute_um_high"])
    return f"{dose_words(dose)} ({ends})"


def on_cells(row: Mapping, kind: Kind) -> str:
    """What the number of a kind of cells does in a dose series; '' where nothing is known."""
    cells = row.get(f"{kind.counts}_cells")
    if not isinstance(cells, str):
        return ""
    words = f"{kind.plural} {cells}"
    ratio = row[f"{kind.counts}_ratio"]
    if ratio is None or not math.isfinite(ratio):
        return words
    low, high = (f"{row[f'{kind.counts}_ratio_{end}']:.2g}" for end in ("low", "high"))
    return f"{words} ({ratio:.2g} × the IC50, {low} to {high})"


def on_doses(series: pd.DataFrame, name: str) -> str:
    """Which compounds respond to their dose in a condition.

    Args:
      series: as `Screened.series`.
      name: of the condition.
    """
    own = series[series["condition"] == name]
    some = own[~own["answer"].isin((NO_EFFECT, UNKNOWN))].sort_values("q")
    if some.empty:
        return f"{name}: none of {count(len(own), 'compound')} responds to the dose."
    rows = some.head(NAMED).to_dict("records")
    named_rows = [f"{row['compound']} ({_in_short(row)})" for row in rows]
    more = len(some) - len(rows)
    listed = joined([*named_rows, f"{more} more"] if more else named_rows)
    return f"{name}: {len(some)} of {count(len(own), 'compound')} respond to the dose: {listed}."


def on_quality(row: Mapping) -> str:
    """Whether the assay tells the controls of a condition from unstimulated ones."""
    if row["reason"]:
        return f"{row['condition']}: cannot be said, {row['reason']}."
    score = row["z_prime"]["value"]
    if score is None:
        return f"{row['condition']}: cannot be said, the controls are all alike."
    low, high = row["z_prime"]["interval"]
    word = (
        "lie well apart" if score >= 0.5 else "lie apart, but not far" if score > 0 else "overlap"
    )
    return (
        f"{row['condition']}: the controls {word} (Z′ {number(score)}, 95 % interval "
        f"{number(low)} to {number(high)}; {row['wells']} and {row['reference_wells']} wells)."
    )


def on_empty(empty: Mapping, kinds: Sequence[Kind] = USUAL.kinds) -> str:
    """What is in wells that are called empty; '' where they are.

    Args:
      empty: as `Screened.empty`.
      kinds: of cells that were counted.
    """
    if not empty["holding"]:
        return ""
    cells = empty["median_cells"]
    middle = "" if cells is None else f", a median of {number(cells, 0)} {kinds[0].plural}"
    like = [f"the controls of {name} ({many})" for name, many in empty["like"].items() if name]
    looks = f" By their values they resemble {joined(like)}." if like else ""
    what = "hold cells" if cells is not None else "have a value"
    return (
        f"{empty['holding']} of {count(empty['named'], 'well')} that the layout calls empty "
        f"{what}{middle}.{looks} They were compared with nothing."
    )


def screened(found: Screened, measure: Quantity) -> str:
    """What was screened, a sentence."""
    effects = found.effects
    wells, controls = int(effects["wells"].median()), int(effects["control_wells"].median())
    doses = effects.groupby(["condition", "compound"])["concentration_um"].nunique().max()
    at = f", at up to {count(int(doses), 'dose')}" if doses > 1 else ""
    what = measure.label + (f", {measure.unit}" if measure.unit else "")
    return (
        f"{what[:1].upper()}{what[1:]}, of {count(effects['compound'].nunique(), 'compound')}{at}, "
        f"mostly {count(wells, 'well')} each, against {count(controls, 'control well')} of "
        f"{joined(conditions(effects))} each."
    )


def answered(series: pd.DataFrame) -> pd.DataFrame:
    """Dose series of which something can be said; few doses are compared one by one."""
    return series[series["answer"] != UNKNOWN] if len(series) else series


def verdict(found: Screened) -> list[str]:
    """What acts and, of dose series, what responds; sentences."""
    series, said = answered(found.series), []
    pairs = ["condition", "compound"]
    known = found.effects[pairs].apply(tuple, axis=1).isin(
        set(series[pairs].apply(tuple, axis=1)) if len(series) else ()
    )  # fmt: skip
    if not known.all():
        said += [on_hits(found.effects, name) for name in conditions(found.effects)]
    if len(series):
        said += [on_doses(series, name) for name in conditions(series)]
    return said


def doubts(found: Screened, wells: pd.DataFrame, kinds: Sequence[Kind] = USUAL.kinds) -> list[str]:
    """What a reader must know before believing the page, sentences."""
    said = []
    if told := on_empty(found.empty, kinds):
        said.append(told)
    if blocks := in_blocks(wells):
        said.append(
            f"Conditions stand in blocks of columns on plate {joined(blocks)}. Compounds are "
            "compared with controls of their own block, so hits do not depend on that; differences "
            "between conditions, and so Z′, may be those of places."
        )
    said += [f"Not compared: {reason}." for reason in found.hits.reasons]
    few = found.effects.loc[found.effects["wells"] < 2]
    if len(few):
        what = count(len(few), "compound and condition has", "compounds and conditions have")
        said.append(f"{what} a single well: only the spread of the others says how sure it is.")
    least = found.effects["control_wells"].min()
    if least < FEW_CONTROLS:
        said.append(
            f"Some compounds are compared with {count(int(least), 'control well')} only. An error "
            "of few controls is shared by all compounds of their condition."
        )
    return said


def in_blocks(wells: pd.DataFrame) -> list[str]:
    """Plates with several conditions, of which hardly any column holds two."""
    found = []
    for plate, own in wells[wells["role"] != "empty"].groupby(wells["plate"].astype(str)):
        names = own.groupby("column")["condition"].nunique()
        if own["condition"].nunique() > 1 and (names > 1).mean() < MIXED_COLUMNS:
            found.append(str(plate))
    return found


def summary_lines(
    found: Screened, measure: Quantity, kinds: Sequence[Kind] = USUAL.kinds
) -> dict[str, str]:
    """What a screen came to, for the terminal.

    Args:
      found: the screen.
      measure: what was screened.
      kinds: of cells that were counted.

    Returns:
      Name -> text.
    """
    wells, effects = found.hits.wells, found.effects
    plates = count(wells["plate"].nunique(), "plate")
    lines = {
        "screened": f"{measure.label}, {count(effects['compound'].nunique(), 'compound')}, "
        f"{count(len(wells), 'well')} of {plates}",
        "answer": "\n".join(verdict(found))
        + f"\n(at most {100 * FALSE_DISCOVERIES:.0f} % of these are false on average, q)",
    }
    if found.quality:
        said = [f"plate {row['plate']}, {on_quality(row)}" for row in found.quality]
        lines["controls"] = "\n".join(said)
    what = "compound and dose" if has_doses(effects) else "compound"
    many = "compounds and doses" if has_doses(effects) else "compounds"
    agree = [
        f"{row['condition']} r {number(row['r'])} ({count(row['compounds'], what, many)})"
        for row in found.agreement
        if row["r"] is not None
    ]
    if agree:
        lines["replicates"] = ", ".join(agree)
    if said := on_empty(found.empty, kinds):
        lines["empty wells"] = said
    if found.hits.reasons:
        lines["not compared"] = "\n".join(found.hits.reasons)
    return lines
