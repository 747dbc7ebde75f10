"""The explorer in a real browser: pointing, colouring, the lasso and clicking do what they say."""

import csv
import math
import shutil

import numpy as np
import pytest

from jaxcell.analysis.conditions import conditions
from jaxcell.measures.catalogue import OVERLAP
from jaxcell.report.common import style
from jaxcell.report.explorer.page import write_explorer

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")

COUNT, NEIGHBOURS = 300, 5


@pytest.fixture(scope="module")
def table(make_patches):
    patches = make_patches(wells=4, each=25).assign(role="sample")
    assert len(patches) == COUNT
    return patches.assign(low=patches["predicted"] * 0.8, high=patches["predicted"] * 1.2)


@pytest.fixture(scope="module")
def colours():
    """Colour of each patch's thumbnail, one for all its pixels."""
    return np.random.default_rng(0).integers(30, 226, (COUNT, 3), np.uint8)


@pytest.fixture(scope="module")
def maps():
    """Two maps: dots of a grid, far enough apart to be pointed at, and the same turned."""
    y, x = np.divmod(np.arange(COUNT, dtype=np.float32), 20)
    points = np.stack([x, y], axis=1)
    hidden = points[:, ::-1].copy()
    hidden[7] = np.nan
    return {"UMAP of codes": points, "PCA of codes": hidden, "t-SNE of codes": "too few patches"}


@pytest.fixture(scope="module")
def neighbours():
    random = np.random.default_rng(2)
    return np.stack([random.permutation(COUNT)[:NEIGHBOURS] for _ in range(COUNT)])


@pytest.fixture(scope="module")
def opened(tmp_path_factory, table, colours, maps, neighbours):
    """The page in a browser, with everything it asked for and complained of."""
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    files = {
        (plate, well, field): {
            "t_cell": f"{plate} - {well} FITC.tif",
            "dendritic_cell": f"{plate} - {well} TexasRed.tif",
        }
        for plate, well, field in zip(table["plate"], table["well"], table["field"])
    }
    thumbnails = np.broadcast_to(colours[:, None, None], (COUNT, 32, 32, 3))
    write_explorer(
        path,
        table=table,
        thumbnails=thumbnails,
        projections=maps,
        neighbours=neighbours,
        sources=files,
        palette=style.palette(conditions(table)),
        target=OVERLAP,
        title="A plate",
        window=192,
        micrometres_per_pixel=0.741,
    )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: message.type == "error" and page.complaints.append(message.text),
        )
        page.address = path.as_uri()
        yield page
        browser.close()


@pytest.fixture
def page(opened):
    opened.goto(opened.address)
    opened.wait_for_function("() => window.jaxcell && window.jaxcell.drawn")
    return opened


def on_screen(page, patch: int) -> list[float]:
    return page.evaluate("(i) => window.jaxcell.onScreen(i)", patch)


def shown_colour(page, selector: str, patch: int) -> np.ndarray:
    """Mean colour of a canvas, once it shows the patch."""
    page.wait_for_selector(f'{selector}[data-drawn="{patch}"]')
    mean = """(canvas) => {
      const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return [0, 1, 2].map((c) => data.filter((_, k) => k % 4 === c).reduce((a, b) => a + b)
        / (data.length / 4));
    }"""
    return np.array(page.eval_on_selector(selector, mean))


def painted_colour(page, patch: int) -> tuple[int, ...]:
    """The pixel in the middle of a dot, as the screen has it."""
    pixel = """(i) => { const [x, y] = place(i);
      return [...element("points").getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1)
        .data.slice(0, 3)]; }"""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return tuple(page.evaluate(pixel, patch))


def over_white(colour: str) -> np.ndarray:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) * 0.84 + 255 * 0.16


@pytest.mark.parametrize("patch", [0, 137, 299])
def test_pointing_at_a_dot_shows_its_well_and_its_own_image(page, table, colours, patch):
    page.mouse.move(*on_screen(page, patch))
    assert page.evaluate("window.jaxcell.state.hovered") == patch
    assert np.abs(shown_colour(page, "#image", patch) - colours[patch]).max() < 5
    row = table.iloc[patch]
    assert page.inner_text("#which") == f"{row['plate']} {row['well']}"
    facts = page.inner_text("#facts")
    assert row["condition"] in facts and row["compound"] in facts
    assert f"{row['target']:.1f} %" in facts
    assert f"{row['predicted']:.1f} % (interval {row['low']:.1f} to {row['high']:.1f})" in facts
    assert page.evaluate("getComputedStyle(element('image')).imageRendering") == "pixelated"


