"""A page is whole or not there, and says what made it and whether its plates were simulated."""

import errno
import json

import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from jaxcell.analysis.conditions import conditions, of_shown, shown_conditions
from jaxcell.report.common import page as writer
from jaxcell.report.common import style
from jaxcell.report.common.page import save_figures
from jaxcell.storage.provenance import versions


@pytest.fixture
def write(tmp_path):
    """Function (changed arguments) -> path of a page without content of its own."""

    def written(**changes):
        arguments = {
            "title": "A page",
            "metrics": {"rmse": 1.5},
            "simulated": False,
            "figures": {},
            "files": {},
            "content": {},
            "made": {"seed": 3},
            "config": {"model": {"features": 8}},
        }
        return writer.write_page(
            tmp_path / "report", "common/base.html.jinja", **(arguments | changes)
        )

    return written


def metrics_of(page):
    return json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))


def test_version_commit_and_settings_stand_on_the_page_and_in_the_numbers(write):
    page, made_by = write(), versions()
    text = page.read_text(encoding="utf-8")
    assert f"jaxcell {made_by['jaxcell']} (commit {made_by['commit']})" in text
    assert "versions · commit" in text and "model.features" in text
    assert metrics_of(page)["versions"] == made_by and metrics_of(page)["rmse"] == 1.5


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_plates_are_named_before_anything_else(write, simulated):
    page = write(simulated=simulated)
    head = page.read_text(encoding="utf-8").split("<nav")[0]
    assert ("Simulated plates" in head) == simulated
    assert metrics_of(page)["simulated"] is simulated


def test_files_and_figures_lie_beside_the_page(write):
    page = write(files={"wells.csv": lambda path: path.write_text("well\nA01\n")},
                 figures={"empty": lambda: Figure(), "broken": lambda: 1 / 0})  # fmt: skip
    found = {str(path.relative_to(page.parent)) for path in page.parent.rglob("[!.]*.*")}
    assert found == {"index.html", "metrics.json", "wells.csv", "figures/empty.png",
                     "figures/empty.svg"}  # fmt: skip


def test_what_fails_leaves_the_earlier_report_as_it_was(write, tmp_path):
    page = write()
    with pytest.raises(ZeroDivisionError):
        write(title="Second", files={"wells.csv": lambda path: 1 / 0})
    assert "A page" in page.read_text(encoding="utf-8")
    write(title="Third")
    assert "Third" in page.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_a_disk_that_fills_while_a_figure_is_drawn_ends_the_report(write, monkeypatch):
    page = write()

    def full(self, *given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left"):
        write(title="Second", figures={"empty": lambda: Figure()})
    assert "A page" in page.read_text(encoding="utf-8")


def test_very_many_conditions_are_said_not_to_be_drawn_all(write):
    names = [f"condition {number:03d}" for number in range(500)] + ["OVA", "condition 499"]
    table = pd.DataFrame({"condition": names})
    shown = shown_conditions(table)
    assert len(shown) == 24 and {"OVA", "condition 499"} <= set(shown)
    assert shown == [name for name in conditions(table) if name in shown]
    assert set(of_shown(table)["condition"]) == set(shown)
    page = write(not_drawn=writer.on_shown(table))
    assert "Figures show 24 of 501 conditions" in page.read_text(encoding="utf-8")
    assert writer.on_shown(table.head(20)) == ""


def test_a_folder_that_is_no_report_is_left_alone(write, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.docx").write_text("mine")
    with pytest.raises(FileExistsError, match="not a report"):
        write()
    assert [path.name for path in tmp_path.rglob("*")] == ["report", "thesis.docx"]


@pytest.mark.parametrize("name", ["$x$", "$a_{", "50 $ and 60 $", "a\\b_c^d", "$\\frac{$"])
def test_a_name_is_drawn_as_text_and_begins_no_formula(tmp_path, name):
    def draw():
        figure = style.new_figure(3, 2)
        axes = figure.subplots()
        axes.plot([1, 2], [3, 4], label=name)
        axes.set(title=name, xlabel=name)
        axes.set_xticks([1, 2], [name, name])
        axes.legend(title=name)
        figure.suptitle(name)
        assert not any(text.get_parse_math() for text in figure.findobj(Text))
        return figure

    shown = save_figures(tmp_path, {"figure": draw})
    assert "source" in shown["figure"], shown


def test_numbers_on_logarithmic_axes_need_no_formula(tmp_path):
    from jaxcell.report.sweep.figures import set_size_axis

    def draw():
        figure = style.new_figure(3, 2)
        axes = figure.subplots()
        set_size_axis(axes, [2, 8, 512])
        style.set_scale(axes, pd.Series([1.0, 5000.0]))
        figure.draw_without_rendering()
        words = [label.get_text() for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
        assert not any("$" in word for word in words), words
        return figure

    assert "source" in save_figures(tmp_path, {"figure": draw})["figure"]
