"""The report of measured plates: every well is in it, without NaN and without outside help."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from html_page import Page
from matplotlib.collections import PathCollection

from jaxcell.analysis.wells import by_condition
from jaxcell.cells.kinds import USUAL
from jaxcell.measures.catalogue import MEASURES, quantities
from jaxcell.measures.doubts import doubts
from jaxcell.measures.light import LIGHT
from jaxcell.report.common import page as common_page
from jaxcell.report.common import style
from jaxcell.report.measurement import figures
from jaxcell.report.measurement import page as writer
from jaxcell.report.measurement.light import light
from jaxcell.report.measurement.page import ExampleField, write_measurement_report

COUNTED = {
    "area_um2": 60.0,
    "eccentricity": 0.5,
    "solidity": 0.95,
    "mean_intensity": 900.0,
    "granularity_1": 40.0,
    "granularity_2": 20.0,
}
# The light of a well that nobody need doubt.
IN_ORDER = {name: 0.0 for name in LIGHT} | {
    f"{name}_{kind}": value
    for name, value in (("repeated_share", 90.0), ("edge_share", 40.0), ("signal_to_noise", 60.0))
    for kind in ("t_cell", "dendritic_cell")
}


def read(path):
    html = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import", re.sub(r"base64,[^\"]*", "", html))
    page = Page(html)
    assert all(image["alt"] for image in page.images)
    assert not re.search(r"\bnan\b|\bNone\b|\bNaT\b", page.text)
    return page


def make_wells(conditions=("Unstimulated", "OVA", "ConA"), each=3, plate="SIM01"):
    """A table of wells: the later the condition, the more its cells interact."""
    random = np.random.default_rng(0)
    rows = []
    for at, condition in enumerate(conditions):
        for number in range(each):
            chance, excess = random.uniform(4, 6), 4.0 * at + random.normal(0, 0.5)
            rows.append(
                {name: random.uniform(0.1, 1) for name in MEASURES}
                | IN_ORDER
                | {
                    "plate": plate,
                    "well": f"{'ABCDEFGHIJKLMNOP'[number % 16]}{at * 8 + number // 16 + 1:02d}",
                    "condition": condition,
                    "compound": "",
                    "concentration_um": float("nan"),
                    "stimulus_ug_per_ml": float("nan"),
                    "role": "untreated",
                    "fields": 1,
                    "overlap_share": chance + excess,
                    "chance_excess": excess,
                    "chance_z": excess,
                    "chance_p": 0.5 / (1 + at * 100),
                    "chance_p_less": 0.5,
                    "chance_q": 1 / (1 + at * 100),
                    "contact_share": 10.0 + 20 * at,
                    "t_cells": 300,
                    "dendritic_cells": 200,
                    "answer": "interaction" if excess > 2 else "no more than chance",
                }
            )
    return pd.DataFrame(rows)


def make_cells(wells, each=12):
    """A few cells of either kind in every well."""
    random = np.random.default_rng(1)
    tables = []
    for kind in ("t_cell", "dendritic_cell"):
        table = wells.loc[wells.index.repeat(each), ["plate", "well", "condition"]]
        columns = {
            name: value * random.uniform(0.8, 1.2, len(table)) for name, value in COUNTED.items()
        }
        tables.append(table.assign(kind=kind, touches_border=False, **columns))
    return pd.concat(tables, ignore_index=True)


def make_arguments(wells, cells=None):
    cells = make_cells(wells) if cells is None else cells
    labels = np.zeros((2, 60, 80), np.int32)
    labels[0, 20:28, 30:38], labels[1, 24:38, 30:44] = 1, 1
    views = np.full((60, 80, 2), 300, np.uint16)
    views[np.moveaxis(labels, 0, -1) > 0] = 2000
    agreement = {
        "n": 9,
        "true_mean": 320.0,
        "bias": -20.0,
        "bias_share": -0.0625,
        "sd": 4.0,
        "r": None,
    }
    return {
        "title": "plates: how the cells interact",
        "simulated": True,
        "metrics": {
            "wells": len(wells),
            "cells": cells["kind"].value_counts().to_dict(),
            "chance": {"level": 0.05, "nearest_shift_um": 30.0, "farthest_shift_um": 75.0},
            "truth": {"t_cell": {"count": agreement, "mean_area_um2": {"n": 0}}},
            "left_out": 1,
            "doubts": [one._asdict() for one in doubts(wells.to_dict("records"))],
            "seconds_a_well": 4.2,
            "conditions": by_condition(wells),
        },
        "wells": wells,
        "cells": cells,
        "examples": [
            ExampleField(name, f"SIM01 {well}", views, labels)
            for name, well in wells.groupby("condition")["well"].first().items()
        ],
        "flat_fields": {},
        "measures": {name: item._asdict() for name, item in (quantities() | LIGHT).items()},
        "findings": [("missing_view", "CK91", "B03", "/plates/a.tif", "<b>no</b> view", "export")],
        "config": {"plates": {"pixel_um": 0.741, "folder": "x"}},
    }


@pytest.fixture
def build_only(monkeypatch):
    """Figures are built, and what goes wrong there is raised, but not drawn: that takes seconds."""

    def build(folder, builders):
        assert all(len(draw().axes) or draw().texts for draw in builders.values())
        return {name: {"source": "data:image/png;base64,"} for name in builders}

    monkeypatch.setattr(common_page, "save_figures", build)


@pytest.fixture
def draw_nothing(monkeypatch):
    """No figure is even built."""
    monkeypatch.setattr(
        common_page,
        "save_figures",
        lambda folder, builders: {name: {"source": "data:image/png;base64,"} for name in builders},
    )


def test_a_report_is_whole_and_answers_for_every_condition(tmp_path):
    wells = make_wells()
    arguments = make_arguments(wells)
    arguments["flat_fields"] = {("SIM01", "t_cell"): np.linspace(0.8, 1.2, 4096).reshape(64, 64)}
    path = write_measurement_report(tmp_path / "report", **arguments)
    page = read(path)
    assert {item.name for item in path.parent.glob("[!.]*")} == {
        "index.html",
        "metrics.json",
        "figures",
    }
    assert [item.name for item in tmp_path.iterdir()] == ["report"]
    names = {
        "answers_1",
        "strength",
        "beyond",
        "overlap",
        "shapes",
        "granularity",
        "flat_fields",
        "light",
        "found_1",
        "found_2",
        "found_3",
    }
    assert {item.stem for item in (path.parent / "figures").iterdir()} == names
    assert len(page.images) == len(names) and "could not be drawn" not in page.text
    found = (wells["answer"] == "interaction").groupby(wells["condition"]).sum()
    for name, number in found.items():
        assert [name, f"{number} of 3"] in [row[:2] for row in page.rows]
    assert f"interact in {found.sum()} of 9 wells" in page.text and "q ≤ 0.05" in page.text
    assert ["T cells in a well", "9", "320.0 cells", "−20.0 cells", "−6.2"] in [
        row[:5] for row in page.rows
    ]
    assert all(item.definition in page.text for item in quantities().values())
    assert "<b>no</b> view" in page.text and "SIM01, T cells 0.80 to 1.20" in page.text
    json.loads((path.parent / "metrics.json").read_text(), parse_constant=pytest.fail)


@pytest.mark.parametrize("each", [3, 100])
def test_every_well_is_in_the_table_with_its_numbers(tmp_path, draw_nothing, each):
    wells = make_wells(each=each)
    wells.loc[0, ["compound", "concentration_um", "role"]] = ["cpd 7", 0.001, "sample"]
    wells.loc[1, "answer"] = "too few cells to say"
    path = write_measurement_report(
        tmp_path / "report", **make_arguments(wells, make_cells(wells, 1))
    )
    page = read(path)
    rows = {row[0]: row for row in page.rows if len(row) == 17}
    assert {f"{well.plate} {well.well}" for well in wells.itertuples()} < rows.keys()
    for well in wells.iloc[[0, 1, -1]].itertuples():
        row = rows[f"{well.plate} {well.well}"]
        chance = well.overlap_share - well.chance_excess
        assert row[1] == well.condition and row[12] == well.answer
        assert row[6:9] == [
            f"{value:.1f}".replace("-", "−")
            for value in (well.overlap_share, chance, well.chance_excess)
        ]
    assert rows["SIM01 A01"][2:4] == ["cpd 7", "0.001"]
    assert rows["SIM01 B01"][2:4] == ["untreated", ""]
    folded = "Table of all" in page.text
    assert folded == (len(wells) > writer.OPEN_ROWS)


@pytest.mark.parametrize("case", ["no condition", "one well", "no cells", "no places", "many"])
def test_poor_input_still_gives_a_page(tmp_path, case, build_only):
    wells = make_wells(("OVA",), each=2)
    if case == "no condition":
        wells["condition"] = ""
    elif case == "one well":
        wells = wells.iloc[:1]
    elif case == "no cells":
        wells = wells.assign(answer="too few cells to say", t_cells=0, chance_z=0.0)
        wells[list(LIGHT)] = np.nan
    elif case == "no places":
        wells["well"] = ["left", "right"]
    elif case == "many":
        wells = make_wells([f"a long name {number}" for number in range(12)], each=1)
        wells["well"] = [f"A{number + 1:02d}" for number in range(12)]
    arguments = make_arguments(wells)
    if case == "no cells":
        arguments |= {"cells": arguments["cells"].iloc[:0], "examples": []}
    arguments["examples"] = arguments["examples"][:1]
    arguments["metrics"]["truth"] = {}
    path = write_measurement_report(tmp_path / "report", **arguments)
    page = read(path)
    assert "could not be drawn" not in page.text and "Against the truth" not in page.text
    if case == "no cells":
        assert "No well has cells enough" in page.text
    if case == "no condition":
        assert ["without condition", "0 of 2"] in [row[:2] for row in page.rows]


@pytest.mark.filterwarnings("error:constrained_layout not applied")
def test_names_of_200_letters_leave_the_images_their_room():
    views, labels = np.full((90, 120, 2), 300, np.uint16), np.zeros((2, 90, 120), np.int32)
    views[30:60, 30:60], labels[:, 30:60, 30:60] = 900, 1
    long = ExampleField("condition " + 190 * "x", "plate " + 190 * "y" + " B02", views, labels)
    short = long._replace(condition="OVA", well="P B02")
    widths = []
    for item in (short, long):
        figure = writer._found(item, [item], 0.741, "magenta_green", USUAL.kinds)
        figure.draw_without_rendering()
        widths.append(figure.axes[0].get_position().width)
    assert widths[1] == pytest.approx(widths[0], rel=0.05)


def test_a_figure_that_fails_leaves_a_sentence(tmp_path, monkeypatch):
    arguments = make_arguments(make_wells())
    arguments["examples"] = [ExampleField("OVA", "SIM01 A01", np.zeros(4), np.zeros((2, 4, 4)))]
    for name in ("answers", "strengths", "shapes", "granularity"):
        monkeypatch.setattr(figures, name, lambda *given: style.sentence_figure("not drawn"))
    page = read(write_measurement_report(tmp_path / "report", **arguments))
    assert page.text.count("This figure could not be drawn") == 1 and len(page.images) == 7


def test_doubtful_light_is_said_at_the_top_in_a_table_and_on_the_terminal(tmp_path, build_only):
    wells = make_wells()
    names = [f"crosstalk{end}_t_cell" for end in ("", "_low", "_high")]
    wells.loc[[1, 4], names] = [9.8, 9.1, 10.4]
    wells.loc[4, "repeated_share_dendritic_cell"] = 40.0
    arguments = make_arguments(wells)
    page = read(write_measurement_report(tmp_path / "report", **arguments))
    said = "crosstalk in 2 of 9 wells and dim light in 1 of 9 wells"
    assert page.text.index("The light is in doubt: " + said) < page.text.index(
        "Interaction or chance?"
    )
    rows = [row[:3] for row in page.rows if row and row[0] in ("crosstalk", "dim light")]
    places = wells["plate"] + " " + wells["well"]
    assert [" ".join(row[1:]) for row in rows] == list(places[[1, 4, 4]])
    assert (
        "9.8 % of the light of dendritic cells shows in the T-cell view (95 % interval 9.1 to"
        in (page.text.replace("\N{NO-BREAK SPACE}", " "))
    )
    lines = writer.summary_lines(arguments["metrics"])
    assert lines["light"] == (
        f"crosstalk in 2: {places[1]}, {places[4]}\ndim light in 1: {places[4]}"
    )
    fine = make_arguments(make_wells())
    page = read(write_measurement_report(tmp_path / "fine", **fine))
    assert "in doubt" not in page.text.split("Light", 1)[0]
    assert "Nothing speaks against the light" in page.text
    assert writer.summary_lines(fine["metrics"])["light"] == "in order"


def test_wells_in_doubt_are_marked_on_their_side_of_the_limit():
    wells = make_wells()
    wells["crosstalk_low_t_cell"] = [5.0, -4.0] + [0.0] * 7
    wells["crosstalk_t_cell"] = [6.0, 6.0] + [0.0] * 7
    wells["edge_share_dendritic_cell"] = [3.0, 14.0] + [40.0] * 7
    axes = {one.get_title(loc="left").split("\n")[0]: one for one in light(wells).axes}
    for title, marked in (
        ("Crosstalk into", 1),
        ("Light at the edge", 2),
        ("Faint cells among", 0),
    ):
        counts = {}
        for points in axes[title].collections:
            if isinstance(points, PathCollection) and len(points.get_offsets()):
                colour = tuple(points.get_facecolor()[0][:3].round(2))
                counts[colour] = counts.get(colour, 0) + len(points.get_offsets())
        assert sorted(counts.values()) == sorted(filter(None, [marked, 18 - marked])), title


def test_an_old_report_stays_until_the_new_one_is_whole(tmp_path, draw_nothing):
    arguments = make_arguments(make_wells(each=1))
    path = write_measurement_report(tmp_path / "report", **arguments)
    (path.parent / "figures" / "mine.png").write_bytes(b"old")
    with pytest.raises(KeyError):
        broken = arguments | {"wells": arguments["wells"].drop(columns="overlap_share")}
        write_measurement_report(tmp_path / "report", **broken)
    assert (path.parent / "figures" / "mine.png").exists()
    write_measurement_report(tmp_path / "report", **arguments | {"title": "Second"})
    assert "<h1>Second</h1>" in path.read_text(encoding="utf-8")
    assert [item.name for item in tmp_path.iterdir()] == ["report"]
    assert (path.parent / "figures" / "mine.png").read_bytes() == b"old"  # never removed


def test_a_folder_that_is_not_a_report_is_left_alone(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.docx").write_text("mine")
    with pytest.raises(FileExistsError, match="not a report"):
        write_measurement_report(tmp_path / "report", **make_arguments(make_wells(each=1)))
    assert [item.name for item in (tmp_path / "report").iterdir()] == ["thesis.docx"]


def test_every_well_stands_at_its_place():
    assert [figures.place(well) for well in ("A01", "P24", "AA1", "B0", "left", "7")] == [
        (0, 0),
        (15, 23),
        (26, 0),
        None,
        None,
        None,
    ]
    wells = make_wells(("OVA",), each=4).assign(chance_z=[-0.04, 3.21, 12.7, 1.0])
    wells["well"], wells.loc[3, "answer"] = ["B03", "D07", "left", "B04"], "too few cells to say"
    (axes,) = figures.answers(wells, 0.05).axes
    drawn = {text.get_text(): text.get_position() for text in axes.texts}
    assert drawn == {"0.0": (2, 1), "3.2": (6, 3)}
    assert len(axes.patches) == 3 and axes.get_xlim()[1] == 6.5 and axes.get_ylim()[0] == 3.5


def test_the_page_says_by_whose_hands_its_tables_came_to_be(tmp_path, draw_nothing):
    arguments = make_arguments(make_wells())
    made = {"hash": "0123456789abcdef" * 4, "workers": 2, "tasks": 1384, "retries": 1}
    arguments["metrics"]["certificate"] = made
    page = read(write_measurement_report(tmp_path / "report", **arguments))
    text = page.text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{THIN SPACE}", " ")
    assert "hash 0123456789abcdef, 2 workers, 1" in text and "384 tasks, 1 retry" in text
