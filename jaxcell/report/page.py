"""Writes the report: one page that works offline, its numbers, tables and figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from jaxcell.analysis.regression import OVERLAP, Target, conditions, wells_table
from jaxcell.analysis.summary import summarise
from jaxcell.report import figures, overlap_figures, plate_figures, style, words
from jaxcell.report.folder import begin, flat, listed, plain, render, replace, save_figures

TEMPLATE = "page.html.jinja"
Projection = tuple[np.ndarray, np.ndarray]


def write_report(
    folder: Path,
    *,
    metrics: Mapping,
    patches: pd.DataFrame,
    histories: Mapping[str, Sequence[Mapping]],
    examples: Mapping[str, Sequence[np.ndarray]],
    projection: Projection | str,
    findings: Sequence[Sequence] = (),
    config: Mapping,
    title: str,
    micrometres_per_pixel: float = figures.MICROMETRES_PER_PIXEL,
    flat_fields: plate_figures.FlatFields | None = None,
) -> Path:
    """Writes the page, its numbers, tables and figures into a report folder.

    All is written beside, into `<folder>.tmp`, and then renamed: a report is whole or not there,
    and an earlier report of the same run stays until the new one is whole.

    Args:
      folder: the report folder itself, such as `RUN/report`.
      metrics: as `summarise` gives, plus any of `target` (the fields of a `Target`), `split`,
        `wells`, `patches`, `seed`, `versions`, `left_out`; what `summarise` gives and is not there
        is added, and so is `target`: overlap.
      patches: one row a patch, columns as in `summarise`.
      histories: `autoencoder` and `regressor` -> rows of metrics.jsonl; see `figures.loss_curves`.
      examples: condition -> originals and reconstructions float [k, H, W, 2] in [0, 1] and, if
        wanted, true targets float [k]; see `spread_over_target` for which to take.
      projection: coordinates float [N, 2] of the codes in the order of `patches`, and their shares
        of the variance float [2]; or why there are none, as text.
      findings: what was left out: problem, plate, well, path, message, cure.
      config: nested settings of the run.
      title: of the page.
      micrometres_per_pixel: µm, edge of a pixel of the examples.
      flat_fields: what fields were corrected by, where they were; see `plate_figures.flat_fields`.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    metrics = {"left_out": len(findings), "target": OVERLAP._asdict()} | dict(metrics)
    target = Target(**metrics["target"])
    if not {"regressor", "autoencoder", "evaluated"} <= metrics.keys():
        metrics = summarise(patches, None) | metrics
    patches = _with_projection(patches, projection)
    wells = wells_table(patches)
    metrics = plain(metrics)
    temporary = begin(folder, metrics)
    patches.to_parquet(temporary / "patches.parquet", index=False)
    wells.to_csv(temporary / "wells.csv", index=False)
    builders = _builders(
        target, patches, wells, histories, examples, projection, micrometres_per_pixel
    )
    if flat_fields:
        builders["flat_fields"] = lambda: plate_figures.flat_fields(flat_fields)
    pictures = save_figures(temporary / "figures", builders)
    page = _render(title, metrics, pictures, findings, config, projection, flat_fields or {})
    (temporary / "index.html").write_text(page, encoding="utf-8")
    replace(temporary, folder)
    return folder / "index.html"


def _with_projection(patches: pd.DataFrame, projection: Projection | str) -> pd.DataFrame:
    """Patches with columns projection_1 and projection_2, NaN where there is no projection."""
    if {"projection_1", "projection_2"} <= set(patches.columns):
        return patches
    empty = np.full((len(patches), 2), np.nan, np.float32)
    coordinates = empty if isinstance(projection, str) else np.asarray(projection[0])
    return patches.assign(projection_1=coordinates[:, 0], projection_2=coordinates[:, 1])


def _builders(
    target: Target,
    patches: pd.DataFrame,
    wells: pd.DataFrame,
    histories: Mapping[str, Sequence[Mapping]],
    examples: Mapping[str, Sequence[np.ndarray]],
    projection: Projection | str,
    micrometres_per_pixel: float,
) -> dict[str, Callable[[], Figure]]:
    """Name of each figure -> what draws it."""
    palette = style.palette(conditions(patches))
    builders = {
        "reconstructions": lambda: figures.reconstructions(
            examples, palette, micrometres_per_pixel, target
        ),
        "scatter": lambda: overlap_figures.scatter(patches, palette, target),
        "histograms": lambda: overlap_figures.histograms(patches, palette, target),
        "errors": lambda: overlap_figures.errors(patches, palette, target),
        "wells": lambda: overlap_figures.well_means(wells, palette, target),
        "plate_map": lambda: plate_figures.plate_map(wells, target),
        "loss_curves": lambda: figures.loss_curves(histories, target),
    }
    if not isinstance(projection, str):
        builders["projection"] = lambda: figures.projection(
            *projection, patches, palette, target
        )
    return builders


def _render(
    title: str,
    metrics: Mapping,
    pictures: Mapping[str, Mapping],
    findings: Sequence[Sequence],
    config: Mapping,
    projection: Projection | str,
    flat_fields: plate_figures.FlatFields,
) -> str:
    """The page as HTML."""
    regressor, autoencoder = metrics["regressor"], metrics["autoencoder"]
    target = Target(**metrics["target"])
    made = {key: metrics[key] for key in ("seed", "split", "wells", "patches", "versions")
            if key in metrics}
    return render(
        TEMPLATE,
        title=title,
        target=target,
        regressor=regressor,
        autoencoder=autoencoder,
        on_input=words.on_input(
            metrics["evaluated"], regressor.get("by_condition", {}), metrics["left_out"],
            len(findings), target,
        ),
        on_reconstruction=words.on_reconstruction(autoencoder),
        on_regression=words.on_regression(regressor, target),
        lit=[
            f"{plate}, {name} {flat_fields[plate, view].min():.2f} to "
            f"{flat_fields[plate, view].max():.2f}"
            for plate in sorted({plate for plate, _ in flat_fields})
            for view, name in plate_figures.VIEW_NAMES.items()
            if (plate, view) in flat_fields
        ],
        pictures=pictures,
        no_projection=projection if isinstance(projection, str) else None,
        findings=listed(findings),
        made={key.replace(".", " · "): value for key, value in flat(made).items()},
        config=flat(config),
    )
