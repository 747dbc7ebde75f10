"""Wells that are written as empty, and whether they hold cells."""

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import NO_CONDITION, condition_names, conditions

# Share of the middle count of the other wells from which a well is not empty, and the least count:
# below, it is debris.
SHARE_OF_USUAL, LEAST_CELLS = 0.05, 20
CONTROLS = ("vehicle", "untreated")


def empty_wells(wells: pd.DataFrame, value: str, counts: list[str]) -> dict:
    """What is in the wells that a layout calls empty.

    A well is like the condition whose control wells of the same plate have the nearest value and
    counts, in units of these controls' spread (of all conditions pooled).

    Args:
      wells: plate, well, condition, role, the value and the counts.
      value: column of the measure.
      counts: columns of counts, the first kind first; may be empty.

    Returns:
      `named` (wells called empty), `measured` (of these, with a value), `holding` (with cells),
      `median_cells` (of the first count over these, None without), `like` (condition -> number of
      them) and `wells` (table: plate, well, `cells`, `like`).
    """
    named = wells[wells["role"] == "empty"]
    number = pd.to_numeric(named[value], errors="coerce")
    result = {"named": len(named), "measured": int(np.isfinite(number).sum())}
    nothing = pd.DataFrame(columns=["plate", "well", "cells", "like"])
    if not counts:
        measured = named[np.isfinite(number)]
        table = measured[["plate", "well"]].assign(
            cells=np.nan, like=_like(measured, wells, [value])
        )
        return result | _summary(table if len(measured) else nothing)
    cells = pd.to_numeric(named[counts[0]], errors="coerce")
    usual = pd.to_numeric(wells.loc[wells["role"] != "empty", counts[0]], errors="coerce").median()
    least = max(SHARE_OF_USUAL * usual, LEAST_CELLS) if np.isfinite(usual) else LEAST_CELLS
    holding = named[cells >= least]
    if holding.empty:
        return result | _summary(nothing)
    like = _like(holding, wells, [value, *counts])
    table = holding[["plate", "well"]].assign(cells=cells[holding.index], like=like)
    return result | _summary(table)


def _summary(table: pd.DataFrame) -> dict:
    middle = table["cells"].astype(float).dropna().median()
    return {
        "holding": len(table),
        "median_cells": None if pd.isna(middle) else float(middle),
        "like": {str(name): int(count) for name, count in table["like"].value_counts().items()},
        "wells": table.reset_index(drop=True),
    }


def _like(holding: pd.DataFrame, wells: pd.DataFrame, columns: list[str]) -> list[str]:
    """The condition whose controls are nearest, of each well; '' without controls on its plate."""
    numbers = wells[columns].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    # Counts differ by factors; shares between 0 and 1 are little changed by a logarithm of 1 + x.
    numbers = np.log1p(numbers.clip(lower=0)) if len(columns) > 1 else numbers
    control = wells["role"].isin(CONTROLS) & np.isfinite(numbers).all(axis=1)
    names = condition_names(wells)
    found = []
    for place, row in holding.iterrows():
        own = control & (wells["plate"] == row["plate"]) & (names != NO_CONDITION)
        here = numbers[own].assign(condition=names[own])
        known = conditions(here) if len(here) else []
        if not known or not np.isfinite(numbers.loc[place]).all():
            found.append("")
            continue
        centre = here.groupby("condition")[columns].median()
        left = here[columns] - centre.loc[here["condition"]].to_numpy()
        spread = np.sqrt((left**2).mean()).replace(0, 1)
        apart = (((centre - numbers.loc[place]) / spread) ** 2).sum(axis=1)
        found.append(str(apart.idxmin()))
    return found
