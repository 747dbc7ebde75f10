"""Writes the report of measured plates: is it interaction, how strong is it, and in which cells."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis.conditions import (
    NO_CONDITION,
    condition_names,
    conditions,
    shown_conditions,
)
from jaxcell.cells.kinds import KINDS
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.chance import MINIMUM_CELLS
from jaxcell.measures.doubts import PROBLEMS, Doubt, summary
from jaxcell.report.common import style
from jaxcell.report.common.images import COLOURS, DEFAULT_COLOURS
from jaxcell.report.common.outlines import brightness, fullest_square
from jaxcell.report.common.page import on_shown, write_page
from jaxcell.report.common.words import count, joined
from jaxcell.report.interaction import plates as plate_figures
from jaxcell.report.measurement import figures
from jaxcell.report.measurement.light import light
from jaxcell.storage.atomic import plain

# Up to this many wells are listed in the open.
OPEN_ROWS = 60
STRENGTH = (
    "overlap_share",
    "contact_share",
    "t_cells_per_dendritic_cell",
    "distance_um",
    "near_share",
    "contact_length_um",
)
OVERLAP = ("iou", "manders_t_cell", "manders_dendritic_cell", "pearson")
BEYOND_CHANCE = (
    "chance_excess",
    "contact_excess",
    "near_excess",
    "distance_excess",
    "pearson_excess",
)
# Side in pixels of the squares that are shown.
SQUARE = 256
# What is compared with the truth: words, unit of the mean, unit of a difference.
TRUE = {
    "count": ("{} in a well", "cells", "cells"),
    "mean_area_um2": ("mean area of {}", "µm²", "µm²"),
    "contact_share": ("{} in contact", "%", "points"),
}


class ExampleField(NamedTuple):
    """A field to be shown for its condition.

    Attributes:
      condition: of its well.
      well: `PLATE WELL`.
      views: uint16 [H, W, 2], counts of the T-cell and the dendritic-cell view.
      labels: int32 [2, H, W], the cells found in them, 0 outside.
    """

    condition: str
    well: str
    views: np.ndarray
    labels: np.ndarray


def write_measurement_report(
    folder: Path,
    *,
    title: str,
    simulated: bool,
    metrics: Mapping,
    wells: pd.DataFrame,
    cells: pd.DataFrame,
    examples: Sequence[ExampleField],
    flat_fields: plate_figures.FlatFields,
    measures: Mapping[str, Mapping],
    findings: Sequence[Sequence],
    config: Mapping,
    colours: str = DEFAULT_COLOURS,
) -> Path:
    """Writes the page, its numbers and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself; a report that is there stays until the new one is whole.
      title: of the page.
      simulated: whether the plates were simulated.
      metrics: `wells`, `cells` (kind -> number), `conditions` (of `by_condition`), `chance`
        (`level` of q and `nearest_shift_um`, `farthest_shift_um`), `truth` (see
        `agreement.with_truth`; empty where nothing is known), `doubts` (of each the fields of
        `Doubt`), `left_out`, `seconds_a_well`.
      wells: one row a well: plate, well, condition, compound, concentration_um (µM), role, fields,
        every measure, every number of its light, t_cells, dendritic_cells, chance_q, answer.
      cells: one row a cell: kind, condition, touches_border, `figures.SHAPE` and, where they were
        measured, granularity_1...
      examples: fields to be shown.
      flat_fields: (plate, view) -> float32 [H, W], mean 1; empty where nothing was corrected.
      measures: name -> label, unit, definition, in the order of the page.
      findings: problem, plate, well, path, message, cure of each.
      config: nested settings; `plates.pixel_um` is read.
      colours: of the views, as `colour_image` takes.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    order = conditions(wells)
    examples = sorted(examples, key=lambda item: order.index(item.condition or NO_CONDITION))
    palette, level = style.palette(shown_conditions(wells)), metrics["chance"]["level"]
    plates = dict(list(wells.groupby(wells["plate"].astype(str))))
    builders: dict[str, Callable[[], Figure]] = {
        f"answers_{place}": partial(figures.answers, own, level)
        for place, own in enumerate(plates.values(), 1)
    }
    builders |= {
        "strength": partial(figures.strengths, wells, STRENGTH, measures, palette),
        "beyond": partial(figures.strengths, wells, BEYOND_CHANCE, measures, palette),
        "overlap": partial(figures.strengths, wells, OVERLAP, measures, palette),
        "shapes": partial(figures.shapes, cells, palette),
        "light": partial(light, wells),
    }
    if "granularity_1" in cells:
        builders["granularity"] = partial(figures.granularity, cells, palette)
    if flat_fields:
        builders["flat_fields"] = partial(plate_figures.flat_fields, flat_fields)
    for place, item in enumerate(examples, 1):
        found = partial(_found, item, examples, config["plates"]["pixel_um"], colours)
        builders[f"found_{place}"] = found
    metrics = plain(metrics)
    return write_page(
        folder,
        "measurement/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=builders,
        files={},
        content={
            "verdict": on_verdict(metrics["conditions"], level),
            "rows": rows_of(wells),
            "kinds": KINDS,
            "answered": sum(row["answered"] for row in metrics["conditions"]),
            "minimum_cells": MINIMUM_CELLS,
            "open_rows": OPEN_ROWS,
            "fields": int(wells["fields"].sum()),
            "plates": list(plates),
            "measures": measures,
            "colours": COLOURS[colours],
            "shown": [f"{item.condition or NO_CONDITION}, well {item.well}" for item in examples],
            "truth": on_truth(metrics["truth"]),
            "on_light": on_light(metrics["doubts"], metrics["wells"]),
            "lit": plate_figures.illumination_ranges(flat_fields),
        },
        made={"seconds_a_well": metrics["seconds_a_well"]},
        config=config,
        findings=findings,
        not_drawn=on_shown(wells),
    )


