"""What every report needs: a folder that is whole or not there, figures as files, plain JSON."""

import base64
import datetime
import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from jaxcell.report.common import style, words
from jaxcell.storage.atomic import plain

TEMPLATES = Path(__file__).parents[1]
FIGURE_DPI = 170
# Up to this size the page holds the sharp SVG of a figure; larger ones as PNG.
LARGEST_INLINE_SVG_BYTES = 350_000


def begin(folder: Path, metrics: Mapping) -> Path:
    """An empty folder beside a report's place, in which the report is made, with its metrics.json.

    Args:
      folder: the report folder itself, such as `RUN/report`.
      metrics: of any nested values, see `plain`.

    Returns:
      `<folder>.tmp`, which holds metrics.json and an empty folder figures; end with `replace`.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    refuse_other_folder(folder)
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "figures").mkdir(parents=True)
    text = json.dumps(plain(metrics), indent=2, allow_nan=False, ensure_ascii=False)
    (temporary / "metrics.json").write_text(text + "\n", encoding="utf-8")
    return temporary


def refuse_other_folder(folder: Path) -> None:
    """Only a report is replaced by a report.

    Args:
      folder: in which a report is to be written.

    Raises:
      FileExistsError: it exists and is not a report.
    """
    is_report = all((folder / name).exists() for name in ("index.html", "metrics.json"))
    if folder.exists() and not is_report:
        raise FileExistsError(f"{folder} exists and is not a report: move it away or name another")


def save_figures(
    folder: Path, builders: Mapping[str, Callable[[], Figure]]
) -> dict[str, dict[str, str]]:
    """Draws and saves figures, each by itself, so that one that fails costs only itself.

    Args:
      folder: in which the files are written.
      builders: name -> what draws the figure.

    Returns:
      name -> as `save_figure` gives.
    """
    return {name: save_figure(folder, name, build) for name, build in builders.items()}


@style.legible
def save_figure(folder: Path, name: str, build: Callable[[], Figure]) -> dict[str, str]:
    """Draws and saves one figure as PNG and SVG.

    Args:
      folder: in which both files are written.
      name: of the files, without ending.
      build: draws the figure.

    Returns:
      `source`: data URI for the page, or `failure`: a sentence.
    """
    try:
        figure = build()
        png, svg = folder / f"{name}.png", folder / f"{name}.svg"
        # Finding the layout takes as long as drawing: once, not once a file.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(png, dpi=FIGURE_DPI)
        figure.savefig(svg, dpi=FIGURE_DPI, metadata={"Date": None})
    except Exception as error:  # One figure that cannot be drawn must not cost the rest.
        logging.getLogger(__name__).warning("figure %s: %s", name, error, exc_info=True)
        return {"failure": f"This figure could not be drawn: {error}"}
    small = svg.stat().st_size <= LARGEST_INLINE_SVG_BYTES
    path, kind = (svg, "svg+xml") if small else (png, "png")
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return {"source": f"data:image/{kind};base64,{content}"}


def render(template: str, **content: object) -> str:
    """A page as HTML.

    Args:
      template: name of a file in report, such as `measurement/page.html.jinja`.
      **content: what it names; `written`, the date, is added.

    Returns:
      The page.
    """
    written = datetime.datetime.now().strftime("%d %B %Y, %H:%M")
    return environment().get_template(template).render(written=written, **content)


def environment() -> jinja2.Environment:
    """Where templates find each other, with the filters `number` and `spaced`."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"number": words.number, "spaced": spaced}
    return found


def spaced(name: object) -> str:
    """A name of the program as words: `t_cell` as `t cell`."""
    return str(name).replace("_", " ")


def listed(findings: Sequence[Sequence]) -> list[dict[str, str]]:
    """Findings by name for a template.

    Args:
      findings: problem, plate, well, path, message, cure of each; what follows is left.

    Returns:
      For each a dict of these and `file`, the name in its path.
    """
    names = ("problem", "plate", "well", "path", "message", "cure")
    rows = [dict(zip(names, map(str, item))) for item in findings]
    return [row | {"file": Path(row["path"]).name} for row in rows]


def flat(settings: Mapping, prefix: str = "") -> dict[str, object]:
    """Nested settings under dotted names, such as `dataset.window`."""
    result = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            result |= flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = value
    return result
