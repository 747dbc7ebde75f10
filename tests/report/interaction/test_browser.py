"""The first screen of the page holds both answers, in a real browser."""

import shutil

import pytest

from jaxcell.report.interaction.page import write_report

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")

WIDTH, FIRST_SCREEN = 1280, 900


@pytest.fixture(scope="module")
def opened(tmp_path_factory, make_patches, make_report_arguments):
    """The page of simulated plates, without figures, in a browser."""
    folder = tmp_path_factory.mktemp("run") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxcell.report.common.page.save_figures", lambda folder, figures: {
            name: {"failure": "not drawn"} for name in figures})  # fmt: skip
        path = write_report(folder, **make_report_arguments(make_patches()))
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": FIRST_SCREEN})
        page.goto(path.as_uri())
        yield page
        browser.close()


def box(page, selector):
    return page.locator(selector).bounding_box()


def test_both_answers_stand_side_by_side_on_the_first_screen(opened):
    strong, structure = box(opened, "#how-strong"), box(opened, "#is-there-structure")
    assert strong["x"] + strong["width"] <= structure["x"]
    assert strong["y"] == structure["y"]
    tiles = box(opened, ".tiles")
    assert structure["x"] + structure["width"] == pytest.approx(tiles["x"] + tiles["width"])
    for found in (strong, structure, tiles):
        assert found["y"] + found["height"] <= FIRST_SCREEN


def test_the_answer_by_condition_has_mean_interval_difference_p_and_number(opened):
    rows = opened.locator("#how-strong tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["Unstimulated", "OVA", "ConA"]
    for row in rows[1:]:
        wells, mean, low, to, high, difference, *rest = row.split()[1:]
        assert wells == "4" and float(low) < float(mean) < float(high) and to == "to"
        assert difference[0] in "+−0" and len(rest) >= 5
    assert "q ≤ 0.05" in opened.locator("#how-strong thead").inner_text()


def test_no_cell_of_the_answers_is_cut_off(opened):
    for selector in ("#how-strong .scroll", "#is-there-structure"):
        inside = opened.locator(selector).evaluate("e => [e.scrollWidth, e.clientWidth]")
        assert inside[0] <= inside[1], selector


def test_simulated_plates_are_named_above_the_answers(opened):
    notice = box(opened, "header .notice")
    assert notice["y"] + notice["height"] <= box(opened, "#how-strong")["y"]
