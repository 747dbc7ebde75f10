"""Plates of a screen: what was measured, what places did, what is left."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcell.analysis.screening.scale import AS_IS, Scale
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.interaction.plates import row_name

# Letters in wells that are no compound's.
LETTERS = {"vehicle": "v", "untreated": "u", "empty": "e"}
# Share of the spread between wells below which nobody would see what places do.
LEAST_PLACE = 1e-3


class Panel(NamedTuple):
    """A map of a plate.

    Attributes:
      title: of the panel, which has room for words where the bar of colours has none.
      column: of the table of wells.
      unit: of its colours.
      colours: a colour map; one with two ends is centred on 0.
    """

    title: str
    column: str
    unit: str
    colours: str


@style.legible
def plate_maps(wells: pd.DataFrame, measure: Quantity, scale: Scale) -> Figure:
    """One plate: as measured, what wells owe to their place, and differences from the controls.

    Args:
      wells: of one plate: row, column (from 1), condition, role, the measure, `place_effect` and
        `from_controls` (on the scale, NaN where not compared).
      measure: what was screened.
      scale: on which it was compared.

    Returns:
      The figure, down to the last row and column in use; thick lines part conditions.
    """
    on = "" if scale.name == AS_IS else f", {scale.name}"
    panels = [
        Panel(f"as measured: {style.shortened(measure.label, 60)}", measure.name, measure.unit,
              "viridis"),
        Panel(f"owed to the place{on}", "place_effect", "", "PuOr"),
        Panel(f"difference from the controls, places corrected{on}", "from_controls", "", "PuOr"),
    ]  # fmt: skip
    if not wells["place_effect"].abs().max() > LEAST_PLACE * wells["from_controls"].std():
        panels.pop(1)
    shape = int(wells["row"].max()), int(wells["column"].max())
    width = 6.3
    figure = style.new_figure(7.2, len(panels) * (width * shape[0] / max(shape[1], 6) + 0.55))
    for axes, panel in zip(np.ravel(figure.subplots(len(panels), 1, squeeze=False)), panels):
        _draw(figure, axes, panel, wells, shape)
    return figure


def _draw(
    figure: Figure, axes: Axes, panel: Panel, wells: pd.DataFrame, shape: tuple[int, int]
) -> None:
    image = np.full(shape, np.nan)
    at = wells["row"].to_numpy(int) - 1, wells["column"].to_numpy(int) - 1
    image[at] = wells[panel.column].to_numpy(float)
    finite = image[np.isfinite(image)]
    ends = (finite.min(), finite.max()) if len(finite) else (0, 1)
    if panel.colours == "PuOr":
        # A few strong wells must not make the others look alike.
        limit = max(float(np.quantile(np.abs(finite), 0.98)) if len(finite) else 0.0, 1e-9)
        ends = (-limit, limit)
    picture = axes.imshow(image, cmap=panel.colours, vmin=ends[0], vmax=ends[1])
    size = min(8.0, 150 / shape[1])
    for row, column, role, value in zip(*at, wells["role"], image[at]):
        if role in LETTERS:
            shade = picture.cmap(picture.norm(value))[:3] if np.isfinite(value) else (1, 1, 1)
            dark = np.dot(shade, (0.3, 0.59, 0.11)) < 0.5
            axes.text(column, row, LETTERS[role], size=size, ha="center", va="center",
                      color="white" if dark else style.INK)  # fmt: skip
    _part_conditions(axes, wells, shape)
    axes.set_title(panel.title)
    step = 1 if shape[1] <= 24 else 4
    axes.set_xticks(range(0, shape[1], step), range(1, shape[1] + 1, step), size=8)
    axes.set_yticks(range(shape[0]), map(row_name, range(shape[0])), size=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, pad=1)
    axes.spines[:].set_visible(False)
    figure.colorbar(picture, ax=axes, aspect=20, pad=0.01, label=panel.unit,
                    extend="both" if panel.colours == "PuOr" else "neither")  # fmt: skip


def _part_conditions(axes: Axes, wells: pd.DataFrame, shape: tuple[int, int]) -> None:
    """Lines between wells, thick ones where the condition changes."""
    axes.vlines(np.arange(shape[1] + 1) - 0.5, -0.5, shape[0] - 0.5, color=style.FAINT, lw=0.4)
    axes.hlines(np.arange(shape[0] + 1) - 0.5, -0.5, shape[1] - 0.5, color=style.FAINT, lw=0.4)
    numbers = np.full(shape, -1)
    treated = wells[wells["role"] != "empty"]
    at = treated["row"].to_numpy(int) - 1, treated["column"].to_numpy(int) - 1
    numbers[at] = pd.factorize(treated["condition"])[0]
    for row, column in zip(*np.nonzero(numbers[:, 1:] != numbers[:, :-1])):
        axes.vlines(column + 0.5, row - 0.5, row + 0.5, color=style.INK, lw=1.4)
    for row, column in zip(*np.nonzero(numbers[1:] != numbers[:-1])):
        axes.hlines(row + 0.5, column - 0.5, column + 0.5, color=style.INK, lw=1.4)
    for name, first, last in _blocks(treated):
        middle, room = (first + last) / 2 - 1, 2 * (last - first + 1) + 3
        axes.text(middle, shape[0] - 0.4, style.shortened(name, room), size=8, ha="center",
                  va="top", clip_on=False)  # fmt: skip


def _blocks(treated: pd.DataFrame) -> list[tuple[str, int, int]]:
    """Condition, first and last column of columns that hold one condition, three at least."""
    of_column = treated.groupby("column")["condition"].agg(
        lambda names: names.iloc[0] if names.nunique() == 1 else ""
    )
    blocks: list[tuple[str, int, int]] = []
    for column, name in of_column.items():
        if blocks and blocks[-1][0] == name and blocks[-1][2] == column - 1:
            blocks[-1] = (name, blocks[-1][1], column)
        else:
            blocks.append((name, column, column))
    return [(name, first, last) for name, first, last in blocks if name and last - first >= 2]
