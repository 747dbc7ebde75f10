"""Estimators scored on the answers of a labelling sheet."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from jaxcell.analysis.scores.over_wells import scores_over_wells
from jaxcell.experiments.labelling.estimators import MEAN, Estimates, estimate
from jaxcell.experiments.labelling.sheet import QUANTITIES, Sheet, read_sheet
from jaxcell.report.common.terminal import closing_table
from jaxcell.report.labelling.page import score_lines, write_score_report
from jaxcell.storage.atomic import write_csv
from jaxcell.storage.faults import require_place
from jaxcell.storage.owner import replacing

SCORES, ESTIMATES = "scores.csv", "estimates.csv"


def score_sheet(folder: Path, plates: str, runs: Sequence[Path]) -> str:
    """Scores every estimator on a sheet and writes tables and a page into it.

    Args:
      folder: of the sheet.
      plates: folder of the plates; empty: where they lay when the sheet was drawn.
      runs: folders of trained runs.

    Returns:
      The closing table.

    Raises:
      ValueError: nothing is answered, or something cannot be read.
    """
    began = time.monotonic()
    sheet = read_sheet(folder)
    require_place(folder, what="scores")
    answered = sheet.answers.notna().any(axis=1) & ~sheet.unusable
    if not answered.any():
        raise ValueError(
            f"{folder / 'answers.csv'} has no answer yet: fill in a patch, or write yes under "
            "outlined where its label images are painted"
        )
    estimates = estimate(sheet, plates, runs)
    rows = score_rows(sheet, estimates)
    metrics = {
        "patches": len(sheet.key),
        "answered": int(answered.sum()),
        "unusable": int(sheet.unusable.sum()),
        "wells": len(np.unique(sheet.wells[answered])),
        "scores": rows,
    }
    scores = folder / "scores"
    with replacing(scores, "scoring it"):
        page = write_score_report(
            scores,
            title=f"{folder.resolve().name}: estimators against a person's answers",
            simulated=sheet.settings["simulated"],
            metrics=metrics,
            answers=pd.DataFrame({name: sheet.true(name) for name in QUANTITIES}),
            estimates=estimates,
            quantities=QUANTITIES,
            config=sheet.settings,
            files={SCORES: lambda path: write_csv(path, _flat(rows)),
                   ESTIMATES: lambda path: write_csv(path, _table(sheet, estimates))},
        )  # fmt: skip
    lines = score_lines(metrics, QUANTITIES) | {"tables": f"{SCORES}, {ESTIMATES} in {scores}"}
    return closing_table(lines, page, time.monotonic() - began)


def score_rows(sheet: Sheet, estimates: dict[str, Estimates]) -> list[dict]:
    """Scores of each quantity and estimator, the best first, the mean last.

    Returns:
      For each `quantity`, `estimator` and what `scores_over_wells` gives; without quantities that
      nobody has answered.
    """
    rows = []
    for name in QUANTITIES:
        of_quantity = [
            {"quantity": name, "estimator": words}
            | scores_over_wells(sheet.true(name), values[name], sheet.wells)
            # A mean without the own well falls where that well is high: its r means nothing.
            | ({"r": None, "r_interval": None} if words == MEAN else {})
            for words, values in estimates.items()
            if name in values
        ]
        rows += sorted((row for row in of_quantity if row["n"]), key=_rank)
    return rows


def _rank(row: dict) -> tuple:
    ratio = row["rmse_over_sd"]
    return row["estimator"] == MEAN, np.inf if ratio is None else ratio


def _flat(rows: list[dict]) -> pd.DataFrame:
    """Scores as a table, the ends of intervals in columns of their own."""
    flat = []
    for row in rows:
        ends = {
            f"{name.removesuffix('_interval')}_{end}": None if value is None else value[place]
            for name, value in row.items()
            if name.endswith("_interval")
            for place, end in enumerate(("low", "high"))
        }
        flat.append({key: value for key, value in row.items() if key not in ends} | ends)
    table = pd.DataFrame(flat)
    return table[[column for column in table if not column.endswith("_interval")]]


def _table(sheet: Sheet, estimates: dict[str, Estimates]) -> pd.DataFrame:
    """Answers and estimates of every patch, one row a patch, quantity and estimator."""
    key = sheet.key[["patch", "plate", "well", "condition", "field", "y", "x"]]
    parts = [
        key.assign(quantity=name, answer=sheet.true(name), estimator=words, estimate=values[name])
        for words, values in estimates.items()
        for name in QUANTITIES
        if name in values
    ]
    return pd.concat(parts, ignore_index=True)