def on_light(found: Sequence[Mapping], wells: int) -> list[str]:
    """How many wells each problem of light puts in doubt, in words; none where there is none.

    Args:
      found: of each doubt the fields of `Doubt`.
      wells: number of all wells.
    """
    places = {
        problem: {(one["plate"], one["well"]) for one in found if one["problem"] == problem}
        for problem in PROBLEMS
    }
    return [f"{problem} in {len(some)} of {count(wells, 'well')}"
            for problem, some in places.items() if some]  # fmt: skip


def _found(
    item: ExampleField, examples: Sequence[ExampleField], pixel_um: float, colours: str
) -> Figure:
    """The fullest square of a field with its cells, in a scale of brightness that all share."""
    # Of every fourth pixel in y and x: enough for a percentile.
    each = [np.percentile(field.views[::4, ::4], (1, 99.7), axis=(0, 1)) for field in examples]
    low, high = np.min(each, axis=0)[0], np.max(each, axis=0)[1]
    square = fullest_square(item.labels.any(axis=0), SQUARE)
    title = f"{item.condition or NO_CONDITION}, {item.well}"
    picture = brightness(item.views[square], low, high)
    labels = item.labels[(slice(None), *square)]
    return figures.found(title, picture, labels, pixel_um, colours)


def on_verdict(rows: Sequence[Mapping], level: float) -> list[str]:
    """The answer of the page: how many wells interact, of all and of each condition.

    Args:
      rows: of `by_condition`.
      level: of q that the answers are by.

    Returns:
      Sentences.
    """
    answered = sum(row["answered"] for row in rows)
    if not answered:
        return ["No well has cells enough to tell interaction from chance."]
    interacting = sum(row["interacting"] for row in rows)
    sentence = (
        f"T cells and dendritic cells interact in {interacting} of {count(answered, 'well')}: they "
        f"overlap more than chance explains (q\u00a0≤\u00a0{level:g})."
    )
    parts = [f"{row['name']} {row['interacting']} of {row['answered']}" for row in rows]
    return [sentence, f"By condition: {joined(parts)}."] if len(rows) > 1 else [sentence]


def rows_of(wells: pd.DataFrame) -> list[dict]:
    """The table of wells, in order of plate and well, without numpy or NaN."""
    table = wells.assign(
        condition=condition_names(wells),
        chance=wells["overlap_share"] - wells["chance_excess"],
        dose=["" if pd.isna(value) else f"{value:g}" for value in wells["concentration_um"]],
        compound=[_compound(*pair) for pair in zip(wells["compound"], wells["role"])],
        place=[figures.place(str(well)) or (99, 99) for well in wells["well"]],
    )
    table = table.sort_values(["plate", "place", "well"]).drop(columns="place")
    return plain(table.to_dict("records"))


def _compound(compound: object, role: object) -> str:
    """What was added to a well: the compound or, without one, the well's role."""
    named = isinstance(compound, str) and compound
    return compound if named else str(role) if isinstance(role, str) and role != "sample" else ""


def on_truth(truth: Mapping[str, Mapping]) -> list[dict]:
    """Rows on how what was found agrees with what is true.

    Args:
      truth: kind -> any of the names of `TRUE` -> as `agreement.agreement` gives.

    Returns:
      For each its agreement with `what`, `unit` and `difference_unit`; without those of no well.
    """
    rows = []
    for kind, item in truth.items():
        for measure, found in item.items():
            words, *units = TRUE[measure]
            what = {"what": words.format(KINDS[kind].plural)}
            rows.append(what | dict(zip(("unit", "difference_unit"), units)) | dict(found))
    return [row for row in rows if row["n"]]


def summary_lines(metrics: Mapping) -> dict[str, str]:
    """What a measurement came to, for the terminal.

    Args:
      metrics: `wells`, `cells`, `conditions`, `doubts`, see `write_measurement_report`.

    Returns:
      Name -> text.
    """
    cells = [f"{number:,} {KINDS[kind].plural}" for kind, number in metrics["cells"].items()]
    lines = {"wells": str(metrics["wells"]), "cells": ", ".join(cells)}
    label = MEASURES["overlap_share"].quantity.label
    for row in metrics["conditions"]:
        lines[row["name"]] = (
            f"{row['interacting']} of {row['answered']} wells interact ({row['share']:.0f} %, 95 % "
            f"interval {row['low']:.0f} to {row['high']:.0f} %)\nmedian well: {label} "
            f"{row['overlap']:.1f} % ({row['chance']:.1f} % by chance), T cells in contact "
            f"{row['contact']:.1f} %"
            if row["answered"]
            else f"no answer in any of {row['wells']} wells: too few cells, or fields too small"
        )
    found = [Doubt(**doubt) for doubt in metrics["doubts"]]
    return lines | {"light": summary(found) or "in order"}
