"""Writes the report of measured plates: is it interaction, how strong is it, and in which cells."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis.conditions import NO_CONDITION, condition_names, conditions
from jaxcell.analysis.wells import INTERACTION, by_condition
from jaxcell.cells.kinds import KINDS, kind_called
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.chance import TOO_FEW
from jaxcell.report.common import style
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import count, joined
from jaxcell.report.interaction import plates as plate_figures
from jaxcell.report.measurement import figures
from jaxcell.storage.atomic import plain

# Up to this many wells are listed in the open.
OPEN_ROWS = 60
STRENGTH = ("overlap_share", "contact_share", "t_cells_per_dendritic_cell", "distance_um",
            "near_share", "contact_length_um")  # fmt: skip
OVERLAP = ("iou", "manders_t_cell", "manders_dendritic_cell", "pearson")
# Side in pixels of the squares that are shown.
SQUARE = 256
# What is compared with the truth: words, unit, and what too much and too little of it are called.
TRUE = {
    "count": ("{}s in a well", "cells", "many", "few"),
    "mean_area_um2": ("mean area of a {}", "µm²", "large", "small"),
    "contact_share": ("{}s in contact", "points", "many", "few"),
}


class Shown(NamedTuple):
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
    shown: Sequence[Shown],
    flat_fields: plate_figures.FlatFields,
    measures: Mapping[str, Mapping],
    findings: Sequence[Sequence],
    config: Mapping,
) -> Path:
    """Writes the page, its numbers and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself; a report that is there stays until the new one is whole.
      title: of the page.
      simulated: whether the plates were simulated.
      metrics: `wells`, `cells` (kind -> number), `chance` (`level` of the two-sided test and
        `nearest_shift_um`, `farthest_shift_um`), `truth` (see `agreement.with_truth`; empty where
        nothing is known), `left_out`, `seconds_a_well`;
        `conditions` (of `by_condition`) are added where they are not there.
      wells: one row a well: plate, well, condition, compound, concentration_um (µM), role, fields,
        every measure, t_cells, dendritic_cells, chance_p, answer.
      cells: one row a cell: kind, condition, touches_border, `figures.SHAPE` and, where they were
        measured, granularity_1...
      shown: fields to be shown.
      flat_fields: (plate, view) -> float32 [H, W], mean 1; empty where nothing was corrected.
      measures: name -> label, unit, definition, in the order of the page.
      findings: problem, plate, well, path, message, cure of each.
      config: nested settings; `pixel_um` is read.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    order = {name: place for place, name in enumerate(conditions(wells))}
    shown = sorted(shown, key=lambda item: order.get(item.condition or NO_CONDITION, len(order)))
    groups = figures.plate_groups(wells)
    builders = _builders(wells, cells, shown, groups, measures, config["plates"]["pixel_um"])
    if flat_fields:
        builders["flat_fields"] = lambda: plate_figures.flat_fields(flat_fields)
    metrics = plain({"conditions": by_condition(wells)} | dict(metrics))
    return write_page(
        folder,
        "measurement/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=builders,
        files={},
        content=dict(
            conditions=metrics["conditions"],
            verdict=on_verdict(wells),
            doubts=on_doubts(wells, metrics["chance"]["level"]),
            rows=rows_of(wells),
            too_few=int((wells["answer"] == TOO_FEW).sum()),
            open_rows=OPEN_ROWS,
            fields=int(wells["fields"].sum()),
            groups=groups,
            measures=measures,
            kinds=KINDS,
            shown=[f"{item.condition or NO_CONDITION}, well {item.well}" for item in shown],
            truth=on_truth(metrics.get("truth") or {}),
            lit=[f"{plate}, {kind_called(view).plural} {field.min():.2f} to {field.max():.2f}"
                 for (plate, view), field in sorted(flat_fields.items())],
        ),
        made={name: metrics[name] for name in ("seconds_a_well",) if name in metrics},
        config=config,
        findings=findings,
    )  # fmt: skip


def _builders(
    wells: pd.DataFrame,
    cells: pd.DataFrame,
    shown: Sequence[Shown],
    groups: Sequence[Sequence[str]],
    measures: Mapping,
    pixel_um: float,
) -> dict[str, Callable[[], Figure]]:
    """Name of each figure -> what draws it."""
    palette = style.palette(conditions(wells))
    builders = {
        f"answers_{number}": lambda plates=plates: figures.answers(wells, plates)
        for number, plates in enumerate(groups, 1)
    }
    builders["strength"] = lambda: figures.strengths(wells, STRENGTH, measures, palette)
    builders["overlap"] = lambda: figures.strengths(wells, OVERLAP, measures, palette)
    builders["shapes"] = lambda: figures.shapes(cells, palette)
    if "granularity_1" in cells:
        builders["granularity"] = lambda: figures.granularity(cells, palette)
    for number, item in enumerate(shown, 1):
        builders[f"found_{number}"] = lambda item=item: _found(item, light_range(shown), pixel_um)
    return builders


