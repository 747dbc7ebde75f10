"""Exact 2-means masks against OpenCV's k-means with the reference study's settings.

    python -m benchmarks.masks [--patches=1000] [--repeats=3] [--json=FILE]

Both mask the same 192 x 192 patches of simulated T-cell and dendritic-cell views, in turns in one
process: the exact masks on one thread, OpenCV on as many as it takes. OpenCV is not among the
requirements: `pip install opencv-python-headless`. A run of it takes half a minute and more.
"""

import statistics
import sys

import numpy as np

from benchmarks.timing import ENDS, arguments, ends, keep, table, timed
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


def within_class_variance(patches: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Variance of the counts about the means of their classes, float64 [N]."""
    result = np.empty(len(patches))
    for row, (patch, mask) in enumerate(zip(patches.astype(np.float64), masks)):
        classes = (patch[mask], patch[~mask])
        result[row] = sum(one.var() * one.size for one in classes if one.size) / patch.size
    return result


def lowest_iou(one: np.ndarray, other: np.ndarray) -> float:
    """The lowest IoU of pairs of masks, bool [N, H, W] each; 0 where both of a pair are empty."""
    shared, either = (np.count_nonzero(some, axis=(1, 2)) for some in (one & other, one | other))
    return float((shared / np.maximum(either, 1)).min())


def compare(patches: np.ndarray, masks: dict[str, list[np.ndarray]]) -> dict:
    """How good the exact masks are against each run of OpenCV, and how repeatable either is."""
    exact = within_class_variance(patches, masks["exact"][0])
    runs = [within_class_variance(patches, run) for run in masks["OpenCV"]]
    change = np.stack(runs) / np.where(exact > 0, exact, 1) - 1
    return {
        "within_class_variance": {
            "worse": int((change < -EQUAL).sum()),
            "equal": int((np.abs(change) <= EQUAL).sum()),
            "better": int((change > EQUAL).sum()),
            "of": int(change.size),
        },
        "lowest_iou_of_two_runs": {
            name: min(lowest_iou(one, other) for one, other in zip(runs, runs[1:]))
            for name, runs in masks.items()
        },
    }


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--patches", type=int, default=1000)
    given = parser.parse_args()
    try:
        import cv2
    except ImportError:
        sys.exit("this benchmark compares with OpenCV: pip install -e '.[benchmarks]'")
    if given.patches < 1 or given.repeats < 2:
        parser.error("at least 1 patch and 2 repeats (two of OpenCV's runs are compared)")
    patches = simulate_patches(given.patches)
    ways = {"exact": exact_masks, "OpenCV": lambda images: opencv_masks(cv2, images)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    masks: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    for repeat in range(given.repeats):
        for name, way in ways.items():
            cv2.setRNGSeed(repeat)
            took, result = timed(lambda way=way: way(patches))
            times[name].append(took * 1000 / len(patches))
            masks[name].append(result)
    ratio = statistics.median(times["OpenCV"]) / statistics.median(times["exact"])
    found = compare(patches, masks)
    print(f"\n{len(patches)} patches of {WINDOW} x {WINDOW}, seconds per 1,000 patches")
    print(table(["", *ENDS], [[name, *ends(values, 3)] for name, values in times.items()]))
    print(f"OpenCV / exact: {ratio:.0f} (target: at least {TARGET})")
    print("within-class variance of the exact masks against each run of OpenCV:")
    print(", ".join(f"{word} {count}" for word, count in found["within_class_variance"].items()))
    agreement = found["lowest_iou_of_two_runs"].items()
    print("lowest IoU of the masks of two runs:", *(f"{n} {value:.3f}" for n, value in agreement))
    times_kept = {"seconds_per_1000_patches": times, "ratio": ratio, "opencv": cv2.__version__}
    keep({"settings": vars(given), **times_kept, **found}, given.json)


if __name__ == "__main__":
    main()
