"""The one writer of report pages: a folder that is whole or not there."""

import base64
import datetime
import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis.conditions import conditions, shown_conditions
from jaxcell.report.common import style, words
from jaxcell.storage.atomic import plain, whole_folder
from jaxcell.storage.provenance import versions

TEMPLATES = Path(__file__).parents[1]
FIGURE_DPI = 170
# Up to this size the page holds the sharp SVG of a figure; larger ones as PNG.
LARGEST_INLINE_SVG_BYTES = 350_000
# Spaces between a number and its %, and inside `p = 0.44` and `p < 0.001`.
UNBREAKABLE = re.compile(
    r"(?<=\d) (?=%)|(?<=\b[pqr]) (?=(?:=|&lt;) \d)|(?<=\b[pqr] =) (?=\d)|(?<=\b[pqr] &lt;) (?=\d)"
)


def write_page(
    folder: Path,
    template: str,
    *,
    title: str,
    metrics: Mapping,
    simulated: bool,
    figures: Mapping[str, Callable[[], Figure]],
    files: Mapping[str, Callable[[Path], object]],
    content: Mapping[str, object],
    made: Mapping,
    config: Mapping,
    findings: Sequence[Sequence] = (),
    not_drawn: str = "",
) -> Path:
    """Writes a report: metrics.json, figures, other files and the page that shows them.

    All is written beside its place and then renamed: an earlier report stays until the new one is
    whole.

    Args:
      folder: the report folder itself, such as `RUN/report`.
      template: name of a file in report that extends `common/base.html.jinja`.
      title: of the page.
      metrics: for metrics.json, any nested values; `simulated` and `versions` are added.
      simulated: whether the plates were simulated, which the page then says at its top.
      figures: name -> what draws it; a figure that cannot be drawn leaves a sentence in its place.
      files: name -> what writes this file, given its path.
      content: what the template names besides the other arguments and `pictures`.
      made: rows of the table on how the report was made, by name; `versions` are added.
      config: nested settings of the run.
      findings: problem, plate, well, path, message, cure of each.
      not_drawn: a sentence on what figures leave out, where they do.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    is_report = all((folder / name).exists() for name in ("index.html", "metrics.json"))
    if folder.exists() and not is_report:
        raise FileExistsError(f"{folder} exists and is not a report: move it away or name another")
    made_by = versions()
    metrics = plain({**metrics, "simulated": simulated, "versions": made_by})
    made = _flat({**made, "versions": made_by})
    with whole_folder(folder) as temporary:
        (temporary / "figures").mkdir()
        text = json.dumps(metrics, indent=2, allow_nan=False, ensure_ascii=False)
        (temporary / "metrics.json").write_text(text + "\n", encoding="utf-8")
        for name, write in files.items():
            write(temporary / name)
        pictures = save_figures(temporary / "figures", figures)
        page = (
            environment()
            .get_template(template)
            .render(
                title=title,
                metrics=metrics,
                simulated=simulated,
                pictures=pictures,
                made={spaced(key).replace(".", " · "): value for key, value in made.items()},
                config=_flat(config),
                findings=_listed(findings),
                not_drawn=not_drawn,
                written=datetime.datetime.now().strftime("%d %B %Y, %H:%M"),
                made_by=made_by,
                **content,
            )
        )
        page = UNBREAKABLE.sub("\N{NO-BREAK SPACE}", page)
        (temporary / "index.html").write_text(page, encoding="utf-8")
    return folder / "index.html"


def on_shown(table: pd.DataFrame) -> str:
    """What figures show of very many conditions; '' where they show all.

    Args:
      table: whose `shown_conditions` figures show.
    """
    shown, all_of_them = len(shown_conditions(table)), len(conditions(table))
    if shown == all_of_them:
        return ""
    return (
        f"Figures show {shown} of {all_of_them:,} conditions, those of which there is most; the "
        "tables hold all."
    )


def save_figures(folder: Path, figures: Mapping[str, Callable[[], Figure]]) -> dict[str, dict]:
    """Draws and saves figures: name -> its `source` for the page, or its `failure`, a sentence."""
    return {name: _save_figure(folder / name, draw) for name, draw in figures.items()}


@style.legible
def _save_figure(path: Path, draw: Callable[[], Figure]) -> dict[str, str]:
    png, svg = path.with_suffix(".png"), path.with_suffix(".svg")
    try:
        figure = draw()
        # Finding the layout takes as long as drawing: once, not once a file.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(png, dpi=FIGURE_DPI)
        figure.savefig(svg, dpi=FIGURE_DPI, metadata={"Date": None})
    except OSError:  # A disk that is full is no fault of a figure, and others would not fit either.
        raise
    except Exception as error:  # One figure that cannot be drawn must not cost the rest.
        logging.getLogger(__name__).warning("figure %s: %s", path.name, error, exc_info=True)
        return {"failure": f"This figure could not be drawn: {error}"}
    small = svg.stat().st_size <= LARGEST_INLINE_SVG_BYTES
    chosen, kind = (svg, "svg+xml") if small else (png, "png")
    encoded = base64.b64encode(chosen.read_bytes()).decode("ascii")
    return {"source": f"data:image/{kind};base64,{encoded}"}


def environment() -> jinja2.Environment:
    """Where templates find each other, with functions of `words` as filters."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (words.number, words.signed, words.amount, words.count, words.joined, words.capital,
               spaced)  # fmt: skip
    found.filters |= {function.__name__: function for function in filters}
    found.filters["p"] = words.p_value
    return found


def spaced(name: object) -> str:
    """A name of the program as words: `t_cell` as `t cell`."""
    return str(name).replace("_", " ")


def _listed(findings: Sequence[Sequence]) -> list[dict[str, str]]:
    """Findings by name for a template, with `file`, the name in its path."""
    names = ("problem", "plate", "well", "path", "message", "cure")
    rows = [dict(zip(names, map(str, item))) for item in findings]
    return [row | {"file": Path(row["path"]).name} for row in rows]


def _flat(settings: Mapping, prefix: str = "") -> dict[str, object]:
    """Nested settings under dotted names, such as `dataset.window`."""
    result = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            result |= _flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result
