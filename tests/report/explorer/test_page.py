"""The explorer's file: what is written is what the page will read back."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from jaxcell.analysis.conditions import conditions
from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import style
from jaxcell.report.explorer import sprites
from jaxcell.report.explorer.page import write_explorer


@pytest.fixture
def write(tmp_path, make_patches):
    """Function (changed arguments) -> text of the file."""

    def written(**changes) -> str:
        table = changes.pop("table", None)
        table = make_patches(wells=2, each=3) if table is None else table
        arguments = {
            "table": table,
            "thumbnails": np.zeros((len(table), 8, 8, 3), np.uint8),
            "projections": {"UMAP of codes": np.arange(2 * len(table)).reshape(-1, 2)},
            "neighbours": None,
            "sources": None,
            "target": OVERLAP,
            "title": "A plate",
            "palette": style.palette(["Unstimulated", "OVA", "ConA"]),
            "window": 192,
            "micrometres_per_pixel": 0.741,
        }
        path = write_explorer(tmp_path / "explorer.html", **(arguments | changes))
        return path.read_text(encoding="utf-8")

    return written


def about(text: str) -> dict:
    return json.loads(re.search(r'id="about">(.*?)</script>', text)[1])


def numbers(text: str, key: str, kind: str) -> np.ndarray:
    content = re.search(rf'id="{key}"[^>]*>(.*?)</script>', text)[1]
    return np.frombuffer(base64.b64decode(content), kind)


def column(text: str, name: str) -> np.ndarray:
    described = about(text)["columns"][name]
    return numbers(text, described["id"], described["type"])


def colouring(text: str, name: str) -> dict:
    return next(one for one in about(text)["colourings"] if one["column"] == name)


def test_a_tile_holds_its_own_thumbnail_and_nothing_of_its_neighbours():
    colours = np.random.default_rng(0).integers(0, 256, (300, 3), np.uint8)
    thumbnails = np.broadcast_to(colours[:, None, None], (300, 48, 48, 3))
    layout = sprites.Layout(48, 10)
    made = list(sprites.sheets(sprites.each(thumbnails), layout))
    assert [sheet.count for sheet in made] == [100, 100, 100]
    for index, colour in enumerate(colours):
        sheet = np.asarray(Image.open(io.BytesIO(made[index // 100].jpeg)), float)
        down, right = divmod(index % 100, 10)
        tile = sheet[48 * down : 48 * down + 48, 48 * right : 48 * right + 48]
        assert np.abs(tile - colour).max() < 6


def test_thumbnails_shrink_to_the_mean_of_their_pixels_and_are_never_enlarged():
    fine = np.zeros((1, 96, 96, 3), np.uint8)
    fine[0, ::2] = 200
    sheet = next(sprites.sheets(sprites.each([fine]), sprites.Layout(48, 2)))
    tile = np.asarray(Image.open(io.BytesIO(sheet.jpeg)), float)[:48, :48]
    assert np.abs(tile - 100).max() < 4
    assert sprites.layout(100, 64).tile == 64
    assert sprites.layout(30_000, 192).tile == 72
    # The page says that the tiles of a whole plate stay within its budget.
    assert sprites.layout(100_000, 192).tile == 48


def test_columns_come_back_as_they_were(write, make_patches):
    table = make_patches(wells=2, each=3)
    table["compound"] = ["2", "10", None] * 6
    table.loc[0, "concentration_um"] = 0.5
    text = write(table=table)
    np.testing.assert_allclose(column(text, "overlap"), table["overlap"], rtol=1e-7)
    np.testing.assert_array_equal(column(text, "y"), table["y"])
    np.testing.assert_array_equal(column(text, "faulty"), table["faulty"])
    np.testing.assert_array_equal(column(text, "compound"), [0, 1, -1] * 6)
    assert about(text)["columns"]["compound"]["names"] == ["2", "10"]
    assert np.isnan(column(text, "concentration_um")[1:]).all()
    assert about(text)["exported"] == list(table.columns)
    points = numbers(text, about(text)["projections"][0]["id"], "float32").reshape(2, -1).T
    np.testing.assert_array_equal(points, np.arange(36).reshape(-1, 2))


def test_conditions_look_as_in_all_figures_and_errors_are_symmetric(write, make_patches):
    table = make_patches(wells=2, each=3)
    table["predicted"] = table["target"] + np.linspace(-5, 1, len(table))
    text = write(table=table)
    marks = {
        mark["name"]: (mark["colour"], mark["marker"])
        for mark in colouring(text, "condition")["marks"]
    }
    assert marks == {name: tuple(mark) for name, mark in style.palette(conditions(table)).items()}
    error = colouring(text, "predicted - target")
    assert error["low"] == -error["high"] < -4
    np.testing.assert_allclose(
        column(text, "predicted - target"), np.linspace(-5, 1, 18), rtol=1e-5, atol=1e-5
    )
    assert "points" in error["words"]


def test_many_compounds_all_look_different(write, make_patches):
    table = make_patches(wells=15, each=1)
    table["compound"] = [str(1 + index) for index in range(45)]
    table["role"] = "sample"
    table.loc[table["compound"] == "45", ["compound", "role"]] = ["DMSO", "vehicle"]
    marks = colouring(write(table=table), "compound")["marks"]
    assert len({(mark["colour"], mark["marker"]) for mark in marks}) == 45
    assert marks[0]["name"] == "DMSO" and marks[0]["colour"] == style.MUTED


def test_a_field_names_its_files_and_a_field_without_files_names_none(write, make_patches):
    table = make_patches(wells=2, each=3)
    first = table.iloc[0]
    files = {"t_cell": "SIM01 - A - 01(fld 1 wv FITC - FITC).tif"}
    text = write(table=table, sources={(first["plate"], first["well"], 1): files})
    fields = [about(text)["fields"][code] for code in numbers(text, "fields", "int32")]
    same = (table["plate"] == first["plate"]) & (table["well"] == first["well"])
    assert [bool(one) for one in fields] == list(same)
    assert fields[0] == files


def test_names_cannot_end_the_script_that_holds_them(write, make_patches):
    table = make_patches(wells=1, each=1)
    evil = "</script><script>alert(1)</script>"
    text = write(table=table.assign(compound=evil, condition=evil), title=evil)
    assert evil not in text
    assert about(text)["columns"]["compound"]["names"] == [evil]


def test_the_page_may_ask_nothing_of_any_network(write):
    text = write()
    assert "default-src 'none'" in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", text)


def test_what_is_missing_is_said_and_not_fatal(write, make_patches):
    table = make_patches(wells=2, each=3)
    bare = table.drop(columns=["condition", "compound", "concentration_um"])
    nothing = np.full((len(table), 2), np.nan)
    text = write(
        table=bare, thumbnails=None, projections={"UMAP": nothing, "t-SNE": "too few patches"}
    )
    assert [one["reason"] for one in about(text)["projections"]] == [
        "no patch has coordinates",
        "too few patches",
    ]
    assert "sheet-0" not in text
    names = [one["column"] for one in about(text)["colourings"]]
    assert "overlap" in names and "condition" not in names
    blank = write(table=table.assign(condition=None, compound=np.nan))
    assert colouring(blank, "condition")["marks"] == []
    assert (
        about(write(table=table.iloc[:1], thumbnails=None, projections={"PCA": np.zeros((1, 2))}))[
            "count"
        ]
        == 1
    )


def test_another_target_keeps_its_own_words(write):
    target = Quantity("contact", "contact length", "µm")
    words = [one["words"] for one in about(write(target=target))["colourings"]]
    assert "contact length, measured, µm" in words and "overlap (IoU), measured, %" in words


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"table": pd.DataFrame({"plate": []})}, "no patch"),
        ({"projections": {"UMAP": np.zeros((3, 2))}}, "UMAP: 3 rows for 18 patches"),
        ({"neighbours": np.zeros((3, 2), int)}, "neighbours: 3 rows for 18"),
        ({"thumbnails": np.zeros((19, 8, 8, 3), np.uint8)}, "more thumbnails than the 18"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_earlier_file_stays(
    write, tmp_path, changes, sentence
):
    earlier = write()
    with pytest.raises(ValueError, match=sentence):
        write(**changes)
    assert [path.name for path in tmp_path.iterdir()] == ["explorer.html"]
    assert (tmp_path / "explorer.html").read_text(encoding="utf-8") == earlier
