"""What the explorer's dots are coloured by: names with colour and marker, numbers with a bar."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, to_hex

from jaxcell.analysis.conditions import NO_CONDITION, conditions
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style

# Light to dark, so that what is large stands out on white; without viridis' pale yellow.
SEQUENTIAL = matplotlib.colormaps["viridis_r"](np.linspace(0.06, 1, 64))
# Grey and not white in the middle: a dot without error is still seen.
DIVERGING = LinearSegmentedColormap.from_list("error", [style.BLUE, "#c9c9c9", style.VERMILION])(
    np.linspace(0, 1, 64)
)
# A few extreme values would leave one colour to all others: colours end at this percentile.
CLIPPED = 99.0
# What the page colours by and no table holds.
DIFFERENCE, LOG_DOSE = "predicted - target", "log10 of concentration_um"
# Seven colours of Okabe and Ito with seven markers: 49 looks, neighbours differing in both.
COLOURS = (
    style.BLUE,
    style.ORANGE,
    style.GREEN,
    style.PURPLE,
    style.VERMILION,
    style.SKY,
    style.YELLOW,
)
MARKERS = "os^DvPX"


class Column(NamedTuple):
    """One column as the page holds it.

    Attributes:
      kind: `number`, `flag`, or `category`: then `values` are indices of `names`, -1 if missing.
      values: numbers of one dtype [N].
      names: of the categories.
    """

    kind: str
    values: np.ndarray
    names: tuple[str, ...] = ()


def derived(table: pd.DataFrame) -> dict[str, Column]:
    """What the page colours by and the table does not hold; in no CSV."""
    error = table["predicted"].astype(float) - table["target"].astype(float)
    dose = pd.to_numeric(table.get("concentration_um", pd.Series(np.nan, table.index)))
    logarithm = np.log10(dose.where(dose > 0).astype(float))
    return {
        DIFFERENCE: Column("number", error.to_numpy(np.float32)),
        LOG_DOSE: Column("number", logarithm.to_numpy(np.float32)),
    }


def colourings(
    table: pd.DataFrame,
    columns: Mapping[str, Column],
    palette: style.Palette,
    target: Quantity,
) -> list[dict]:
    """What dots can be coloured by, in the order of the menu; what the table lacks is left out."""
    names = conditions(table) if "condition" in table else []
    marks = style.palette(names) | dict(palette)
    wells = table["well"].astype(str).str.extract(r"^([A-Za-z]+)", expand=False)
    letters = dict(zip(table["row"], wells)) if "row" in table else {}
    flagged = {"good": style.Mark(style.BLUE, "o"), "faulty": style.Mark(style.VERMILION, "X")}

    def measured(name: str, which: str, quantity: Quantity) -> dict | None:
        words = style.with_unit(f"{quantity.label}, {which}", quantity.unit)
        return _by_number(name, words, columns, clipped=True)

    error = style.with_unit("error, predicted − measured", target.difference_unit)
    choices = [
        _by_category("condition", "condition", columns, marks),
        _by_category("compound", "compound", columns, _compounds(table, columns)),
        _by_number(LOG_DOSE, "dose, µM (logarithmic)", columns, lambda x: f"{10.0**x:.3g}"),
        _by_category("plate", "plate", columns, _marks(columns["plate"].names)),
        _by_number("row", "row of the well", columns, lambda x: letters.get(round(x), f"{x:.0f}")),
        _by_number("column", "column of the well", columns),
        measured("overlap", "measured", OVERLAP),
        measured("target", "measured", target) if target.name != OVERLAP.name else None,
        measured("predicted", "predicted", target),
        _by_number(DIFFERENCE, error, columns, clipped=True, diverging=True),
        _by_category("faulty", "faulty", columns, flagged),
        _by_number("unusual", "distance from other wells’ codes, × median", columns, clipped=True),
    ]
    return [choice for choice in choices if choice]


def _marks(names: Iterable[str]) -> dict[str, style.Mark]:
    """A look for each of many names; the 50th is that of the first."""
    return {
        name: style.Mark(COLOURS[index % 7], MARKERS[(index + index // 7) % 7])
        for index, name in enumerate(names)
    }


def _compounds(table: pd.DataFrame, columns: Mapping[str, Column]) -> dict[str, style.Mark]:
    """A look for each compound: grey for what the others are compared with, and first."""
    if "compound" not in columns:
        return {}
    role = table.get("role", pd.Series("", table.index))
    controls = set(table["compound"][role.isin(["vehicle", "untreated"])].dropna().map(str))
    names = columns["compound"].names
    grey = {name: style.Mark(style.MUTED, "o") for name in names if name in controls}
    return grey | _marks(name for name in names if name not in controls)


def _by_category(
    name: str, text: str, columns: Mapping[str, Column], marks: style.Palette
) -> dict | None:
    """Colour and marker of each category; of flags, those of `False` and `True`."""
    if name not in columns:
        return None
    column = columns[name]
    names = tuple(marks) if column.kind == "flag" else column.names
    shown = [name for name in marks if name in names]
    return {
        "column": name,
        "words": text,
        "kind": "category",
        "missing": NO_CONDITION if name == "condition" else "not stated",
        "marks": [
            marks[name]._asdict() | {"name": name, "code": names.index(name)} for name in shown
        ],
    }


def _by_number(
    name: str,
    title: str,
    columns: Mapping[str, Column],
    text: Callable[[float], str] = lambda value: f"{value:.3g}".replace("-", "−"),
    clipped: bool = False,
    diverging: bool = False,
) -> dict | None:
    """Colours of a number's range, and what is written at its two ends and its middle."""
    if name not in columns or columns[name].kind != "number":
        return None
    values = columns[name].values.astype(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    top = float(np.percentile(np.abs(values) if diverging else values, CLIPPED))
    if diverging:
        high, low = top, -top
    elif clipped and top > low:
        high = top
    beyond = values.max() > high, values.min() < low
    return {
        "column": name,
        "words": title,
        "kind": "number",
        "low": low,
        "high": high,
        "ticks": [
            ("≤ " if beyond[1] else "") + text(low),
            text((low + high) / 2),
            ("≥ " if beyond[0] else "") + text(high),
        ],
        "colours": [to_hex(colour) for colour in (DIVERGING if diverging else SEQUENTIAL)],
    }
