"""How fast plates become a data set, and what bounds it.

    python -m benchmarks.pipeline [--wells=48] [--repeats=3]

Writes wells of two 2048 x 2048 views, reads them once so that they lie in the page cache, and times
the whole path (importing, reading, masks, labels, writing) next to its parts alone.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from absl import logging

from jaxcell.dataset.immune_cells import VIEWS, ImmuneCellsConfig, build
from jaxcell.dataset.patches import label, windows
from jaxcell.plates.folder import Plates, read_plates, require_good
from jaxcell.plates.images import read_view
from jaxcell.simulator.field import simulate_field

FIELD_SIZE, WINDOW = 2048, 192
ROWS = "ABCDEFGHIJKLMNOP"
ROLES = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}


def write_plate(folder: Path, wells: int) -> None:
    """Writes one simulated field `wells` times, each shifted, as an IN Cell folder."""
    field = simulate_field(np.random.default_rng(0), FIELD_SIZE, 0.2).views
    conditions = ("Unstimulated", "OVA", "ConA")
    lines = ["plate,well,condition,compound,concentration_um,role"]
    for number in range(wells):
        row, column = ROWS[number // 24], number % 24 + 1
        for view, image in zip(ROLES.values(), field, strict=False):
            name = f"BENCH - {row} - {column:02d}(fld 1 wv {view} - {view}).tif"
            tifffile.imwrite(folder / name, np.roll(image, 40 * number, axis=1))
        lines.append(f"BENCH,{row}{column:02d},{conditions[number % 3]},,,sample")
    (folder / "wells.csv").write_text("\n".join(lines) + "\n")


def read_all(plates: Plates) -> list[np.ndarray]:
    """Decodes every file."""
    return [read_view(Path(path)) for path in plates.images["path"]]


def label_all(plates: Plates) -> None:
    """Decodes every file, cuts it and computes masks and labels, in one thread."""
    images = plates.images.pivot(index="well", columns="role", values="path")
    for paths in images[list(VIEWS)].itertuples(index=False):
        field = np.stack([read_view(Path(path)) for path in paths], axis=-1)
        label(windows(field, WINDOW, WINDOW)[0])


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Prints a table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    logging.set_verbosity(logging.ERROR)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, config = Path(name), ImmuneCellsConfig(name="bench", window=WINDOW)
        (folder / "plate").mkdir()
        write_plate(folder / "plate", arguments.wells)
        plates = require_good(read_plates(folder / "plate", ROLES))
        for repeat in range(arguments.repeats):
            parts = {
                "import tables": lambda: read_plates(folder / "plate", ROLES),
                "read files": lambda: read_all(plates),
                "read + masks, one thread": lambda: label_all(plates),
                "whole data set": lambda repeat=repeat: build(
                    plates, config, folder / f"tfds{repeat}"
                ),
            }
            for part, action in parts.items():
                times.setdefault(part, []).append(seconds(action))
    rates = {part: [arguments.wells / value for value in values] for part, values in times.items()}
    print(f"\n{arguments.wells} wells of 2 x {FIELD_SIZE} x {FIELD_SIZE}, {os.cpu_count()} cores")
    print(f"{'':26}{'median':>10}{'lowest':>10}{'highest':>10}  wells a second")
    for part, values in rates.items():
        median = statistics.median(values)
        print(f"{part:26}{median:10.1f}{min(values):10.1f}{max(values):10.1f}")
    print(json.dumps({"wells_a_second": rates, "python": platform.python_version()}))


if __name__ == "__main__":
    main()
