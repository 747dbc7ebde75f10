"""Names that are markup, script, formulas or mathematics stay names, in every page and table."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from every_command import CELLS
from tiny_plates import SETTINGS

from jaxcell import cli
from jaxcell.experiments.sweep.results import NUMBERS
from jaxcell.report.sweep.page import write_sweep_report
from jaxcell.simulator.plates import simulate_plates
from jaxcell.storage import csv_cells

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path"),
]

RUN = "window.ran=1"
CONDITIONS = {
    "OVA": f"</script><script>{RUN}</script> $\\frac{{1}}{{0$",
    "ConA": f"=cmd|' /C calc'!A0 <img src=x onerror={RUN}>",
}
COMPOUNDS = (
    f'"><svg onload={RUN}>', "@SUM(1+1)", "+1+1", "-2+3", "{{7*7}}${7*7}", "%s%d{0}{name}",
    f"javascript:{RUN}", "http://127.0.0.1:9/x.png", "$x_{a^$", "a&lt;b&amp;", "<!--", "]]>",
)  # fmt: skip
PLATE, VIEW = f"P<b onmouseover={RUN}>1", f"$G<i onclick={RUN}>"
# A folder's name, of which titles are made; it may hold no slash.
FOLDER = f"r$un<img src=x onerror={RUN}>"
# Pages that name no condition.
WITHOUT_CONDITIONS = ("cells", "sheet")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Plates of hostile names, and everything that is made of them."""
    home = tmp_path_factory.mktemp("hostile") / FOLDER
    simulate_plates(home / "images", plates=1, rows=3, columns=6, field_size=192)
    tables = home / "tables"
    cli.main(["plates", str(home / "images"), f"--out={tables}"])
    images = pd.read_csv(tables / "images.csv")
    images = images.assign(plate=PLATE, view=images["view"].replace("FITC", VIEW))
    wells = pd.read_csv(tables / "wells.csv", keep_default_na=False).assign(plate=PLATE)
    wells["condition"] = wells["condition"].replace(CONDITIONS)
    samples = wells.index[wells["role"] == "sample"]
    wells.loc[samples, "compound"] = np.resize(COMPOUNDS, len(samples))
    csv_cells.harmless(images).to_csv(tables / "images.csv", index=False)
    csv_cells.harmless(wells).to_csv(tables / "wells.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TQDM_DISABLE", "1")
        _make_everything(home)
    return home


def _make_everything(home: Path) -> None:
    def flags(settings: dict) -> list[str]:
        return [f"--config.{name}={value}" for name, value in settings.items()]

    plates = [f"--plates={home / 'tables'}", f"--views=t_cell={VIEW},dendritic_cell=TexasRed"]
    data = {"machine.folder": home / "data"}
    run, sheet = home / FOLDER, home / f"sheet{FOLDER}"
    cli.main(["train", "--config=default", f"--workdir={run}", *plates, *flags(SETTINGS | data)])
    cli.main(["evaluate", str(run), *plates, f"--data={home / 'data'}"])
    cells = home / f"cells{FOLDER}"
    words = ["train", "--config=segmentation", f"--workdir={cells}", *plates]
    cli.main([*words, *flags(CELLS | data)])
    _write_sweep(home / f"sweep{FOLDER}")
    measured = home / f"measured{FOLDER}"
    cli.main(["measure", *plates, "--labels", f"--out={measured}"])
    cli.main(["predict", str(run), *plates, f"--out={home / 'predicted'}"])
    words = ["segment", f"--run={cells}", f"--images={home / 'tables'}", plates[1]]
    cli.main([*words, f"--out={home / 'segmented'}"])
    words = ["screen", f"--table={measured / 'wells.csv'}", f"--out={home / f'screen{FOLDER}'}"]
    cli.main(words)
    words = ["label", *plates, "--patches=12", "--config.labelling.window=96"]
    cli.main([*words, f"--out={sheet}"])
    answers = pd.read_csv(sheet / "answers.csv")
    answers["overlap_percent"] = np.arange(len(answers)) % 7
    answers.to_csv(sheet / "answers.csv", index=False)
    cli.main(["score", str(sheet), f"--run={run}"])
    names = ",".join(name for name in CONDITIONS.values() if "," not in name)
    words = ["design", "--compounds=6", "--plate=96", "--drawn=2", f"--conditions={names}"]
    cli.main([*words, f"--names={PLATE}", f"--out={home / f'design{FOLDER}'}"])


