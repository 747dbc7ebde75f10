"""The page of a screen: all compounds are on it, answers are those of the tables, names apart."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from dose_plates import dose_wells
from html_page import Page
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from screens import screen_wells

from jaxcell.analysis.screening.answers import screen
from jaxcell.cells.kinds import kind_called
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.common import style
from jaxcell.report.screening import curves, figures, plates
from jaxcell.report.screening.page import write_screen_report

MEASURE = Quantity("value", "overlap share", "%", None, None)
HITS = {("ConA", str(number)): -12.0 - 0.1 * number for number in range(1, 9)}


def _with_cells(wells, killed=(), seed=7):
    """Counts of T cells, a third of them where a compound kills."""
    random = np.random.default_rng(seed)
    usual = 1000 * np.exp(0.05 * random.normal(size=len(wells)))
    return wells.assign(t_cells=usual * np.where(wells["compound"].isin(killed), 0.3, 1))


def _write(folder, wells, **given):
    columns = [kind.counts for kind in given.get("kinds", [kind_called("t_cell")])]
    found = screen(wells, MEASURE, [name for name in columns if name in wells])
    page = write_screen_report(
        folder / "report", title="P1", simulated=False, found=found, wells=wells, measure=MEASURE,
        findings=[], made={"tables": "P1.csv"}, **given,
    )  # fmt: skip
    html = page.read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", re.sub(r"base64,[^\"]*", "", html))
    parsed = Page(html)
    assert all(image["alt"] for image in parsed.images)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|could not be drawn", parsed.text)
    return found, parsed, json.loads((folder / "report" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def compounds(tmp_path_factory):
    wells = _with_cells(screen_wells(1, effects=HITS), killed=["3"])
    return _write(tmp_path_factory.mktemp("compounds"), wells)


def _dose_plate():
    of = {"9": (60, 25, 0.3, 1.0), "10": (60, 60, 1, 1), "11": (60, 20, 20.0, 1.0)}
    stimulated = dose_wells(1, curves=of, sd=2)
    empty = stimulated.assign(well=[f"P{number}" for number in range(len(stimulated))]).head(5)
    empty = empty.assign(role="empty", condition="", compound="", row=16, column=range(5))
    rest = dose_wells(2, curves={"9": (10, 10, 1, 1)}, sd=2, condition="Unstimulated")
    rest = rest.assign(well=[f"Z{number}" for number in range(len(rest))], row=rest["row"] + 10)
    return _with_cells(pd.concat([stimulated, rest, empty], ignore_index=True))


@pytest.fixture(scope="module")
def doses(tmp_path_factory):
    return _write(tmp_path_factory.mktemp("doses"), _dose_plate())


def test_hits_are_those_of_the_table_with_their_doubts(compounds):
    found, page, metrics = compounds
    hits = found.effects[found.effects["q"] <= 0.05]
    assert metrics["hits"] == hits.groupby("condition").size().reindex(
        ["Unstimulated", "OVA", "ConA"], fill_value=0
    ).to_dict()  # fmt: skip
    assert set(HITS) <= set(zip(hits["condition"], hits["compound"]))
    first = next(row for row in page.rows if row[0] == "3" and row[1] == "ConA")
    row = hits[hits["compound"] == "3"].iloc[0]
    assert f"{abs(row['difference']):.1f}" in first[5] and "inhibitor, fewer cells" in first[7]
    assert "inhibitor" in next(row for row in page.rows if row[:2] == ["4", "ConA"])[7]
    # All of them stand in the table of all, whether they act or not.
    for condition in ("Unstimulated", "OVA", "ConA"):
        every = {row[0] for row in page.rows if row[1:2] == [condition]}
        assert {str(number) for number in range(1, 21)} <= every


def test_what_the_assay_can_tell_stands_with_intervals(compounds):
    found, page, _ = compounds
    row = next(row for row in page.rows if row[:2] == ["P1", "ConA"])
    score = found.quality[1]["z_prime"]
    for number in (score["value"], *score["interval"]):
        assert f"{number:.2f}".replace("-", "−") in row[3]
    heading = next(row for row in page.rows if row[0] == "Plate")
    assert [words.split("95")[0] for words in heading[3:6]] == ["Z′", "Robust Z′", "SSMD"]


def test_the_page_speaks_of_the_kinds_of_cells_that_were_measured(tmp_path):
    wells = _dose_plate().rename(columns={"t_cells": "b_cells"})
    wells["macrophages"] = wells["b_cells"].sample(frac=1, random_state=0).to_numpy()
    kinds = [kind_called("b_cell"), kind_called("macrophage")]
    found, page, _ = _write(tmp_path, wells, kinds=kinds)
    assert list(found.counts) == ["b_cells", "macrophages"]
    row = next(row for row in page.rows if row[:2] == ["9", "ConA"] and "IC50" in row[3])
    assert "B cells" in row[8] and "macrophages" in row[8]
    assert "B cells" in page.text and "T cell" not in page.text
    drawn = figures.cells(found.effects, list(found.counts), MEASURE, kinds)
    assert [axes.get_xlabel().split(",")[0] for axes in drawn.axes] == [
        "number of B cells", "number of macrophages"
    ]  # fmt: skip


def test_dose_series_are_answered_in_words(doses):
    found, page, metrics = doses
    series = found.series.set_index(["condition", "compound"])
    assert series.loc[("ConA", "9"), "answer"] == "found"
    row = next(row for row in page.rows if row[:2] == ["9", "ConA"] and "IC50" in row[3])
    assert f"IC50 = {series.loc[('ConA', '9'), 'half_um']:.2f} µM (" in row[3]
    assert "no effect" in next(row for row in page.rows if row[:2] == ["10", "ConA"])[3]
    assert "T cells unchanged" in row[8]
    # 9 and 11 respond; the tile says so, not how many of their doses are hits.
    assert "2compounds respond with ConA" in page.text.replace(" compounds", "compounds")
    assert len(metrics["series"]) == 4


def test_wells_called_empty_are_said(doses):
    _, page, _ = doses
    assert "5 of 5 wells that the layout calls empty hold cells" in page.text
    assert "resemble the controls of ConA (5)" in page.text


def _touching(figure):
    """Pairs of texts of a figure that lie on one another, as drawn."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = []
    for axes in figure.axes:
        frame = axes.get_window_extent(renderer)
        ticks = [tick.label1 for tick in axes.xaxis.get_major_ticks() if tick.label1.get_visible()]
        texts = [text for text in [*axes.texts, axes.title, *ticks] if text.get_text().strip()]
        # Of the text alone, without its line; ticks beyond an axis' ends are there, but not drawn.
        boxes = [(text.get_text(), Text.get_window_extent(text, renderer)) for text in texts]
        texts = [(w, box) for w, box in boxes if frame.x0 <= (box.x0 + box.x1) / 2 <= frame.x1]
        for place, (words, box) in enumerate(texts):
            for other, beside in texts[:place]:
                wide = min(box.x1, beside.x1) - max(box.x0, beside.x0)
                high = min(box.y1, beside.y1) - max(box.y0, beside.y0)
                if wide > 1 and high > 1:  # a pixel of leading may be shared
                    found.append((words, other))
    return found


