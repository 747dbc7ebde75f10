"""Writes the report of a U-Net that finds cells or masks: how good it is, and against what."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from jaxcell.cells.kinds import kind_called
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import joined, number
from jaxcell.report.segmentation import figures
from jaxcell.report.segmentation.figures import NAMES, Example
from jaxcell.storage.atomic import plain, write_csv

__all__ = ["Example", "summary_lines", "write_segmentation_report"]

# Numbers of the run itself that stand in the table of how it was made.
MADE = ("fields", "megapixels", "seconds_a_field", "patches_a_second", "separation", "seed")
# F1 that differ by no more than this are called alike.
ALIKE = 0.005


def write_segmentation_report(
    folder: Path,
    *,
    title: str,
    simulated: bool,
    metrics: Mapping,
    fields: pd.DataFrame,
    examples: Sequence[Example],
    history: Sequence[Mapping],
    config: Mapping,
) -> Path:
    """Writes the page, its numbers, table and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself, such as `RUN/report`; a report that is there stays until
        the new one is whole.
      title: of the page.
      simulated: whether the fields were simulated.
      metrics: `experiment`, 'segmentation' (then `kinds` -> kind -> method -> as
        `detection.scores_of_fields`) or 'masks' (kind -> `unet` -> pixel_iou, mean_pixel_iou, and
        besides overlap_rmse_percent, overlap_sd_percent); any of `MADE`.
      fields: for segmentation one row a field, kind and method, with field, kind, method and
        scores; for masks one row a patch, with overlap and predicted in percent and, for each kind,
        the pixels `KIND_both` and `KIND_either`.
      examples: to be shown.
      history: rows of metrics.jsonl.
      config: nested settings of the run.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    cells = metrics["experiment"] == "segmentation"
    metrics = plain(metrics)
    builders: dict[str, Callable[[], Figure]] = {
        f"outlines_{place}": lambda example=example: figures.outlines(example)
        for place, example in enumerate(examples, 1)
    }
    builders["loss_curve"] = lambda: figures.loss_curve(history)
    if len(fields):
        builders["scores"] = lambda: (figures.scores if cells else figures.mask_scores)(fields)
    return write_page(
        folder,
        "segmentation/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=builders,
        files={"fields.csv": lambda path: write_csv(path, fields)},
        content={
            "cells": cells,
            "verdict": on_cells(metrics) if cells else on_masks(metrics),
            "kinds": {kind: kind_called(kind).plural for kind in metrics["kinds"]},
            "methods": NAMES,
        },
        made={name: metrics[name] for name in MADE if name in metrics},
        config=config,
    )


def on_cells(metrics: Mapping) -> list[str]:
    """How many cells are found, kind by kind, and whether that beats the best of the other methods.

    Args:
      metrics: plain, see `write_segmentation_report`.

    Returns:
      Sentences.
    """
    sentences = []
    for kind, methods in metrics["kinds"].items():
        unet, cells = methods["unet"], kind_called(kind).plural
        if not unet["true_cells"]:
            sentences.append(f"The fields hold no {cells}.")
            continue
        text = (
            f"The U-Net finds {100 * unet['recall']:.1f} % of {unet['true_cells']:,} {cells}, and "
            f"{100 * unet['precision']:.1f} % of its outlines are right: F1 at IoU 0.5 is "
            f"{unet['f1']:.3f}"
        )
        others = {name: scores["f1"] for name, scores in methods.items() if name != "unet"}
        if others:
            best = max(others, key=others.get)
            gain = unet["f1"] - others[best]
            word = "better than" if gain > 0 else "worse than"
            word = "as good as" if abs(gain) <= ALIKE else word
            text += f", {word} {NAMES[best]} ({others[best]:.3f})"
        sentences.append(f"{text}.")
    return sentences


def on_masks(metrics: Mapping) -> list[str]:
    """How closely masks are reproduced, kind by kind, and what that does to the overlap.

    Args:
      metrics: plain, see `write_segmentation_report`.

    Returns:
      Sentences.
    """
    parts = [
        f"{methods['unet']['pixel_iou']:.3f} for {kind_called(kind).plural}"
        for kind, methods in metrics["kinds"].items()
    ]
    return [
        "On wells it never saw, the U-Net draws the masks that the data sets are labelled by with "
        f"a pixel IoU of {joined(parts)} (1 is identical).",
        "The overlap (IoU) of T cells and dendritic cells that follows from its masks is off by "
        f"{metrics['overlap_rmse_percent']:.2f} percentage points (root mean square), where "
        f"patches differ by {metrics['overlap_sd_percent']:.2f} (standard deviation).",
    ]


def summary_lines(metrics: Mapping) -> dict[str, str]:
    """What a run found, for the terminal.

    Args:
      metrics: see `write_segmentation_report`.

    Returns:
      Name -> text.
    """
    unit = "patches" if metrics["experiment"] == "masks" else "fields"
    lines = {unit: ", ".join(f"{count} {name}" for name, count in metrics["fields"].items())}
    for kind, methods in metrics["kinds"].items():
        for method, scores in methods.items():
            text = f"pixel IoU {number(scores['pixel_iou'], 3)}"
            if "f1" in scores:
                text = (
                    f"F1 at IoU 0.5 {number(scores['f1'], 3)}, mean AP "
                    f"{number(scores['mean_ap'], 3)}, {text}; {scores['true_cells']:,} true cells"
                )
            lines[f"{kind_called(kind).plural}, {NAMES[method]}"] = text
    return lines
