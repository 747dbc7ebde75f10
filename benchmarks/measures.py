"""How long a field takes to be masked, labelled and measured, and how that grows with its cells.

    python -m benchmarks.measures [--repeats=7] [--json=FILE]

Simulated pairs of 2048 x 2048 views. Views are masked and labelled in one thread each, measures
are taken in one thread; the parts are timed in turn, several times over, so that whatever else the
machine does falls on all alike.
"""

import statistics
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.timing import ENDS, arguments, ends, keep, table, timed
from jaxcell.cells.labelling import label_cells
from jaxcell.cells.masks import field_mask
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.field import Field
from jaxcell.measures.well import measure_well, record_field
from jaxcell.simulator.cells import PIXEL_UM
from jaxcell.simulator.field import DENDRITIC_CELLS, T_CELLS, Well, simulate_field

FIELD_SIZE, ASSOCIATION = 2048, 0.1
TARGET_SECONDS = 0.5
DENSITIES = (0.25, 0.5, 1.0, 2.0, 4.0)
# Of measures that are computed together, one each.
ALONE = ("iou", "manders_t_cell", "pearson", "contact_share", "chance_z")
STAGES = ("masks", "labels", "all measures")


def simulate_views(density: float) -> np.ndarray:
    """A field with `density` times the usual number of cells, uint16 [2, H, W]."""
    well = Well(ASSOCIATION, density * T_CELLS, density * DENDRITIC_CELLS)
    random = np.random.default_rng(0)
    field = simulate_field(random, FIELD_SIZE, ASSOCIATION, well=well, droplet_share=0)
    return np.ascontiguousarray(field.views[:2])


def time_once(views: np.ndarray, pool: ThreadPoolExecutor) -> tuple[dict[str, float], dict]:
    """Seconds of each stage and of each measure alone, and the field's measures."""
    times = {}
    times["masks"], masks = timed(lambda: np.stack(list(pool.map(field_mask, views))))
    times["labels"], labels = timed(lambda: np.stack(list(pool.map(label_cells, masks))))
    times["all measures"], result = timed(
        lambda: measure_well([record_field(views, masks, labels, pixel_um=PIXEL_UM)])
    )
    field = Field(views, masks, labels.__getitem__, PIXEL_UM)
    for one in map(MEASURES.get, ALONE):
        label = one.quantity.label
        times[label] = timed(lambda one=one: one.reduce([one.record(field)]))
    return times, result


def main() -> None:
    """Measures, prints two tables and keeps the figures."""
    given = arguments(__doc__, repeats=7).parse_args()
    fields = {density: simulate_views(density) for density in DENSITIES}
    times: dict[float, dict[str, list[float]]] = {density: {} for density in DENSITIES}
    cells = {}
    with ThreadPoolExecutor(2) as pool:
        for repeat in range(given.repeats + 1):
            for density, views in fields.items():
                found, result = time_once(views, pool)
                cells[density] = result["t_cells"] + result["dendritic_cells"]
                for part, value in found.items() if repeat else ():  # the first only warms up
                    times[density].setdefault(part, []).append(1000 * value)
    usual = times[1.0]
    total = [sum(parts) for parts in zip(*(usual[stage] for stage in STAGES))]
    rows = [[part, *ends(some)] for part, some in (usual | {" + ".join(STAGES): total}).items()]
    print(f"\nfield of 2 x {FIELD_SIZE} x {FIELD_SIZE}, {cells[1.0]} cells, ms")
    print(table(["", *ENDS], rows))
    print(f"target: {1000 * TARGET_SECONDS:.0f} ms")
    exponents = print_growth(times, cells)
    keep({"ms": times, "cells": cells, "exponents": exponents}, given.json)


def print_growth(
    times: dict[float, dict[str, list[float]]], cells: dict[float, int]
) -> dict[str, float]:
    """Prints time against the number of cells; returns each part's fitted exponent."""
    rows, exponents, numbers = [], {}, [cells[density] for density in DENSITIES]
    for part in times[1.0]:
        values = [statistics.median(times[density][part]) for density in DENSITIES]
        exponents[part] = float(np.polyfit(np.log(numbers), np.log(values), 1)[0])
        rows.append([part, *(f"{value:.1f}" for value in values), f"{exponents[part]:.2f}"])
    print("\nmedian ms by number of cells; time grows with cells ** exponent")
    print(table(["", *map(str, numbers), "exponent"], rows))
    return exponents


if __name__ == "__main__":
    main()
