"""A trained run against patches it never saw: measures, answers, tables, and the report."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from ml_collections import FrozenConfigDict
from tqdm import tqdm

from jaxcell.analysis.answers import Answers, Calibrations, answer
from jaxcell.analysis.scores.estimators import beside_each_other, compare_estimators
from jaxcell.analysis.scores.regression import scores
from jaxcell.analysis.scores.summary import spread_over_target, summarise
from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.batches import Examples, open_examples
from jaxcell.dataset.flat_field import read_flat_fields
from jaxcell.dataset.immune_cells import ImmuneCells, build, open_built
from jaxcell.dataset.source import (
    Config,
    dataset_config,
    image_files,
    load_plates,
    resampled_from,
    tfds_folder,
)
from jaxcell.dataset.truth import has_truth, read_ceiling, values_by_patch
from jaxcell.experiments.interaction import calibrate as calibration
from jaxcell.experiments.lifecycle import Outcome
from jaxcell.inference.patches import (
    EvaluatedPatches,
    code_shape,
    evaluate_patches,
    label_patches,
    reconstruct_patches,
)
from jaxcell.inference.trained import Run, load
from jaxcell.measures.catalogue import BY_MASKS, TARGETS, TRUTHS, Quantity
from jaxcell.models.build import learns_truth
from jaxcell.plates.findings import Finding, gathered
from jaxcell.plates.folder import Plates, content_digest, is_simulated
from jaxcell.report.common.images import colour_image
from jaxcell.report.explorer import sprites
from jaxcell.report.interaction.outlines import Outlined
from jaxcell.report.interaction.page import Images, write_report
from jaxcell.report.interaction.sentences import summary_lines
from jaxcell.storage.source import read_source, refuse_other, source_of

# Patches in each gallery.
GALLERY = 12
# Patches with outlines.
OUTLINED = 6
# Why a run has no prediction intervals.
NOT_HELD_OUT = (
    "patches of the same wells were trained on (split_by=random_patch), so nothing can be promised "
    "for a new well"
)
NOT_CALIBRATED = (
    "this run was not calibrated; evaluating it on its own held-out wells, without other plates, "
    "does that"
)


def evaluate(
    workdir: Path,
    *,
    plates: str = "",
    views: Mapping[str, str] | None = None,
    condition: str | None = None,
    skip: bool = False,
    standardise: bool = False,
    pixel_um: float = 0.0,
    data: str = "",
) -> Outcome:
    """Evaluates a run on the wells it held out, or on any plates, and writes its report.

    Args:
      workdir: the run's folder.
      plates: folder of plates; empty: the wells that the run held out.
      views, condition, skip: of these plates, as for `load_plates`.
      standardise: whether codes are standardised plate by plate on control wells, also where the
        run's config says no.
      pixel_um: µm, edge of a pixel of these plates, which are resampled to the run's; 0: as their
        files say, else the same.
      data: folder that keeps data sets; empty: of the run's own wells as the run says, of other
        plates in the run's folder.

    Raises:
      BadPlates, ValueError, FileExistsError: said to the person who asked.
    """
    config, run = load(workdir)
    standardise = standardise or config.evaluation.standardise
    config = FrozenConfigDict(
        config.to_dict() | {"evaluation": {**config.evaluation, "standardise": standardise}}
    )
    if data or plates:
        # A stranger's run does not say where this machine keeps what is made of other plates.
        machine = {**config.machine, "folder": data or str(workdir / "data")}
        config = FrozenConfigDict(config.to_dict() | {"machine": machine})
    if plates:
        found = load_plates(config, condition, folder=plates, views=views, skip=skip)
        pixel_um = resampled_from(found, pixel_um, config.plates.pixel_um)
        name = Path(plates).resolve().name
        source = source_of(plates, content_digest(found))
        report = workdir / f"report-{name}"
        refuse_other(report, read_source(report / "metrics.json", "source"), source)
        metrics, report = evaluate_plates(workdir, config, run, found, name, pixel_um, source)
    else:
        metrics, report = evaluate_run(workdir, config, run), workdir / "report"
    return Outcome(summary_lines(metrics), report / "index.html")


def evaluate_run(workdir: Path, config: Config, run: Run) -> dict:
    """Evaluates a run on the wells it held out and writes `workdir/report`.

    Returns:
      The content of metrics.json.

    Raises:
      ValueError: the run's data set is not there any more.
    """
    builder = open_built(dataset_config(config), run.dataset["name"], tfds_folder(config))

    def calibrate(examples: Examples, patches: pd.DataFrame) -> Calibrations | str:
        if config.dataset.split_by == "random_patch":
            return NOT_HELD_OUT
        batch_size, seed = config.evaluation.batch_size, config.training.seed
        return calibration.calibrate(workdir, run, examples, patches, batch_size, seed)

    return _evaluate(
        workdir / "report",
        f"{workdir.resolve().name}: T cells and dendritic cells",
        config,
        run,
        builder,
        calibrate,
        run.image_files,
        run.findings,
        run.dataset["simulated"],
        run.dataset.get("ceiling"),
    )


def evaluate_plates(
    workdir: Path,
    config: Config,
    run: Run,
    plates: Plates,
    name: str,
    pixel_um: float = 0.0,
    source: dict | None = None,
) -> tuple[dict, Path]:
    """Evaluates a run on any plates, none of which it saw.

    Returns:
      The content of metrics.json and the report's folder, `workdir/report-NAME`.
    """
    unknown = config.dataset.target in TRUTHS and not has_truth(plates)
    whole = dataset_config(
        config, split_by="none", subset="full", **(_in_place(config) if unknown else {})
    )
    builder = build(plates, whole, tfds_folder(config))
    missing = NOT_HELD_OUT if config.dataset.split_by == "random_patch" else NOT_CALIBRATED
    report = workdir / f"report-{name}"
    metrics = _evaluate(
        report,
        f"{name}, seen by {workdir.resolve().name}",
        config,
        run,
        builder,
        lambda _, patches: calibration.load(workdir, len(patches)) or missing,
        image_files(plates),
        plates.findings,
        is_simulated(plates),
        read_ceiling(plates),
        unknown,
        source,
    )
    return metrics, report


def _in_place(config: Config) -> dict:
    """What a data set holds in place of a truth that nobody knows: the closest masks' measure."""
    return {
        "target": BY_MASKS[config.dataset.target],
        "mask_method": "instrument",
        "mask_scope": "field",
    }


