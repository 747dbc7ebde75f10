"""The report of estimators scored on a person's answers."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import number, signed
from jaxcell.storage.atomic import plain

# What the page, the figure and the closing table say first.
FIRST = "iou"
# Estimators drawn.
DRAWN = 6


def write_score_report(
    folder: Path,
    *,
    title: str,
    simulated: bool,
    metrics: Mapping,
    answers: pd.DataFrame,
    estimates: Mapping[str, Mapping[str, np.ndarray]],
    quantities: Mapping[str, Quantity],
    config: Mapping,
    files: Mapping[str, Callable[[Path], object]],
) -> Path:
    """Writes the page, its numbers and figures into a report folder, whole or not at all.

    Args:
      folder: the report folder itself.
      title: of the page.
      simulated: whether the plates were simulated.
      metrics: `patches`, `answered`, `unusable`, `wells`, and `scores`: for each quantity and
        estimator, the best first, what `scores_over_wells` gives.
      answers: a column a quantity, one row a patch; NaN where there is none.
      estimates: words of the estimator -> quantity -> float [patches].
      quantities: name -> its words, in the order of the page.
      config: settings of the sheet.
      files: name -> what writes this file beside the page.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    metrics = plain(metrics)
    tables = [
        {"name": name, "words": words,
         "rows": [row for row in metrics["scores"] if row["quantity"] == name]}
        for name, words in quantities.items()
    ]  # fmt: skip
    tables = [table for table in tables if table["rows"]]
    figures = {
        f"scatter_{table['name']}": partial(
            scatter, answers[table["name"]], estimates, table["rows"], table["words"]
        )
        for table in tables
    }
    return write_page(
        folder,
        "labelling/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=figures,
        files=files,
        content={"tables": tables},
        made={},
        config=config,
    )


@style.legible
def scatter(
    answers: pd.Series,
    estimates: Mapping[str, Mapping[str, np.ndarray]],
    rows: Sequence[Mapping],
    quantity: Quantity,
) -> Figure:
    """Estimates against answers, a panel an estimator, a point a patch.

    Args:
      answers: float [N].
      estimates: words of the estimator -> quantity -> float [N].
      rows: the scores of this quantity; the first of them are drawn.
      quantity: its words.

    Returns:
      The figure; on the line an estimate equals the answer.
    """
    shown = [row["estimator"] for row in rows[:DRAWN]]
    lines, _ = style.grid_shape(len(shown))
    figure = style.new_figure(7.2, 2.3 * lines + 0.4)
    panels = style.panels(figure, len(shown), sharex=True, sharey=True)
    for axes, words in zip(panels, shown):
        style.points(axes, answers, estimates[words][quantity.name], style.Mark(style.BLUE, "o"),
                     s=14, alpha=0.6)  # fmt: skip
        axes.axline((0, 0), slope=1, color=style.MUTED, lw=1)
        axes.set_title(style.shortened(words, 34), size=9)
    figure.supxlabel(style.with_unit(f"{quantity.label}, answered", quantity.unit), size=10)
    figure.supylabel(style.with_unit("estimated", quantity.unit), size=10)
    return figure


def score_lines(metrics: Mapping, quantities: Mapping[str, Quantity]) -> dict[str, str]:
    """What the estimators came to, for the terminal.

    Args:
      metrics: as for `write_score_report`.
      quantities: name -> its words.

    Returns:
      Name -> text.
    """
    lines = {
        "answers": f"{metrics['answered']} of {metrics['patches']} patches, of {metrics['wells']} "
        f"wells; {metrics['unusable']} unusable"
    }
    for name, words in quantities.items():
        rows = [row for row in metrics["scores"] if row["quantity"] == name]
        if rows:
            width = max(len(row["estimator"]) for row in rows)
            heading = f"{'':<{width}}  {'RMSE / SD':<20} {'bias':<22} r"
            text = [heading, *(_line(row, width, words) for row in rows)]
            lines[style.with_unit(words.label, words.unit)] = "\n".join(text)
    return lines


def _line(row: Mapping, width: int, words: Quantity) -> str:
    cells = [
        _with_ends(row["rmse_over_sd"], row["rmse_over_sd_interval"], number),
        _with_ends(row["bias"], row["bias_interval"], signed),
        _with_ends(row["r"], row["r_interval"], number),
    ]
    return f"{row['estimator']:<{width}}  {cells[0]:<20} {cells[1]:<22} {cells[2]}".rstrip()


def _with_ends(value: float | None, ends: Sequence[float] | None, say: Callable) -> str:
    return say(value) + (f" ({say(ends[0])}, {say(ends[1])})" if ends else "")
