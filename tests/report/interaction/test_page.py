"""The report is whole, offline, and its numbers are those of the tables."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from jaxcell.measures.catalogue import TARGETS, Quantity
from jaxcell.report.common import style, words
from jaxcell.report.common.page import _flat
from jaxcell.report.interaction import page as page_writer
from jaxcell.report.interaction.page import write_report
from jaxcell.report.interaction.sentences import ANSWERS, summary_lines
from jaxcell.storage.atomic import plain

FIGURES = {
    "reconstructions",
    "structure",
    "projections",
    "strength",
    "scatter",
    "errors",
    "calibration",
    "wells",
    "agreement",
    "plate_map",
    "histograms",
    "worst",
    "unusual",
    "loss_curves",
}
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Collects text, images, links and rows of tables, and fails on tags that do not close."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.images, self.links, self.rows, self.text = [], [], [], [], ""
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.images += [attributes["src"]] if tag == "img" else []
        self.links += [attributes[key] for key in ("href", "src") if key in attributes]
        assert tag != "script"
        self.rows += [[]] if tag == "tr" else []
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += " " + data


@pytest.fixture(scope="module")
def report(tmp_path_factory, make_patches, make_report_arguments):
    """Path of the page of an ordinary report."""
    folder = tmp_path_factory.mktemp("run") / "report"
    return write_report(folder, **make_report_arguments(make_patches()))


@pytest.fixture
def draw_only(monkeypatch):
    """Function (names): only these figures are drawn, for the others stands a sentence."""
    builders = page_writer._figures

    def restrict(*names):
        def some(*arguments):
            return {
                name: build if name in names else lambda: style.sentence_figure("not drawn")
                for name, build in builders(*arguments).items()
            }

        monkeypatch.setattr(page_writer, "_figures", some)

    return restrict


def test_all_that_belongs_to_a_report_is_there(report):
    folder = report.parent
    assert {path.name for path in folder.glob("[!.]*")} == {
        "index.html",
        "explorer.html",
        "metrics.json",
        "patches.parquet",
        "patches.h5ad",
        "wells.csv",
        "figures",
    }
    for name in FIGURES:
        for kind in ("png", "svg"):
            assert (folder / "figures" / f"{name}.{kind}").stat().st_size > 5000
    assert [path.name for path in folder.parent.iterdir()] == ["report"]


def test_the_page_is_sound_and_needs_nothing_from_outside(report):
    html = report.read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.images) == len(FIGURES)
    assert all(link.startswith(("data:image/", "#", "explorer.html")) for link in page.links)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r"base64,[^\"]*", "", html))
    assert "could not be drawn" not in page.text


def test_numbers_and_tables_agree(report, make_patches):
    patches = make_patches()
    metrics = json.loads((report.parent / "metrics.json").read_text(encoding="utf-8"))
    error = (patches["predicted"] - patches["target"]).astype(float)
    assert metrics["regressor"]["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert metrics["autoencoder"]["bce_excess"] == pytest.approx(
        (patches["bce"] - patches["bce_floor"]).mean(), rel=1e-4
    )
    assert metrics["seed"] == 0 and metrics["left_out"] == 1
    assert f"{metrics['regressor']['rmse']:.2f}" in Page(report.read_text(encoding="utf-8")).text
    table = pd.read_parquet(report.parent / "patches.parquet")
    pd.testing.assert_frame_equal(table[patches.columns], patches)
    assert {"codes_pca_1", "raw_pixels_pca_2", "low", "high", "unusual"} <= set(table.columns)
    assert metrics["coverage"]["overall"]["coverage"] == pytest.approx(
        ((table["low"] <= table["target"]) & (table["target"] <= table["high"])).mean(), abs=1e-3
    )
    wells = pd.read_csv(report.parent / "wells.csv")
    assert len(wells) == patches.groupby(["plate", "well"]).ngroups
    assert wells["patches"].sum() == len(patches)


def test_the_target_is_named_in_the_numbers(report):
    metrics = json.loads((report.parent / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["target"]["name"] == "iou" and metrics["target"]["unit"] == "%"
    text = " ".join(Page(report.read_text(encoding="utf-8")).text.split())
    assert "How well is overlap (IoU) predicted from an image?" in text
    assert "Area in both masks over area in either (Jaccard 1912)" in text


def test_the_answers_stand_before_all_else_with_the_numbers_of_the_tables(report):
    metrics = json.loads((report.parent / "metrics.json").read_text(encoding="utf-8"))
    html = report.read_text(encoding="utf-8")
    head = Page(re.search('<div class="answers">.*?(?=<div class="tiles">)', html, re.DOTALL)[0])
    text, answered = " ".join(head.text.split()), metrics["structure"]["answered"]
    assert [row[0].strip() for row in head.rows] == [
        "Condition", *metrics["strength"]["conditions"], "Classified from", answered,
        "position",
    ]  # fmt: skip
    rows = {row[0].strip(): " ".join(" ".join(row[1:]).split()) for row in head.rows}
    assert rows["Condition"].endswith("p q Differs? q ≤ 0.05")
    for name, item in metrics["strength"]["conditions"].items():
        low, high = item["interval"]
        numbers = f"{item['wells']} {item['mean']:.2f} {low:.2f} to {high:.2f}"
        assert rows[name].startswith(numbers)
        found = metrics["strength"]["against_reference"].get(name)
        if found:
            p, q = (words.p_value(found[name]) for name in "pq")
            assert rows[name].endswith(f" {p} q {q} {ANSWERS[found['verdict']]}")
            difference, low = map(words.signed, (found["difference"], found["interval"][0]))
            assert f"{difference} {low} to" in rows[name]
            assert f"× {found['ratio']:.2f}, g {words.signed(found['hedges_g'], 1)}" in rows[name]
        else:
            assert rows[name].endswith(" reference")
    assert words.p_value(metrics["structure"]["p"], "p") in text
    assert rows[answered].endswith(f" {words.p_value(metrics['structure']['p'])}")


def test_the_same_p_is_printed_everywhere(report):
    metrics = json.loads((report.parent / "metrics.json").read_text(encoding="utf-8"))
    page = Page(report.read_text(encoding="utf-8"))
    answered = metrics["structure"]["answered"]
    top, table = [row for row in page.rows if row[0].strip() == answered]
    assert top[2].strip() == table[2].strip() == words.p_value(metrics["structure"]["p"])
    line = summary_lines(metrics | {"patches": {"test": 1}, "latent_size": 16})["structure"]
    assert words.p_value(metrics["structure"]["p"], "p") in line


def test_another_target_is_told_in_its_own_words(
    tmp_path, make_patches, make_report_arguments, draw_only
):
    draw_only()
    target = Quantity(
        "contact_share", "T cells in contact", "%", 0, 100, "In contact within 1.5 µm."
    )
    arguments = make_report_arguments(make_patches(wells=1), target)
    page = write_report(tmp_path / "report", **arguments)
    html = page.read_text(encoding="utf-8")
    text = " ".join(Page(html).text.split())
    assert "How strong is it: T cells in contact" in text
    assert "How well is T cells in contact predicted" in text
    assert "error of predicted T cells in contact over its spread" in text
    assert "overlap" not in html.split('id="prediction"')[1].split("All settings")[0].lower()
    metrics = json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["target"] == target._asdict()


def test_flat_fields_are_shown_where_there_are_any(
    tmp_path, report, make_patches, make_report_arguments, draw_only
):
    assert "Uneven light" not in report.read_text(encoding="utf-8")
    draw_only()
    y, _ = np.mgrid[-1:1:64j, -1:1:64j]
    arguments = make_report_arguments(make_patches(wells=1))
    arguments["flat_fields"] = {("SIM01", "t_cell"): (1 + 0.25 * y).astype(np.float32)}
    page = write_report(tmp_path / "report", **arguments)
    found = Page(page.read_text(encoding="utf-8"))
    text = " ".join(found.text.split())
    assert "Uneven light" in text and "SIM01, T cells 0.75 to 1.25" in text
    # One well a condition tells nothing of structure.
    assert len(found.images) == len(FIGURES - {"structure"} | {"flat_fields"})
    assert (page.parent / "figures" / "flat_fields.png").stat().st_size > 5000


def test_the_page_calls_cells_as_the_config_of_the_run_does(
    tmp_path, make_patches, make_report_arguments, draw_only
):
    draw_only()
    target = TARGETS["overlap_share"].quantity
    arguments = make_report_arguments(make_patches(wells=1), target)
    names = {"t_cell": {"singular": "B cell"}, "dendritic_cell": {"singular": "macrophage"}}
    arguments["config"] = {**arguments["config"], "kinds": names}
    arguments["flat_fields"] = {("SIM01", "t_cell"): np.ones((64, 64), np.float32)}
    page = write_report(tmp_path / "report", **arguments)
    text = " ".join(Page(page.read_text(encoding="utf-8")).text.split())
    assert "overlap share of B cells" in text and "macrophages magenta, B cells green" in text
    assert "SIM01, B cells 1.00 to 1.00" in text
    assert "T cell" not in text and "endritic cell" not in text
    explorer = (page.parent / "explorer.html").read_text(encoding="utf-8")
    assert "macrophages" in explorer and "endritic cell" not in explorer


@pytest.mark.parametrize(
    ("left_out", "listed", "sentence"),
    [
        (0, False, "Nothing was left out."),
        (0, True, "Nothing was left out; what was noticed in the plates is listed."),
        (2, True, "Left out for the reasons listed: 2 findings."),
    ],
)
def test_findings_are_listed_and_cannot_inject_markup(
    left_out, listed, sentence, tmp_path, make_patches, make_report_arguments, draw_only
):
    draw_only()
    patches = make_patches(wells=1)
    arguments = make_report_arguments(patches.assign(faulty=patches.index == 0))
    arguments["metrics"]["left_out"] = left_out
    finding = ("no_layout", "CK90", "D07", "a/b.tif", "<b>bold</b> & found", "cure it", True)
    arguments["findings"] = [finding] if listed else []
    html = write_report(tmp_path / "report", **arguments).read_text(encoding="utf-8")
    text = " ".join(Page(html).text.split())
    assert sentence in text and "1 patch is faulty (1.3 %)" in text
    for expected in ("CK90", "D07", "b.tif", "<b>bold</b> & found", "cure it"):
        assert (expected in text) == listed
    assert "<b>bold" not in html


def test_codes_that_are_not_finite_cost_their_own_answers_only(
    tmp_path, make_patches, make_report_arguments, ask_questions, draw_only
):
    draw_only("scatter")
    patches = make_patches(wells=3)
    arguments = make_report_arguments(patches)
    codes = arguments["codes"].copy()
    codes[:3, 0] = np.nan
    arguments |= {"codes": codes, "answers": ask_questions(patches, codes)}
    page = write_report(tmp_path / "report", **arguments)
    text = " ".join(Page(page.read_text(encoding="utf-8")).text.split())
    assert "Cannot be said. 3 of" in text
    assert "How strong is the interaction?" in text and "RMSE / SD" in text
    table = pd.read_parquet(page.parent / "patches.parquet")
    assert table[["codes_pca_1", "unusual"]].isna().all(axis=1).tolist() == [True] * 3 + [False] * (
        len(patches) - 3)  # fmt: skip
    assert table[["low", "high", "raw_pixels_pca_1"]].notna().all(axis=None)


def test_a_figure_that_fails_leaves_a_sentence(
    tmp_path, make_patches, make_report_arguments, draw_only
):
    draw_only("reconstructions")
    arguments = make_report_arguments(make_patches(wells=2))
    broken = {"OVA": (np.zeros((2, 8)), np.zeros((2, 8)))}
    arguments["images"] = arguments["images"]._replace(reconstructions=broken)
    found = Page(write_report(tmp_path / "report", **arguments).read_text(encoding="utf-8"))
    assert "This figure could not be drawn" in found.text
    assert len(found.images) == len(FIGURES) - 1


@pytest.mark.parametrize("case", ["all faulty", "no condition", "nan predictions", "one patch"])
def test_poor_input_still_gives_a_page(case, tmp_path, make_patches, make_report_arguments):
    patches = make_patches(conditions=("OVA",), wells=1, each=6)
    if case == "all faulty":
        patches = patches.assign(faulty=True, overlap=np.float32(0), target=np.float32(0))
    elif case == "no condition":
        patches = patches.assign(condition="")
    elif case == "nan predictions":
        patches = patches.assign(predicted=np.float32("nan"), ssim=np.float32("nan"))
    elif case == "one patch":
        patches = patches.iloc[:1]
    arguments = make_report_arguments(patches) | {"histories": {}}
    page = write_report(tmp_path / "report", **arguments)
    found = Page(page.read_text(encoding="utf-8"))
    assert "could not be drawn" not in found.text and "nan" not in found.text.lower()
    assert "Cannot be said. " in found.text
    text = (page.parent / "metrics.json").read_text(encoding="utf-8")
    json.loads(text, parse_constant=pytest.fail)


def test_a_second_report_replaces_the_first_and_a_failed_one_does_not(
    tmp_path, make_patches, make_report_arguments, draw_only
):
    draw_only()
    arguments = make_report_arguments(make_patches(wells=1, each=8))
    page = write_report(tmp_path / "report", **arguments)
    (page.parent / "figures" / "mine.png").write_bytes(b"old")
    with pytest.raises(KeyError):
        poor = arguments["answers"].patches.drop(columns="bce")
        broken = {**arguments, "answers": arguments["answers"]._replace(patches=poor)}
        write_report(tmp_path / "report", **broken)
    assert (page.parent / "figures" / "mine.png").exists()
    write_report(tmp_path / "report", **arguments | {"title": "Second"})
    assert "<h1>Second</h1>" in page.read_text(encoding="utf-8")
    assert (page.parent / "figures" / "mine.png").read_bytes() == b"old"  # never removed
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_is_not_a_report_is_left_alone(tmp_path, make_patches, make_report_arguments):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "thesis.docx").write_text("mine")
    with pytest.raises(FileExistsError, match="not a report"):
        write_report(folder, **make_report_arguments(make_patches(wells=1, each=8)))
    assert [path.name for path in folder.iterdir()] == ["thesis.docx"]


def test_values_for_json_and_nested_settings():
    assert plain({"a": np.float32("inf"), 1: (np.int64(3), True)}) == {"a": None, "1": [3, True]}
    assert _flat({"a": {"b": 1, "c": {}}, "d": 2}) == {"a.b": 1, "a.c": {}, "d": 2}
