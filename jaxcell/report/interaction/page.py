"""Writes the report: one page that works offline, its numbers, tables and figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from jaxcell.analysis.answers import Answers
from jaxcell.analysis.conditions import conditions, shown_conditions
from jaxcell.analysis.evidence import SIGNIFICANT
from jaxcell.analysis.scores.summary import summarise
from jaxcell.cells.kinds import VIEWS, Pair
from jaxcell.measures.catalogue import OVERLAP, Quantity, in_words_of
from jaxcell.measures.population import make_population
from jaxcell.report.common import style
from jaxcell.report.common.images import (
    DEFAULT_COLOURS,
    MICROMETRES_PER_PIXEL,
    colour_words,
    gallery,
)
from jaxcell.report.common.page import on_shown, write_page
from jaxcell.report.common.words import reference
from jaxcell.report.interaction import intervals, plates, predictions, sentences, training
from jaxcell.report.interaction import structure as structure_figures
from jaxcell.report.interaction.outlines import Outlined, outlines
from jaxcell.storage import anndata
from jaxcell.storage.atomic import plain, write_csv
from jaxcell.storage.provenance import versions

# Odd wells that are listed, and what is said of how a report was made.
ODD_WELLS = 12
MADE = ("seed", "split", "wells", "patches", "latent_size", "standardised")


class Images(NamedTuple):
    """Images for the page and the explorer.

    Attributes:
      reconstructions: condition -> originals and reconstructions float [k, H, W, 2] in [0, 1] and
        true targets float [k]; see `spread_over_target` for which to take.
      worst: images float [k, H, W, 2] in [0, 1] of the worst-predicted patches, worst first, and
        their captions.
      unusual: likewise of the most unusual.
      thumbnails: uint8 [N, s, s, 3], one a patch, mixed by the same colours.
      sources: (plate, well, field) -> view -> folder and name of the image file; None where not
        known.
      window: side of a patch in pixels.
      micrometres_per_pixel: µm, edge of a pixel of all images but the thumbnails.
      colours: how the two views are mixed, see `colour_image`.
      outlined: patches with the cells that a network of truth finds, of such a run.
    """

    reconstructions: Mapping[str, Sequence[np.ndarray]]
    worst: tuple[np.ndarray, Sequence[str]]
    unusual: tuple[np.ndarray, Sequence[str]]
    thumbnails: np.ndarray
    sources: Mapping | None
    window: int
    micrometres_per_pixel: float = MICROMETRES_PER_PIXEL
    colours: str = DEFAULT_COLOURS
    outlined: Outlined | None = None


def write_report(
    folder: Path,
    *,
    metrics: Mapping,
    answers: Answers,
    codes: np.ndarray,
    histories: Mapping[str, Sequence[Mapping]],
    images: Images,
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
        `wells`, `patches`, `seed`, `left_out`; what `summarise` gives and is not there is added,
        and so are `target`: overlap, and the numbers of the answers.
      answers: of the patches.
      codes: float32 [N, D] of the patches, for patches.h5ad.
      histories: `autoencoder` and `regressor` -> rows of metrics.jsonl; see `loss_curves`.
      images: for the page and the explorer.
      findings: what was left out: problem, plate, well, path, message, cure.
      config: nested settings of the run; `kinds.NAME` says what its cells are called.
      title: of the page.
      simulated: whether the plates were simulated.
      flat_fields: what fields were corrected by, where they were; see `plates.flat_fields`.

    Returns:
      Path of index.html.

    Raises:
      FileExistsError: `folder` exists and is not a report.
    """
    unsaid = {"estimators": [], "estimated": None, "own_label": None, "beside": []}
    metrics = {"left_out": len(findings), "target": OVERLAP._asdict()} | unsaid | dict(metrics)
    pair = make_population(VIEWS, words=config.get("kinds", {})).pairs[0]
    for name in ("target", "estimated"):
        if metrics[name]:
            metrics[name] = in_words_of(Quantity(**metrics[name]), pair)._asdict()
    target = Quantity(**metrics["target"])
    if not {"regressor", "autoencoder", "evaluated"} <= metrics.keys():
        metrics = summarise(answers.patches, None) | metrics
    metrics = plain(metrics | answers.numbers)
    palette = style.palette(conditions(answers.patches))
    in_figures = style.palette(shown_conditions(answers.patches))
    figures = _figures(target, in_figures, answers, histories, images, pair)
    if flat_fields:
        figures["flat_fields"] = lambda: plates.flat_fields(flat_fields, pair[:2])
    files = _files(title, target, palette, answers, codes, images, simulated, pair)
    return write_page(
        folder,
        "interaction/page.html.jinja",
        title=title,
        metrics=metrics,
        simulated=simulated,
        figures=figures,
        files=files,
        content={
            **_content(metrics, target, answers, flat_fields or {}, pair),
            "colours": colour_words(images.colours, pair),
            "outlined_by": images.outlined.other_words if images.outlined else "",
            "explorer": "explorer.html" in files,
            "h5ad": "patches.h5ad" in files,
        },
        made={key: metrics[key] for key in MADE if metrics.get(key) is not None},
        config=config,
        findings=findings,
        not_drawn=on_shown(answers.patches),
    )


