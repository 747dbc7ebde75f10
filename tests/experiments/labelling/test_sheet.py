"""A labelling sheet, there and back: drawn blind, filled with the truth, scored as known."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.analysis.scores.estimators import ESTIMATORS
from jaxcell.cells.methods import field_masks
from jaxcell.configs import labelling, measure
from jaxcell.experiments.labelling import estimators
from jaxcell.experiments.labelling.draw import choose_patches, draw_sheet
from jaxcell.experiments.labelling.score import score_sheet
from jaxcell.experiments.labelling.sheet import ANSWERS, KEY, crop_path, measure_labels, read_sheet
from jaxcell.plates.images import read_view
from jaxcell.simulator.plates import simulate_plates

WINDOW, NUMBER = 96, 12
INSTRUMENT = ESTIMATORS["by_instrument"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A sheet without answers, and its plates."""
    home = tmp_path_factory.mktemp("labelling")
    association = {"Unstimulated": 0.0, "ConA": 0.6}
    simulate_plates(home / "plates", rows=2, columns=4, field_size=224, association=association,
                    droplet_share=0.0)  # fmt: skip
    config = labelling.get_config()
    config.plates.folder = str(home / "plates")
    config.labelling.update({"patches": NUMBER, "window": WINDOW, "enlarged": 2})
    return home / "sheet", draw_sheet(config, home / "sheet")


@pytest.fixture
def sheet(drawn, tmp_path):
    """A copy of it to be filled in."""
    shutil.copytree(drawn[0], tmp_path / "sheet")
    return tmp_path / "sheet"


def _files(folder, row):
    return [folder.parent / "plates" / path for path in (row.t_cell, row.dendritic_cell)]


def _truth(home, row):
    """True labels of a patch, int32 [2, w, w], numbered as a person would number them."""
    path = home / "plates" / row.t_cell
    labels = tifffile.imread(path.parent / "truth" / f"{path.name.split(' wv ')[0]}) labels.tif")
    return labels[:, row.y : row.y + WINDOW, row.x : row.x + WINDOW].astype(np.int32)


def _numbered(labels):
    return np.unique(np.concatenate([[0], labels.ravel()]), return_inverse=True)[1][1:].reshape(
        labels.shape
    )


def _fill(folder, **columns):
    table = pd.read_csv(folder / ANSWERS, dtype=str, keep_default_na=False)
    table.assign(**columns).to_csv(folder / ANSWERS, index=False)


def test_a_sheet_is_blind_balanced_and_whole(drawn):
    folder, table = drawn
    key = pd.read_csv(folder / KEY)
    assert key["condition"].value_counts().to_dict() == {"Unstimulated": 6, "ConA": 6}
    assert key.groupby("condition")["well"].nunique().eq(4).all()
    assert not key.duplicated(["well", "field", "y", "x"]).any()
    # What a person opens says nothing of the well.
    given = pd.read_csv(folder / ANSWERS)
    assert list(given["patch"]) == list(range(1, NUMBER + 1)) and given.drop(
        columns="patch"
    ).isna().all(axis=None)
    names = " ".join(path.name for path in folder.rglob("*") if path.is_file())
    assert not re.search(r"SIM01|[A-P]\d\d\b|ConA", names)
    # The order of the patches does not follow the conditions.
    assert 1 < (key["condition"] != key["condition"].shift()).sum() - 1
    for row in key.itertuples():
        for view, kind in enumerate(("t_cell", "dendritic_cell")):
            crop = tifffile.imread(crop_path(folder, row.patch, kind))
            whole = read_view(_files(folder, row)[view])
            np.testing.assert_array_equal(
                crop, whole[row.y : row.y + WINDOW, row.x : row.x + WINDOW]
            )
            painted = tifffile.imread(crop_path(folder, row.patch, kind, labels=True))
            assert painted.dtype == np.uint16 and painted.shape == crop.shape and not painted.any()
        for what in ("both", "t_cell", "dendritic_cell"):
            assert (folder / "pictures" / f"{row.patch:04d}_{what}.png").stat().st_size
    assert f"{NUMBER} of 8 wells" in table and "jaxcell score" in table


