"""Measures of cells and of shared light beside cp_measure's, CellProfiler's measures as a library.

    pip install cp_measure
    python -m benchmarks.beside_cp_measure [--repeats=3] [--json=FILE]

One simulated field of 2048 x 2048 with its true cells. Both programs get the same images and the
same label images and are timed in turn. cp_measure has thresholds of its own for Manders'
coefficients: it is given views that are 0 outside their masks, and the threshold 0.
"""

import statistics

import numpy as np
from cp_measure.bulk import get_core_measurements, get_correlation_measurements

from benchmarks.measures import simulate_field
from benchmarks.timing import arguments, keep, table, timed
from jaxcell.measures import colocalisation
from jaxcell.measures.field import Field
from jaxcell.measures.granularity import cell_granularity
from jaxcell.measures.morphology import measure_cells
from jaxcell.simulator.cells import PIXEL_UM

FIELD_SIZE, ASSOCIATION, SEED = 2048, 0.1, 0
STEPS = 16  # of the granularity spectrum, with a subsample of 0.25: CellProfiler's defaults
# Ours and theirs, of each cell.
SHAPES = {
    "area_um2": "Area",
    "eccentricity": "Eccentricity",
    "solidity": "Solidity",
}


def ours(views: np.ndarray, labels: np.ndarray) -> dict[str, tuple[float, np.ndarray]]:
    """Seconds and values of each group of measures."""
    field = Field(views, labels > 0, labels.__getitem__, PIXEL_UM)
    shape = timed(lambda: measure_cells(labels[0], views[0], pixel_um=PIXEL_UM))
    spectrum = timed(lambda: cell_granularity(views[0], labels[0], STEPS, subsample=0.25))
    shared = timed(lambda: [
        colocalisation.manders([colocalisation.record_light(field, view)]) / 100 for view in (0, 1)
    ])  # fmt: skip
    spread = timed(lambda: colocalisation.pearson([colocalisation.record_spread(field)]))
    columns = {name: shape[1][name] / (PIXEL_UM**2 if name == "area_um2" else 1) for name in SHAPES}
    return {
        "shape of cells": (shape[0], np.stack([*columns.values()])),
        "granularity of cells": (spectrum[0], spectrum[1].T),
        "Manders' M1, M2": (shared[0], np.array(shared[1])),
        "Pearson": (spread[0], np.array([spread[1]])),
    }


def theirs(views: np.ndarray, labels: np.ndarray) -> dict[str, tuple[float, np.ndarray]]:
    """The same by cp_measure."""
    core, correlation = get_core_measurements(), get_correlation_measurements()
    image, other = views.astype(np.float64)
    whole = np.ones(image.shape, np.int32)
    dark = np.where(labels > 0, views, 0).astype(np.float64)
    # One count at a threshold of 0 would let all pixels in.
    dark[labels == 0] = -1
    shape = timed(lambda: core["sizeshape"](labels[0], image))
    spectrum = timed(lambda: core["granularity"](labels[0], image))
    shared = timed(lambda: correlation["manders_fold"](*dark, whole, thr=0))
    spread = timed(lambda: correlation["pearson"](image, other, whole))
    steps = [f"Granularity_{step + 1}" for step in range(STEPS)]
    return {
        "shape of cells": (shape[0], np.stack([shape[1][name] for name in SHAPES.values()])),
        "granularity of cells": (spectrum[0], np.stack([spectrum[1][name] for name in steps])),
        "Manders' M1, M2": (shared[0], np.concatenate([*shared[1].values()])),
        "Pearson": (spread[0], np.array(spread[1]["Correlation_Pearson"])),
    }


def main() -> None:
    """Compares values, times both, prints a table and keeps the figures."""
    given = arguments(__doc__, repeats=3).parse_args()
    field = simulate_field(np.random.default_rng(SEED), FIELD_SIZE, ASSOCIATION, droplet_share=0)
    views, labels = np.ascontiguousarray(field.views[:2]), field.labels.astype(np.int32)
    rounds = [(ours(views, labels), theirs(views, labels)) for _ in range(given.repeats)]
    rows, kept = [], {}
    for name in rounds[0][0]:
        own, other = (np.asarray(part[name][1], np.float64) for part in rounds[0])
        seconds = [statistics.median(some[side][name][0] for some in rounds) for side in (0, 1)]
        difference = float(np.abs(own - other).max())
        middle = float(np.median(np.abs(own - other)))
        kept[name] = {"seconds": seconds, "largest_difference": difference, "median": middle}
        times = (f"{1000 * some:.0f}" for some in seconds)
        rows.append([name, f"{difference:.1g}", f"{middle:.1g}", *times])
    print(f"{labels[0].max()} T cells; differences of values, ms")
    print(table(["", "largest", "median", "ours, ms", "cp_measure, ms"], rows))
    keep(kept, given.json)


if __name__ == "__main__":
    main()
