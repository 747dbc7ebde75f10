"""Wells measured, by condition."""

import pandas as pd

from jaxcell.analysis.conditions import condition_names, conditions
from jaxcell.measures.chance import TOO_FEW
from jaxcell.storage.atomic import plain

INTERACTION = "interaction"


def by_condition(wells: pd.DataFrame) -> list[dict]:
    """What the wells of each condition came to.

    Args:
      wells: as `write_measurement_report` takes.

    Returns:
      For each condition its `name`, `wells`, `told` (those with cells enough for an answer), of
      these `interacting` and `less`, and their medians `overlap`, `chance`, `contact`, `z` (None
      where none is told).
    """
    of_well, rows = condition_names(wells), []
    for name in conditions(wells):
        group = wells[of_well == name]
        told = group[group["answer"] != TOO_FEW]
        middle = {
            "overlap": told["overlap_share"].median(),
            "chance": (told["overlap_share"] - told["chance_excess"]).median(),
            "contact": told["contact_share"].median(),
            "z": told["chance_z"].median(),
        }
        called = {
            "interacting": int((told["answer"] == INTERACTION).sum()),
            "less": int((told["answer"] == "less than chance").sum()),
        }
        rows.append({"name": name, "wells": len(group), "told": len(told)} | called | plain(middle))
    return rows