def test_a_sheet_filled_with_the_truth_gives_the_known_scores(sheet, drawn, monkeypatch):
    home = drawn[0].parent
    key = pd.read_csv(sheet / KEY)
    true = []
    for row in key.itertuples():
        labels = _truth(home, row)
        for kind, own in zip(("t_cell", "dendritic_cell"), labels):
            path = crop_path(sheet, row.patch, kind, labels=True)
            tifffile.imwrite(path, own.astype(np.uint16), photometric="minisblack")
        area = labels > 0
        true.append(100 * (area[0] & area[1]).sum() / max((area[0] | area[1]).sum(), 1))
    _fill(sheet, outlined="yes")
    np.testing.assert_allclose(read_sheet(sheet).true("iou"), true)
    # An estimator that errs by 2 points everywhere, beside those that are always there.
    usual = estimators.estimate
    monkeypatch.setattr(
        "jaxcell.experiments.labelling.score.estimate",
        lambda *a: usual(*a) | {"two too many": {"iou": np.array(true) + 2}},
    )
    said = score_sheet(sheet, "", [])
    scores = pd.read_csv(sheet / "scores" / "scores.csv").set_index(["quantity", "estimator"])
    known = scores.loc["iou", "two too many"]
    assert known["bias"] == pytest.approx(2) and known["r"] == pytest.approx(1)
    assert known["rmse_over_sd"] == pytest.approx(2 / np.std(true)) and known["n"] == NUMBER
    assert known["bias_low"] == pytest.approx(2) == known["bias_high"]
    # The instrument's masks, by hand from the whole fields.
    found = []
    for row in key.itertuples():
        views = np.stack([read_view(path) for path in _files(drawn[0], row)], axis=-1)
        coded = field_masks(views, "instrument", 0.741)
        coded = coded[row.y : row.y + WINDOW, row.x : row.x + WINDOW]
        found.append(100 * (coded == 3).sum() / max((coded > 0).sum(), 1))
    error = np.array(found) - true
    instrument = scores.loc["iou", INSTRUMENT]
    assert instrument["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
    assert instrument["bias"] == pytest.approx(error.mean(), rel=1e-4, abs=1e-5)
    # The mean of the other wells is the worst, and listed last.
    assert list(scores.loc["iou"].index)[-1] == estimators.MEAN
    assert scores.loc["iou", estimators.MEAN]["rmse_over_sd"] > 1
    assert np.isnan(scores.loc["iou", estimators.MEAN]["r"])
    assert set(scores.index.get_level_values(0)) == {
        "iou", "t_cells", "dendritic_cells", "contact_share"
    }  # fmt: skip
    each = pd.read_csv(sheet / "scores" / "estimates.csv")
    np.testing.assert_allclose(
        each[each["estimator"] == INSTRUMENT].query("quantity == 'iou'")["estimate"],
        found, rtol=1e-5,
    )  # fmt: skip
    assert "two too many" in said and "RMSE / SD" in said
    page = (sheet / "scores" / "index.html").read_text()
    assert "Simulated plates" in page and "two too many" in page.lower() and "could not" not in page


def test_numbers_written_count_like_outlines_and_the_unusable_do_not(sheet, drawn):
    key = pd.read_csv(sheet / KEY)
    rows = [measure_labels(*map(_numbered, _truth(drawn[0].parent, row)), 0.741)
            for row in key.itertuples()]  # fmt: skip
    touching = [round(row["contact_share"] * row["t_cells"] / 100) for row in rows]
    text = [f"{row['iou']:.6f}".replace(".", ",") for row in rows]
    _fill(
        sheet,
        overlap_percent=text,
        t_cells=[f"{row['t_cells']:.0f}" for row in rows],
        t_cells_in_contact=list(map(str, touching)),
        dendritic_cells=["", *(f"{row['dendritic_cells']:.0f}" for row in rows[1:])],
        unusable=["", "x"] + [""] * (NUMBER - 2),
    )
    read = read_sheet(sheet)
    for name in ("iou", "t_cells", "contact_share"):
        expected = np.array([row[name] for row in rows])
        expected[1] = np.nan
        np.testing.assert_allclose(read.true(name), expected, atol=1e-5)
    assert np.isnan(read.true("dendritic_cells")[:2]).all()
    score_sheet(sheet, "", [])
    scores = pd.read_csv(sheet / "scores" / "scores.csv")
    counts = scores.groupby("quantity")["n"].first()
    assert counts["iou"] == NUMBER - 1 and counts["dendritic_cells"] == NUMBER - 2


def test_wrong_answers_are_named(sheet):
    for columns, said in [
        ({"overlap_percent": "half"}, "patch 1: overlap_percent is 'half'"),
        ({"overlap_percent": "101"}, "no percentage"),
        ({"t_cells": "3", "t_cells_in_contact": "4"}, "4 T cells in contact of 3"),
        ({"unusable": "maybe"}, "unusable is 'maybe', use yes or no"),
        ({}, "no answer yet"),
    ]:
        empty = dict.fromkeys(("overlap_percent", "t_cells", "t_cells_in_contact", "unusable"), "")
        _fill(sheet, **empty | columns)
        with pytest.raises(ValueError, match=re.escape(said)):
            score_sheet(sheet, "", [])
    table = pd.read_csv(sheet / ANSWERS, dtype=str)
    table.iloc[1:].to_csv(sheet / ANSWERS, index=False)
    with pytest.raises(ValueError, match="no row for patch 1"):
        read_sheet(sheet)


def test_answers_are_never_overwritten_and_moved_plates_are_asked_for(sheet, drawn, tmp_path):
    config = labelling.get_config()
    with pytest.raises(FileExistsError, match="not overwritten"):
        draw_sheet(config, sheet)
    with pytest.raises(ValueError, match="a config of measurement"):
        draw_sheet(measure.get_config(), sheet)
    _fill(sheet, overlap_percent=["1"] + [""] * (NUMBER - 1))
    settings = json.loads((sheet / "sheet.json").read_text())
    settings["plates"] = str(tmp_path / "gone")
    (sheet / "sheet.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="--plates"):
        score_sheet(sheet, "", [])
    assert "1 of 12 patches" in score_sheet(sheet, str(drawn[0].parent / "plates"), [])


def test_patches_are_drawn_in_turn_of_conditions_and_wells():
    wells = [f"{letter}{column:02d}" for letter in "ABCD" for column in range(1, 7)]
    table = pd.DataFrame({"plate": "P", "well": np.repeat(wells, 50)})
    table["y"] = np.tile(np.arange(50), len(wells))
    table["condition"] = np.where(table["well"].str[1:].astype(int) > 5, "rare", "common")
    chosen = choose_patches(table, 60, seed=1)
    assert chosen["condition"].value_counts().to_dict() == {"rare": 30, "common": 30}
    counts = chosen.groupby(["condition", "well"]).size()
    assert set(counts["rare"]) <= {7, 8} and set(counts["common"]) <= {1, 2}
    assert (
        list(chosen["patch"]) == list(range(1, 61)) and not chosen.duplicated(["well", "y"]).any()
    )
    pd.testing.assert_frame_equal(chosen, choose_patches(table, 60, seed=1))
    assert not chosen["well"].equals(choose_patches(table, 60, seed=2)["well"])
    assert len(choose_patches(table, 10_000, seed=1)) == len(table)