def test_colouring_paints_what_the_table_says(page, table):
    palette = style.palette(conditions(table))
    for patch in (20, 120, 220):
        expected = over_white(palette[table["condition"][patch]].colour)
        assert np.abs(painted_colour(page, patch) - expected).max() < 6
    page.select_option("#colouring", label="overlap (IoU), measured, %")
    colouring = page.evaluate(
        "window.jaxcell.about.colourings.find((one) => one.column === 'overlap')"
    )
    for patch in (table["overlap"].idxmax(), table["overlap"].idxmin()):
        share = (table["overlap"][patch] - colouring["low"]) / (
            colouring["high"] - colouring["low"]
        )
        expected = colouring["colours"][round(min(share, 1.0) * 63)]
        assert np.abs(painted_colour(page, int(patch)) - over_white(expected)).max() < 6
    assert page.inner_text("#legend").startswith("overlap (IoU), measured, %")


@pytest.mark.slow
def test_a_legend_entry_leaves_its_own_dots_in_colour(page, table):
    page.click("#legend button:has-text('OVA')")
    bright = page.evaluate("[...window.jaxcell.dots.bright]")
    np.testing.assert_array_equal(bright, table["condition"] == "OVA")


def test_size_follows_the_overlap_and_can_be_switched_off(page, table):
    sizes = "[...window.jaxcell.dots.size]"
    plain = page.evaluate(sizes)
    page.check("#sized")
    sized = np.array(page.evaluate(sizes))
    order = table["overlap"].to_numpy().argsort()
    assert (np.diff(sized[order]) >= 0).all() and sized.max() > 2 * sized.min()
    page.uncheck("#sized")
    assert page.evaluate(sizes) == plain and len(set(plain)) == 1


def test_another_map_moves_the_dots_and_what_cannot_be_drawn_cannot_be_chosen(page, maps):
    page.select_option("#projection", label="PCA of codes")
    places = np.array([page.evaluate("(i) => place(i)", i) for i in (0, 1, 20)])
    across, down = places[1] - places[0], places[2] - places[0]
    # In this map the second coordinate of the first runs to the right; up is less y on a screen.
    assert abs(across[0]) < 1 and across[1] < 0 and down[0] > 0 and abs(down[1]) < 1
    assert page.inner_text("#count").startswith(f"{COUNT - 1} of {COUNT}")
    option = page.locator("#projection option", has_text="t-SNE")
    assert option.is_disabled() and "too few patches" in option.inner_text()


def inside(point: list[float], polygon: list[tuple[float, float]]) -> bool:
    """Whether the angles to the corners add up to a turn."""
    angles = [math.atan2(y - point[1], x - point[0]) for x, y in polygon]
    turns = (
        math.remainder(after - before, math.tau)
        for before, after in zip(angles, [*angles[1:], angles[0]])
    )
    return abs(sum(turns)) > math.pi


def test_the_lasso_takes_the_dots_inside_and_the_download_holds_them(page, table, tmp_path):
    left, top = on_screen(page, 0)
    right, bottom = on_screen(page, COUNT - 1)
    shape = [(0.1, 0.15), (0.85, 0.1), (0.5, 0.5), (0.9, 0.83), (0.23, 0.9)]
    polygon = [(left + (right - left) * x, top + (bottom - top) * y) for x, y in shape]
    page.click("[data-tool=lasso]")
    page.mouse.move(*polygon[0])
    page.mouse.down()
    for corner in polygon[1:]:
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    expected = [i for i in range(COUNT) if inside(on_screen(page, i), polygon)]
    assert 20 < len(expected) < 200
    assert page.evaluate("window.jaxcell.state.selected") == expected
    assert page.inner_text("#chosen").startswith(f"{len(expected)} patches")
    assert page.locator("#rows button").count() == len(expected)
    with page.expect_download() as download:
        page.click("#download")
    file = tmp_path / "patches.csv"
    download.value.save_as(file)
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    chosen = table.iloc[expected]
    assert list(rows[0]) == [*table.columns, "t_cell_file", "dendritic_cell_file"]
    for name in ("plate", "well", "condition", "compound"):
        assert [row[name] for row in rows] == list(chosen[name])
    for name in ("y", "x", "overlap", "predicted", "bce"):
        np.testing.assert_allclose([float(row[name]) for row in rows], chosen[name], rtol=1e-6)
    assert {row["concentration_um"] for row in rows} == {""}
    assert [row["faulty"] for row in rows] == [str(one) for one in chosen["faulty"]]
    first = chosen.iloc[0]
    assert rows[0]["t_cell_file"] == f"{first['plate']} - {first['well']} FITC.tif"


