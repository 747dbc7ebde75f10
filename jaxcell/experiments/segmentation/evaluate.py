"""A segmentation run against fields it never saw, beside threshold and watershed."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ml_collections import ConfigDict
from scipy import ndimage
from tqdm import tqdm

from jaxcell.analysis.scores import detection
from jaxcell.cells.instrument import PROTOCOLS, protocol_mask
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.masks import field_mask, split_counts
from jaxcell.experiments.lifecycle import Outcome, refuse
from jaxcell.experiments.segmentation.train import read_fields
from jaxcell.inference.segmenter import Segmenter, load, segment
from jaxcell.report.segmentation.page import Example, summary_lines, write_segmentation_report
from jaxcell.storage.run_folder import history

EXAMPLES = 3  # fields shown in the report
# Standard deviation in pixels of the Gaussian before a threshold, as anyone would set it.
SMOOTHING = 1.0


def evaluate(workdir: Path, **options: Any) -> Outcome:
    """Evaluates a segmentation run on the fields it held out and writes `workdir/report`.

    Args:
      workdir: the run's folder.
      **options: of other kinds, refused.

    Raises:
      ValueError: the training has not ended.
    """
    refuse(
        options,
        f"{workdir} is a run of segmentation: find the cells of images with it by jaxcell segment, "
        "measure plates with it by jaxcell measure --segmentation",
    )
    metrics = evaluate_segmentation(workdir, *load(workdir))
    return Outcome(summary_lines(metrics), workdir / "report" / "index.html")


def evaluate_segmentation(workdir: Path, config: ConfigDict, segmenter: Segmenter) -> dict:
    """Evaluates a segmentation run on its held-out fields and writes `workdir/report`.

    Returns:
      The content of metrics.json: `kinds` -> kind -> method (`unet`, `watershed`, `instrument`) ->
      `scores` of all test cells; `seconds_a_field`; how it was made.
    """
    fields = read_fields(config)
    rows = fields.rows("test")
    table, matches, seconds, shown = [], {}, [], []
    for row in tqdm(rows, "evaluating", unit=" fields", dynamic_ncols=True):
        began = time.perf_counter()
        found = segment(segmenter, fields.images[row])
        seconds.append(time.perf_counter() - began)
        predicted = {"unet": found, **baselines(fields.images[row])}
        for kind, name in enumerate(fields.kinds):
            for method, labels in predicted.items():
                matched = detection.match(fields.labels[row][..., kind], labels[..., kind])
                matches.setdefault((name, method), []).append(matched)
                scores = detection.scores(matched)
                table.append({"field": fields.names[row], "kind": name, "method": method} | scores)
        if len(shown) < EXAMPLES:
            labels = {"truth": fields.labels[row], **predicted}
            shown.append(Example(fields.names[row], fields.kinds, fields.images[row], labels))
    metrics = {
        "experiment": "segmentation",
        "kinds": {
            kind: {method: detection.scores_of_fields(matches[kind, method])
                   for method in predicted}
            for kind in fields.kinds
        },
        "fields": {name: int((fields.splits == name).sum()) for name in
                   ("train", "validation", "test")},
        "megapixels": float(np.mean([fields.images[row].shape[0] * fields.images[row].shape[1]
                                     for row in rows])) / 1e6,
        "seconds_a_field": float(np.median(seconds)),
        "separation": {
            kind: how._asdict() for kind, how in zip(fields.kinds, segmenter.separations)
        },
        "seed": config.training.seed,
    }  # fmt: skip
    write_segmentation_report(
        workdir / "report",
        title=f"{workdir.resolve().name}: cells found by a U-Net",
        simulated=not config.plates.pairs,
        metrics=metrics,
        fields=pd.DataFrame(table),
        examples=shown,
        history=history(workdir, "unet"),
        config=config.to_dict(),
    )
    return metrics


def baselines(image: np.ndarray) -> dict[str, np.ndarray]:
    """Cells by what one would do without a network.

    Args:
      image: uint8 or uint16 [H, W, C], raw counts, one kind of cell a view.

    Returns:
      method -> int32 [H, W, C], 0 outside cells: `watershed`, of a threshold of the smoothed view,
      holes filled; and, of T cells and dendritic cells in 16 bits, `instrument`, the IN Cell's
      protocols.
    """
    views = np.moveaxis(image, -1, 0)
    of_plates = image.dtype == np.uint16 and len(views) == len(PROTOCOLS)
    masks = {"watershed": [_threshold(view, of_plates) for view in views]}
    if of_plates:
        masks["instrument"] = [
            protocol_mask(np.ascontiguousarray(view), protocol)
            for view, protocol in zip(views, PROTOCOLS.values())
        ]
    return {
        method: np.stack([label_cells(mask) for mask in some], axis=-1)
        for method, some in masks.items()
    }


def _threshold(view: np.ndarray, of_plates: bool) -> np.ndarray:
    """A 2-means mask of a view, smoothed and without holes, bool [H, W]."""
    # 8 bits are spread over 16, or rounding would undo the smoothing of a dim image.
    spread = 256 if view.dtype == np.uint8 else 1
    smooth = ndimage.gaussian_filter(view.astype(np.float32), SMOOTHING) * spread
    smooth = np.rint(smooth).astype(np.uint16)
    if of_plates:
        mask = field_mask(smooth)
    else:
        # Of a camera whose background is not known: 2-means alone, that is Otsu's threshold.
        mask = smooth > split_counts(smooth[None])[0].threshold
    return ndimage.binary_fill_holes(mask)