def test_names_never_lie_on_one_another(compounds, doses):
    for found, _, _ in (compounds, doses):
        palette = style.palette(["Unstimulated", "OVA", "ConA"])
        assert not _touching(figures.volcano(found.effects, MEASURE))
        assert not _touching(figures.ranks(found.effects, MEASURE))
        assert not _touching(figures.cells(found.effects, ["t_cells"], MEASURE))
        names = curves.parts(found.curves)
        if names:
            drawn = curves.dose_curves(found.curves, names[0], found.scale, MEASURE, palette)
            assert not _touching(drawn)
    # With so many compounds that not all hits have room.
    every = {("ConA", str(number)): -9.0 for number in range(1, 101)}
    wells = screen_wells(3, compounds=150, conditions=("ConA",), effects=every)
    effects = screen(wells, MEASURE).effects
    assert (effects["q"] <= 0.05).sum() > 60
    assert not _touching(figures.ranks(effects, MEASURE))
    assert not _touching(figures.volcano(effects, MEASURE))


def test_names_stand_at_their_points(compounds):
    found, _, _ = compounds
    axes = figures.volcano(found.effects, MEASURE).axes[-1]
    hits = found.effects[found.effects["condition"] == "ConA"].set_index("compound")
    named = {text.get_text(): text.xy for text in axes.texts}
    assert len(named) >= 7
    for name, (x, y) in named.items():
        assert x == pytest.approx(hits.loc[name, "difference"])
        assert y == pytest.approx(-np.log10(hits.loc[name, "p"]))


def test_curves_show_every_well_at_its_dose(doses):
    found, _, _ = doses
    palette = style.palette(["Unstimulated", "ConA"])
    figure = curves.dose_curves(found.curves, ["11"], found.scale, MEASURE, palette)
    item = next(item for item in found.curves if item.series.compound == "11")
    drawn = np.concatenate([line.get_xydata() for line in figure.axes[0].lines
                            if line.get_marker() == palette["ConA"].marker])  # fmt: skip
    own = ~item.series.control
    wanted = np.column_stack([np.log10(item.series.dose[own]),
                              found.scale.backward(item.series.scaled[own])])  # fmt: skip
    assert len(drawn) == len(item.series.dose)
    assert {tuple(point) for point in wanted.round(9)} <= {tuple(p) for p in drawn.round(9)}
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels[0] == "0" and "0.1" in labels


def test_a_map_shows_each_well_in_its_place():
    wells = screen_wells(2, compounds=5, conditions=("ConA",), columns=4)
    wells = wells.assign(place_effect=0.0, from_controls=wells["value"])
    figure = plates.plate_maps(wells, MEASURE, screen(wells, MEASURE).scale)
    image = figure.axes[0].images[0].get_array()
    for row in wells.to_dict("records"):
        assert image[row["row"] - 1, row["column"] - 1] == pytest.approx(row["value"])
    assert sum(text.get_text() == "v" for text in figure.axes[0].texts) == 6
