"""Writes the report of a label-free run: what is known without stain, and what is not."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from jaxcell.cells.kinds import VIEWS, kind_called
from jaxcell.measures.catalogue import TARGETS
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import number
from jaxcell.report.label_free import figures
from jaxcell.report.label_free.figures import Example
from jaxcell.storage.atomic import plain, write_csv

__all__ = ["Example", "summary_lines", "write_label_free_report"]

METHODS: Mapping[str, str] = {
    "network": "this network, without stain",
    "drawn_stain": "instrument’s masks of the drawn stains",
    "filter_bank": "linear filter bank, without stain",
    "rim_and_grain": "rim and grain alone, without stain",
    "mean": "mean of the training wells",
    "stained": "instrument’s masks of the real stains",
}
DRAWN: Mapping[str, str] = {
    "network": "this network",
    "filter_bank": "linear filter bank",
    "rim_and_grain": "rim and grain alone",
    "mean": "mean image",
}
PAIRS: Mapping[str, str] = {
    "shown_all": "without stain, against all that brightfield shows",
    "drawn_stained": "drawn stain against real stain",
    "drawn_true": "drawn stain against the truth",
    "stained_true": "real stain against the truth",
}


def write_label_free_report(
    folder: Path,
    *,
    title: str,
    metrics: Mapping,
    wells: pd.DataFrame,
    pixels: pd.DataFrame,
    examples: Sequence[Example],
    history: Sequence[Mapping],
    config: Mapping,
) -> Path:
    """Writes the page, its numbers, tables and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself, such as `RUN/report`.
      title: of the page.
      metrics: as `experiments.label_free.evaluate` makes them.
      wells: one row a well: plate, well, condition, and what each method says, in percent.
      pixels: one row a field, kind and method: scores of drawn stains.
      examples: to be shown.
      history: rows of metrics.jsonl.
      config: nested settings of the run.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    metrics = plain(metrics)
    label = TARGETS[metrics["target"]].quantity.label
    builders: dict[str, Callable[[], Figure]] = {
        f"stains_{place}": lambda example=example: figures.stains(example)
        for place, example in enumerate(examples, 1)
    }
    builders["wells"] = lambda: figures.wells(wells, label)
    if rows := metrics["stained_wells"]["stained"]:
        coverage = config["evaluation"]["coverage"]
        builders["stained_wells"] = lambda: figures.stained_wells(rows, coverage)
    builders["loss_curve"] = lambda: figures.loss_curve(history)
    return write_page(
        folder,
        "label_free/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=True,
        figures=builders,
        files={
            "wells.csv": lambda path: write_csv(path, wells),
            "fields.csv": lambda path: write_csv(path, pixels),
        },
        content={
            "verdict": verdict(metrics),
            "label": label,
            "kinds": {kind: kind_called(kind).plural for kind in VIEWS},
            "methods": METHODS,
            "drawn": DRAWN,
            "pairs": PAIRS,
        },
        made={name: metrics[name] for name in ("inputs", "fields", "seed")},
        config=config,
    )


def verdict(metrics: Mapping) -> list[str]:
    """What is known without stain, in sentences."""
    label = TARGETS[metrics["target"]].quantity.label
    measure = metrics["measure"]
    of = measure["network"]
    said = (
        f"Without stain, the {label} of {of['wells']} wells that the network never saw is known "
        f"with r {number(of['r'], 2)} and RMSE / SD {number(of['rmse_over_sd'], 2)}; the stains' "
        f"own masks reach {number(measure['stained']['rmse_over_sd'], 2)}, a linear filter bank "
        f"{number(measure['filter_bank']['rmse_over_sd'], 2)}."
    )
    shown, drawn = (
        [number(metrics["cells"][kind][pair]["f1"], 2) for kind in VIEWS]
        for pair in ("shown_all", "drawn_true")
    )
    return [
        said,
        f"F1 at IoU 0.5 is {shown[0]} for round cells, stained or not, and {shown[1]} for "
        f"{kind_called(VIEWS[1]).plural}; in the drawn stains {drawn[0]} for "
        f"{kind_called(VIEWS[0]).plural} and {drawn[1]}.",
    ]


def summary_lines(metrics: Mapping) -> dict[str, str]:
    """What a run found, for the terminal: name -> text."""
    lines = {"fields": ", ".join(f"{count} {name}" for name, count in metrics["fields"].items())}
    for name, words in METHODS.items():
        of = metrics["measure"][name]
        text = f"wells: RMSE / SD {number(of['rmse_over_sd'], 3)}, r {number(of['r'], 3)}"
        if ends := of.get("worse_by_interval"):
            text += f"; above the network's by {number(ends[0], 2)} to {number(ends[1], 2)}"
        lines[words] = text
    for kind in VIEWS:
        name, pixels = kind_called(kind).plural, metrics["pixels"][kind]["network"]
        cells = metrics["cells"][kind]
        lines[f"{name}, drawn"] = (
            f"r of pixels {number(pixels['pcc']['mean'], 2)}, in cells "
            f"{number(pixels['pcc_in_cells']['mean'], 2)}; F1 at IoU 0.5 "
            f"{number(cells['shown_all']['f1'], 2)} of all that brightfield shows, "
            f"{number(cells['drawn_stained']['f1'], 2)} against the stain, "
            f"{number(cells['drawn_true']['f1'], 2)} against the truth, where the stain's own is "
            f"{number(cells['stained_true']['f1'], 2)}"
        )
    return lines
