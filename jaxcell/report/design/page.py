"""The page of a design: plates, balance, power, and why not in blocks."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.design.balance import Balance
from jaxcell.analysis.design.blocks import PLATES, Proof
from jaxcell.analysis.design.components import Components
from jaxcell.analysis.design.plan import Experiment
from jaxcell.report.common import style
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import count, number
from jaxcell.report.design import figures
from jaxcell.report.design.sentences import (
    least_effects,
    on_balance,
    on_blocks,
    on_design,
    on_power,
)

# Plates that are drawn.
PLATES_DRAWN = 12


def write_design_report(
    folder: Path,
    *,
    experiment: Experiment,
    layout: pd.DataFrame,
    balance: Mapping[str, Balance],
    proofs: Sequence[Proof],
    power: pd.DataFrame,
    measures: Mapping[str, tuple[str, str]],
    components: Components | None,
    doubts: Sequence[str],
    config: Mapping,
) -> Path:
    """Writes the page, its numbers and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself.
      experiment: what is to be tested.
      layout: one row a well of each plate, used or empty.
      balance: of this design and of others, by name, this one first.
      proofs: what arrangements of conditions can prove.
      power: one row a source, number of wells, condition and effect; may be empty.
      measures: source -> what was drawn, in words, and its unit.
      components: of an earlier plate; None without one.
      doubts: what is not known of conditions, in words.
      config: arguments of the command.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    used = layout[layout["role"] != "empty"]
    plates = used["plate"].unique().tolist()
    palette = style.palette(conditions(used))
    drawn = {
        f"plate_{place}": partial(figures.plate_map, layout[layout["plate"] == plate], palette)
        for place, plate in enumerate(plates[:PLATES_DRAWN], 1)
    }
    sources = list(power["source"].unique()) if len(power) else []
    drawn |= {
        f"power_{place}": partial(figures.power_curves, power[power["source"] == source])
        for place, source in enumerate(sources, 1)
    }
    drawn["proofs"] = partial(figures.proofs, proofs)
    least = least_effects(power) if len(power) else []
    several = len(experiment.conditions) > 1
    metrics = {
        "design": on_design(experiment, layout),
        "plates": plates,
        "wells": len(used),
        "vehicle_wells": int((used["role"] == "vehicle").sum()),
        "balance": {name: found._asdict() for name, found in balance.items()},
        "proofs": [proof._asdict() for proof in proofs],
        "least_effects": least,
        "components": components._asdict() | {"scale": components.scale._asdict()}
        if components
        else None,
        "power": power.to_dict("records"),
    }
    content = {
        "plates": plates,
        "replicates": experiment.replicates,
        "shown": plates[:PLATES_DRAWN],
        "sentences": {
            "design": on_design(experiment, layout),
            "balance": on_balance(next(iter(balance.values()))),
            "blocks": on_blocks(proofs, several),
            "power": [on_power(row, experiment.replicates) for row in least],
        },
        "balance_rows": balance_rows(balance),
        "tables": [_power_tables(power[power["source"] == source]) for source in sources],
        "sources": [(source, *measures[source]) for source in sources],
        "components": components,
        "doubts": doubts,
        "null_plates": PLATES,
        "several": several,
    }
    return write_page(
        folder,
        "design/page.html.jinja",
        title=f"Design of a screen: {count(experiment.compounds, 'compound')}",
        metrics=metrics,
        simulated=False,
        figures=drawn,
        files={},
        content=content,
        made={"seed": config["seed"]},
        config=config,
    )


def balance_rows(balance: Mapping[str, Balance]) -> list[tuple[str, list[str]]]:
    """Words of each figure of balance, and its text for each layout.

    Args:
      balance: name of the layout -> its figures.
    """
    found = list(balance.values())

    def ranges(name: str) -> list[str]:
        return ["{} – {}".format(*getattr(one, name)) for one in found]

    return [
        ("Wells in the row of another of their treatment", [str(one.same_row) for one in found]),
        ("… in its column", [str(one.same_column) for one in found]),
        ("… in its quadrant", [str(one.same_quadrant) for one in found]),
        ("Wells of a condition in a row, least – most", ranges("condition_row")),
        ("Wells of a condition in a column", ranges("condition_column")),
        ("Vehicle wells of a condition in a quadrant", ranges("vehicle_quadrant")),
        ("Vehicle wells of a condition in a twelfth of the plate", ranges("vehicle_tile")),
        ("What a gradient of 1 SD adds to effects, SD", [number(one.gradient) for one in found]),
        ("Precision left when rows and columns are corrected for, %",
         [number(100 * one.precision, 0) for one in found]),
    ]  # fmt: skip


def _power_tables(power: pd.DataFrame) -> dict[str, dict]:
    """For each condition of a source, effects by numbers of wells."""
    tables = {}
    for name in conditions(power):
        own = power[power["condition"] == name]
        designs = own.drop_duplicates("replicates").sort_values("replicates")
        rows = [
            {
                "inhibition": 100 * inhibition,
                "control": part["control"].iloc[0],
                "expected": part["expected"].iloc[0],
                "cells": part.sort_values("replicates").to_dict("records"),
            }
            for inhibition, part in own.groupby("inhibition")
        ]
        tables[name] = {"designs": designs.to_dict("records"), "rows": rows}
    return tables
