"""How long a field takes to be masked, labelled and measured, and how that grows with its cells.

    python -m benchmarks.measures [--repeats=7]

Simulated pairs of 2048 x 2048 views. Views are masked and labelled in one thread each, measures
are taken in one thread; the parts are timed in turn, several times over, so that whatever else the
machine does falls on all alike.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

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


def seconds(action: Callable[[], object]) -> tuple[float, object]:
    """Wall-clock seconds that an action takes, and its result."""
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def time_once(views: np.ndarray, pool: ThreadPoolExecutor) -> tuple[dict[str, float], dict]:
    """Seconds of each stage and of each measure alone, and the field's measures."""
    times = {}
    times["masks"], masks = seconds(lambda: np.stack(list(pool.map(field_mask, views))))
    times["labels"], labels = seconds(lambda: np.stack(list(pool.map(label_cells, masks))))
    times["all measures"], result = seconds(
        lambda: measure_well([record_field(views, masks, labels, pixel_um=PIXEL_UM)])
    )
    field = Field(views, masks, labels.__getitem__, PIXEL_UM)
    for one in map(MEASURES.get, ALONE):
        times[one.quantity.label], _ = seconds(lambda one=one: one.reduce([one.record(field)]))
    return times, result


def main() -> None:
    """Prints two tables and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    fields = {density: simulate_views(density) for density in DENSITIES}
    times: dict[float, dict[str, list[float]]] = {density: {} for density in DENSITIES}
    cells = {}
    with ThreadPoolExecutor(2) as pool:
        for repeat in range(repeats + 1):
            for density, views in fields.items():
                found, result = time_once(views, pool)
                cells[density] = result["t_cells"] + result["dendritic_cells"]
                for part, value in found.items() if repeat else ():  # the first only warms up
                    times[density].setdefault(part, []).append(value)
    medians = {
        density: {part: statistics.median(values) for part, values in parts.items()}
        for density, parts in times.items()
    }
    print_parts(times[1.0], cells[1.0])
    exponents = print_growth(medians, cells)
    print(
        json.dumps(
            {
                "seconds": medians,
                "cells": cells,
                "exponents": exponents,
                "cores": os.cpu_count(),
                "python": platform.python_version(),
            }
        )
    )


def print_parts(times: dict[str, list[float]], cells: int) -> None:
    """Prints what a usual field takes, against the target."""
    total = [sum(parts) for parts in zip(*(times[stage] for stage in STAGES))]
    print(f"\nfield of 2 x {FIELD_SIZE} x {FIELD_SIZE}, {cells} cells, {os.cpu_count()} cores, ms")
    print(f"{'':28}{'median':>10}{'lowest':>10}{'highest':>10}")
    for part, values in (times | {"masks + labels + measures": total}).items():
        row = (f"{1000 * value:10.1f}" for value in (statistics.median(values), *_ends(values)))
        print(f"{part:28}{''.join(row)}")
    print(f"{'target':28}{1000 * TARGET_SECONDS:10.1f}")


def _ends(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def print_growth(medians: dict[float, dict[str, float]], cells: dict[float, int]) -> dict:
    """Prints time against the number of cells; returns each part's fitted exponent."""
    parts = list(medians[DENSITIES[0]])
    print("\nmedian ms by number of cells; time grows with cells ** exponent")
    print(f"{'':28}{''.join(f'{cells[density]:10d}' for density in DENSITIES)}  exponent")
    exponents = {}
    for part in parts:
        values = [medians[density][part] for density in DENSITIES]
        numbers = [cells[density] for density in DENSITIES]
        exponents[part] = float(np.polyfit(np.log(numbers), np.log(values), 1)[0])
        row = "".join(f"{1000 * value:10.1f}" for value in values)
        print(f"{part:28}{row}{exponents[part]:10.2f}")
    return exponents


if __name__ == "__main__":
    main()
