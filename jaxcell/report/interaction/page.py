"""Writes the report: one page that works offline, its numbers, tables and figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jaxcell.analysis.answers import Answers
from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.scores.summary import summarise
from jaxcell.cells.kinds import KINDS
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import images, style, words
from jaxcell.report.common.images import MICROMETRES_PER_PIXEL
from jaxcell.report.common.page import write_page
from jaxcell.report.common.words import number
from jaxcell.report.interaction import intervals, plates, predictions, training, verdicts
from jaxcell.report.interaction import structure as projection_figures
from jaxcell.storage import anndata
from jaxcell.storage.atomic import plain
from jaxcell.storage.provenance import versions

# Odd wells that are listed, and what is told of how a report was made.
ODD_WELLS = 12
MADE = ("seed", "split", "wells", "patches", "latent_size", "standardised")


class Shown(NamedTuple):
    """Images for the page and the explorer.

    Attributes:
      reconstructions: condition -> originals and reconstructions float [k, H, W, 2] in [0, 1] and,
        if wanted, true targets float [k]; see `spread_over_target` for which to take.
      worst: images float [k, H, W, 2] in [0, 1] of the worst-predicted patches, worst first, and
        their captions.
      unusual: likewise of the most unusual.
      thumbnails: uint8 [N, s, s, 3], one a patch.
      sources: (plate, well, field) -> view -> folder and name of the image file; None where not
        known.
      window: side of a patch in pixels.
      micrometres_per_pixel: µm, edge of a pixel of all images but the thumbnails.
    """

    reconstructions: Mapping[str, Sequence[np.ndarray]]
    worst: tuple[np.ndarray, Sequence[str]]
    unusual: tuple[np.ndarray, Sequence[str]]
    thumbnails: np.ndarray
    sources: Mapping | None
    window: int
    micrometres_per_pixel: float = MICROMETRES_PER_PIXEL


def write_report(
    folder: Path,
    *,
    metrics: Mapping,
    answers: Answers,
    codes: np.ndarray,
    histories: Mapping[str, Sequence[Mapping]],
    shown: Shown,
    findings: Sequence[Sequence] = (),
    config: Mapping,
    title: str,
    simulated: bool,
    flat_fields: plates.FlatFields | None = None,
) -> Path:
    """Writes the page, the explorer, their numbers, tables and figures into a report folder.

    Args:
      folder: the report folder itself, such as `RUN/report`.
      metrics: as `summarise` gives, plus any of `target` (the fields of a `Quantity`), `split`,
        `wells`, `patches`, `seed`, `left_out`; what `summarise` gives and is not there
        is added, and so are `target`: overlap, and the numbers of the answers.
      answers: of the patches.
      codes: float32 [N, D] of the patches, for patches.h5ad.
      histories: `autoencoder` and `regressor` -> rows of metrics.jsonl; see `figures.loss_curves`.
      shown: images.
      findings: what was left out: problem, plate, well, path, message, cure.
      config: nested settings of the run.
      title: of the page.
      simulated: whether the plates were simulated.
      flat_fields: what fields were corrected by, where they were; see `plate_figures.flat_fields`.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    metrics = {"left_out": len(findings), "target": OVERLAP._asdict()} | dict(metrics)
    target = Quantity(**metrics["target"])
    if not {"regressor", "autoencoder", "evaluated"} <= metrics.keys():
        metrics = summarise(answers.patches, None) | metrics
    metrics = plain(metrics | answers.numbers)
    palette = style.palette(conditions(answers.patches))
    figures = _builders(target, palette, answers, histories, shown)
    if flat_fields:
        figures["flat_fields"] = lambda: plates.flat_fields(flat_fields)
    files = {
        "patches.parquet": lambda path: answers.patches.to_parquet(path, index=False),
        "wells.csv": lambda path: answers.wells.to_csv(path, index=False),
    }
    if np.isfinite(codes).all():
        files["patches.h5ad"] = lambda path: anndata.patches_with_codes(
            answers.patches, codes, pixel_um=shown.micrometres_per_pixel, versions=versions()
        ).write_h5ad(path)
    drawn = _drawn(answers.projections)
    if any(not isinstance(item, str) for item in drawn.values()):
        files["explorer.html"] = lambda path: _explorer(
            path, title, target, palette, answers, drawn, shown
        )
    return write_page(
        folder,
        "interaction/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=figures,
        files=files,
        content=_content(metrics, answers, findings, flat_fields or {}, files),
        made={key: metrics[key] for key in MADE if metrics.get(key) is not None},
        config=config,
        findings=findings,
    )


def _builders(
    target: Quantity,
    palette: style.Palette,
    answers: Answers,
    histories: Mapping[str, Sequence[Mapping]],
    shown: Shown,
) -> dict[str, Callable[[], Figure]]:
    """Name of each figure -> what draws it."""
    patches, wells, numbers = answers.patches, answers.wells, answers.numbers
    pixel_um = shown.micrometres_per_pixel
    builders = {
        "reconstructions": lambda: training.reconstructions(
            shown.reconstructions, palette, pixel_um, target
        ),
        "projections": lambda: projection_figures.projections(
            answers.projections, patches, palette, target
        ),
        "strength": lambda: intervals.strength(numbers["strength"], wells, palette, target),
        "scatter": lambda: predictions.scatter(patches, palette, target),
        "errors": lambda: predictions.errors(patches, palette, target),
        "wells": lambda: intervals.wells_with_intervals(wells, palette, target),
        "agreement": lambda: intervals.bland_altman(wells, palette, target, numbers["agreement"]),
        "plate_map": lambda: plates.plate_map(wells, target),
        "histograms": lambda: predictions.histograms(patches, palette, target),
        "worst": lambda: images.gallery(*shown.worst, pixel_um),
        "unusual": lambda: images.gallery(*shown.unusual, pixel_um),
        "loss_curves": lambda: training.loss_curves(histories, target),
    }
    if numbers["structure"].get("scores"):
        builders["structure"] = lambda: projection_figures.structure(numbers["structure"])
    if not numbers["calibration_curve"]["reason"]:
        builders["calibration"] = lambda: intervals.calibration(
            numbers["calibration_curve"], palette
        )
    if len(patches[["plate", "well", "field"]].drop_duplicates()) == 1:
        builders["field_map"] = lambda: plates.field_map(
            patches, target, micrometres_per_pixel=pixel_um, window=shown.window
        )
    return builders


