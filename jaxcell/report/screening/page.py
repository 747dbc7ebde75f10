"""Writes the report of a screen: can the assay tell, what acts, at which dose, and how surely."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis.conditions import conditions, shown_conditions
from jaxcell.analysis.screening.answers import Screened
from jaxcell.analysis.screening.doses import BELOW, BEYOND, FOUND, UNKNOWN, Response
from jaxcell.analysis.screening.doses import NO_EFFECT as NO_RESPONSE
from jaxcell.analysis.screening.hits import FALSE_DISCOVERIES, NO_EFFECT, from_controls
from jaxcell.analysis.screening.position import CLEAR
from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.common.page import on_shown, write_page
from jaxcell.report.screening import curves, figures, sentences
from jaxcell.report.screening.plates import plate_maps
from jaxcell.storage.atomic import plain

# Plates that are drawn, and rows of a table that stand in the open.
PLATES_DRAWN, OPEN_ROWS = 8, 60
# Hits that stand in the open.
NAMED_HITS = 24


def write_screen_report(
    folder: Path,
    *,
    title: str,
    simulated: bool,
    found: Screened,
    wells: pd.DataFrame,
    measure: Quantity,
    findings: Sequence[Sequence],
    made: Mapping,
    kinds: Sequence[Kind] = USUAL.kinds,
) -> Path:
    """Writes the page, its numbers and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself; a report that is there stays until the new one is whole.
      title: of the page.
      simulated: whether the plates were simulated.
      found: what the screen came to.
      wells: all wells, those called empty too: plate, well, row, column, condition, role, measure.
      measure: what was screened.
      findings: problem, plate, well, path, message, cure of each.
      made: what the screen was made from, by name.
      kinds: of cells that were counted, in the order of their columns.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    effects = _with_equal_counts(found)
    plates = [str(name) for name in sorted(wells["plate"].astype(str).unique())]
    palette = style.palette(shown_conditions(found.hits.wells))
    drawn = [item for item in found.curves if item.series.condition in palette]
    counted = {kind.counts: kind for kind in kinds if kind.counts in found.counts}
    content = {
        "measure": measure,
        "kinds": counted,
        "level": FALSE_DISCOVERIES,
        "clear": CLEAR,
        "doses": sentences.has_doses(effects),
        "screened": sentences.screened(found, measure),
        "verdict": sentences.verdict(found),
        "tiles": _tiles(found),
        "quality": found.quality,
        "quality_said": [sentences.on_quality(row) for row in found.quality],
        "agreement": found.agreement,
        "hits": _rows(effects[effects["call"] != NO_EFFECT].sort_values("p"), effects),
        "named": NAMED_HITS,
        "everything": _rows(effects, effects),
        "series": _series_rows(found.series, counted),
        "lines": _line_rows(found),
        "drawn": plates[:PLATES_DRAWN],
        "plates": len(plates),
        "empty": sentences.on_empty(found.empty, kinds),
        "doubts": sentences.doubts(found, wells, kinds),
        "open_rows": OPEN_ROWS,
        "curve_figures": len(curves.parts(drawn)),
        "scale": found.scale.name,
    }
    return write_page(
        folder,
        "screening/page.html.jinja",
        title=title,
        metrics=_metrics(found, effects, measure),
        simulated=simulated,
        figures=_figures(found, drawn, effects, wells, measure, palette, plates, kinds),
        files={},
        content=plain_content(content),
        made=made,
        config={},
        findings=findings,
        not_drawn=on_shown(effects),
    )


def plain_content(content: Mapping) -> dict:
    """Lists and dicts of the page without numpy and NaN; words stay as they are."""
    kept = ("measure", "kinds")
    return {name: value if name in kept else plain(value) for name, value in content.items()}


def _figures(
    found: Screened,
    drawn: Sequence[Response],
    effects: pd.DataFrame,
    wells: pd.DataFrame,
    measure: Quantity,
    palette: Mapping[str, style.Mark],
    plates: Sequence[str],
    kinds: Sequence[Kind],
) -> dict[str, Callable[[], Figure]]:
    builders: dict[str, Callable[[], Figure]] = {
        "ranks": partial(figures.ranks, effects, measure),
        "volcano": partial(figures.volcano, effects, measure),
        "controls": partial(figures.controls, wells, measure),
        "replicates": partial(figures.replicates, found.hits.wells, found.scale, measure, palette),
    }
    if found.counts:
        builders["cells"] = partial(figures.cells, effects, list(found.counts), measure, kinds)
    for number, compounds in enumerate(curves.parts(drawn), 1):
        builders[f"curves_{number}"] = partial(
            curves.dose_curves, drawn, compounds, found.scale, measure, palette
        )
    acting = [item for item in drawn if item.row["answer"] in (FOUND, BEYOND)]
    if acting and found.of_counts:
        acting = sorted(acting, key=lambda item: item.row["q"])[: curves.PANELS]
        builders["beside_cells"] = partial(
            curves.beside_cells, acting, found.of_counts, measure, palette, kinds
        )
    table = _mapped(found, wells)
    for number, plate in enumerate(plates[:PLATES_DRAWN], 1):
        own = table[table["plate"].astype(str) == plate]
        builders[f"plate_{number}"] = partial(plate_maps, own, measure, found.scale)
    return builders


