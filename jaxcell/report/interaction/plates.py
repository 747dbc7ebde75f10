"""Figures of plates and fields: where the regressor errs, and how evenly fields are lit."""

import re
import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from jaxcell.cells.kinds import KINDS
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.images import MICROMETRES_PER_PIXEL

# Rows and columns of the plates in use: 384 wells, else 1,536.
PLATE_FORMATS = ((16, 24), (32, 48))
# The colours of the plate map span at least this many points, so that a small error looks small;
# for other units, at least this share of the range of the wells' means.
SMALLEST_ERROR_SPAN, SMALLEST_SPAN_SHARE = 0.5, 0.05
# Side in pixels that a flat field is drawn with: it is smooth.
FLAT_FIELD_SIDE = 128
# T cells first, as everywhere.
# (plate, view) -> float32 [H, W], mean 1.
FlatFields = Mapping[tuple[str, str], np.ndarray]
# Plates whose flat fields are drawn; the caption gives the numbers of all.
PLATES_DRAWN = 8
# Patches along an edge of a field up to which their values are written.
WRITTEN_PATCHES = 12


@style.legible
def plate_map(wells: pd.DataFrame, target: Quantity = OVERLAP) -> Figure:
    """Mean error of each well at its place on the plate: an error that knows a place is a warning.

    Args:
      wells: plate, well (like `D07`), error (in the unit of the target), target_mean, one row a
        well.
      target: what was predicted.

    Returns:
      The figure, one panel a plate (the first eight); places without a well stay empty.
    """
    frame = wells[np.isfinite(wells["error"].astype(float))]
    places = [place(well) for well in frame["well"]]
    frame = frame[[place is not None for place in places]]
    found = np.array([place for place in places if place is not None]).reshape(-1, 2)
    if frame.empty:
        return style.sentence_figure("No well with a finite error and a place on a plate.")
    plates = sorted(frame["plate"].astype(str).unique())[:8]
    lines, columns = next(
        (size for size in PLATE_FORMATS if (found < size).all()), tuple(found.max(axis=0) + 1)
    )
    across = 1 if len(plates) == 1 else 2
    down = -(-len(plates) // across)
    height = down * (6.2 / across * lines / columns + 0.5)
    figure = style.new_figure(7.2, min(height, 14.0))
    grid = np.ravel(figure.subplots(down, across, squeeze=False))
    span = SMALLEST_ERROR_SPAN
    if target.unit != "%":
        span = SMALLEST_SPAN_SHARE * float(np.ptp(frame["target_mean"])) or 1.0
    limit = max(float(frame["error"].abs().max()), span)
    # A well of the map holds four characters; the sign is one of them.
    decimals = 0 if limit >= 10 else target.digits - 1
    norm = TwoSlopeNorm(0.0, -limit, limit)
    for axes, plate in zip(grid, plates):
        rows = (frame["plate"].astype(str) == plate).to_numpy()
        image = np.full((lines, columns), np.nan)
        image[tuple(found[rows].T)] = frame["error"][rows]
        picture = axes.imshow(image, cmap="PuOr", norm=norm)
        axes.set_title(f"Plate {plate}")
        step = 1 if across == 1 and columns <= 24 else 2 if columns <= 24 else 4
        axes.set_xticks(range(0, columns, step), range(1, columns + 1, step), size=8)
        axes.set_yticks(range(0, lines, step), [row_name(i) for i in range(0, lines, step)], size=8)
        axes.vlines(np.arange(columns + 1) - 0.5, -0.5, lines - 0.5, color=style.FAINT, lw=0.6)
        axes.hlines(np.arange(lines + 1) - 0.5, -0.5, columns - 0.5, color=style.FAINT, lw=0.6)
        # Outlined, since an error of nothing has the colour of no well.
        wells_drawn = [Rectangle((column - 0.5, row - 0.5), 1, 1) for row, column in found[rows]]
        axes.add_collection(
            PatchCollection(wells_drawn, facecolor="none", edgecolor=style.MUTED, linewidth=0.6)
        )
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if across == 1 and columns <= 24:
            for (row, column), value in zip(found[rows], frame["error"][rows]):
                dark = abs(value) > 0.6 * limit
                text = f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
                axes.text(
                    column,
                    row,
                    text,
                    ha="center",
                    va="center",
                    size=6,
                    color="white" if dark else style.INK,
                )
    for axes in grid[len(plates) :]:
        axes.set_axis_off()
    figure.colorbar(
        picture,
        ax=list(grid),
        shrink=0.75,
        aspect=28,
        pad=0.01,
        label=style.with_unit("mean error\n(predicted − true)", target.difference_unit),
    )
    return figure


@style.legible
def flat_fields(fields: Mapping[tuple[str, str], np.ndarray]) -> Figure:
    """How brightly each place of a field is lit, estimated for each plate and view.

    Args:
      fields: (plate, `t_cell` or `dendritic_cell`) -> float [H, W], relative illumination, mean 1.

    Returns:
      The figure, one row a plate (the first `PLATES_DRAWN`), one column a view, one colour scale.
    """
    plates = sorted({plate for plate, _ in fields})[:PLATES_DRAWN]
    views = [view for view in KINDS if any(view == of for _, of in fields)]
    if not plates:
        return style.sentence_figure("No flat field was estimated.")
    shown = [fields[plate, view] for plate in plates for view in views if (plate, view) in fields]
    limit = max(float(np.abs(field - 1).max()) for field in shown) or 1e-3
    figure = style.new_figure(7.2, 0.3 + 2.9 * len(plates))
    grid = figure.subplots(len(plates), len(views), squeeze=False)
    for line, plate in zip(grid, plates):
        for axes, view in zip(line, views):
            axes.set_axis_off()
            if (plate, view) not in fields:
                continue
            field = fields[plate, view]
            step = max(1, max(field.shape) // FLAT_FIELD_SIDE)
            picture = axes.imshow(
                field[::step, ::step], cmap="PuOr_r", vmin=1 - limit, vmax=1 + limit
            )
            axes.set_title(f"{plate}, {KINDS[view].plural}")
    figure.colorbar(
        picture, ax=list(grid.flat), shrink=0.8, aspect=28, pad=0.02, label="relative illumination"
    )
    return figure


@style.legible
def field_map(
    patches: pd.DataFrame,
    target: Quantity = OVERLAP,
    window: int = 192,
    micrometres_per_pixel: float = MICROMETRES_PER_PIXEL,
) -> Figure:
    """Patches of one field at their place: measured, predicted, and the error.

    Args:
      patches: y and x of the upper left corner in pixels, target, predicted, faulty; of one field.
      target: what was predicted.
      window: edge of a patch in pixels.
      micrometres_per_pixel: µm.

    Returns:
      The figure: measured and predicted share their colours; faulty patches are crossed.
    """
    finite = np.isfinite(patches[["target", "predicted"]].astype(float)).all(axis=1)
    if not finite.any():
        return style.sentence_figure("This field has no patch with a finite prediction.")
    step, first, shape = _grid_of(patches, window)
    error = patches["predicted"] - patches["target"]
    low = min(0.0, float(patches[["target", "predicted"]].min().min()))
    high = float(patches[["target", "predicted"]].max().max())
    high = high if high > low else low + 1.0
    largest = float(error.abs().max()) or 1.0
    looks = (
        ("measured", patches["target"], "viridis", (low, high)),
        ("predicted", patches["predicted"], "viridis", (low, high)),
        ("predicted − measured", error, "PuOr", (-largest, largest)),
    )
    figure = style.new_figure(7.2, 1.25 + 2.2 * min(shape[0] / shape[1], 2))
    grid = figure.subplots(1, 3, sharex=True, sharey=True)
    start = (first * micrometres_per_pixel).tolist()
    side = step * micrometres_per_pixel
    extent = (start[1], start[1] + shape[1] * side[1], start[0] + shape[0] * side[0], start[0])
    rows, columns = ((patches[["y", "x"]].to_numpy() - first) / step).round().astype(int).T
    for axes, (title, values, colours, limits) in zip(grid, looks):
        image = np.full(shape, np.nan)
        image[rows, columns] = values
        picture = axes.imshow(image, cmap=colours, vmin=limits[0], vmax=limits[1], extent=extent)
        axes.set(title=title, xlabel="x, µm")
        _write_values(axes, patches, values, picture, micrometres_per_pixel, step, shape)
        words = (
            style.with_unit("error", target.difference_unit)
            if values is error
            else style.with_unit(target.label, target.unit)
        )
        figure.colorbar(
            picture, ax=axes, location="bottom", shrink=0.9, label=textwrap.fill(words, 28)
        )
    grid[0].set_ylabel("y, µm")
    return figure


def _grid_of(patches: pd.DataFrame, window: int) -> tuple[np.ndarray, np.ndarray, tuple]:
    """Distance of patches (y, x), place of the first in pixels, and rows and columns."""
    corners = patches[["y", "x"]].to_numpy(float)
    first = corners.min(axis=0)
    steps = [np.diff(np.unique(values)) for values in corners.T]
    step = np.array([float(gaps.min()) if len(gaps) else float(window) for gaps in steps])
    shape = tuple((((corners - first) / step).round().astype(int).max(axis=0) + 1).tolist())
    return step, first, shape


def _write_values(
    axes: Axes,
    patches: pd.DataFrame,
    values: pd.Series,
    picture,
    scale: float,
    step: np.ndarray,
    shape: tuple[int, int],
) -> None:
    """Each value in its patch where there is room, and a cross over faulty patches."""
    y, x = ((patches[["y", "x"]].to_numpy(float) + step / 2) * scale).T
    faulty = patches["faulty"].to_numpy(bool)
    axes.scatter(x[faulty], y[faulty], marker="x", s=14, c=style.MUTED, linewidths=0.9)
    if max(shape) > WRITTEN_PATCHES:
        return
    size = min(7.5, 52 / max(shape))
    for place in np.flatnonzero(~faulty & np.isfinite(values.to_numpy(float))):
        value = float(values.iloc[place])
        red, green, blue, _ = picture.cmap(picture.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        decimals = 1 if abs(value) < 10 else 0
        text = f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")
        axes.text(
            x[place],
            y[place],
            text,
            ha="center",
            va="center",
            size=size,
            color="white" if dark else style.INK,
        )


def place(well: str) -> tuple[int, int] | None:
    """Row and column from 0 of a well name like `D07` or `AA01`."""
    match = re.fullmatch(r"([A-Z]{1,2})(\d{1,2})", str(well))
    if not match or int(match[2]) < 1:
        return None
    row = 0
    for letter in match[1]:
        row = 26 * row + ord(letter) - ord("A") + 1
    return row - 1, int(match[2]) - 1


def row_name(row: int) -> str:
    """Letters of a plate row counted from 0."""
    return chr(ord("A") + row) if row < 26 else "A" + chr(ord("A") + row - 26)
