"""The reference study's U-Net: a network that learns the masks which label the data sets."""

import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from ml_collections import ConfigDict

from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.batches import (
    Examples,
    evaluation_batches,
    open_examples,
    prepare,
)
from jaxcell.dataset.immune_cells import open_built
from jaxcell.dataset.source import dataset_config, tfds_folder
from jaxcell.experiments.lifecycle import Outcome, refuse
from jaxcell.experiments.masks.train import make_unet
from jaxcell.measures.patch import measure_patches
from jaxcell.report.segmentation.page import Example, summary_lines, write_segmentation_report
from jaxcell.storage.run_folder import load_config
from jaxcell.training.checkpoint import best_params

EXAMPLES = 3  # patches shown in the report


def evaluate(workdir: Path, **options: Any) -> Outcome:
    """Evaluates a mask U-Net on the wells it held out and writes `workdir/report`.

    Args:
      workdir: the run's folder.
      **options: of other kinds, refused.

    Raises:
      ValueError: the training has not ended, or its data set is not there any more.
    """
    refuse(options, f"{workdir} is a run of masks, which is evaluated on its own wells")
    return Outcome(summary_lines(evaluate_masks(workdir)), workdir / "report" / "index.html")


def evaluate_masks(workdir: Path) -> dict:
    """Evaluates a mask U-Net on the wells it held out and writes `workdir/report`.

    Args:
      workdir: the run's folder.

    Returns:
      The content of metrics.json: `kinds` -> kind -> `unet` -> `pixel_iou` (of all test pixels),
      `mean_pixel_iou` (mean over patches; 1 where both masks are empty); `overlap_rmse_percent` and
      `overlap_sd_percent` of the overlap that follows from the predicted masks;
      `patches_a_second`; how it was made.

    Raises:
      ValueError: the training has not ended, or its data set is not there any more.
    """
    config = load_config(workdir, "masks")
    dataset = json.loads((workdir / "dataset.json").read_text())
    builder = open_built(dataset_config(config), dataset["name"], tfds_folder(config))
    examples = open_examples(builder, memory_gib=0, with_masks=True)
    table, shown, rate = _compare(config, best_params(workdir / "unet" / "checkpoints"), examples)
    metrics = {
        "experiment": "masks",
        "kinds": {kind: {"unet": _scores(table, kind)} for kind in VIEWS},
        "overlap_rmse_percent": float(np.sqrt(np.mean((table.predicted - table.overlap) ** 2))),
        "overlap_sd_percent": float(table.overlap.std(ddof=0)),
        "patches_a_second": rate,
        "fields": examples.table["split"].value_counts(sort=False).to_dict(),
        "seed": config.training.seed,
    }
    history = [json.loads(line) for line in (workdir / "unet" / "metrics.jsonl").open()]
    write_segmentation_report(
        workdir / "report",
        title=f"{workdir.resolve().name}: masks by a U-Net",
        simulated=dataset["simulated"],
        metrics=metrics,
        fields=table,
        examples=shown,
        history=history,
        config=config.to_dict(),
    )
    return metrics


def _compare(
    config: ConfigDict, params: Any, examples: Examples
) -> tuple[pd.DataFrame, list[Example], float]:
    """Counts of pixels patch by patch, patches to show, and patches a second after compiling."""
    model = make_unet(config)

    @jax.jit
    def step(params: Any, raw: dict) -> dict:
        batch = prepare({}, raw)
        predicted = model.apply({"params": params}, batch["image"]) > 0
        return {"predicted": predicted, "true": batch["masks"] > 0}

    rows, batch_size = examples.rows("test"), config.evaluation.batch_size
    parts, shown, seconds = [], [], []
    for raw in evaluation_batches(examples, rows, batch_size)():
        began = time.perf_counter()
        masks = jax.device_get(step(params, raw))
        seconds.append(time.perf_counter() - began)
        real = raw["weight"] > 0
        counts = _counts(masks["true"][real], masks["predicted"][real])
        overlap = measure_patches(
            raw["image"][real], masks["predicted"][real], "iou", pixel_um=config.plates.pixel_um
        )
        parts.append(counts.assign(predicted=overlap))
        if len(shown) < EXAMPLES:
            fullest = int(masks["true"].any(axis=-1).sum(axis=(1, 2)).argmax())
            shown.append(_example(examples, raw, masks, fullest))
    table = examples.table.iloc[rows][["plate", "well", "y", "x", "condition", "overlap"]]
    table = table.reset_index(drop=True).join(pd.concat(parts, ignore_index=True))
    # The first batch compiles; a lone batch has nothing else to be timed by.
    return table, shown, batch_size / float(np.median(seconds[1:] or seconds))


def _counts(true: np.ndarray, predicted: np.ndarray) -> pd.DataFrame:
    """Pixels in both and in either mask of each kind, per patch."""
    counts = {}
    for kind, name in enumerate(VIEWS):
        counts[f"{name}_both"] = (true & predicted)[..., kind].sum(axis=(1, 2))
        counts[f"{name}_either"] = (true | predicted)[..., kind].sum(axis=(1, 2))
    return pd.DataFrame(counts)


def _scores(table: pd.DataFrame, kind: str) -> dict[str, float]:
    both, either = table[f"{kind}_both"], table[f"{kind}_either"]
    each = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    pixel_iou = float(both.sum() / either.sum()) if either.sum() else 1.0
    return {"pixel_iou": pixel_iou, "mean_pixel_iou": float(each.mean())}


def _example(examples: Examples, raw: dict, masks: dict, number: int) -> Example:
    place = examples.table.loc[raw["index"][number]]
    labels = {"truth": masks["true"], "unet": masks["predicted"]}
    return Example(
        f"{place.plate} {place.well}, y {place.y}, x {place.x}", VIEWS, raw["image"][number],
        {name: array[number].astype(np.int32) for name, array in labels.items()},
    )  # fmt: skip
