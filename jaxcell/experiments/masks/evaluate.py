"""The reference study's U-Net: a network that learns the masks which label the data sets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax import Array
from ml_collections import FrozenConfigDict

from jaxcell.cells.kinds import VIEWS
from jaxcell.configs.ranges import check_of_run
from jaxcell.dataset.batches import Examples, open_examples
from jaxcell.dataset.immune_cells import open_built
from jaxcell.dataset.source import dataset_config, tfds_folder
from jaxcell.experiments.lifecycle import Outcome, refuse
from jaxcell.experiments.masks.train import make_unet
from jaxcell.inference.mapping import Seconds, map_examples
from jaxcell.measures import overlap
from jaxcell.models.build import parameters_of
from jaxcell.report.segmentation.page import Example, summary_lines, write_segmentation_report
from jaxcell.storage.atomic import read
from jaxcell.storage.run_folder import history, load_config, notes_of
from jaxcell.training.checkpoint import best_params, require_fit

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

    Returns:
      The content of metrics.json: `kinds` -> kind -> `unet` -> `pixel_iou` (of all test pixels),
      `mean_pixel_iou` (mean over patches; 1 where both masks are empty); `overlap_rmse_percent` and
      `overlap_sd_percent` of the overlap that follows from the predicted masks;
      `patches_a_second`; how it was made.

    Raises:
      ValueError: the training has not ended, or its data set is not there any more.
    """
    config = load_config(workdir, "masks")
    check_of_run(config, workdir)
    with notes_of(workdir):
        dataset = read(workdir / "dataset.json")
        name, simulated = dataset["name"], dataset["simulated"]
    builder = open_built(dataset_config(config), name, tfds_folder(config))
    examples = open_examples(builder, memory_gib=0, with_masks=True)
    params = best_params(workdir / "unet" / "checkpoints")
    made = parameters_of(make_unet(config), config.dataset.window, channels=len(VIEWS))
    require_fit(params, made, workdir / "unet")
    table, rate = _compare(config, params, examples)
    metrics = {
        "experiment": "masks",
        "kinds": {kind: {"unet": _scores(table, kind)} for kind in VIEWS},
        "overlap_rmse_percent": float(np.sqrt(np.mean((table.predicted - table.overlap) ** 2))),
        "overlap_sd_percent": float(table.overlap.std(ddof=0)),
        "patches_a_second": rate,
        "fields": examples.table["split"].value_counts(sort=False).to_dict(),
        "seed": config.training.seed,
    }
    write_segmentation_report(
        workdir / "report",
        title=f"{workdir.resolve().name}: masks by a U-Net",
        simulated=simulated,
        metrics=metrics,
        fields=table.drop(columns="true_pixels"),
        examples=_fullest(config, params, examples, table),
        history=history(workdir, "unet"),
        config=config.to_dict(),
    )
    return metrics


def _compare(
    config: FrozenConfigDict, params: Any, examples: Examples
) -> tuple[pd.DataFrame, float]:
    """Counts of pixels and the predicted overlap patch by patch, and patches a second."""

    def count(true: Array, predicted: Array, _: Array) -> dict[str, Array]:
        cells = jnp.concatenate([predicted, predicted.all(axis=-1, keepdims=True)], axis=-1)
        counted = {
            "both": true & predicted,
            "either": true | predicted,
            "true": true.any(axis=-1),
            "record": cells,
        }
        return {name: mask.sum(axis=(1, 2), dtype=jnp.int32) for name, mask in counted.items()}

    rows = examples.rows("test")
    counts, seconds = _map_masks(count, config, params, examples, rows)
    shares = np.array([overlap.iou([record]) for record in counts["record"]]) / 100
    table = examples.table.iloc[rows][["plate", "well", "y", "x", "condition", "overlap"]].assign(
        **{f"{name}_{part}": counts[part][:, kind]
           for kind, name in enumerate(VIEWS) for part in ("both", "either")},
        predicted=np.float32(100) * shares.astype(np.float32),  # rounded as labels are
        true_pixels=counts["true"],
    )  # fmt: skip
    return table, len(rows) / seconds.answering


def _map_masks(
    function: Callable[[Array, Array, Array], dict[str, Array]],
    config: FrozenConfigDict,
    params: Any,
    examples: Examples,
    rows: np.ndarray,
) -> tuple[dict[str, np.ndarray], Seconds]:
    """A function of true and predicted masks, bool [B, H, W, 2], and raw counts, of some rows."""
    model = make_unet(config)

    def of_masks(params: Any, batch: dict[str, Array]) -> dict[str, Array]:
        predicted = model.apply({"params": params}, batch["image"]) > 0
        return function(batch["masks"] > 0, predicted, batch["counts"])

    batch_size = min(config.evaluation.batch_size, len(rows))
    return map_examples(of_masks, params, examples, rows, batch_size, "evaluating")


def _scores(table: pd.DataFrame, kind: str) -> dict[str, float]:
    both, either = table[f"{kind}_both"], table[f"{kind}_either"]
    each = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    pixel_iou = float(both.sum() / either.sum()) if either.sum() else 1.0
    return {"pixel_iou": pixel_iou, "mean_pixel_iou": float(each.mean())}


def _fullest(
    config: FrozenConfigDict, params: Any, examples: Examples, table: pd.DataFrame
) -> list[Example]:
    """The patches that hold most cells, one a well."""
    chosen = table.sort_values("true_pixels", ascending=False, kind="stable")
    chosen = chosen.drop_duplicates(["plate", "well"])[:EXAMPLES]
    found, _ = _map_masks(
        lambda true, predicted, image: {"image": image, "truth": true, "unet": predicted},
        config, params, examples, chosen.index.to_numpy(np.int32),
    )  # fmt: skip
    return [
        Example(
            f"{place.plate} {place.well}, y {place.y}, x {place.x}", VIEWS, found["image"][number],
            {name: found[name][number].astype(np.int32) for name in ("truth", "unet")},
        )
        for number, place in enumerate(chosen.itertuples())
    ]  # fmt: skip
