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
from jaxcell.analysis.wells import of_pair
from jaxcell.cells.kinds import USUAL, Kind, Pair, Population
from jaxcell.measures.catalogue import MEASURES, renamed
from jaxcell.measures.chance import CANNOT_SAY, MINIMUM_CELLS
from jaxcell.measures.doubts import PROBLEMS, Doubt, summary
from jaxcell.report.common import style
from jaxcell.report.common.images import DEFAULT_COLOURS, lights, lights_in_words
from jaxcell.report.common.outlines import brightness, fullest_square
from jaxcell.report.common.page import on_shown, write_page
from jaxcell.report.common.words import capital, count, joined
from jaxcell.report.interaction import plates as plate_figures
from jaxcell.report.measurement import figures
from jaxcell.report.measurement.field import LINES
from jaxcell.report.measurement.light import light
from jaxcell.storage.atomic import plain

# Up to this many wells are listed in the open.
OPEN_ROWS = 60
# Names of `MEASURES`.
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
# Kinds of cells side by side in a figure.
ACROSS = 2
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
      views: uint16 [H, W, K], counts of each kind's view.
      labels: int32 [K, H, W], the cells found in them, 0 outside.
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
    population: Population = USUAL,
) -> Path:
    """Writes the page, its numbers and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself; a report that is there stays until the new one is whole.
      title: of the page.
      simulated: whether the plates were simulated.
      metrics: `wells`, `cells` (kind -> number), `conditions` (of `by_condition`; with none or
        several pairs `counts`, of `counts_by_condition`, and `pairs`: of each its `conditions`),
        `chance` (`level` of q and `nearest_shift_um`, `farthest_shift_um`), `truth` (see
        `agreement.with_truth`; empty where nothing is known), `doubts` (of each the fields of
        `Doubt`), `left_out`, `seconds_a_well`.
      wells: one row a well: plate, well, condition, compound, concentration_um (µM), role, fields,
        every measure, every number of its light, the counts, and chance_q and answer of each pair.
      cells: one row a cell: kind, condition, touches_border, `figures.SHAPE` and, where they were
        measured, granularity_1...
      examples: fields to be shown.
      flat_fields: (plate, view) -> float32 [H, W], mean 1; empty where nothing was corrected.
      measures: name -> label, unit, definition, in the order of the page.
      findings: problem, plate, well, path, message, cure of each.
      config: nested settings; `plates.pixel_um` is read.
      colours: of two views, as `lights` takes.
      population: the kinds of cells, and pairs asked of.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    order = conditions(wells)
    examples = sorted(examples, key=lambda item: order.index(item.condition or NO_CONDITION))
    palette, level = style.palette(shown_conditions(wells)), metrics["chance"]["level"]
    kinds, builders = population.kinds, _of_pairs(wells, measures, palette, level, population)
    some = {f"_{place}" * (place > 1): kinds[at : at + ACROSS]
            for place, at in enumerate(range(0, len(kinds), ACROSS), 1)}  # fmt: skip
    for end, own in some.items():
        builders[f"shapes{end}"] = partial(figures.shapes, cells, palette, own)
    builders["light"] = partial(light, wells, kinds)
    if "granularity_1" in cells:
        for end, own in some.items():
            builders[f"granularity{end}"] = partial(figures.granularity, cells, palette, own)
    if flat_fields:
        builders["flat_fields"] = partial(plate_figures.flat_fields, flat_fields, kinds)
    for place, item in enumerate(examples, 1):
        pixel_um = config["plates"]["pixel_um"]
        builders[f"found_{place}"] = partial(_found, item, examples, pixel_um, colours, kinds)
    metrics = plain(metrics)
    asked = [_asked(pair, _of(metrics, pair), wells, measures, level) for pair in population.pairs]
    return write_page(
        folder,
        "measurement/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=builders,
        files={},
        content={
            "asked": asked,
            "rows": rows_of(wells),
            "kinds": {kind.key: kind for kind in kinds},
            "some_kinds": {end: [kind.plural for kind in own] for end, own in some.items()},
            "lines": [f"{kind.plural} {line}" for kind, (line, _) in zip(kinds, LINES)],
            "minimum_cells": MINIMUM_CELLS,
            "open_rows": OPEN_ROWS,
            "fields": int(wells["fields"].sum()),
            "plates": sorted(set(wells["plate"].astype(str))),
            "measures": measures,
            "colours": lights_in_words(kinds, lights(kinds, colours)),
            "shown": [f"{item.condition or NO_CONDITION}, well {item.well}" for item in examples],
            "truth": on_truth(metrics["truth"], population),
            "on_light": on_light(metrics["doubts"], metrics["wells"]),
            "lit": plate_figures.illumination_ranges(flat_fields, kinds),
        },
        made={"seconds_a_well": metrics["seconds_a_well"]},
        config=config,
        findings=findings,
        not_drawn=on_shown(wells),
    )


def _of_pairs(
    wells: pd.DataFrame,
    measures: Mapping[str, Mapping],
    palette: style.Palette,
    level: float,
    population: Population,
) -> dict[str, Callable[[], Figure]]:
    """The figures of how the cells of each pair interact, by name."""
    builders: dict[str, Callable[[], Figure]] = {}
    for pair in population.pairs:
        own, start = of_pair(wells, pair), pair.prefix
        plates = dict(list(own.groupby(own["plate"].astype(str))))
        builders |= {
            f"{start}answers_{place}": partial(figures.answers, some, level)
            for place, some in enumerate(plates.values(), 1)
        }
        words = {name.removeprefix(start): said for name, said in measures.items()
                 if name.startswith(start)}  # fmt: skip
        shown = {"strength": STRENGTH, "beyond": BEYOND_CHANCE, "overlap": OVERLAP}
        for figure, names in shown.items():
            names = [renamed(name, pair) for name in names]
            builders[start + figure] = partial(figures.strengths, own, names, words, palette)
    return builders


def _of(metrics: Mapping, pair: Pair) -> Mapping:
    """The metrics of a pair: of a lone one they stand among the others."""
    return metrics["pairs"][pair.prefix.rstrip("_")] if pair.prefix else metrics


def _asked(
    pair: Pair, metrics: Mapping, wells: pd.DataFrame, measures: Mapping, level: float
) -> dict:
    """What the page says of how the cells of a pair interact."""
    rows, conditions = rows_of(of_pair(wells, pair)), metrics["conditions"]
    answered = sum(row["answered"] for row in conditions)
    too_small = sum(row["answer"] == CANNOT_SAY for row in rows)
    return {
        "prefix": pair.prefix,
        "plural": pair.plural,
        "first": pair.first,
        "second": pair.second,
        "per": renamed("t_cells_per_dendritic_cell", pair),
        "overlap": measures[f"{pair.prefix}overlap_share"]["label"],
        "conditions": conditions,
        "verdict": on_verdict(conditions, level, pair),
        "rows": rows,
        "answered": answered,
        "interacting": sum(row["interacting"] for row in conditions),
        "too_small": too_small,
        "too_few": len(rows) - answered - too_small,
    }


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
    item: ExampleField,
    examples: Sequence[ExampleField],
    pixel_um: float,
    colours: str,
    kinds: Sequence[Kind],
) -> Figure:
    """The fullest square of a field with its cells, in a scale of brightness that all share."""
    # Of every fourth pixel in y and x: enough for a percentile.
    each = [np.percentile(field.views[::4, ::4], (1, 99.7), axis=(0, 1)) for field in examples]
    low, high = np.min(each, axis=0)[0], np.max(each, axis=0)[1]
    square = fullest_square(item.labels.any(axis=0), SQUARE)
    condition, well = item.condition or NO_CONDITION, item.well
    # Side by side with another image: a longer title would leave the images no room.
    title = f"{style.shortened(condition, 24)}, {style.shortened(well, 16)}"
    picture = brightness(item.views[square], low, high)
    labels = item.labels[(slice(None), *square)]
    return figures.found(title, picture, labels, pixel_um, colours, kinds)


def on_verdict(rows: Sequence[Mapping], level: float, pair: Pair = USUAL.pairs[0]) -> list[str]:
    """The answer about a pair: in how many wells it interacts, of all and of each condition.

    Args:
      rows: of `by_condition`.
      level: of q that the answers are by.
      pair: whose interaction is asked.

    Returns:
      Sentences.
    """
    answered = sum(row["answered"] for row in rows)
    if not answered:
        of = f" of {pair.plural}" if pair.prefix else ""
        return [f"No well has cells enough to tell interaction{of} from chance."]
    interacting = sum(row["interacting"] for row in rows)
    sentence = (
        f"{capital(pair.plural)} interact in {interacting} of {count(answered, 'well')}: they "
        f"overlap more than chance explains (q\u00a0≤\u00a0{level:g})."
    )
    parts = [f"{row['name']} {row['interacting']} of {row['answered']}" for row in rows]
    return [sentence, f"By condition: {joined(parts)}."] if len(rows) > 1 else [sentence]


def rows_of(wells: pd.DataFrame) -> list[dict]:
    """The table of wells, in order of plate and well, without numpy or NaN."""
    if "chance_excess" in wells:
        wells = wells.assign(chance=wells["overlap_share"] - wells["chance_excess"])
    table = wells.assign(
        condition=condition_names(wells),
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


def on_truth(truth: Mapping[str, Mapping], population: Population = USUAL) -> list[dict]:
    """Rows on how what was found agrees with what is true.

    Args:
      truth: kind -> any of the names of `TRUE` -> as `agreement.agreement` gives.
      population: with these kinds of cells.

    Returns:
      For each its agreement with `what`, `unit` and `difference_unit`; without those of no well.
    """
    rows = []
    for kind, item in truth.items():
        for measure, found in item.items():
            words, *units = TRUE[measure]
            what = {"what": words.format(population.kind(kind).plural)}
            rows.append(what | dict(zip(("unit", "difference_unit"), units)) | dict(found))
    return [row for row in rows if row["n"]]


def summary_lines(metrics: Mapping, population: Population = USUAL) -> dict[str, str]:
    """What a measurement came to, for the terminal.

    Args:
      metrics: `wells`, `cells`, `conditions`, `doubts`, see `write_measurement_report`.
      population: the kinds of cells, and pairs asked of.

    Returns:
      Name -> text.
    """
    cells = [
        f"{number:,} {population.kind(kind).plural}" for kind, number in metrics["cells"].items()
    ]
    lines = {"wells": str(metrics["wells"]), "cells": ", ".join(cells)}
    for pair in population.pairs:
        of = f", {pair.plural}" if pair.prefix else ""
        for row in _of(metrics, pair)["conditions"]:
            lines[f"{row['name']}{of}"] = _answer_in_words(row, pair)
    if not population.pairs:
        for row in metrics["counts"]:
            counted = [f"{row[kind.counts]:,.0f} {kind.plural}" for kind in population.kinds]
            lines[row["name"]] = f"{count(row['wells'], 'well')}, median {', '.join(counted)}"
    found = [Doubt(**doubt) for doubt in metrics["doubts"]]
    return lines | {"light": summary(found) or "in order"}


def _answer_in_words(row: Mapping, pair: Pair) -> str:
    """What the wells of a condition came to."""
    if not row["answered"]:
        return f"no answer in any of {row['wells']} wells: too few cells, or fields too small"
    overlap, contact = (
        renamed(MEASURES[name].quantity.label, pair) for name in ("overlap_share", "contact_share")
    )
    return (
        f"{row['interacting']} of {row['answered']} wells interact ({row['share']:.0f} %, 95 % "
        f"interval {row['low']:.0f} to {row['high']:.0f} %)\nmedian well: {overlap} "
        f"{row['overlap']:.1f} % ({row['chance']:.1f} % by chance), {contact} "
        f"{row['contact']:.1f} %"
    )
