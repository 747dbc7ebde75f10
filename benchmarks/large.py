"""Pages of very many wells: seconds, memory, and how soon a browser paints them.

    python -m benchmarks.large [--wells=3000] [--conditions=500] [--compounds=200] [--letters=200]

Made-up tables with long names become the pages of an evaluation (with its explorer), a measurement
and a screen, each in a process of its own. Codes are projected by PCA alone: UMAP and t-SNE take
minutes of so many patches, whatever the conditions. A headless Chromium then opens every page, if
there is one and `pip install playwright`.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.timing import arguments, keep, table
from jaxcell.analysis.answers import answer
from jaxcell.analysis.conditions import of_shown
from jaxcell.analysis.screening.answers import screen
from jaxcell.analysis.wells import by_condition
from jaxcell.measures.catalogue import MEASURES, OVERLAP, SHAPES, Quantity, quantities
from jaxcell.measures.light import LIGHT
from jaxcell.report.interaction.page import Images, write_report
from jaxcell.report.measurement.page import ExampleField, write_measurement_report
from jaxcell.report.screening.page import write_screen_report

CODE, ROWS, COLUMNS = 60, 16, 24
# Cells of either kind in a well.
CELLS = {"t_cell": 100, "dendritic_cell": 50}


def made_up_wells(wells: int, conditions: int, compounds: int, letters: int) -> pd.DataFrame:
    """A table of wells on full plates; names are as long as wanted and differ at their end.

    Wells of a condition lie together, a third of them controls, the others two a compound.
    """

    def name(word: str, number: int) -> str:
        return f"{word} ".ljust(letters - 5, "x") + f" {number:04d}"

    place = np.arange(wells)
    plate, place_on = np.divmod(place, ROWS * COLUMNS)
    row, column = np.divmod(place_on, COLUMNS)
    condition, place_in = np.divmod(place, wells // conditions)
    controls = place_in % 6 < 2
    compound = [name("compound", 1 + number % compounds) for number in place // 2]
    return pd.DataFrame(
        {
            "plate": [f"P{1 + number}" for number in plate],
            "well": [f"{chr(65 + r)}{c + 1:02d}" for r, c in zip(row, column)],
            "row": row,
            "column": column,
            "condition": [name("condition", number) for number in condition],
            "compound": np.where(controls, "DMSO", compound),
            "concentration_um": np.where(controls, np.nan, 10.0),
            "stimulus_ug_per_ml": np.nan,
            "role": np.where(controls, "vehicle", "sample"),
        }
    )


def evaluation(wells: pd.DataFrame, folder: Path) -> Path:
    """The page and explorer of an evaluation of 25 patches a well."""
    random, each = np.random.default_rng(0), 25
    patches = wells.loc[wells.index.repeat(each)].reset_index(drop=True)
    number = np.tile(np.arange(each), len(wells))
    target = random.exponential(3, len(patches)).astype(np.float32)
    patches = patches.assign(
        field=1,
        y=192 * (number // 5),
        x=192 * (number % 5),
        faulty=random.random(len(patches)) < 0.02,
        overlap=target,
        target=target,
        predicted=target + random.normal(0, 0.4, len(patches)).astype(np.float32),
        bce=np.float32(0.1),
        bce_floor=np.float32(0.09),
        psnr_db=np.float32(27),
        ssim=np.float32(0.8),
    )
    codes = random.normal(size=(len(patches), CODE)).astype(np.float32)
    codes[:, 0] += target
    answers = answer(
        patches,
        codes,
        {"raw-pixel PCA": codes[:, 8:16]},
        places=1,
        target=OVERLAP,
        calibrations="not calibrated",
        level=0.9,
        methods=("PCA",),
        standardise=False,
        seed=0,
        progress=lambda stage: print(f"{time.perf_counter():.0f} s: {stage}", file=sys.stderr),
    )
    images = random.uniform(size=(6, 192, 192, 2)).astype(np.float32)
    captions = ["P1 A01\n1 → 2 %"] * len(images)
    thumbnails = np.broadcast_to(np.uint8(90), (len(patches), 48, 48, 3))
    from jaxcell.analysis.scores.summary import spread_over_target

    return write_report(
        folder / "report",
        metrics={"seed": 0, "split": "well", "target": OVERLAP._asdict()},
        answers=answers,
        codes=codes,
        histories={},
        images=Images(
            {name: (images, images, np.arange(6.0)) for name in spread_over_target(patches)},
            (images, captions),
            (images, captions),
            thumbnails,
            None,
            192,
        ),
        config={"seed": 0},
        title="A large evaluation",
        simulated=False,
    )


def measurement(wells: pd.DataFrame, folder: Path) -> Path:
    """The page of a measurement."""
    random = np.random.default_rng(0)
    some = {name: random.uniform(0.1, 1, len(wells)) for name in (*MEASURES, *LIGHT)}
    some |= {"fields": 1, "seconds": 1.0, "t_cells": 300, "dendritic_cells": 200}
    wells = wells.assign(**some)
    excess = random.normal(2, 2, len(wells))
    wells = wells.assign(
        overlap_share=5 + excess, chance_excess=excess, chance_z=excess, chance_p=0.01,
        chance_p_less=0.9, chance_q=0.02, contact_share=20.0,
        answer=np.where(excess > 2, "interaction", "no more than chance"),
    )  # fmt: skip
    cells = pd.concat(
        [
            wells.loc[wells.index.repeat(each), ["plate", "well", "condition"]].assign(
                kind=kind,
                touches_border=False,
                **{name: random.gamma(4, 1, each * len(wells)) for name in SHAPES},
            )
            for kind, each in CELLS.items()
        ],
        ignore_index=True,
    )
    labels = np.zeros((2, 60, 80), np.int32)
    labels[0, 20:28, 30:38], labels[1, 24:38, 30:44] = 1, 1
    views = np.full((60, 80, 2), 300, np.uint16)
    first = of_shown(wells).groupby("condition")["well"].first()
    return write_measurement_report(
        folder / "report",
        title="A large measurement",
        simulated=False,
        metrics={
            "wells": len(wells),
            "cells": cells["kind"].value_counts().to_dict(),
            "chance": {"level": 0.05, "nearest_shift_um": 30.0, "farthest_shift_um": 75.0},
            "truth": {},
            "left_out": 0,
            "doubts": [],
            "seconds_a_well": 1.0,
            "conditions": by_condition(wells),
        },
        wells=wells,
        cells=cells,
        examples=[ExampleField(name, well, views, labels) for name, well in first.items()],
        flat_fields={},
        measures={name: item._asdict() for name, item in (quantities() | LIGHT).items()},
        findings=[],
        config={"plates": {"pixel_um": 0.741, "folder": "x"}},
    )


def screening(wells: pd.DataFrame, folder: Path) -> Path:
    """The page of a screen."""
    values = np.random.default_rng(0).normal(30, 3, len(wells))
    wells = wells.assign(value=values, row=wells["row"] + 1, column=wells["column"] + 1)
    measure = Quantity("value", "overlap share", "%", None, None)
    return write_screen_report(
        folder / "report", title="A large screen", simulated=False, wells=wells,
        found=screen(wells, measure, []), measure=measure, findings=[], made={},
    )  # fmt: skip


PAGES: dict[str, Callable[[pd.DataFrame, Path], Path]] = {
    "evaluation": evaluation,
    "measurement": measurement,
    "screening": screening,
}


def first_paint(pages: dict[str, Path]) -> dict[str, float]:
    """Seconds until a headless Chromium has painted each page; {} without one."""
    chromium = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if not chromium:
        return {}
    found = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in pages.items():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri(), timeout=120_000)
            paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            found[name] = page.evaluate(paint) / 1000
            page.close()
        browser.close()
    return found


def made(name: str, size: dict[str, int], folder: Path) -> dict[str, float | str]:
    """Writes a page in a process of its own: `seconds`, `gib` at its peak, and its `page`."""
    words = [sys.executable, "-m", "benchmarks.large", f"--page={name}", f"--folder={folder}"]
    words += [f"--{key}={value}" for key, value in size.items()]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures, prints a table and keeps the figures."""
    parser = arguments(__doc__)
    for name, number in (("wells", 3000), ("conditions", 500), ("compounds", 200),
                         ("letters", 200)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--page", choices=list(PAGES), help="one page, in this process")
    parser.add_argument("--folder", type=Path, help="where pages stay")
    given = parser.parse_args()
    size = {name: getattr(given, name) for name in ("wells", "conditions", "compounds", "letters")}
    if given.page:
        began = time.perf_counter()
        page = PAGES[given.page](made_up_wells(**size), given.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "gib": peak, "page": str(page)}))
        return
    with tempfile.TemporaryDirectory() as temporary:
        home = given.folder or Path(temporary)
        results = {name: made(name, size, home / name) for name in PAGES}
        pages = {name: Path(found["page"]) for name, found in results.items()}
        pages["explorer"] = pages["evaluation"].with_name("explorer.html")
        paints = first_paint(pages)
        rows = []
        for name, path in pages.items():
            found = results.get(name, {})
            rows.append([
                name, f"{found['seconds']:.0f}" if found else "", f"{found['gib']:.1f}"
                if found else "", f"{path.stat().st_size / 1e6:.1f}",
                f"{paints[name]:.2f}" if paints else "",
            ])  # fmt: skip
        failed = {name: pages[name].read_text().count("could not be drawn") for name in results}
    print(table(["page", "s", "GiB", "MB", "first paint, s"], rows))
    print(f"figures that could not be drawn: {failed}")
    keep({"settings": size, "pages": results, "first paint": paints, "failed": failed}, given.json)


if __name__ == "__main__":
    main()
