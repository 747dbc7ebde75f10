"""Cells found in images of other magnifications, by a network that is told the size of a pixel.

    python -m benchmarks.magnification RUN [--json=FILE]

RUN is a segmentation trained on pairs of image and labels. Its test images are shown as they are,
four times as wide, and at half their width; the network is told, or not. The cells found are scored
at the size of the image that was shown. Larger images are interpolated: no real image of a higher
magnification lies behind them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.timing import arguments, keep
from jaxcell.analysis.scores import detection
from jaxcell.cells.resampling import nearest, resampled
from jaxcell.experiments.segmentation.evaluate import baselines
from jaxcell.experiments.segmentation.train import read_fields
from jaxcell.inference.segmenter import load, segment

ZOOMS = (1.0, 4.0, 2.0, 0.5)


def shown(image: np.ndarray, labels: np.ndarray, zoom: float) -> tuple[np.ndarray, np.ndarray]:
    """An image [H, W, 1] and its cells [H, W] at another magnification."""
    if zoom == 1:
        return image, labels
    large = resampled(image, zoom).astype(image.dtype)
    return large, nearest(labels, large.shape[:2])


def scored(run: Path) -> Iterator[dict[str, Any]]:
    """A row a magnification and way."""
    config, segmenter = load(run)
    fields = read_fields(config)
    for zoom in ZOOMS:
        matches: dict[str, list[detection.Matches]] = {}
        for row in fields.rows("test"):
            image, labels = shown(fields.images[row], fields.labels[row][..., 0], zoom)
            found = {
                "told": segment(segmenter, image, segmenter.pixel_um / zoom),
                "not told": segment(segmenter, image),
                "threshold + watershed": baselines(image)["watershed"],
            }
            for way, cells in found.items():
                matches.setdefault(way, []).append(detection.match(labels, cells[..., 0]))
        for way, some in matches.items():
            yield {"zoom": zoom, "way": way} | detection.scores_of_fields(some)


def main() -> None:
    """Scores, prints a table and keeps the figures."""
    parser = arguments(__doc__)
    parser.add_argument("run", type=Path)
    given = parser.parse_args()
    rows = list(scored(given.run))
    table = pd.DataFrame(rows)[["zoom", "way", "f1", "pixel_iou", "mean_ap", "count_ratio"]]
    print(table.to_string(index=False, float_format="{:.3f}".format))
    keep({"magnifications": rows}, given.json)


if __name__ == "__main__":
    main()