def _evaluate(
    folder: Path,
    title: str,
    config: Config,
    run: Run,
    builder: ImmuneCells,
    calibrate: Callable[[Examples, pd.DataFrame], Calibrations | str],
    files: Mapping | None,
    findings: list[Finding],
    simulated: bool,
    ceiling: dict | None,
    unknown: bool = False,
    source: dict | None = None,
) -> dict:
    """Evaluates the test patches of a data set and writes the report into a folder.

    Where the truth that the run estimates is `unknown`, the data set holds a measure by masks.
    """
    examples = open_examples(builder, memory_gib=0)
    rows, settings = examples.rows("test"), config.evaluation
    side = sprites.layout(len(rows), config.dataset.window).tile
    colour = partial(colour_image, colours=settings.colours)
    codes = settings.get("codes", "autoencoder")  # earlier runs knew no other
    evaluated = evaluate_patches(
        run, examples, rows, settings.batch_size, side, colour, config.training.seed, codes
    )
    target = TARGETS[builder.builder_config.target].quantity
    if unknown:
        beside = _by_other_masks(evaluated.patches, examples, rows, config)
        evaluated = evaluated._replace(patches=beside)
    answers = _answers(evaluated, target, calibrate(examples, evaluated.patches), config, unknown)
    answers.numbers["structure"]["ceiling"] = ceiling
    training_mean = run.dataset["training_mean"]
    metrics = {
        **summarise(evaluated.patches, training_mean),
        **_against_truth(evaluated.patches, target.name, training_mean),
        "estimated": TARGETS[config.dataset.target].quantity._asdict() if unknown else None,
        "beside": beside_each_other(evaluated.patches) if unknown else [],
        "target": target._asdict(),
        "split": config.dataset.split_by,
        "wells": _wells(examples.table),
        "patches": examples.table["split"].value_counts(sort=False).to_dict(),
        "latent_size": math.prod(code_shape(run, (*(config.dataset.window,) * 2, len(VIEWS)))),
        "seed": config.training.seed,
        "left_out": sum(finding.fatal for finding in findings),
    }
    thumbnails = evaluated.thumbnails
    images = _images(run, config, examples, rows, answers.patches, thumbnails, files, target)
    if learns_truth(config):
        outlined = _outlined(run, config, examples, rows, answers.patches, target, unknown)
        images = images._replace(outlined=outlined)
    if source:
        metrics["source"] = source
    write_report(
        folder,
        metrics=metrics,
        answers=answers,
        codes=evaluated.codes,
        histories=run.histories,
        images=images,
        findings=[finding[:6] for finding in gathered(findings)],
        config=config.to_dict(),
        title=title,
        simulated=simulated,
        flat_fields={
            key: field.light for key, field in read_flat_fields(Path(builder.data_path)).items()
        },
    )
    return metrics | answers.numbers


def _against_truth(patches: pd.DataFrame, target: str, training_mean: float) -> dict:
    """What estimates the truth and how well, of patches whose truth is known."""
    if target not in TRUTHS:
        return {}
    found = {"estimators": compare_estimators(patches, training_mean)}
    if target == "true_iou":
        found["own_label"] = scores(patches["overlap"], patches["predicted"])
    return found