def _figures(
    target: Quantity,
    palette: style.Palette,
    answers: Answers,
    histories: Mapping[str, Sequence[Mapping]],
    images: Images,
    pair: Pair,
) -> dict[str, Callable[[], Figure]]:
    """Name of each figure -> what draws it."""
    patches, wells, numbers = answers.patches, answers.wells, answers.numbers
    pixel_um, colours = images.micrometres_per_pixel, images.colours
    figures = {
        "strength": lambda: intervals.strength(numbers["strength"], wells, palette, target),
        "projections": lambda: structure_figures.projections(
            answers.projections, patches, palette, target
        ),
        "scatter": lambda: predictions.scatter(patches, palette, target),
        "errors": lambda: predictions.errors(patches, palette, target),
        "wells": lambda: intervals.wells_with_intervals(wells, palette, target),
        "agreement": lambda: intervals.bland_altman(wells, palette, target, numbers["agreement"]),
        "plate_map": lambda: plates.plate_map(wells, target),
        "histograms": lambda: predictions.histograms(patches, palette, target),
        "reconstructions": lambda: training.reconstructions(
            images.reconstructions, palette, pixel_um, target, colours
        ),
        "worst": lambda: gallery(*images.worst, pixel_um, colours),
        "unusual": lambda: gallery(*images.unusual, pixel_um, colours),
        "loss_curves": lambda: training.loss_curves(histories, target),
    }
    if images.outlined is not None:
        figures["outlines"] = lambda: outlines(images.outlined, pixel_um, pair[:2])
    if numbers["structure"].get("scores"):
        figures["structure"] = lambda: structure_figures.structure(numbers["structure"])
    if not numbers["calibration_curve"]["reason"]:
        curve = numbers["calibration_curve"]
        figures["calibration"] = lambda: intervals.calibration(curve, palette)
    if len(patches[["plate", "well", "field"]].drop_duplicates()) == 1:
        figures["field_map"] = lambda: plates.field_map(patches, target, images.window, pixel_um)
    return figures


def _files(
    title: str,
    target: Quantity,
    palette: style.Palette,
    answers: Answers,
    codes: np.ndarray,
    images: Images,
    simulated: bool,
    pair: Pair,
) -> dict[str, Callable[[Path], object]]:
    """Name of each file beside the page -> what writes it."""
    patches, pixel_um = answers.patches, images.micrometres_per_pixel
    files = {
        "patches.parquet": lambda path: patches.to_parquet(path, index=False),
        "wells.csv": lambda path: write_csv(path, answers.wells),
    }
    if np.isfinite(codes).all():
        files["patches.h5ad"] = lambda path: anndata.patches_with_codes(
            patches, codes, pixel_um=pixel_um, versions=versions()
        ).write_h5ad(path)
    # The last method first: the study's UMAP, where it was asked for.
    drawn = {
        f"{method} of {source}": item if isinstance(item, str) else item.coordinates
        for source, items in answers.projections.items()
        for method, item in reversed(items.items())
    }
    if all(isinstance(item, str) for item in drawn.values()):
        return files

    def write_explorer(path: Path) -> None:
        # Importing bokeh takes a second, and only the explorer needs it.
        from jaxcell.report.explorer.page import write_explorer

        write_explorer(
            path,
            table=patches,
            thumbnails=images.thumbnails,
            projections=drawn,
            neighbours=answers.neighbours,
            sources=images.sources,
            palette=palette,
            target=target,
            title=title,
            window=images.window,
            micrometres_per_pixel=pixel_um,
            colours=images.colours,
            simulated=simulated,
            pair=pair,
        )

    return files | {"explorer.html": write_explorer}


def _content(
    metrics: Mapping,
    target: Quantity,
    answers: Answers,
    flat_fields: plates.FlatFields,
    pair: Pair,
) -> dict[str, object]:
    """What the template names besides the numbers."""
    odd, coverage = answers.odd_wells, metrics["coverage"]
    fields = answers.patches[["plate", "well", "field"]].drop_duplicates()
    return {
        "target": target,
        "reference": reference(target),
        "significant": SIGNIFICANT,
        "verdicts": sentences.ANSWERS,
        "answer": sentences.ANSWERS[metrics["structure"]["answer"]],
        "covered": None if coverage["reason"] else coverage["overall"]["coverage"],
        "on_structure": sentences.on_structure(metrics["structure"]),
        "corrected_p": structure_figures.corrected_p,
        "on_strength": sentences.on_strength(metrics["strength"], target),
        "on_compounds": sentences.on_compounds(metrics["strength"], target),
        "of_strength": sentences.of_strength(metrics, target),
        "on_truth": sentences.on_truth(metrics["estimators"], target),
        "on_regression": sentences.on_regression(metrics["regressor"], target),
        "odd_count": int((odd["why"] != "").sum()) if len(odd) else 0,
        "odd_wells": odd[odd["why"] != ""].head(ODD_WELLS).to_dict("records") if len(odd) else [],
        "field": fields.iloc[0].to_dict(),
        "lit": plates.illumination_ranges(flat_fields, pair[:2]),
    }
