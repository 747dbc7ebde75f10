"""Exact 2-means masks against OpenCV's k-means with the reference study's settings.

    python -m benchmarks.masks [--patches=1000] [--repeats=3]

Both mask the same 192 x 192 patches of simulated T-cell and dendritic-cell views, in turns in one
process: the exact masks on one thread, OpenCV on as many as it takes. OpenCV is not among the
requirements: `pip install opencv-python-headless`. A run of it takes half a minute and more.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from jaxcell.cells.masks import split_counts
from jaxcell.dataset.patches import windows
from jaxcell.simulator.field import simulate_field

FIELD_SIZE, WINDOW, ASSOCIATION = 2048, 192, 0.1
TARGET = 40  # times as fast
# Relative difference of two within-class variances that is rounding.
EQUAL = 1e-9


def simulate_patches(count: int) -> np.ndarray:
    """Cuts patches of both views of simulated fields, uint16 [count, WINDOW, WINDOW]."""
    patches, seed = [], 0
    while sum(map(len, patches)) < count:
        views = simulate_field(np.random.default_rng(seed), FIELD_SIZE, ASSOCIATION).views[:2]
        cut, _ = windows(np.moveaxis(views, 0, -1), WINDOW, WINDOW)
        patches.append(np.moveaxis(cut, -1, 1).reshape(-1, WINDOW, WINDOW))
        seed += 1
    return np.concatenate(patches)[:count]


def exact_masks(patches: np.ndarray) -> np.ndarray:
    """Masks by the global optimum of 2-means, bool [N, H, W]."""
    thresholds = np.array([split.threshold for split in split_counts(patches)])
    return patches > thresholds[:, None, None]


def opencv_masks(cv2, patches: np.ndarray) -> np.ndarray:
    """Masks by OpenCV's k-means, ten attempts from k-means++ centres, bool [N, H, W]."""
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    masks = np.empty(patches.shape, bool)
    for mask, patch in zip(masks, patches):
        values = patch.reshape(-1, 1).astype(np.float32)
        _, labels, centres = cv2.kmeans(values, 2, None, criteria, 10, cv2.KMEANS_PP_CENTERS)
        mask[:] = (labels == np.argmax(centres)).reshape(patch.shape)
    return masks


def lowest_iou(one: np.ndarray, other: np.ndarray) -> float:
    """The lowest IoU of pairs of masks, bool [N, H, W] each; 0 where both of a pair are empty."""
    shared, either = (np.count_nonzero(some, axis=(1, 2)) for some in (one & other, one | other))
    return float((shared / np.maximum(either, 1)).min())


def within_class_variance(patches: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Variance of the counts about the means of their classes, float64 [N]."""
    result = np.empty(len(patches))
    for row, (patch, mask) in enumerate(zip(patches.astype(np.float64), masks)):
        classes = (patch[mask], patch[~mask])
        result[row] = sum(one.var() * one.size for one in classes if one.size) / patch.size
    return result


def seconds(action: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Wall-clock seconds that an action takes, and its result."""
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def main() -> None:
    """Prints two tables and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patches", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    try:
        import cv2
    except ImportError:
        sys.exit("this benchmark compares with OpenCV: pip install opencv-python-headless")
    if arguments.patches < 1 or arguments.repeats < 2:
        parser.error("at least 1 patch and 2 repeats (two of OpenCV's runs are compared)")
    patches = simulate_patches(arguments.patches)
    ways = {"exact": exact_masks, "OpenCV": lambda images: opencv_masks(cv2, images)}
    times = {name: [] for name in ways}
    masks = {name: [] for name in ways}
    for repeat in range(arguments.repeats):
        for name, way in ways.items():
            cv2.setRNGSeed(repeat)
            took, result = seconds(lambda way=way: way(patches))
            times[name].append(took * 1000 / len(patches))
            masks[name].append(result)
    report(patches, times, masks, cv2.__version__)


def report(patches: np.ndarray, times: dict, masks: dict, version: str) -> None:
    """Prints how long each way took, and how good and how repeatable its masks are."""
    print(f"\n{len(patches)} patches of {WINDOW} x {WINDOW}, {os.cpu_count()} cores")
    print(f"{'seconds per 1,000 patches':28}{'median':>10}{'lowest':>10}{'highest':>10}")
    for name, values in times.items():
        print(f"{name:28}{statistics.median(values):10.3f}{min(values):10.3f}{max(values):10.3f}")
    ratio = statistics.median(times["OpenCV"]) / statistics.median(times["exact"])
    print(f"OpenCV / exact: {ratio:.0f} (target: at least {TARGET})")
    exact = within_class_variance(patches, masks["exact"][0])
    runs = [within_class_variance(patches, run) for run in masks["OpenCV"]]
    change = np.stack(runs) / np.where(exact > 0, exact, 1) - 1
    quality = {
        "worse": int((change < -EQUAL).sum()),
        "equal": int((np.abs(change) <= EQUAL).sum()),
        "better": int((change > EQUAL).sum()),
        "of": int(change.size),
    }
    print("within-class variance of the exact masks against each run of OpenCV:")
    print(", ".join(f"{word} {count}" for word, count in quality.items()))
    agreement = {
        name: min(lowest_iou(one, other) for one, other in zip(runs, runs[1:]))
        for name, runs in masks.items()
    }
    print("lowest IoU of the masks of two runs: ", end="")
    print(", ".join(f"{name} {value:.3f}" for name, value in agreement.items()))
    versions = {"python": platform.python_version(), "opencv": version, "numpy": np.__version__}
    results = {"seconds_per_1000_patches": times, "ratio": ratio, "within_class_variance": quality}
    print(json.dumps({**results, "lowest_iou_of_two_runs": agreement, **versions}))


if __name__ == "__main__":
    main()