def _write_sweep(folder: Path) -> None:
    """The page of a sweep, which knows no names of plates but those of its settings and folder."""
    random = np.random.default_rng(0)
    members = pd.DataFrame(
        {"member": f"{COMPOUNDS[0]}-{seed}", "kind": "separate", "setting": setting, "seed": seed,
         "state": "done", "reason": "", "latent_size": size,
         **{name: random.uniform(0.1, 1) for name in NUMBERS}}
        for setting in CONDITIONS.values() for size in (4, 8) for seed in (0, 1)
    )  # fmt: skip
    members.loc[0, ["state", "reason"]] = "diverged", COMPOUNDS[0]
    write_sweep_report(
        folder / "report", members=members, pictures={}, window=96, pixel_um=0.7, facts={},
        config={"plates": {"folder": COMPOUNDS[0]}}, title=f"{FOLDER}: {COMPOUNDS[8]}",
        simulated=False,
    )  # fmt: skip


def _pages(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*.html") if "figures" not in path.parts)


def test_every_page_was_made(home):
    parents = {path.parent.relative_to(home).parts[0].removesuffix(FOLDER) for path in _pages(home)}
    assert parents >= {"", "cells", "sweep", "measured", "screen", "sheet", "design"}
    assert any(path.name == "explorer.html" for path in _pages(home))


def test_no_page_runs_a_name_or_asks_for_anything_and_names_are_text(home):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path in _pages(home):
            _look_at(browser, path, home)
        browser.close()


def _look_at(browser, path: Path, home: Path) -> None:
    """Opens a page, touches all that can be touched, and asserts that nothing ran or left."""
    name = os.fspath(path.relative_to(home))
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
    page.goto(path.as_uri())
    page.wait_for_timeout(300)
    page.evaluate("""() => {
      for (const one of document.querySelectorAll("details")) one.open = true;
      for (const one of document.querySelectorAll("*"))
        for (const kind of ["mouseover", "click", "focus", "load", "error"])
          if (!["A", "BUTTON", "INPUT"].includes(one.tagName) || kind !== "click")
            one.dispatchEvent(new Event(kind, {bubbles: false}));
    }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None, name
    # What a page holds itself (data:) or makes itself (blob:) is no request that leaves.
    left = [url for url in asked if not url.startswith(("data:", "blob:"))]
    assert left == [page.url], (name, left)
    assert complaints == [], (name, complaints)
    made = "img[src=x], svg[onload], b[onmouseover], i[onclick], [onerror], [onload], [onclick]"
    assert page.locator(made).count() == 0, name
    text = page.locator("body").text_content()
    assert "could not be drawn" not in text, name
    shown = [FOLDER] if name.startswith(WITHOUT_CONDITIONS) else CONDITIONS.values()
    for word in shown if path.name != "explorer.html" else ():
        assert word in text.replace("\xa0", " "), (name, word)
    page.close()


def test_no_cell_of_a_table_is_one_that_a_spreadsheet_runs(home):
    tables = [path for path in home.rglob("*.csv")]
    assert len(tables) > 12
    for path in tables:
        with path.open(newline="", encoding="utf-8") as lines:
            for row in csv.reader(lines):
                for cell in row:
                    if cell.startswith(csv_cells.RUNS):
                        float(cell)  # a number, and nothing else, may begin with a sign


def test_names_come_back_as_they_were(home):
    from jaxcell.plates.tables import read_wells

    wells, findings = read_wells(home / "tables" / "wells.csv")
    assert not findings and set(CONDITIONS.values()) < set(wells["condition"])
    assert set(COMPOUNDS[: (wells["role"] == "sample").sum()]) <= set(wells["compound"])
    for table in (home / FOLDER / "report" / "patches.parquet",
                  home / f"measured{FOLDER}" / "cells.parquet"):  # fmt: skip
        assert set(pd.read_parquet(table)["condition"]) <= {"Unstimulated", *CONDITIONS.values()}