def test_a_click_keeps_the_patch_lists_its_neighbours_and_names_its_files(
    page, table, colours, neighbours
):
    page.mouse.click(*on_screen(page, 42))
    page.wait_for_function("() => window.jaxcell.state.pinned === 42")
    shown = page.eval_on_selector_all("#near canvas", "(all) => all.map((c) => +c.dataset.patch)")
    assert shown == list(neighbours[42])
    second = int(neighbours[42][1])
    colour = shown_colour(page, f'#near canvas[data-patch="{second}"]', second)
    assert np.abs(colour - colours[second]).max() < 5
    row, origin = table.iloc[42], page.inner_text("#origin")
    assert f"{row['plate']} - {row['well']} FITC.tif" in origin
    assert f"y {row['y']}, x {row['x']}; 192 × 192 pixels (142 × 142 µm)" in origin
    page.click("#near button:nth-child(2)")
    assert page.evaluate("window.jaxcell.state.pinned") == second
    page.keyboard.press("Escape")
    assert page.evaluate("window.jaxcell.state.pinned") == -1
    assert not page.is_visible("#near") and page.inner_text("#facts") == ""


@pytest.mark.slow
def test_a_well_is_found_by_any_spelling_of_its_name(page, table):
    well = table["well"][0]
    short = f"{well[0].lower()}{int(well[1:])}"
    page.fill("#search", short)
    page.press("#search", "Enter")
    expected = list(np.flatnonzero(table["well"] == well))
    assert page.evaluate("window.jaxcell.state.selected") == expected
    page.fill("#search", f"{table['plate'][0]} {well}")
    page.press("#search", "Enter")
    assert page.evaluate("window.jaxcell.state.selected") == expected
    page.fill("#search", "Z99")
    page.press("#search", "Enter")
    assert page.inner_text("#chosen") == "0 patches in Z99"


@pytest.mark.slow
def test_a_filter_hides_dots_from_eye_and_pointer(page, table):
    page.click(".filters summary")
    page.click("#filters label:has-text('OVA')")
    page.click(".filters summary")
    patch = int(np.flatnonzero(table["condition"] == "OVA")[40])
    assert painted_colour(page, patch) == (255, 255, 255)
    page.mouse.move(*on_screen(page, patch))
    assert page.evaluate("window.jaxcell.state.hovered") != patch
    kept = (table["condition"] != "OVA").sum()
    assert page.inner_text("#count") == f"{kept} of {COUNT} patches shown"


@pytest.mark.slow
def test_dragging_and_the_wheel_move_the_map_and_pointing_still_finds_the_dot(page):
    before = on_screen(page, 150)
    page.mouse.move(*before)
    page.mouse.down()
    page.mouse.move(before[0] + 60, before[1] + 40, steps=4)
    page.mouse.up()
    page.mouse.wheel(0, -240)
    page.wait_for_function("() => place(151)[0] - place(150)[0] > 45")
    moved = on_screen(page, 150)
    assert math.dist(moved, before) > 30
    page.mouse.move(moved[0] + 1, moved[1])
    assert page.evaluate("window.jaxcell.state.hovered") == 150
    page.click("#whole")
    np.testing.assert_allclose(on_screen(page, 150), before, atol=0.5)


@pytest.mark.slow
def test_without_any_map_the_page_says_why_and_wells_are_still_found(opened, table, tmp_path):
    bare = table.drop(columns=["condition", "compound", "concentration_um"])
    path = write_explorer(
        tmp_path / "bare.html",
        table=bare,
        thumbnails=None,
        neighbours=None,
        sources=None,
        projections={"UMAP": np.full((COUNT, 2), np.nan), "t-SNE": "too few patches"},
        palette={},
        target=OVERLAP,
        title="A plate",
        window=192,
        micrometres_per_pixel=0.741,
    )
    page = opened.context.browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_function("() => window.jaxcell && window.jaxcell.drawn")
    said = page.inner_text("#nothing")
    assert "UMAP: no patch has coordinates" in said and "t-SNE: too few patches" in said
    page.fill("#search", table["well"][0])
    page.press("#search", "Enter")
    page.click("#rows button >> nth=0")
    assert page.inner_text("#caption") == "No image of this patch"
    assert "not stated" in page.inner_text("#facts")
    page.close()


def test_nothing_left_the_page_and_nothing_was_complained_of(page):
    # A blob is the page's own memory.
    assert {url for url in page.asked if not url.startswith("blob:")} == {page.address}
    assert page.complaints == []
