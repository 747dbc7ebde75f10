"""A label-free run against wells it never saw: beside the stains, the truth and simple filters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ml_collections import FrozenConfigDict

from jaxcell.analysis.intervals.stained_wells import curve
from jaxcell.analysis.scores import detection
from jaxcell.analysis.scores.label_free import line_to_truth, scores_of_methods, wells_of
from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.source import load_plates
from jaxcell.dataset.unstained_fields import read_seen, unstained_table
from jaxcell.experiments.label_free.judging import PAIRS, Judged, drawing, judge
from jaxcell.experiments.lifecycle import Outcome, refuse
from jaxcell.inference.stainer import CALIBRATION, NETWORK, Stainer, load
from jaxcell.report.label_free.page import (
    METHODS,
    Example,
    summary_lines,
    write_label_free_report,
)
from jaxcell.storage.atomic import write
from jaxcell.storage.run_folder import history

EXAMPLES = 3  # fields shown in the report
STAINED = (3, 6, 9, 12, 18, 24, 36)  # wells of a plate
DRAWS = 2000  # bootstrap samples of wells


def evaluate(workdir: Path, **options: Any) -> Outcome:
    """Evaluates a label-free run on the wells it held out and writes `workdir/report`.

    Args:
      workdir: the run's folder.
      **options: of other kinds, refused.

    Raises:
      ValueError: the training has not ended.
    """
    refuse(
        options,
        f"{workdir} is a label-free run: predict plates with it by jaxcell predict, which uses the "
        "wells of a plate that are stained",
    )
    config, stainer = load(workdir)
    metrics = evaluate_label_free(workdir, config, stainer)
    return Outcome(summary_lines(metrics), workdir / "report" / "index.html")


def evaluate_label_free(workdir: Path, config: FrozenConfigDict, stainer: Stainer) -> dict:
    """Evaluates a label-free run on its held-out wells, keeps its calibration, writes its report.

    Returns:
      The content of metrics.json, see `metrics_of`.
    """
    table = unstained_table(load_plates(config), stainer.inputs, config.dataset.split_seed)
    of = {split: rows for split, rows in table.groupby("split")}
    draw = drawing(stainer, of["train"])
    fitted = wells_of(judge(draw, of["validation"], stainer).areas, config.dataset.target)
    judged = judge(draw, of["test"], stainer)
    wells = wells_of(judged.areas, config.dataset.target)
    metrics = metrics_of(judged, wells, fitted, config.evaluation.coverage)
    metrics |= {
        "experiment": "label_free",
        "target": config.dataset.target,
        "inputs": list(stainer.inputs),
        "fields": table["split"].value_counts(sort=False).to_dict(),
        "seed": config.training.seed,
    }
    slope, start = line_to_truth(fitted, "network")
    errors = np.sort(np.abs(start + slope * wells["network"] - wells["truth"]))
    calibration = {"slope": slope, "start": start, "errors": errors.tolist()}
    write(workdir / CALIBRATION, calibration)
    write_label_free_report(
        workdir / "report",
        title=f"{workdir.resolve().name}: without stain",
        metrics=metrics,
        wells=wells,
        pixels=judged.pixels,
        examples=[
            _example(row, stainer, draw["network"])
            for row in of["test"].drop_duplicates("condition")[:EXAMPLES].itertuples()
        ],
        history=history(workdir, NETWORK),
        config=config.to_dict(),
    )
    return metrics


def metrics_of(
    judged: Judged, wells: pd.DataFrame, fitted: pd.DataFrame, coverage: float
) -> dict[str, Any]:
    """The numbers of what was said of wells.

    Args:
      judged: of their fields.
      wells: of these, as `wells_of` gives.
      fitted: of other wells, on which all are put on the scale of the truth.
      coverage: of intervals from stained wells.

    Returns:
      `measure`: method -> as `scores_of_methods`; `pixels`: kind -> method -> score -> `mean` and
      `interval` over wells; `cells`: kind -> `FOUND_AGAINST` -> as `detection.scores_of_fields`;
      `stained_wells`: rows of `curve`, means over plates, of the truth and of what the stains
      say.
    """
    return {
        "measure": scores_of_methods(wells, list(METHODS), fitted),
        "pixels": _over_wells(judged.pixels),
        "cells": {
            kind: {
                f"{found}_{against}": detection.scores_of_fields(judged.cells[kind, found, against])
                for found, against in PAIRS
            }
            for kind in VIEWS
        },
        "stained_wells": {
            of: curves(wells, of, coverage).to_dict("records") for of in ("truth", "stained")
        },
    }


def curves(wells: pd.DataFrame, known: str, coverage: float) -> pd.DataFrame:
    """`curve` of each plate, with errors over the SD of its wells: means over plates."""
    tables = []
    for _, plate in wells.groupby("plate"):
        values = plate[known].to_numpy(float)
        counts = tuple(count for count in STAINED if count <= 0.75 * len(plate))
        found = curve(plate["network"].to_numpy(float), values, counts, coverage)
        if len(found) and values.std():
            tables.append(found.assign(**{
                name: found[name] / values.std() for name in ("rmse", "rmse_of_mean")
            }))  # fmt: skip
    if not tables:
        return pd.DataFrame(columns=["stained", "rmse", "rmse_of_mean", "hold", "said"])
    return pd.concat(tables).groupby("stained").mean().reset_index()


def _over_wells(pixels: pd.DataFrame) -> dict:
    """Means of scores over wells with 95 % intervals, by kind and method."""
    names = ["pcc", "pcc_in_cells", "ssim", "nrmse", "psnr", "dice"]
    random, result = np.random.default_rng(0), {}
    for (kind, method), rows in pixels.groupby(["kind", "method"], sort=False):
        of_wells = rows.groupby(["plate", "well"])[names].mean()
        found = result.setdefault(kind, {}).setdefault(method, {})
        for name in names:
            values = of_wells[name].dropna().to_numpy(float)
            if not len(values):
                continue
            drawn = random.choice(values, (DRAWS, len(values))).mean(axis=1)
            found[name] = {
                "mean": float(values.mean()),
                "interval": np.percentile(drawn, (2.5, 97.5)).tolist(),
            }
    return result


def _example(row: Any, stainer: Stainer, network: Mapping) -> Example:
    seen = read_seen(row, stainer.inputs)
    answer = network(seen.image)
    name = f"{row.plate} {row.well}, {row.condition}"
    return Example(name, seen.image[..., 0].astype(np.float32), seen.stain, answer.stain)
