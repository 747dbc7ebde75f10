"""How long PCA, t-SNE and UMAP of codes take, and how true their pictures are.

    python -m benchmarks.projections [--codes=FILE.npy] [--repeats=3] [--sizes 1000 10000]

Each time is that from codes of 1,152 numbers to a picture, the reduction to 50 directions included,
with a fixed seed. Importing and compiling umap-learn is timed apart, in a fresh process each time.
Wall-clock seconds count what else the machine does; processor seconds do not, and may exceed them
because several cores work. The study needed 30-75 s for the UMAP of 10,000 codes.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis import projection

FEATURES, LATENT, CONDITIONS = 1152, 24, 3
# Seconds: wall clock and goal for 10,000 codes, and what the study needed.
GOAL, STUDY = 30, "30-75"
COLD = """
import time, numpy as np
def clock(): return time.perf_counter(), time.process_time()
began = clock()
import umap
imported = clock()
from jaxcell.analysis import projection
features = np.random.default_rng(0).normal(size=(64, 50)).astype(np.float32)
started = clock()
projection.umap(features)
ended = clock()
print(*(b - a for a, b in zip(began, imported)), *(b - a for a, b in zip(started, ended)))
"""


def simulate_codes(count: int) -> np.ndarray:
    """Codes of clustered patches in a few curved directions under noise, float32 [count, 1152]."""
    random = np.random.default_rng(0)
    centres = random.normal(0, 1.5, (CONDITIONS, LATENT))
    hidden = centres[random.integers(CONDITIONS, size=count)] + random.normal(size=(count, LATENT))
    hidden = np.tanh(hidden @ random.normal(0, LATENT**-0.5, (LATENT, 2 * LATENT)))
    mixing = random.normal(size=(2 * LATENT, FEATURES)).astype(np.float32)
    noise = random.standard_normal((count, FEATURES), dtype=np.float32)
    return hidden.astype(np.float32) @ mixing + noise


def enlarge(codes: np.ndarray, count: int) -> np.ndarray:
    """So many codes: those given, then mixtures of two of them."""
    random = np.random.default_rng(0)
    extra = max(0, count - len(codes))
    first, second = random.integers(len(codes), size=(2, extra))
    share = random.uniform(0, 0.5, (extra, 1)).astype(np.float32)
    mixed = (1 - share) * codes[first] + share * codes[second]
    return np.concatenate([codes, mixed])[:count]


def cold_start() -> tuple[float, ...]:
    """Seconds of a fresh process: import (wall, processor), first small UMAP (wall, processor)."""
    ran = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True)
    return tuple(float(word) for word in ran.stdout.split())


def measure(codes: np.ndarray, method: str) -> tuple[float, float, float]:
    """Wall and processor seconds of one projection, and its trustworthiness."""
    used = time.process_time()
    made = projection.projections(codes, methods=(method,), at_most_tsne=len(codes))[method]
    if isinstance(made, str):
        raise RuntimeError(made)
    # Processor seconds include the trustworthiness; it is timed here and taken off.
    used, began = time.process_time() - used, time.process_time()
    projection.trustworthiness(codes, made.coordinates)
    return made.seconds, used - (time.process_time() - began), made.trustworthiness


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--codes", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 30_000])
    parser.add_argument("--methods", nargs="+", default=list(projection.METHODS))
    given = parser.parse_args()
    known = np.load(given.codes) if given.codes else simulate_codes(max(given.sizes))
    jobs = [(size, method) for size in given.sizes for method in given.methods]
    rows, cold = [], []
    with tqdm(total=given.repeats * (len(jobs) + 1), unit=" runs", dynamic_ncols=True) as bar:
        for _ in range(given.repeats):
            bar.set_postfix_str("UMAP in a fresh process")
            cold.append(cold_start())
            bar.update()
        if "UMAP" in given.methods:  # compiled before it is timed
            projection.umap(projection.reduced(enlarge(known, 200))[0])
        for size, method in jobs:
            runs = []
            for _ in range(given.repeats):
                bar.set_postfix_str(f"{method} of {size:,}")
                runs.append(measure(enlarge(known, size), method))
                bar.update()
            rows.append({"codes": size, "method": method, "runs": runs})
    report(rows, cold)
    keep({"settings": vars(given), "rows": rows, "cold": cold}, given.json)


def report(rows: list[dict], cold: list[tuple[float, ...]]) -> None:
    """Prints medians with lowest and highest."""
    shown = []
    for row in rows:
        wall, used, trust = zip(*row["runs"])
        name = f"{row['method']}, {row['codes']:,}"
        shown.append([name, _spread(wall), _spread(used), f"{statistics.median(trust):.3f}"])
    import_wall, import_used, first_wall, first_used = zip(*cold)
    shown.append(["import umap", _spread(import_wall), _spread(import_used), ""])
    shown.append(["its first call", _spread(first_wall), _spread(first_used), ""])
    print("\nseconds: median (lowest-highest)")
    print(table(["", "wall", "processor", "trustworthiness"], shown))
    print(f"UMAP of 10,000 codes: goal {GOAL} s, the study {STUDY} s")


def _spread(values: tuple[float, ...]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


if __name__ == "__main__":
    main()
