"""Measures the explorer in a headless browser: seconds to write it, to its first dots, to answer.

    python -m benchmarks.explorer --points 3000 --points 30000 --points 100000

The patches are cut from simulated fields and repeated with noise as often as it takes. Playwright
and a Chromium are not among the requirements: `pip install playwright`, and `chromium` on the path.
It is started without a graphics card, so these are the times of a slow machine.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis.conditions import conditions
from jaxcell.dataset.patches import windows
from jaxcell.measures.catalogue import OVERLAP
from jaxcell.report.common import style
from jaxcell.report.explorer.page import write_explorer
from jaxcell.simulator.field import simulate_field

WINDOW, NEIGHBOURS, CHUNK = 192, 8, 1000
CONDITIONS = ("Unstimulated", "OVA", "ConA")
HOVERS = 60
# Runs in the page: moves the pointer, and resolves once the panel shows that patch's image.
ANSWER = """([x, y, patch]) => new Promise((resolve, reject) => {
  const map = document.getElementById("map"), image = document.getElementById("image");
  const began = performance.now(), passed = () => performance.now() - began;
  const move = {clientX: x, clientY: y, pointerType: "mouse"};
  map.dispatchEvent(new PointerEvent("pointermove", move));
  const look = () => {
    if (image.dataset.drawn === String(patch)) resolve(passed());
    else if (passed() > 5000) reject(new Error("no answer"));
    else setTimeout(look, 0);
  };
  look();
})"""
# Runs in the page: does something, and resolves once the frame with its outcome is painted.
PAINTED = """() => new Promise((resolve) => {
  const began = performance.now();
  %s;
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began), 0));
})"""
# In the page: where some patches are on the screen, those that are the nearest at their place.
PLACES = """(count) => {
  const {dots, onScreen} = window.jaxcell, step = 1 + Math.floor(dots.x.length / 997);
  const [left, top] = corner(), found = [];
  for (let k = 0; found.length < count && k < dots.x.length; k += step) {
    const i = dots.order[k], [x, y] = onScreen(i);
    if (nearest(x - left, y - top) === i) found.push([x, y, i]);
  }
  return found;
}"""


def thumbnails(count: int, size: int = 96) -> Iterator[np.ndarray]:
    """Chunks uint8 [n, size, size, 3] of simulated patches, each with noise of its own."""
    random = np.random.default_rng(0)
    views = [simulate_field(np.random.default_rng(seed), 2048, 0.1).views[:2] for seed in range(3)]
    patches = np.concatenate(
        [windows(np.moveaxis(view, 0, -1), WINDOW, WINDOW)[0] for view in views]
    ).astype(np.float32)
    patches = patches.reshape(len(patches), size, WINDOW // size, size, WINDOW // size, 2)
    patches = np.maximum(patches.mean((2, 4)), 255) - 255
    patches *= 245 / patches.max((1, 2), keepdims=True).clip(1)
    patches = np.stack([patches[..., 1], patches[..., 0], np.zeros_like(patches[..., 0])], -1)
    patches = patches.astype(np.uint8)
    bar = tqdm(total=count, unit="patch")
    for start in range(0, count, CHUNK):
        chosen = patches[random.integers(0, len(patches), min(CHUNK, count - start))]
        chosen[..., :2] += random.integers(0, 10, chosen[..., :2].shape, np.uint8)
        yield chosen
        bar.update(len(chosen))
    bar.close()


def made_up(count: int) -> tuple[pd.DataFrame, dict[str, np.ndarray], np.ndarray]:
    """A table of patches, two maps of them, and neighbours, of as many patches as wanted."""
    random = np.random.default_rng(1)
    well, patch = np.divmod(np.arange(count), 100)
    plate, well = np.divmod(well, 294)
    row, column = np.divmod(well, 21)
    overlap = random.exponential(3, count).astype(np.float32) * (random.random(count) < 0.5)
    table = pd.DataFrame(
        {
            "plate": [f"CK{19 + one}" for one in plate],
            "row": row,
            "column": column,
            "well": [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column)],
            "field": 1,
            "y": WINDOW * (patch // 10),
            "x": WINDOW * (patch % 10),
            "condition": np.array(CONDITIONS)[column // 7],
            "role": "sample",
            "compound": (random.integers(1, 46, 10_000)[plate * 294 + well]).astype(str),
            "concentration_um": 10.0,
            "faulty": random.random(count) < 0.02,
            "overlap": overlap,
            "target": overlap,
            "predicted": overlap + random.normal(0, 0.4, count),
            "unusual": random.gamma(4, 1, count),
        }
    )
    centres = random.normal(0, 2, (12, 2))
    codes = centres[random.integers(0, 12, count)] + random.normal(0, 0.7, (count, 2))
    maps = {
        "UMAP of codes": codes + (column // 7)[:, None] * 0.4,
        "PCA of codes": random.normal(size=(count, 2)) * (3, 1),
    }
    return table, maps, random.integers(0, count, (count, NEIGHBOURS))


def measure(page, file: Path) -> dict[str, float | list[float]]:
    """Opens the file and takes the times, in milliseconds, of what a reader does."""
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_function("() => window.jaxcell && window.jaxcell.drawn", timeout=120_000)
    result = {"first paint": page.evaluate("window.jaxcell.drawn")}
    page.wait_for_load_state("load", timeout=120_000)
    result["whole file"] = page.evaluate(
        "performance.timing.loadEventEnd - performance.timing.navigationStart"
    )
    result["hover"] = [page.evaluate(ANSWER, place) for place in page.evaluate(PLACES, HOVERS)]
    choose = "element('colouring').onchange({target: {value: %d}})"
    result["recolour"] = [page.evaluate(PAINTED % choose % kind) for kind in (1, 6, 8, 0)]
    move = "Bokeh.documents[0].get_model_by_name('plot').x_range.start += 0.01"
    result["move"] = [page.evaluate(PAINTED % move) for _ in range(10)]
    turn = 2 * np.pi * np.arange(40) / 40
    x, y = (1.5 * part for part in (np.cos(turn), np.sin(turn)))
    lasso = f"selectWithin({json.dumps({'type': 'poly', 'x': x.tolist(), 'y': y.tolist()})})"
    result["lasso"] = [page.evaluate(PAINTED % lasso) for _ in range(3)]
    result["in the lasso"] = page.evaluate("window.jaxcell.state.selected.length")
    return result


def main() -> None:
    """Measures, prints a table for each number of points and keeps the times."""
    parser = arguments(__doc__)
    parser.add_argument("--points", type=int, action="append")
    parser.add_argument("--keep", type=Path, help="folder in which the files stay")
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sys.exit("this benchmark drives a browser: pip install playwright")
    if not chromium:
        sys.exit("this benchmark needs a program called chromium on the path")
    results = {}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = given.keep or Path(temporary)
        for count in given.points or [3_000, 30_000, 100_000]:
            file = folder.resolve() / f"explorer-{count}.html"
            table, maps, neighbours = made_up(count)
            began = time.perf_counter()
            write_explorer(
                file,
                table=table,
                thumbnails=thumbnails(count),
                projections=maps,
                neighbours=neighbours,
                sources=None,
                palette=style.palette(conditions(table)),
                target=OVERLAP,
                title=f"{count:,} simulated patches",
                window=WINDOW,
                micrometres_per_pixel=0.741,
            )
            written = {"write s": time.perf_counter() - began, "MB": file.stat().st_size / 1e6}
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            results[count] = written | measure(page, file)
            browser.close()
    report(results)
    keep({"settings": vars(given), "milliseconds": results}, given.json)


def report(results: dict[int, dict]) -> None:
    """Prints tables; of repeated times the median and the 95th percentile."""
    print("headless Chromium without a graphics card; milliseconds")
    for count, result in results.items():
        rows = []
        for name, value in result.items():
            several = isinstance(value, list)
            high = f"{np.percentile(value, 95):.1f}" if several else ""
            rows.append([name, f"{statistics.median(value) if several else value:.1f}", high])
        print(f"\n{table([f'{count:,} points', '', '95th percentile'], rows)}")


if __name__ == "__main__":
    main()
