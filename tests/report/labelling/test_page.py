"""The page of scored estimators: every one with its interval, the best first, nothing made up."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from html_page import Page

from jaxcell.analysis.scores.over_wells import scores_over_wells
from jaxcell.measures.catalogue import MEASURES
from jaxcell.report.labelling.page import score_lines, write_score_report
from jaxcell.report.labelling.pictures import write_pictures

QUANTITIES = {name: MEASURES[name].quantity for name in ("iou", "t_cells")}


@pytest.fixture
def arguments():
    random = np.random.default_rng(0)
    answers = pd.DataFrame({"iou": random.uniform(0, 20, 30), "t_cells": np.nan})
    wells = np.repeat(np.arange(6), 5)
    estimates = {
        "good": {"iou": answers["iou"].to_numpy() + random.normal(0, 1, 30)},
        "constant": {"iou": np.full(30, 10.0)},
    }
    rows = [
        {"quantity": "iou", "estimator": name}
        | scores_over_wells(answers["iou"], found["iou"], wells)
        for name, found in estimates.items()
    ]
    metrics = {"patches": 40, "answered": 30, "unusable": 2, "wells": 6, "scores": rows}
    return {
        "title": "a sheet", "simulated": True, "metrics": metrics, "answers": answers,
        "estimates": estimates, "quantities": QUANTITIES, "config": {"window": 192},
        "files": {"scores.csv": lambda path: path.write_text("here")},
    }  # fmt: skip


def test_every_estimator_stands_in_the_table_with_its_interval(arguments, tmp_path):
    path = write_score_report(tmp_path / "scores", **arguments)
    html = path.read_text()
    page = Page(html)
    good, constant = arguments["metrics"]["scores"]
    rows = {row[0]: row for row in page.rows if len(row) == 6 and row[0] in ("Good", "Constant")}
    low, high = good["rmse_over_sd_interval"]
    assert rows["Good"][2] == f"{good['rmse_over_sd']:.3f}{low:.3f} – {high:.3f}"
    assert rows["Good"][1] == "306" and rows["Constant"][5] == "–"
    assert not re.search(r"\bnan\b|\bNone\b", page.text) and "could not be drawn" not in page.text
    # Nobody counted T cells, so nothing is said of them.
    assert "number of T cells" not in page.text.lower()
    assert "30 of 40" in page.text and "Simulated plates" in page.text
    assert (path.parent / "scores.csv").read_text() == "here"
    assert (path.parent / "figures" / "scatter_iou.png").exists()
    json.loads((path.parent / "metrics.json").read_text(), parse_constant=pytest.fail)
    lines = score_lines(arguments["metrics"], QUANTITIES)
    assert lines["answers"].startswith("30 of 40 patches, of 6 wells")
    assert f"{good['r']:.2f} (" in lines["overlap (IoU), %"] and len(lines) == 2


def test_pictures_show_the_patch_enlarged_and_in_its_colours(tmp_path):
    from matplotlib.image import imread

    counts = np.zeros((8, 10, 2), np.uint16)
    counts[2, 3, 0], counts[5, 6, 1] = 1000, 1000
    write_pictures(tmp_path, "7", counts, (np.zeros(2), np.full(2, 1000.0)), enlarged=3)
    both = imread(tmp_path / "7_both.png")[..., :3]
    assert both.shape == (24, 30, 3)
    np.testing.assert_allclose(both[7, 10], (0, 1, 0), atol=0.01)  # a T cell is green
    np.testing.assert_allclose(both[16, 19], (1, 0, 1), atol=0.01)
    alone = imread(tmp_path / "7_t_cell.png")[..., 0]
    assert alone[7, 10] == 1 and alone[16, 19] == 0