def _by_other_masks(
    patches: pd.DataFrame, examples: Examples, rows: np.ndarray, config: Config
) -> pd.DataFrame:
    """Patches whose target is by the instrument's masks, with what the other ways say of it."""
    parts = []
    for first in tqdm(range(0, len(rows), 64), "comparing", unit=" batches", dynamic_ncols=True):
        some = examples.source.__getitems__(rows[first : first + 64].tolist())
        images = np.stack([example["image"] for example in some])
        target, pixel_um = config.dataset.target, config.plates.pixel_um
        parts.append(pd.DataFrame(values_by_patch(images, target, pixel_um)))
    found = pd.concat(parts, ignore_index=True)
    return patches.assign(by_instrument=patches["target"], **found)


def _answers(
    evaluated: EvaluatedPatches,
    target: Quantity,
    calibrations: Calibrations | str,
    config: Config,
    unknown: bool,
) -> Answers:
    """Asks all questions, behind a progress bar that says which."""
    settings = config.evaluation
    with tqdm(desc="analysing", unit=" questions", dynamic_ncols=True) as bar:

        def progress(stage: str) -> None:
            bar.set_postfix_str(stage)
            bar.update()

        return answer(
            evaluated.patches,
            evaluated.codes,
            {"mean intensity": evaluated.intensity, "raw-pixel PCA": evaluated.raw_pixels},
            places=evaluated.places,
            target=target,
            calibrations=calibrations,
            level=settings.coverage,
            methods=settings.projections,
            standardise=settings.standardise,
            seed=config.training.seed,
            progress=progress,
            unknown=unknown,
        )


def _images(
    run: Run,
    config: Config,
    examples: Examples,
    rows: np.ndarray,
    patches: pd.DataFrame,
    thumbnails: np.ndarray,
    files: Mapping | None,
    target: Quantity,
) -> Images:
    """The images of the report: a spread over the target, the worst predicted, the most unusual."""
    chosen = spread_over_target(patches)
    worst = _largest((patches["predicted"] - patches["target"]).abs())
    unusual = _largest(patches["unusual"])
    groups = [*chosen.values(), worst, unusual]
    originals, outputs = reconstruct_patches(
        run, examples, rows[np.concatenate(groups)], config.evaluation.batch_size
    )
    ends = np.cumsum([len(some) for some in groups])[:-1]
    originals, outputs = np.split(originals, ends), np.split(outputs[0], ends)
    truth = [patches["target"].to_numpy()[some] for some in groups]
    place = (patches["plate"].astype(str) + " " + patches["well"].astype(str)).to_numpy()
    captions = [
        f"{place[row]}\n{patches['target'].iloc[row]:.{target.digits - 1}f} → "
        f"{patches['predicted'].iloc[row]:.{target.digits - 1}f} {target.unit}"
        for row in worst
    ]
    times = [f"{place[row]}\n{patches['unusual'].iloc[row]:.1f} ×" for row in unusual]
    return Images(
        dict(zip(chosen, zip(originals, outputs, truth), strict=False)),
        (originals[-2], captions),
        (originals[-1], times),
        thumbnails,
        files,
        config.dataset.window,
        config.plates.pixel_um,
        config.evaluation.colours,
    )


def _outlined(
    run: Run,
    config: Config,
    examples: Examples,
    rows: np.ndarray,
    patches: pd.DataFrame,
    target: Quantity,
    unknown: bool,
) -> Outlined:
    """Patches of rising target with the cells of the network, and the true or measured ones."""
    chosen = patches["target"].to_numpy().argsort(kind="stable")
    chosen = chosen[np.round(np.linspace(0.5, 1, OUTLINED) * (len(chosen) - 1)).astype(int)]
    labels = label_patches(run, examples, rows[chosen], config.evaluation.batch_size)
    some = examples.source.__getitems__(rows[chosen].tolist())
    of = patches.iloc[chosen]
    captions = [
        f"{place.plate} {place.well}: {place.target:.{target.digits - 1}f} → "
        f"{place.predicted:.{target.digits - 1}f} {target.unit}"
        for place in of.itertuples()
    ]
    return Outlined(
        np.stack([example["image"] for example in some]),
        labels,
        np.stack([example["masks"] for example in some]) & np.uint8(3),
        captions,
        "the instrument’s masks" if unknown else "the truth",
    )


def _largest(values: pd.Series) -> np.ndarray:
    """Rows of the largest finite values, largest first."""
    values = values.to_numpy(np.float64)
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:GALLERY]
    return order[np.isfinite(values[order])]


def _wells(table: pd.DataFrame) -> dict[str, int]:
    """Wells in each split; with a split by patch, a well counts in each."""
    return table.drop_duplicates(["split", "plate", "well"])["split"].value_counts().to_dict()
