"""A trained run against patches it never saw: measures, tables, and the report."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxcell.analysis import reconstruction
from jaxcell.analysis.projection import principal_components
from jaxcell.analysis.regression import OVERLAP, Target
from jaxcell.analysis.summary import spread_over_target, summarise
from jaxcell.dataset.flat_fields import FlatFields, read_flat_fields
from jaxcell.dataset.immune_cells import build, open_built
from jaxcell.dataset.pipeline import Examples, evaluation_batches, open_examples, prepare
from jaxcell.experiment import Run, dataset_config, tfds_folder
from jaxcell.interaction.targets import TARGETS
from jaxcell.plates.findings import Finding
from jaxcell.plates.folder import Plates
from jaxcell.report import export
from jaxcell.report.page import write_report
from jaxcell.versions import versions


def measure(
    run: Run, examples: Examples, rows: np.ndarray, batch_size: int
) -> tuple[pd.DataFrame, np.ndarray]:
    """Runs both networks over patches.

    Args:
      run: the trained run.
      examples: where to read from.
      rows: int32 [N], which of them.
      batch_size: patches a batch.

    Returns:
      The examples' table of these rows with `predicted` (in the unit of `target`), `bce`,
      `bce_floor` (nats), `psnr_db`, `ssim`; and the codes, float32 [N, latent size].
    """

    @jax.jit
    def step(params: dict, raw: dict) -> tuple[dict, jax.Array]:
        image = prepare({}, raw)["image"]
        variables = {"params": params["autoencoder"]}
        code = run.models.autoencoder.apply(variables, image, method="encode")
        logits = run.models.autoencoder.apply(variables, image)
        shown = jax.nn.sigmoid(logits)
        values = {
            "predicted": run.models.regressor.apply({"params": params["regressor"]}, image),
            "bce": reconstruction.binary_cross_entropy(logits, image),
            "bce_floor": reconstruction.entropy_floor(image),
            "psnr_db": reconstruction.psnr_db(shown, image),
            "ssim": reconstruction.ssim(shown, image),
        }
        return values, code

    values, codes = [], []
    for raw, real in _streamed(examples, rows, batch_size):
        scores, code = jax.device_get(step(run.params, raw))
        values.append(pd.DataFrame({name: array[real] for name, array in scores.items()}))
        codes.append(code[real])
    table = examples.table.iloc[rows].reset_index(drop=True)
    return table.join(pd.concat(values, ignore_index=True)), np.concatenate(codes)


def _streamed(examples: Examples, rows: np.ndarray, batch_size: int) -> Iterator:
    """Batches that carry their images, and which of each are real, behind a progress bar."""
    streamed = examples._replace(images=None)
    batches = evaluation_batches(streamed, rows, batch_size)
    with tqdm(total=len(rows), desc="evaluating", unit=" patches", dynamic_ncols=True) as bar:
        for raw in batches():
            real = raw["weight"] > 0
            yield raw, real
            bar.update(int(real.sum()))


def reconstructions(
    run: Run, examples: Examples, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Originals and their reconstructions, float32 [N, H, W, 2] each in [0, 1], of some rows."""
    raw = next(evaluation_batches(examples._replace(images=None), rows, len(rows))())

    @jax.jit
    def step(params: dict, raw: dict) -> tuple[jax.Array, jax.Array]:
        image = prepare({}, raw)["image"]
        logits = run.models.autoencoder.apply({"params": params["autoencoder"]}, image)
        return image, jax.nn.sigmoid(logits)

    return jax.device_get(step(run.params, raw))


def evaluate_run(workdir: Path, config: ConfigDict, run: Run) -> dict:
    """Evaluates a run on the wells it held out and writes `workdir/report`.

    Args:
      workdir: the run's folder.
      config: of the run.
      run: the trained run.

    Returns:
      The content of metrics.json.

    Raises:
      ValueError: the run's data set is not there any more.
    """
    builder = open_built(dataset_config(config), run.dataset["name"], tfds_folder(config))
    examples = open_examples(builder, memory_gib=0)
    title = f"{workdir.resolve().name}: T cells and dendritic cells"
    flat_fields = read_flat_fields(Path(builder.data_path))
    return _evaluate(workdir / "report", title, config, run, examples, run.findings, flat_fields)


