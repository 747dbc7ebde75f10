"""Kinds of cells are the user's: other names change names alone; one, two and three agree."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import tifffile
from matplotlib.text import Text

import jaxcell
from jaxcell import cli
from jaxcell.configs import ranges
from jaxcell.configs.kinds import with_kinds
from jaxcell.configs.settings import changed, load_config
from jaxcell.experiments.measurement import measure as measurement
from jaxcell.experiments.measurement.cell_finding import _places
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.light import LIGHT
from jaxcell.measures.population import make_population
from jaxcell.notebook.plates import sound_plates
from jaxcell.report.common import page as common_page
from jaxcell.simulator.plates import simulate_plates

ALL = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "nk_cell": "Cy5"}
USUAL = {kind: ALL[kind] for kind in ("t_cell", "dendritic_cell")}
# The instrument's protocol for T cells, for a kind of another name.
LIKE_T_CELLS = {"radius_um": "3.705", "sensitivity": "17", "minimum_area_um2": "21.96"}


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """Two wells with brightfield and three stains, the third that of T cells turned round."""
    folder = tmp_path_factory.mktemp("kinds") / "plates"
    simulate_plates(folder, rows=1, columns=3, fields=1, field_size=256, droplet_share=0.0,
                    association={"ConA": 0.5})  # fmt: skip
    for image in folder.rglob("*wv FITC - FITC).tif"):
        turned = np.ascontiguousarray(np.rot90(tifffile.imread(image), 2))
        tifffile.imwrite(image.with_name(image.name.replace("FITC", "Cy5")), turned)
    return folder


@pytest.fixture
def without_page(monkeypatch):
    """No figure is drawn, which takes longer than measuring."""
    monkeypatch.setattr(measurement, "write_measurement_report", lambda folder, **given: folder)


def _measure(plates, out, kinds, condition=None, **changes):
    config = with_kinds(load_config("measure"), kinds)
    changes = {"plates.folder": str(plates), "measurement.granularity_steps": "0"} | changes
    config = changed(config, changes)
    measurement.measure_plates(config, out, condition)
    wells, fields = (pd.read_csv(out / f"{name}.csv") for name in ("wells", "fields"))
    return wells.drop(columns="seconds"), fields, pd.read_parquet(out / "cells.parquet")


@pytest.fixture
def usual(plates, tmp_path, without_page):
    return _measure(plates, tmp_path / "usual", USUAL, **{"measurement.labels": "True"})


@pytest.mark.usefixtures("without_page")
def test_other_names_change_nothing_but_names(plates, usual, tmp_path):
    def ours(name):
        return name.replace("dendritic_cell", "macrophage").replace("t_cell", "nk_cell")

    found = {f"kinds.nk_cell.{name}": value for name, value in LIKE_T_CELLS.items()}
    other = _measure(
        plates, tmp_path / "other", {"nk_cell": "FITC", "macrophage": "TexasRed"},
        **found, **{"measurement.labels": "True"},
    )  # fmt: skip
    assert usual[0][["t_cells", "dendritic_cells"]].to_numpy().min() >= 5
    for before, after in zip(usual, other):
        expected = before.rename(columns=ours)
        if "kind" in expected:
            expected["kind"] = expected["kind"].map(ours)
        # Columns of wells.csv stand in the order of their names.
        pd.testing.assert_frame_equal(after, expected, check_like=True)
    labels = [sorted((tmp_path / name / "labels").rglob("*.tif")) for name in ("usual", "other")]
    names = [sorted(path.name for path in some) for some in labels]
    assert names[1] == sorted(map(ours, names[0])) and "B02_f1_nk_cell.tif" in names[1]
    # Label images so called are found again.
    again = _measure(
        plates, tmp_path / "again", {"nk_cell": "FITC", "macrophage": "TexasRed"},
        **{"measurement.labels_from": str(tmp_path / "other" / "labels")},
    )  # fmt: skip
    pd.testing.assert_frame_equal(again[2].drop(columns="label"), other[2])


@pytest.mark.usefixtures("without_page")
def test_one_kind_has_the_numbers_that_it_has_among_two(plates, usual, tmp_path):
    # Brightfield and one stain, and no layout.
    folder = tmp_path / "one" / "SIM01"
    folder.mkdir(parents=True)
    for view in ("FITC", "Brightfield"):
        for image in plates.rglob(f"*wv {view} *.tif"):
            (folder / image.name).write_bytes(image.read_bytes())
    one = {"t_cell": "FITC"}
    wells, fields, cells = _measure(folder.parent, tmp_path / "out", one, condition="OVA")
    shared = [name for name in wells if name in usual[0] and name not in ("condition", "role")]
    assert {"t_cells", "edge_share_t_cell", "repeated_share_t_cell"} <= set(shared)
    about = ["compound", "concentration_um", "stimulus_ug_per_ml"]
    shared = [name for name in shared if name not in about]
    pd.testing.assert_frame_equal(wells[shared], usual[0][shared])
    # Nothing is said of interaction, nor of crosstalk.
    interaction = set(MEASURES) - {"t_cells"} | {"answer", "chance_q", "contacts", "nearest"}
    for table in (wells, fields, cells):
        assert not interaction & set(table) and not [name for name in table if "dendritic" in name]
        assert not [name for name in table if "crosstalk" in name]
    theirs = usual[2][usual[2]["kind"] == "t_cell"].reset_index(drop=True)
    shape = [name for name in cells if name not in ("condition", "role", *about)]
    pd.testing.assert_frame_equal(cells[shape], theirs[shape])


@pytest.mark.usefixtures("without_page")
def test_columns_of_three_kinds_are_those_of_every_two(plates, usual, tmp_path):
    three = _measure(plates, tmp_path / "three", ALL)
    assert three[0][["t_cells", "dendritic_cells", "nk_cells"]].to_numpy().min() >= 5
    pairs = [("t_cell", "dendritic_cell"), ("t_cell", "nk_cell"), ("dendritic_cell", "nk_cell")]
    for one, other in pairs:
        prefix = f"{one}_{other}_"
        two = usual if (one, other) == tuple(USUAL) else _measure(
            plates, tmp_path / prefix, {one: ALL[one], other: ALL[other]}
        )  # fmt: skip
        for table, alone in zip(three, two):
            own = {name.removeprefix(prefix): name for name in table if name.startswith(prefix)}
            assert {"answer", "contact_share"} <= set(own) or {"contacts"} <= set(own)
            rows = table["kind"].isin((one, other)) if "kind" in table else slice(None)
            found = table.loc[rows, list(own.values())].set_axis(list(own), axis=1)
            found = found.reset_index(drop=True)
            # Whole numbers that may be missing are of another type.
            pd.testing.assert_frame_equal(found, alone[list(own)], check_dtype=False)
        # Every measure is there, and the kinds by themselves are as they were.
        assert len([name for name in three[0] if name.startswith(prefix)]) == len(MEASURES)
        for kind in (one, other):
            alone = [f"faint_share_{kind}", f"{kind}s"]
            pd.testing.assert_frame_equal(three[0][alone], two[0][alone])
        light = three[0][f"crosstalk_{one}_from_{other}"]
        np.testing.assert_array_equal(light, two[0][f"crosstalk_{one}"])
    chosen = _measure(plates, tmp_path / "chosen", ALL,
                      **{"measurement.pairs": "('dendritic_cell:nk_cell',)"})  # fmt: skip
    # One pair alone has plain columns.
    assert "nk_cells" in chosen[0] and "dendritic_cells_per_nk_cell" in chosen[0]
    np.testing.assert_array_equal(
        chosen[0]["contact_share"], three[0]["dendritic_cell_nk_cell_contact_share"]
    )


def _text_of(plates, out, monkeypatch, *flags):
    """All that a page and its figures say, and what the terminal does."""
    drawn = []

    def build(folder, builders):
        for draw in builders.values():
            figure = draw()
            figure.draw_without_rendering()
            drawn.extend(text.get_text() for text in figure.findobj(Text))
        return {name: {"source": "data:image/png;base64,"} for name in builders}

    monkeypatch.setattr(common_page, "save_figures", build)
    cli.main(["measure", str(plates), f"--out={out}", *flags])
    page = (out / "report" / "index.html").read_text()
    return "\n".join([re.sub(r"<style>.*?</style>|<details>.*?</details>", "", page, flags=re.S),
                      *drawn])  # fmt: skip


@pytest.mark.parametrize(
    "kinds, expected",
    [
        ("b_cell=FITC", ["B cells found", "How many?"]),
        ("b_cell=FITC,macrophage=TexasRed",
         ["B cells per macrophage", "Nearest macrophage", "B cells in contact",
          "macrophages magenta, B cells green, both white"]),
        ("b_cell=FITC,macrophage=TexasRed,nk_cell=Cy5",
         ["B cells and macrophages", "Macrophages and NK cells", "Crosstalk into the NK-cell view",
          "B cells green, macrophages magenta, NK cells cyan"]),
    ],
    ids=["one", "two", "three"],
)  # fmt: skip
def test_the_page_speaks_of_these_kinds_alone(
    plates, tmp_path, monkeypatch, capsys, kinds, expected
):
    text = _text_of(plates, tmp_path / "out", monkeypatch, f"--kinds={kinds}",
                    "--config.measurement.granularity_steps=1")  # fmt: skip
    said = capsys.readouterr().out
    for words in expected:
        assert words in text
    assert "B cells" in said and "light" in said
    for words in (r"T[ -]cell", r"[Dd]endritic", r"\bDCs?\b", r"\bt_cell", "could not be drawn"):
        found = re.search(rf".*{words}.*", text) or re.search(rf".*{words}.*", said)
        assert not found, found[0][:300]
    metrics = json.loads((tmp_path / "out" / "report" / "metrics.json").read_text())
    assert list(metrics["cells"]) == [part.split("=")[0] for part in kinds.split(",")]


def test_words_and_colours_are_the_users(plates, tmp_path, monkeypatch):
    text = _text_of(
        plates, tmp_path / "out", monkeypatch, "--kinds=cll=FITC,fibroblast=Cy5",
        "--config.kinds.cll.singular=leukaemia cell", "--config.kinds.fibroblast.colour=yellow",
        "--config.measurement.granularity_steps=0",
    )  # fmt: skip
    assert "fibroblasts yellow, leukaemia cells green, both yellow" in text
    assert "Leukaemia cells per fibroblast" in text and "leukaemia-cell view" in text
    wells = pd.read_csv(tmp_path / "out" / "wells.csv")
    assert "clls_per_fibroblast" in wells and "manders_cll" in wells


@pytest.mark.usefixtures("without_page")
def test_a_kind_whose_view_is_empty_is_not_measured(plates, tmp_path):
    cli.main(["measure", str(plates), f"--out={tmp_path / 'out'}", "--views=dendritic_cell=",
              "--config.measurement.granularity_steps=0"])  # fmt: skip
    wells = pd.read_csv(tmp_path / "out" / "wells.csv")
    assert "t_cells" in wells and "contact_share" not in wells
    # The same folder is not that of another measurement.
    with pytest.raises(SystemExit, match="other settings"):
        cli.main(["measure", str(plates), f"--out={tmp_path / 'out'}",
                  "--config.measurement.granularity_steps=0"])  # fmt: skip


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--views=t_cell=,dendritic_cell="], "no kind of cells is left to measure"),
        (["--views=b_cell=GFP"], "--views names b_cell, which is not measured"),
        (["--kinds=B cell=GFP"], "'B cell' cannot be the name of a kind"),
        (["--kinds=b_cell=GFP,t_cell=gfp"], "are both 'gfp'"),
        (["--kinds=field=GFP"], "cannot be called field"),
        (["--kinds=b_cell=GFP", "--pairs=b_cell:t_cell"], "names t_cell, which is not measured"),
        (["--kinds=b_cell=GFP,t_cell=Cy5", "--pairs=b_cell"], "FIRST:SECOND"),
        (["--pairs=t_cell:t_cell"], "one kind twice"),
        (["--pairs=t_cell:dendritic_cell,dendritic_cell:t_cell"], "there twice"),
        (["--config.kinds.b_cell.plural=B cells"], "kinds.b_cell says what b_cell is called"),
        (["--config.kinds.t_cell.shape=round"], "kinds.NAME.plural"),
        (["--config.kinds.t_cell.colour=puce"], "use one of green"),
        (
            ["--config.kinds.t_cell.colour=red", "--config.kinds.dendritic_cell.colour=red"],
            "drawn in one colour",
        ),
        (["--config.kinds.t_cell.mask_method=guess"], "kinds.t_cell.mask_method is 'guess'"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(tmp_path, flags, said):
    with pytest.raises(SystemExit, match=re.escape(said)):
        cli.main(["measure", str(tmp_path), f"--out={tmp_path / 'out'}", *flags])
    assert not (tmp_path / "out").exists()


def test_colours_are_told_apart_whichever_kinds_there_are():
    def lights(*names, **said):
        words = {name: {"colour": colour} for name, colour in said.items()}
        return [kind.light for kind in make_population(names, words=words).kinds]

    assert lights("t_cell", "dendritic_cell") == ["green", "magenta"]
    assert lights("dendritic_cell", "b_cell", "t_cell") == ["magenta", "cyan", "green"]
    assert lights("b_cell", "macrophage") == ["green", "magenta"]
    assert lights("t_cell", "b_cell", b_cell="green") == ["magenta", "green"]
    assert len(set(lights(*(f"kind_{number}" for number in range(6))))) == 6


def test_names_whose_columns_would_be_one_are_refused():
    kinds = {"b": "1", "c_d": "2", "b_c": "3", "d": "4"}
    config = with_kinds(load_config("measure"), kinds)
    with pytest.raises(ValueError, match="two columns of the tables would be called b_c_d_"):
        ranges.check(config)


def test_a_network_knows_stains_and_takes_kinds_by_name_or_by_place():
    assert _places(("t_cell", "dendritic_cell"), ("dendritic_cell", "t_cell")) == [1, 0]
    assert _places(("t_cell", "dendritic_cell"), ("b_cell", "macrophage")) == [0, 1]
    assert _places(("nucleus",), ("nucleus",)) == [0]
    # Half a name is a mistake, and so is another number.
    assert _places(("t_cell", "dendritic_cell"), ("b_cell", "t_cell")) is None
    assert _places(("nucleus",), ("t_cell", "dendritic_cell")) is None


def test_a_notebook_names_its_kinds(plates):
    plate = jaxcell.read_plate(plates, kinds={"b_cell": "FITC", "macrophage": "TexasRed"})
    well = next(iter(plate))
    found = jaxcell.measure(well, granularity_steps=0)
    assert {"b_cells", "macrophages", "contact_share"} <= set(found.measures.index)
    assert not [name for name in found.measures.index if name in LIGHT or "t_cell" in name]
    assert "B cells in contact" in repr(found) and set(found.labels[1]) == {"b_cell", "macrophage"}
    assert "macrophages (dashed)" in found.show().get_title(loc="left")
    three = jaxcell.read_plate(plates, kinds={**ALL, "brightfield": "Brightfield"})
    found = jaxcell.measure(next(iter(three)), granularity_steps=0,
                            pairs=["t_cell:nk_cell", "nk_cell:dendritic_cell"])  # fmt: skip
    assert "NK cells and dendritic cells: " in found.answer
    assert "nk_cell_dendritic_cell_iou" in found.measures.index
    one = jaxcell.read_plate(plates, views={"dendritic_cell": ""})
    found = jaxcell.measure(next(iter(one)), granularity_steps=0)
    assert found.answer == "" and list(found.measures.index) == ["t_cells"]
    assert next(iter(one)).images[1].shape[-1] == 1
    found.show()
    # Networks of interaction know two stains, by their place.
    assert set(sound_plates(well).images["role"]) == {"t_cell", "dendritic_cell", "brightfield"}
    for other in (one, three):
        with pytest.raises(ValueError, match="knows two stains"):
            sound_plates(other)
    with pytest.raises(ValueError, match="no kind of cells is left"):
        jaxcell.read_plate(plates, views={"t_cell": "", "dendritic_cell": ""})