def _found(item: Shown, light: np.ndarray, pixel_um: float) -> Figure:
    """The fullest square of a field with its cells."""
    square = fullest_square(item.labels.any(axis=0))
    counts = item.views[square].astype(np.float32)
    # Brightened, or the dimmer of the cells would be seen by their outlines alone.
    picture = np.clip((counts - light[0]) / np.maximum(light[1] - light[0], 1), 0, 1) ** 0.6
    title = f"{item.condition or NO_CONDITION}, {item.well}"
    return figures.found(title, picture, item.labels[(slice(None), *square)], pixel_um)


def light_range(shown: Sequence[Shown]) -> np.ndarray:
    """Counts drawn as black and as full light, the same for all that is shown.

    Args:
      shown: at least one.

    Returns:
      float32 [2, view], the outermost of their 1st and 99.7th percentiles.
    """
    # Of every fourth pixel in y and x: enough for a percentile.
    each = [np.percentile(item.views[::4, ::4], (1, 99.7), axis=(0, 1)) for item in shown]
    return np.array([np.min(each, axis=0)[0], np.max(each, axis=0)[1]], np.float32)


def fullest_square(inside: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the square that holds most of a mask.

    Args:
      inside: bool [H, W].

    Returns:
      Slices of `SQUARE` pixels, or of the image's side where that is less.
    """
    height, width = np.minimum(SQUARE, inside.shape)
    sums = np.pad(inside.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    held = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
            + sums[:-height, :-width])  # fmt: skip
    y, x = (int(corner) for corner in np.unravel_index(held.argmax(), held.shape))
    return slice(y, y + int(height)), slice(x, x + int(width))


def on_verdict(wells: pd.DataFrame) -> list[str]:
    """The answer of the page in a few sentences, one on all wells and one a condition."""
    told = int((wells["answer"] != TOO_FEW).sum())
    interacting = int((wells["answer"] == INTERACTION).sum())
    if not told:
        return ["No well has cells enough to tell interaction from chance."]
    sentences = [
        f"In {interacting} of {count(told, 'well')} T cells and dendritic cells overlap more than "
        "chance explains, which speaks for interaction."
    ]
    rows = [row for row in by_condition(wells) if row["told"]]
    if len(rows) > 1:
        parts = [f"{row['name']} {row['interacting']} of {row['told']}" for row in rows]
        sentences.append(f"By condition: {joined(parts)}.")
        most = max(rows, key=lambda row: row["contact"])
        sentences.append(
            f"Contact is most frequent in {most['name']}: in its median well {most['contact']:.1f} "
            "% of the T cells lie within the contact distance of a dendritic cell."
        )
    return sentences


def on_doubts(wells: pd.DataFrame, level: float) -> list[str]:
    """What limits the answers: wells called interacting by chance, and wells with few cells."""
    told = int((wells["answer"] != TOO_FEW).sum())
    sentences = [
        f"Of wells without any interaction {100 * level / 2:g} % are called interacting "
        f"nevertheless: of {told} about {level / 2 * told:.1f}."
    ]
    if few := len(wells) - told:
        verb = "has" if few == 1 else "have"
        sentences.append(f"{count(few, 'well')} {verb} too few cells for an answer.")
    return sentences


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
      For each its agreement with `what`, `unit` and `sentence`; without those of no well.
    """
    rows = []
    for kind, item in truth.items():
        name = kind_called(kind).singular
        for measure, found in item.items():
            if not found["n"]:
                continue
            words, unit, more, less = TRUE[measure]
            what = words.format(name)
            bias, share = found["bias"], found["bias_share"]
            size = "" if share is None else f" ({100 * abs(share):.0f} % of the truth)"
            sentence = (
                f"{what[0].upper()}{what[1:]}: {abs(bias):.1f} {unit}{size} too "
                f"{more if bias > 0 else less} on average."
            )
            rows.append({"what": what, "unit": unit, "sentence": sentence} | dict(found))
    return rows


def summary_lines(metrics: Mapping) -> dict[str, str]:
    """What a measurement came to, for the terminal.

    Args:
      metrics: `wells`, `cells`, `conditions`, see `write_measurement_report`.

    Returns:
      Name -> text.
    """
    cells = ", ".join(
        f"{number:,} {KINDS[kind].plural}" for kind, number in metrics["cells"].items()
    )
    lines = {"wells": str(metrics["wells"]), "cells": cells}
    for row in metrics["conditions"]:
        lines[row["name"]] = (
            f"{row['interacting']} of {row['told']} wells interact; median well: "
            f"{row['contact']:.1f} % of T cells in contact, "
            f"{MEASURES['overlap_share'].quantity.label} "
            f"{row['overlap']:.1f} % ({row['chance']:.1f} % by chance)"
            if row["told"] else f"too few cells to say in any of {row['wells']} wells"
        )  # fmt: skip
    return lines