def evaluate_plates(
    workdir: Path, config: ConfigDict, run: Run, plates: Plates, name: str
) -> tuple[dict, Path]:
    """Evaluates a run on any plates, none of which it saw.

    Args:
      workdir: the run's folder.
      config: of the run.
      run: the trained run.
      plates: images and wells.
      name: of the plates, for the report.

    Returns:
      The content of metrics.json and the report's folder, `workdir/report-NAME`.
    """
    config = ConfigDict(config.to_dict())
    config.data.update({"split_by": "none", "subset": "full"})
    builder = build(plates, dataset_config(config), tfds_folder(config))
    examples = open_examples(builder, memory_gib=0)
    flat_fields = read_flat_fields(Path(builder.data_path))
    report = workdir / f"report-{name}"
    title = f"{name}, seen by {workdir.resolve().name}"
    metrics = _evaluate(report, title, config, run, examples, plates.findings, flat_fields)
    return metrics, report


def _evaluate(
    folder: Path,
    title: str,
    config: ConfigDict,
    run: Run,
    examples: Examples,
    findings: list[Finding],
    flat_fields: FlatFields,
) -> dict:
    """Evaluates the test patches of some examples and writes the report into a folder."""
    rows = examples.rows("test")
    patches, codes = measure(run, examples, rows, config.evaluation.batch_size)
    chosen = spread_over_target(patches)
    positions = np.concatenate(list(chosen.values()))
    images = reconstructions(run, examples, rows[positions])
    ends = np.cumsum([len(some) for some in chosen.values()])[:-1]
    truth = np.split(patches["target"].to_numpy()[positions], ends)
    shown = zip(*(np.split(array, ends) for array in images), truth, strict=True)
    metrics = {
        **summarise(patches, run.dataset["training_mean"]),
        "target": target_words(config.data.target)._asdict(),
        "split": config.data.split_by,
        "wells": _wells(examples.table),
        "patches": examples.table["split"].value_counts(sort=False).to_dict(),
        "latent_size": codes.shape[1],
        "seed": config.seed,
        "versions": versions(),
        "left_out": sum(finding.fatal for finding in findings),
    }
    write_report(
        folder,
        metrics=metrics,
        patches=patches,
        histories=run.histories,
        examples=dict(zip(chosen, shown, strict=True)),
        projection=_project(codes),
        findings=[finding[:6] for finding in findings],
        config=config.to_dict(),
        title=title,
        micrometres_per_pixel=config.data.pixel_um,
        flat_fields=flat_fields,
    )
    export.write_anndata(folder / "patches.h5ad", _annotated(patches, codes, config.data.pixel_um))
    return metrics


def _annotated(patches: pd.DataFrame, codes: np.ndarray, pixel_um: float) -> Any:
    """The patches as AnnData: their codes as features, what is known and measured beside them."""
    features = [f"code_{number}" for number in range(codes.shape[1])]
    table = patches.join(pd.DataFrame(codes, columns=features))
    obs = [name for name in patches if name not in ("y", "x")]
    return export.to_anndata(table, features, obs, pixel_um=pixel_um, versions=versions())


def target_words(name: str) -> Target:
    """What a target is called, in which unit, for tables and figures."""
    if name == OVERLAP.name:
        return OVERLAP
    measure = TARGETS[name]
    return Target(name, measure.label, measure.unit, measure.definition)


def _wells(table: pd.DataFrame) -> dict[str, int]:
    """Wells in each split; with a split by patch, a well counts in each."""
    return table.drop_duplicates(["split", "plate", "well"])["split"].value_counts().to_dict()


def _project(codes: np.ndarray):
    """Two principal components of the codes, or the sentence that says why there are none."""
    try:
        return principal_components(codes)
    except ValueError as error:
        return str(error)