def _mapped(found: Screened, wells: pd.DataFrame) -> pd.DataFrame:
    """All wells with what places did, and their differences from the controls, on the scale."""
    compared = found.hits.wells
    extra = compared[["plate", "well", "place_effect"]].assign(
        from_controls=from_controls(compared)
    )
    return wells.assign(plate=wells["plate"].astype(str)).merge(extra, "left", ["plate", "well"])


def _with_equal_counts(found: Screened) -> pd.DataFrame:
    """Effects with those at equal counts in the unit of the measure, `equal_difference`."""
    effects = found.effects
    control = found.scale.forward(effects["control_mean"])
    moved = found.scale.backward(control + effects["equal_effect"].to_numpy(np.float64))
    return effects.assign(equal_difference=moved - effects["control_mean"])


def _rows(some: pd.DataFrame, effects: pd.DataFrame) -> list[dict]:
    doses = sentences.has_doses(effects)
    rows = some.to_dict("records")
    return [row | {"name": sentences.named(row, doses)} for row in rows]


def _tiles(found: Screened) -> list[tuple[int, str]]:
    """What acts in each condition: compounds that respond to their dose or, without doses, hits."""
    table, acts, words = found.effects, found.effects["q"] <= FALSE_DISCOVERIES, ("hit", "hits")
    if len(sentences.answered(found.series)):
        table, words = found.series, ("compound responds", "compounds respond")
        acts = ~table["answer"].isin((NO_RESPONSE, UNKNOWN))
    shown = shown_conditions(table)
    numbers = {name: int(acts[table["condition"] == name].sum()) for name in shown}
    return [(some, f"{words[some != 1]} with {name}") for name, some in numbers.items()]


def _series_rows(series: pd.DataFrame, kinds: Mapping) -> list[dict]:
    """Dose series for the table, those that respond first: numbers as words with intervals."""
    rows = []
    for row in series.to_dict("records"):
        cells = [sentences.on_cells(row, kind) for kind in kinds.values()]
        shown = row["answer"] in (FOUND, BEYOND, BELOW)
        rows.append(row | {
            "slope": row["slope"] if shown else None,
            "said": sentences.on_series(row),
            "absolute": sentences.on_absolute(row),
            "cells": [words for words in cells if words],
        })  # fmt: skip
    return sorted(rows, key=lambda row: row["answer"] in (NO_RESPONSE, UNKNOWN))


def _line_rows(found: Screened) -> list[dict]:
    """Tests of rows, columns and edges, one row a plate.

    Where rows are compounds and columns doses, replicates tell whether they differ, not how much.
    """
    sizes = {"size": None} if found.curves else {}
    return [
        {"plate": plate, **{name: test._asdict() | sizes for name, test in tests.items()},
         "noise": found.hits.plates[plate].noise if plate in found.hits.plates else None}
        for plate, tests in found.lines.items()
    ]  # fmt: skip


def _metrics(found: Screened, effects: pd.DataFrame, measure: Quantity) -> dict:
    hits = effects[effects["q"] <= FALSE_DISCOVERIES]
    return {
        "measure": measure._asdict(),
        "scale": found.scale._asdict(),
        "wells": len(found.hits.wells),
        "compounds": int(effects["compound"].nunique()),
        "hits": {name: int((hits["condition"] == name).sum()) for name in conditions(effects)},
        "false_discoveries": FALSE_DISCOVERIES,
        "effects": effects.drop(columns="group").to_dict("records"),
        "series": found.series.to_dict("records"),
        "quality": found.quality,
        "agreement": found.agreement,
        "lines": {
            plate: {name: test._asdict() for name, test in tests.items()}
            for plate, tests in found.lines.items()
        },
        "empty": {name: value for name, value in found.empty.items() if name != "wells"},
        "not_compared": found.hits.reasons,
    }
