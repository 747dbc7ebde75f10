"""Concentrations in the units that people write, in µM."""

import math
import re
from collections.abc import Sequence

# Micromolar in one of each.
UNITS = {"m": 1e6, "mm": 1e3, "um": 1.0, "nm": 1e-3, "pm": 1e-6}
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
DOSE = re.compile(rf"\s*(?P<number>{NUMBER})\s*(?P<unit>[a-zµμ]*)\s*", re.IGNORECASE)
# `concentration_um`, `Dose (nM)`, `conc [M]`, `Concentration, µM`.
HEADING = re.compile(
    r"(?:concentration|conc\.?|dose)(?:[\s_,]*[(\[]?\s*(?P<unit>[munpµμ]?m)\s*[)\]]?)?",
    re.IGNORECASE,
)


def unit_of_heading(heading: str) -> str | None:
    """The unit in a heading such as `Dose (nM)`: '' without one, None for other headings."""
    match = HEADING.fullmatch(heading.strip())
    return None if match is None else _unit(match["unit"])


def micromolar(texts: Sequence[object], unit: str) -> list[float]:
    """Doses in µM; NaN where a text is empty.

    A capital M alone is molar; otherwise case does not matter (`uM`, `UM`, `nM`).

    Args:
      texts: numbers, or texts such as `10 nM`.
      unit: of the heading, of `UNITS`, for numbers that have none; '' where it names none.

    Raises:
      ValueError: a text is no dose, has another unit than the heading, or has none while others
        have one or the heading does not say it; names the entry, counted from 1.
    """
    result, without = [], []
    for place, text in enumerate(texts, 1):
        if text is None or (isinstance(text, float) and math.isnan(text)) or not str(text).strip():
            result.append(math.nan)
            continue
        match = DOSE.fullmatch(str(text))
        own = _unit(match["unit"]) if match else ""
        if match is None or (own and own not in UNITS):
            raise ValueError(
                f"row {place}: '{text}' is no dose: write a number and M, mM, uM or nM"
            )
        if own and unit and UNITS[own] != UNITS[unit]:
            raise ValueError(f"row {place}: '{text}' has another unit than its heading, {unit}")
        if not own and not unit and float(match["number"]) != 0:
            without.append(f"row {place}: '{text}'")
        dose = float(match["number"]) * UNITS[own or unit or "um"]
        if dose < 0 or not math.isfinite(dose):
            raise ValueError(f"row {place}: '{text}' is not a number of 0 or more")
        result.append(dose)
    if without:
        raise ValueError(
            f"{without[0]} has no unit, and neither has the heading ({len(without)} such rows): "
            "name the column concentration_um, or write units such as 10 nM"
        )
    return result


def _unit(text: str | None) -> str:
    """A unit in small letters; a micro sign and a Greek mu are both a u."""
    return (text or "").casefold().replace("μ", "u")  # what casefold makes of either
