"""The report of a segmentation is whole, says who wins, and needs nothing from outside."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from html_page import Page

from jaxcell.report.common import page as common_page
from jaxcell.report.segmentation.page import Example, write_segmentation_report

KINDS = ("t_cell", "dendritic_cell")
SCORES = ("pixel_iou", "f1", "precision", "recall", "mean_ap", "count_ratio")


def scores(f1, cells=200):
    return dict.fromkeys(SCORES, f1) | {"true_cells": cells, "f1_interval": [f1 - 0.01, f1 + 0.01]}


def squares(side=40):
    """An image with two cells of each kind, found by all methods."""
    image = np.random.default_rng(0).integers(200, 400, (side, side, 2)).astype(np.uint16)
    labels = np.zeros((side, side, 2), np.int32)
    labels[5:15, 5:15], labels[20:30, 12:22] = 1, 2
    image[labels > 0] += 1500
    return image, labels


@pytest.fixture
def cells():
    """Arguments of a report on cells."""
    image, labels = squares()
    rows = [
        {"field": f"SIM01 B0{field}", "kind": kind, "method": method}
        | scores({"unet": 0.9, "watershed": 0.6}[method] + 0.01 * field)
        for field in range(4)
        for kind in KINDS
        for method in ("unet", "watershed")
    ]
    return {
        "title": "run: cells",
        "simulated": True,
        "metrics": {
            "experiment": "segmentation",
            "kinds": {
                "t_cell": {"unet": scores(0.912), "watershed": scores(0.634)},
                "dendritic_cell": {"unet": scores(0.5), "watershed": scores(0.7)},
            },
            "fields": {"train": 8, "validation": 2, "test": 4},
            "megapixels": 4.2,
            "seconds_a_field": 2.5,
            "seed": 0,
        },
        "fields": pd.DataFrame(rows),
        "examples": [
            Example(
                "SIM01 B02", KINDS, image, {"truth": labels, "unet": labels, "watershed": labels}
            )
        ],
        "history": [
            {"epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1.1 / epoch}
            for epoch in range(1, 6)
        ],
        "config": {"unet": {"features": [24, 48]}, "seed": 0},
    }


@pytest.fixture
def masks(cells):
    """Arguments of a report on masks."""
    image, labels = squares()
    random = np.random.default_rng(1)
    patches = pd.DataFrame({"overlap": random.uniform(0, 20, 30), "plate": "SIM01"})
    patches["predicted"] = patches["overlap"] + 0.2
    for kind in KINDS:
        patches[f"{kind}_both"] = np.arange(30)
        patches[f"{kind}_either"] = np.arange(30)
    both = {"unet": {"pixel_iou": 0.953, "mean_pixel_iou": 0.941}}
    return cells | {
        "metrics": {
            "experiment": "masks",
            "kinds": dict.fromkeys(KINDS, both),
            "overlap_rmse_percent": 0.31,
            "overlap_sd_percent": 3.2,
            "patches_a_second": 143.4,
            "seed": 0,
        },
        "fields": patches,
        "examples": [
            Example("SIM01 B02, y 0, x 0", KINDS, image, {"truth": labels, "unet": labels})
        ],
    }


@pytest.fixture
def build_only(monkeypatch):
    """Figures are built, and what goes wrong there is raised, but not drawn: that takes seconds."""

    def build(folder, builders):
        for draw in builders.values():
            draw()
        return {name: {"source": "data:image/png;base64,"} for name in builders}

    monkeypatch.setattr(common_page, "save_figures", build)


def read(page):
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", re.sub(r"base64,[^\"]*", "", html))
    return Page(html)


def test_a_report_on_cells_is_whole_and_says_who_wins(tmp_path, cells):
    path = write_segmentation_report(tmp_path / "report", **cells)
    page = read(path)
    assert {item.name for item in path.parent.glob("[!.]*")} == {
        "index.html",
        "metrics.json",
        "fields.csv",
        "figures",
    }
    assert [item.name for item in tmp_path.iterdir()] == ["report"]
    assert len(page.images) == 3 and all(image["alt"] for image in page.images)
    assert "of 200 T cells" in page.text and "better than threshold + watershed (0.634)" in (
        page.text
    )
    assert "worse than threshold + watershed (0.700)" in page.text
    assert "could not be drawn" not in page.text and "nan" not in page.text.lower()
    metrics = json.loads((path.parent / "metrics.json").read_text())
    assert metrics["kinds"] == cells["metrics"]["kinds"]
    assert len(pd.read_csv(path.parent / "fields.csv")) == len(cells["fields"])
    for name in ("scores", "outlines_1", "loss_curve"):
        for kind in ("png", "svg"):
            assert (path.parent / "figures" / f"{name}.{kind}").stat().st_size > 3000


def test_a_report_on_masks_is_whole(tmp_path, masks, build_only):
    page = read(write_segmentation_report(tmp_path / "report", **masks))
    assert "pixel IoU of 0.953 for T cells and 0.953 for dendritic cells" in page.text
    assert "off by 0.31 percentage points" in page.text and "143" in page.text
    assert len(page.images) == 3 and "could not be drawn" not in page.text


def test_nuclei_of_one_grey_view(tmp_path, cells, build_only):
    image, labels = squares()
    cells["metrics"]["kinds"] = {"nucleus": {"unet": scores(0.9), "watershed": scores(0.9)}}
    cells["fields"] = cells["fields"].query("kind == 't_cell'").assign(kind="nucleus")
    names = ("truth", "unet", "watershed")
    one = dict.fromkeys(names, labels[..., :1])
    cells["examples"] = [Example("a <b>", ("nucleus",), image[..., :1].astype(np.uint8), one)]
    page = read(write_segmentation_report(tmp_path / "report", **cells))
    assert "as good as threshold + watershed" in page.text and "nuclei" in page.text
    assert "could not be drawn" not in page.text


def test_nothing_to_show_still_gives_a_page(tmp_path, cells, build_only):
    cells |= {"examples": [], "history": [], "fields": cells["fields"].iloc[:0]}
    cells["metrics"]["kinds"]["t_cell"]["unet"] = scores(float("nan"), cells=0)
    page = read(write_segmentation_report(tmp_path / "report", **cells))
    assert "The fields hold no T cells" in page.text and "no image to show" in page.text
    assert "nan" not in page.text.lower() and "could not be drawn" not in page.text


def test_a_figure_that_fails_leaves_a_sentence(tmp_path, cells):
    cells["examples"] = [cells["examples"][0]._replace(image=np.zeros((4, 4)))]
    page = read(write_segmentation_report(tmp_path / "report", **cells))
    assert "This figure could not be drawn" in page.text and len(page.images) == 2


def test_an_old_report_stays_until_the_new_one_is_whole(tmp_path, cells, build_only):
    path = write_segmentation_report(tmp_path / "report", **cells)
    with pytest.raises(KeyError):
        write_segmentation_report(tmp_path / "report", **cells | {"metrics": {"kinds": {}}})
    assert "<h1>run: cells</h1>" in path.read_text(encoding="utf-8")
    write_segmentation_report(tmp_path / "report", **cells | {"title": "Second"})
    assert "<h1>Second</h1>" in path.read_text(encoding="utf-8")
    assert [item.name for item in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_is_not_a_report_is_left_alone(tmp_path, cells):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.docx").write_text("mine")
    with pytest.raises(FileExistsError, match="not a report"):
        write_segmentation_report(tmp_path / "report", **cells)
    assert [item.name for item in (tmp_path / "report").iterdir()] == ["thesis.docx"]
