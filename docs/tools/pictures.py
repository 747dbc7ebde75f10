"""Makes the pictures of the documentation from finished runs.

    python docs/tools/pictures.py [--runs=runs]

What each needs stands in `FIGURES` and `PAGES`, with the command that makes it; a picture whose run
is not there is left as it is and named. Pages are photographed in Chromium by Playwright.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

PICTURES = Path(__file__).parents[1] / "pictures"
# picture -> figure below the folder of runs, and the command that makes the run.
FIGURES = {
    "answers": (
        "measured-simulated/report/figures/answers_1.png",
        "jaxcell measure --config.plates.simulate.plates=1",
    ),
    "segmentation": (
        "segmentation/report/figures/outlines_1.png",
        "jaxcell train --config segmentation",
    ),
    "overlap": ("default/report/figures/scatter.png", "jaxcell train --config default"),
    "structure": ("default/report/figures/structure.png", "jaxcell train --config default"),
    "outlines": ("demo/report/figures/outlines.png", "python train.py"),
    "reconstructions": ("demo/report/figures/reconstructions.png", "python train.py"),
    "latent_sweep": (
        "latent_sweep/report/figures/quality_1.png",
        "jaxcell train --config latent_sweep",
    ),
    "sizes": (
        "latent_sweep/report/figures/reconstructions.png",
        "jaxcell train --config latent_sweep",
    ),
}
# picture -> page below the folder of runs, and the command that makes it.
PAGES = {
    "report_annotated": ("measured-simulated/report/index.html", "jaxcell measure"),
    "explorer": ("demo/report/explorer.html", "python train.py"),
}
# CSS selector of a part of the report -> what is written beside it.
NOTES = {
    "p.lead": "The answer, in a sentence.",
    ".tiles": "What was found.",
    "#answer table": "Each condition against what chance gives in the same wells.",
    "#answer figure .scroll": "Every well at its place. Colour and hatching tell the answer; the "
    "number is z, how far the overlap lies above chance.",
}
# What is left out between them, so that the picture is short.
LEFT_OUT = "nav, #answer > p"
# Numbers the parts at their right edge and writes the notes beside the page; returns its height.
ANNOTATE = """([notes, leftOut]) => {
  document.querySelectorAll(leftOut).forEach(part => part.remove());
  document.querySelectorAll('h2').forEach(head => head.style.marginTop = '1.5rem');
  document.body.style.margin = '0 0 0 12px';
  const add = (text, style) => {
    const made = document.createElement('div');
    made.textContent = text;
    made.style.cssText = 'position:absolute;z-index:9;font:600 17px/1.35 sans-serif;' + style;
    document.body.append(made);
  };
  let bottom = 0;
  Object.entries(notes).forEach(([selector, text], index) => {
    const part = document.querySelector(selector);
    if (!part) throw new Error('the report has no ' + selector);
    const box = part.getBoundingClientRect();
    const top = box.top + scrollY, colour = '#a3195b';
    add('', `left:985px;width:0;top:${top}px;height:${box.height}px;` +
      `border-left:3px solid ${colour}`);
    add(index + 1, `left:1000px;top:${top}px;width:30px;height:30px;border-radius:50%;` +
      `background:${colour};color:#fff;text-align:center;line-height:30px`);
    add(text, `left:1040px;top:${top + 3}px;width:225px;color:${colour}`);
    bottom = Math.max(bottom, top + box.height);
  });
  return Math.ceil(bottom + 6);
}"""


def annotated(page: Page, source: Path, target: Path) -> None:
    """Photographs parts of a report of `jaxcell measure`, with `NOTES` in the margin."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(source.as_uri())
    height = page.evaluate(ANNOTATE, [NOTES, LEFT_OUT])
    clip = {"x": 0, "y": 0, "width": 1280, "height": height}
    page.screenshot(path=target, clip=clip, full_page=True)


def explorer(page: Page, source: Path, target: Path) -> None:
    """Photographs an explorer with the patch nearest to the middle of its map pinned."""
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(source.as_uri())
    page.wait_for_timeout(4000)
    page.mouse.click(430, 470)
    page.wait_for_timeout(1000)
    page.screenshot(path=target)


def main() -> None:
    """Makes every picture whose run is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    runs = parser.parse_args().runs.resolve()
    missing = {
        name: command
        for name, (path, command) in (FIGURES | PAGES).items()
        if not (runs / path).exists()
    }
    for name, (path, _) in FIGURES.items():
        if name not in missing:
            shutil.copy(runs / path, PICTURES / f"{name}.png")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for photograph in (annotated, explorer):
            name = {annotated: "report_annotated", explorer: "explorer"}[photograph]
            if name not in missing:
                source, target = runs / PAGES[name][0], PICTURES / f"{name}.png"
                photograph(browser.new_page(), source, target)
        browser.close()
    for name, command in missing.items():
        print(f"{name}.png is left as it is: it needs {command}")


if __name__ == "__main__":
    main()
