"""Figures of plates and fields: where the regressor errs, and how evenly fields are lit."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from jaxcell.cells.kinds import USUAL, Kind
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.common.images import MICROMETRES_PER_PIXEL
from jaxcell.report.common.words import number

# The colours of the plate map span at least this many points, so that a small error looks small;
# for other units, at least this share of the range of the wells' means.
SMALLEST_ERROR_SPAN, SMALLEST_SPAN_SHARE = 0.5, 0.05
# Columns up to which two plates stand side by side, and at most are numbered one by one.
NARROW_COLUMNS, NUMBERED_COLUMNS = 12, 24
# Side in pixels that a flat field is drawn with: it is smooth.
FLAT_FIELD_SIDE = 128
# (plate, view) -> float32 [H, W], mean 1.
FlatFields = Mapping[tuple[str, str], np.ndarray]
# Plates that are drawn; for flat fields the caption gives the numbers of all.
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
      The figure, one panel a plate (the first eight), down to the last row and column in use;
      places without a well stay empty.
    """
    frame = style.finite(wells, "error")
    frame = frame.assign(plate=frame["plate"].astype(str), place=frame["well"].map(place))
    frame = frame[frame["place"].notna()]
    if frame.empty:
        return style.sentence_figure("No well with a finite error and a place on a plate.")
    plates = sorted(frame["plate"].unique())[:PLATES_DRAWN]
    rows, columns = np.maximum(np.max([*frame["place"]], axis=0) + 1, (2, 6))
    across = 2 if len(plates) > 1 and columns <= NARROW_COLUMNS else 1
    down = -(-len(plates) // across)
    height = down * (6.0 / across * rows / columns + 0.6)
    figure = style.new_figure(7.2, min(height, 14.0))
    grid = np.ravel(figure.subplots(down, across, squeeze=False))
    span = SMALLEST_ERROR_SPAN
    if target.unit != "%":
        span = SMALLEST_SPAN_SHARE * float(np.ptp(frame["target_mean"])) or 1.0
    limit = max(float(frame["error"].abs().max()), span)
    size = min(8.0, 150 / across / columns)
    for axes, plate in zip(grid, plates):
        own = frame[frame["plate"] == plate]
        found = np.array([*own["place"]])
        image = np.full((rows, columns), np.nan)
        image[tuple(found.T)] = own["error"]
        picture = axes.imshow(image, cmap="PuOr", norm=TwoSlopeNorm(0.0, -limit, limit))
        axes.set_title(f"Plate {plate}")
        step = 1 if columns <= NUMBERED_COLUMNS else 4
        axes.set_xticks(range(0, columns, step), range(1, columns + 1, step), size=8)
        axes.set_yticks(range(0, rows, step), map(row_name, range(0, rows, step)), size=8)
        axes.vlines(np.arange(columns + 1) - 0.5, -0.5, rows - 0.5, color=style.FAINT, lw=0.6)
        axes.hlines(np.arange(rows + 1) - 0.5, -0.5, columns - 0.5, color=style.FAINT, lw=0.6)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        if columns <= NUMBERED_COLUMNS:
            # A well of the map holds four characters; the sign is one of them.
            decimals = 0 if limit >= 10 else target.digits - 1
            _write_values(axes, picture, found[:, ::-1], own["error"], size, decimals)
    for axes in grid[len(plates) :]:
        axes.set_axis_off()
    words = style.with_unit("mean error (predicted − true)", target.difference_unit)
    figure.colorbar(picture, ax=list(grid), aspect=28, pad=0.01, label=textwrap.fill(words, 30))
    return figure


@style.legible
def flat_fields(fields: FlatFields, kinds: Sequence[Kind] = USUAL.kinds) -> Figure:
    """How brightly each place of a field is lit, estimated for each plate and view.

    Args:
      fields: (plate, kind of cell) -> float [H, W], relative illumination, mean 1.
      kinds: of cells.

    Returns:
      The figure, one row a plate (the first `PLATES_DRAWN`), one column a view, one colour scale.
    """
    plates = sorted({plate for plate, _ in fields})[:PLATES_DRAWN]
    of = {kind.key: kind for kind in kinds}
    views = [view for view in of if any(view == own for _, own in fields)]
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
            ends = {"vmin": 1 - limit, "vmax": 1 + limit}
            picture = axes.imshow(field[::step, ::step], cmap="PuOr_r", **ends)
            axes.set_title(f"{plate}, {of[view].plural}")
    words = "relative illumination"
    figure.colorbar(picture, ax=list(grid.flat), shrink=0.8, aspect=28, pad=0.02, label=words)
    return figure


def illumination_ranges(fields: FlatFields, kinds: Sequence[Kind] = USUAL.kinds) -> list[str]:
    """From darkest to brightest, of each plate and view: `CK19, T cells 0.75 to 1.25`."""
    return [
        f"{plate}, {kind.plural} {field.min():.2f} to {field.max():.2f}"
        for plate in sorted({plate for plate, _ in fields})
        for kind in kinds
        if (field := fields.get((plate, kind.key))) is not None
    ]


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
    if style.finite(patches, "target", "predicted").empty:
        return style.sentence_figure("This field has no patch with a finite prediction.")
    corners = micrometres_per_pixel * patches[["y", "x"]].to_numpy(float)
    steps = [np.diff(np.unique(values)) for values in corners.T]
    step = np.array([gaps.min() if len(gaps) else window * micrometres_per_pixel for gaps in steps])
    first = corners.min(axis=0)
    places = ((corners - first) / step).round().astype(int)
    shape = places.max(axis=0) + 1
    bottom, right = first + shape * step
    error = patches["predicted"] - patches["target"]
    both = patches[["target", "predicted"]].to_numpy(float)
    low, high = min(0.0, np.nanmin(both)), np.nanmax(both)
    ends = (low, high if high > low else low + 1.0)
    largest = float(error.abs().max()) or 1.0
    value_words = style.with_unit(target.label, target.unit)
    error_words = style.with_unit("error", target.difference_unit)
    panels = {
        "measured": (patches["target"], "viridis", ends, value_words),
        "predicted": (patches["predicted"], "viridis", ends, value_words),
        "predicted − measured": (error, "PuOr", (-largest, largest), error_words),
    }
    figure = style.new_figure(7.2, 1.25 + 2.2 * min(shape[0] / shape[1], 2))
    grid = figure.subplots(1, 3, sharex=True, sharey=True)
    centres = (corners + step / 2)[:, ::-1]
    faulty = patches["faulty"].to_numpy(bool)
    for axes, (title, (values, colours, (low, high), words)) in zip(grid, panels.items()):
        image = np.full(shape, np.nan)
        image[tuple(places.T)] = values
        extent = (first[1], right, bottom, first[0])
        picture = axes.imshow(image, cmap=colours, vmin=low, vmax=high, extent=extent)
        axes.set(title=title, xlabel="x, µm")
        axes.scatter(*centres[faulty].T, marker="x", s=14, c=style.MUTED, linewidths=0.9)
        if shape.max() <= WRITTEN_PATCHES:
            size = min(7.5, 52 / shape.max())
            _write_values(axes, picture, centres[~faulty], values[~faulty], size)
        label = textwrap.fill(words, 28)
        figure.colorbar(picture, ax=axes, location="bottom", shrink=0.9, label=label)
    grid[0].set_ylabel("y, µm")
    return figure


def _write_values(
    axes: Axes,
    picture: AxesImage,
    centres: np.ndarray,
    values: Sequence[float],
    size: float,
    decimals: int | None = None,
) -> None:
    """Each value at its x and y, white on dark colours; decimals by its size unless given."""
    for (x, y), value in zip(centres, values):
        if not np.isfinite(value):
            continue
        red, green, blue, _ = picture.cmap(picture.norm(value))
        dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
        digits = (1 if abs(value) < 10 else 0) if decimals is None else decimals
        text = number(round(float(value), digits) + 0.0, digits)
        colour = "white" if dark else style.INK
        axes.text(x, y, text, ha="center", va="center", size=size, color=colour)


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