def _drawn(projections: Mapping) -> dict[str, np.ndarray | str]:
    """Coordinates by name, or why there are none; the last method, the study's UMAP, first."""
    return {
        f"{method} of {source}": item if isinstance(item, str) else item.coordinates
        for source, items in projections.items()
        for method, item in reversed(items.items())
    }


def _explorer(
    path: Path,
    title: str,
    target: Quantity,
    palette: style.Palette,
    answers: Answers,
    drawn: Mapping[str, np.ndarray | str],
    shown: Shown,
) -> None:
    # Importing bokeh takes a second, and only the explorer needs it.
    from jaxcell.report.explorer.page import write_explorer

    write_explorer(
        path,
        table=answers.patches,
        thumbnails=shown.thumbnails,
        projections=drawn,
        neighbours=answers.neighbours,
        sources=shown.sources,
        palette=palette,
        target=target,
        title=title,
        window=shown.window,
        micrometres_per_pixel=shown.micrometres_per_pixel,
    )


def _content(
    metrics: Mapping,
    answers: Answers,
    findings: Sequence[Sequence],
    flat_fields: plates.FlatFields,
    files: Mapping,
) -> dict:
    """What the template names."""
    regressor, autoencoder = metrics["regressor"], metrics["autoencoder"]
    structure, coverage = metrics["structure"], metrics["coverage"]
    target = Quantity(**metrics["target"])
    level = coverage.get("level")
    odd = answers.odd_wells
    fields = answers.patches[["plate", "well", "field"]].drop_duplicates()
    return dict(
        target=target,
        unseen=metrics.get("split") != "random_patch",
        regressor=regressor,
        autoencoder=autoencoder,
        structure=structure,
        structure_answer=verdicts.ANSWERS[structure["answer"]],
        structure_lead=verdicts.lead_of(structure),
        level=level,
        covered=(coverage.get("overall") or {}).get("coverage"),
        on_input=words.on_input(
            metrics["evaluated"],
            regressor.get("by_condition", {}),
            metrics["left_out"],
            len(findings),
            target,
        ),
        on_reconstruction=words.on_reconstruction(autoencoder),
        on_structure=verdicts.on_structure(structure),
        on_batches=verdicts.on_batches(metrics["batches"]),
        on_strength=verdicts.on_strength(metrics["strength"], target),
        on_regression=words.on_regression(regressor, target),
        on_intervals=verdicts.on_intervals(coverage, level, target),
        on_agreement=verdicts.on_agreement(metrics["agreement"], target),
        on_odd=verdicts.on_odd(odd),
        odd_wells=odd[odd["why"] != ""].head(ODD_WELLS).to_dict("records") if len(odd) else [],
        field_shown=" ".join(f"{name} {value}" for name, value in fields.iloc[0].items()),
        lit=[
            f"{plate}, {kind.plural} {flat_fields[plate, view].min():.2f} to "
            f"{flat_fields[plate, view].max():.2f}"
            for plate in sorted({plate for plate, _ in flat_fields})
            for view, kind in KINDS.items()
            if (plate, view) in flat_fields
        ],
        explorer="explorer.html" in files,
        h5ad="patches.h5ad" in files,
    )


def summary_lines(metrics: Mapping) -> dict[str, str]:
    """What a run came to, for the terminal.

    Args:
      metrics: the content of metrics.json.

    Returns:
      Name -> text.
    """
    autoencoder, regressor = metrics["autoencoder"], metrics["regressor"]
    target = Quantity(**metrics["target"])
    return {
        **{
            unit: ", ".join(f"{count} {split}" for split, count in metrics[unit].items())
            for unit in ("wells", "patches")
        },
        "reconstruction": (
            f"cross-entropy {number(autoencoder['bce'], 4)} over a floor of "
            f"{number(autoencoder['bce_floor'], 4)} nats, PSNR "
            f"{number(autoencoder['psnr_db'], 1)} dB, SSIM {number(autoencoder['ssim'], 3)}, "
            f"{metrics['latent_size']:,} numbers a code"
        ),
        target.label: _errors(regressor, target),
        **{
            f"  {name}": _errors(scores, target)
            for name, scores in regressor["by_condition"].items()
        },
        "intervals": verdicts.coverage_in_words(metrics["coverage"]),
        "structure": f"{metrics['structure']['answer']}: {metrics['structure']['why']}",
    }


def _errors(scores: Mapping, target: Quantity) -> str:
    rmse, sd = (
        f"{number(scores[name], target.digits)} {target.difference_unit}".strip()
        for name in ("rmse", "sd_true")
    )
    ratio = number(scores["rmse_over_sd"], 3)
    return f"RMSE {rmse}, SD of truth {sd}, RMSE / SD {ratio} ({scores['n']:,} patches)"
