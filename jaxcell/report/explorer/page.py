"""Writes the explorer: one file in which every patch is a dot that shows its image."""

import base64
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from bokeh.embed import json_item
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    LassoSelectTool,
    PanTool,
    Plot,
    Range1d,
    ResetTool,
    Scatter,
    WheelZoomTool,
)
from bokeh.resources import Resources

from jaxcell.cells.kinds import USUAL, Pair
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.common.images import DEFAULT_COLOURS, colour_words
from jaxcell.report.common.page import TEMPLATES, environment
from jaxcell.report.explorer import sprites
from jaxcell.report.explorer.colours import Column, colourings, derived
from jaxcell.storage.atomic import plain, whole

TEMPLATE = "explorer/page.html.jinja"
SCRIPTS = ("explorer/data.js", "explorer/map.js", "explorer/explorer.js")
# Names even where they look like numbers.
TEXTS = ("plate", "well", "condition", "compound", "role")
Sources = Mapping[tuple[str, str, int], Mapping[str, str]]
Projections = Mapping[str, np.ndarray | str]


def write_explorer(
    path: Path,
    *,
    table: pd.DataFrame,
    thumbnails: np.ndarray | Iterable[np.ndarray] | None,
    projections: Projections,
    neighbours: np.ndarray | None,
    sources: Sources | None,
    palette: style.Palette,
    target: Quantity,
    title: str,
    window: int,
    micrometres_per_pixel: float,
    colours: str = DEFAULT_COLOURS,
    simulated: bool = False,
    pair: Pair = USUAL.pairs[0],
) -> Path:
    """Writes one HTML file that needs nothing else: no network, no file beside it.

    The file is written beside, sheet of thumbnails after sheet, and then renamed.

    Args:
      path: of the file.
      table: one row a patch: plate, well, row, column, field, y, x (pixels), condition, compound,
        concentration_um (µM), faulty, overlap (percent), target and predicted (in the target's
        unit); optionally low and high (interval of the prediction) and unusual (distance to the
        codes of other wells, the middle patch 1). Any other column goes into the downloaded CSV,
        as these do.
      thumbnails: uint8 [N, s, s, 3] in the order of the table, or chunks of that shape; where
        they end early, the remaining patches have no image. None: no images.
      projections: name -> float [N, 2], NaN where a patch is not drawn; or why there is none.
      neighbours: int [N, k], rows of the nearest patches in code space; None if unknown.
      sources: (plate, well, field) -> view -> name of the image file; None if unknown.
      palette: colour and marker of each condition.
      target: what is predicted.
      title: of the page.
      window: pixels, edge of a patch.
      micrometres_per_pixel: µm, edge of a pixel.
      colours: of the thumbnails, one of `COLOURS`.
      simulated: whether the plates were simulated, which the page then says.
      pair: what the cells of the two views are called.

    Returns:
      The path.

    Raises:
      ValueError: there is no patch, a projection or the neighbours have not one row a patch, or
        there are more thumbnails than patches.
    """
    _check(table, projections, neighbours)
    table = table.reset_index(drop=True)
    columns = {
        str(name): _column(values.astype(object) if name in TEXTS else values)
        for name, values in table.items()
    }
    coloured = columns | derived(table)
    numbers, about = _packed(coloured)
    about |= {
        "title": title,
        "count": len(table),
        "window": window,
        "micrometres_per_pixel": micrometres_per_pixel,
        "colours": colour_words(colours, pair),
        "target": target._asdict()
        | {"difference_unit": target.difference_unit, "digits": target.digits},
        "exported": list(columns),
        "views": {kind.key: kind.plural for kind in pair[:2]},
        "colourings": colourings(table, coloured, palette, target),
    }
    about["projections"] = [_projection(name, item, numbers) for name, item in projections.items()]
    about["fields"], fields = _fields(table, sources)
    numbers["fields"] = fields
    about["neighbours"] = 0 if neighbours is None else neighbours.shape[1]
    if about["neighbours"]:
        numbers["neighbours"] = np.asarray(neighbours, np.int32)
    about["layout"], sheets = _sheets(thumbnails, len(table))
    content = {
        "title": title,
        "simulated": simulated,
        "size_by": target.label,
        "about": _json(plain(about)),
        "plot": _json(_plot()),
        "numbers": ((name, _base64(values.tobytes())) for name, values in numbers.items()),
        "sheets": ((sheet.count, _base64(sheet.jpeg)) for sheet in sheets),
        "bokeh": Resources(mode="inline", components=["bokeh"], log_level="warn").js_raw,
        "scripts": [(TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS],
    }
    with whole(path) as partial:
        stream = environment().get_template(TEMPLATE).stream(content)
        stream.dump(str(partial), encoding="utf-8")
    return path


def _check(table: pd.DataFrame, projections: Projections, neighbours: np.ndarray | None) -> None:
    """Everything has one row a patch."""
    if not len(table):
        raise ValueError("there is no patch to explore")
    arrays = {name: item for name, item in projections.items() if not isinstance(item, str)}
    if neighbours is not None:
        arrays["the neighbours"] = neighbours
    for name, array in arrays.items():
        if len(array) != len(table):
            raise ValueError(f"{name}: {len(array)} rows for {len(table)} patches")


def _column(values: pd.Series) -> Column:
    """A column of the table in as few bytes as its values need."""
    if pd.api.types.is_bool_dtype(values.dtype) and not values.isna().any():
        return Column("flag", values.to_numpy(np.uint8))
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        whole = np.isfinite(numbers).all() and (numbers == np.round(numbers)).all()
        if whole and np.abs(numbers).max(initial=0) < 2**31:
            return Column("number", numbers.astype(np.int32))
        return Column("number", numbers.astype(np.float32))
    texts = values.astype(object).where(values.notna(), "").map(str)
    names = sorted(set(texts) - {""}, key=_natural)
    codes = pd.Categorical(texts, names).codes
    return Column(
        "category", codes.astype(np.int16 if len(names) < 2**15 else np.int32), tuple(names)
    )


def _natural(name: str) -> tuple[bool, float, str]:
    """Order in which 2 comes before 10, and words after numbers."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _packed(columns: Mapping[str, Column]) -> tuple[dict[str, np.ndarray], dict]:
    """Numbers by the id of their element, and the description of the columns."""
    numbers, described = {}, {}
    for index, (name, column) in enumerate(columns.items()):
        numbers[f"column-{index}"] = column.values
        described[name] = {
            "id": f"column-{index}",
            "kind": column.kind,
            "names": column.names,
            "type": column.values.dtype.name,
        }
    return numbers, {"columns": described}


def _projection(name: str, item: np.ndarray | str, numbers: dict[str, np.ndarray]) -> dict:
    """One projection: where its coordinates are, or why it cannot be chosen."""
    if isinstance(item, str):
        return {"name": name, "reason": item}
    coordinates = np.asarray(item, np.float32)
    if not np.isfinite(coordinates).all(axis=1).any():
        return {"name": name, "reason": "no patch has coordinates"}
    key = f"projection-{len(numbers)}"
    numbers[key] = np.ascontiguousarray(coordinates.T)
    return {"name": name, "reason": None, "id": key}


def _fields(table: pd.DataFrame, sources: Sources | None) -> tuple[list[dict], np.ndarray]:
    """File names of each field, and the field of each patch, int32 [N]."""
    keys = [table[name] for name in ("plate", "well", "field")]
    codes, uniques = pd.MultiIndex.from_arrays(keys).factorize()
    files = [
        dict((sources or {}).get((plate, well, int(field)), {})) for plate, well, field in uniques
    ]
    return files, codes.astype(np.int32)


def _sheets(
    thumbnails: np.ndarray | Iterable[np.ndarray] | None, count: int
) -> tuple[dict, Iterable[sprites.Sheet]]:
    """How thumbnails are laid out, and the sheets, made one at a time while they are written."""
    singles = sprites.each(() if thumbnails is None else thumbnails)
    first = next(singles, None)
    if first is None:
        return sprites.layout(count, sprites.SMALLEST_TILE)._asdict(), ()
    arrangement = sprites.layout(count, len(first))

    def all_of_them() -> Iterable[np.ndarray]:
        yield first
        for position, thumbnail in enumerate(singles, 1):
            if position == count:
                raise ValueError(f"more thumbnails than the {count} patches")
            yield thumbnail

    return arrangement._asdict(), sprites.sheets(all_of_them(), arrangement)


def _plot() -> dict:
    """Bokeh's frame and tools around nothing: explorer_map.js paints the dots, and says why."""
    plot = Plot(
        name="plot",
        x_range=Range1d(0, 1),
        y_range=Range1d(0, 1),
        sizing_mode="stretch_both",
        toolbar_location=None,
        min_border=0,
        outline_line_color=None,
        background_fill_color=None,
        border_fill_color=None,
    )
    # Bokeh warns of a plot that holds nothing at all.
    plot.add_glyph(ColumnDataSource({"x": [], "y": []}), Scatter())
    plot.add_tools(
        PanTool(name="move"),
        WheelZoomTool(name="zoom"),
        ResetTool(),
        LassoSelectTool(name="lasso", continuous=False),
        BoxSelectTool(name="box", continuous=False),
    )
    return json_item(plot, "frame")


def _json(content: dict) -> str:
    """JSON in which no name can end the script that holds it."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
