"""Plates measured: tables that agree with each other and with the truth, kept parts, refusals."""

import io
import json
import re
import shutil
import signal
import time

import anndata
import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy import ndimage
from tiny_plates import finish, start

from jaxcell.configs import measure
from jaxcell.experiments.measurement import kept_wells
from jaxcell.experiments.measurement import measure as measurement
from jaxcell.experiments.measurement.cell_finding import make_cell_finder
from jaxcell.measures.catalogue import MEASURES
from jaxcell.measures.doubts import doubts
from jaxcell.measures.light import LIGHT
from jaxcell.simulator.plates import simulate_plates
from jaxcell.storage.provenance import code_digest


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("measured") / "plates"
    association = {"Unstimulated": 0.0, "OVA": 0.1, "ConA": 0.6}
    simulate_plates(folder, rows=2, columns=6, fields=2, field_size=256, association=association,
                    droplet_share=0.0)  # fmt: skip
    return folder


def _config(plates, **changes):
    config = measure.get_config()
    config.plates.folder = str(plates)
    config.measurement.granularity_steps = 2
    config.update_from_flattened_dict(
        {name.replace("__", "."): value for name, value in changes.items()}
    )
    return config


@pytest.fixture(scope="module")
def measured(plates):
    out = plates.parent / "out"
    return out, measurement.measure_plates(_config(plates), out, None)


def test_tables_say_the_same_of_every_well(measured):
    out, table = measured
    wells, cells = pd.read_csv(out / "wells.csv"), pd.read_parquet(out / "cells.parquet")
    assert len(wells) == 12 and set(MEASURES) <= set(wells) and (wells["fields"] == 2).all()
    assert np.isfinite(wells[[*MEASURES, "chance_p"]]).all(axis=None)
    for kind in ("t_cell", "dendritic_cell"):
        counted = cells[cells["kind"] == kind].groupby("well").size()
        found = wells.set_index("well")[f"{kind}s"]
        assert found.sum() > 100
        np.testing.assert_array_equal(counted.reindex(found.index, fill_value=0), found)
    touching = (
        cells[cells["kind"] == "t_cell"]
        .groupby("well")["contacts"]
        .agg(lambda contacts: 100 * (contacts > 0).mean())
    )
    share = wells.set_index("well")["contact_share"]
    np.testing.assert_allclose(touching.reindex(share.index, fill_value=0), share, rtol=1e-5)
    assert "T cells in contact" in table and "ConA" in table
    ranked = wells.groupby("condition")["contact_share"].mean()
    assert ranked["ConA"] > 2 * ranked["Unstimulated"]


def test_the_light_of_every_well_is_in_the_table_and_judged(measured):
    out, table = measured
    wells = pd.read_csv(out / "wells.csv")
    assert set(LIGHT) <= set(wells)
    repeated = wells[[f"repeated_share_{kind}" for kind in ("t_cell", "dendritic_cell")]]
    # A few wells have too few cells of a kind to say.
    assert repeated.count().sum() >= 12 and (repeated.isna() | (repeated > 70)).all(axis=None)
    metrics = json.loads((out / "report" / "metrics.json").read_text())
    assert metrics["doubts"] == [one._asdict() for one in doubts(wells.to_dict("records"))]
    assert "light" in table


def test_a_case_of_crosstalk_is_warned_of_with_plate_and_well(shared_data, tmp_path):
    config = _config(shared_data / "cases" / "bleed_through", measurement__granularity_steps=0)
    table = measurement.measure_plates(config, tmp_path / "out", None)
    assert "crosstalk in 1: P A01" in table
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    said = r"(\d+\.\d).% of the light of T cells shows in the dendritic-cell view"
    assert 9.5 < float(re.search(said, page)[1]) < 10.5
    assert (tmp_path / "out" / "report" / "figures" / "light.png").exists()


def test_cells_are_found_near_the_truth(measured):
    truth = json.loads((measured[0] / "report" / "metrics.json").read_text())["truth"]
    count = truth["t_cell"]["count"]
    assert abs(count["bias_share"]) < 0.15 and count["r"] > 0.8
    assert truth["t_cell"]["contact_share"]["r"] > 0.9


def test_cells_open_as_anndata(measured):
    out, _ = measured
    cells, adata = pd.read_parquet(out / "cells.parquet"), anndata.read_h5ad(out / "cells.h5ad")
    assert adata.n_obs == len(cells)
    np.testing.assert_allclose(adata[:, "area_um2"].X[:, 0], cells["area_um2"], rtol=1e-6)
    assert list(adata.obs["condition"].astype(str)) == list(cells["condition"])
    np.testing.assert_allclose(adata.obsm["spatial"][:, 0], 0.741 * cells["x"], rtol=1e-5)
    assert adata.var.loc["area_um2", "unit"] == "µm²"


def test_what_was_measured_is_kept_and_what_is_missing_is_measured(measured, plates, monkeypatch):
    out, _ = measured
    before = pd.read_csv(out / "wells.csv")
    (out / "wells" / "SIM01 B02.json").unlink()
    # A well whose images changed since is measured anew too.
    for image in plates.rglob("SIM01 - C - 03*FITC*.tif"):
        image.write_bytes(image.read_bytes() + b"\0")  # which is no pixel
    for image in plates.rglob("SIM01 - C - 04*FITC*.tif"):
        image.touch()  # which changes nothing
    again = []
    one = measurement.measure_one_well
    monkeypatch.setattr(
        measurement, "measure_one_well",
        lambda config, fields, **k: again.append(fields.iloc[0].well) or one(config, fields, **k),
    )  # fmt: skip
    measurement.measure_plates(_config(plates, machine__threads=1), out, None)
    assert again == ["B02", "C03"]
    after = pd.read_csv(out / "wells.csv")
    pd.testing.assert_frame_equal(after.drop(columns="seconds"), before.drop(columns="seconds"))


def test_changed_code_measures_anew(tmp_path, monkeypatch):
    simulate_plates(tmp_path / "plates", rows=1, columns=3, field_size=128)
    config, again = _config(tmp_path / "plates", measurement__granularity_steps=0), []
    one = measurement.measure_one_well
    monkeypatch.setattr(
        measurement, "measure_one_well",
        lambda config, fields, **k: again.append(fields.iloc[0].well) or one(config, fields, **k),
    )  # fmt: skip
    for digest, measured in (("a", 3), ("a", 0), ("b", 3)):
        monkeypatch.setattr(kept_wells, "code_digest", lambda *modules, digest=digest: digest)
        measurement.measure_plates(config, tmp_path / "out", None)
        assert len(again) == measured
        again.clear()
    # The digest is of code that is there, what measures included.
    assert "jaxcell.measures" in kept_wells.CODE
    assert code_digest(*kept_wells.CODE) != code_digest(*kept_wells.CODE[1:])


def test_other_settings_and_foreign_folders_are_refused(measured, plates, tmp_path):
    with pytest.raises(ValueError, match="other settings.*contact_um"):
        measurement.measure_plates(_config(plates, measurement__contact_um=3.0), measured[0], None)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty"):
        measurement.measure_plates(_config(plates), tmp_path, None)


@pytest.mark.slow
def test_a_flat_field_is_estimated_kept_and_shown(plates, tmp_path):
    config = _config(
        plates,
        dataset__flat_field=True,
        measurement__granularity_steps=0,
        dataset__mask_method="two_means",
    )
    measurement.measure_plates(config, tmp_path / "out", None)
    flat = np.load(tmp_path / "out" / "wells" / "flat_fields.npz")
    assert flat["SIM01 t_cell"].mean() == pytest.approx(1, abs=1e-3)
    assert (tmp_path / "out" / "report" / "figures" / "flat_fields.png").exists()
    assert "granularity_1" not in pd.read_parquet(tmp_path / "out" / "cells.parquet")
    # A plate that comes later is estimated too, and the first keeps its own.
    more = tmp_path / "more"
    shutil.copytree(plates, more)
    simulate_plates(tmp_path / "other", rows=2, columns=6, field_size=256, seed=1)
    (more / "SIM02").mkdir()
    for image in (tmp_path / "other" / "SIM01").glob("*.tif"):
        shutil.copy(image, more / "SIM02" / image.name.replace("SIM01", "SIM02"))
    config.plates.folder = str(more)
    measurement.measure_plates(config, tmp_path / "out", "OVA")
    later = np.load(tmp_path / "out" / "wells" / "flat_fields.npz")
    np.testing.assert_array_equal(later["SIM01 t_cell"], flat["SIM01 t_cell"])
    assert "SIM02 dendritic_cell" in later


@pytest.mark.slow
def test_plates_of_any_name_are_kept_apart(plates, tmp_path):
    folder = tmp_path / "plates"
    rows = []
    for plate, well in (("CK.1", "B02"), ("CK.2", "C06"), ("CK/2", "B06")):
        for view in ("FITC", "TexasRed"):
            place = f"{well[0]} - {well[1:]}"
            path = plates / "SIM01" / f"SIM01 - {place}(fld 1 wv {view} - {view}).tif"
            rows.append([plate, "A01", 1, view, str(path)])
    folder.mkdir()
    columns = ["plate", "well", "field", "view", "path"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "images.csv", index=False)
    measurement.measure_plates(_config(folder), tmp_path / "out", "OVA")
    wells = pd.read_csv(tmp_path / "out" / "wells.csv").set_index("plate")
    assert list(wells.index) == ["CK.1", "CK.2", "CK/2"]
    assert wells["t_cells"].nunique() > 1 or wells["distance_um"].nunique() > 1
    again = measurement.measure_plates(_config(folder), tmp_path / "out", "OVA")
    assert "OVA" in again
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "out" / "wells.csv").set_index("plate"), wells
    )


def test_a_field_left_out_is_left_out_of_the_truth_too(plates, tmp_path):
    copy = tmp_path / "plates"
    shutil.copytree(plates, copy)
    for image in copy.rglob("*(fld 2 wv FITC*.tif"):
        image.write_bytes(image.read_bytes()[:5000])
    config = _config(copy, measurement__granularity_steps=0)
    config.plates.on_bad_image = "skip"
    measurement.measure_plates(config, tmp_path / "out", None)
    metrics = json.loads((tmp_path / "out" / "report" / "metrics.json").read_text())
    assert metrics["left_out"] == 12
    assert abs(metrics["truth"]["t_cell"]["count"]["bias_share"]) < 0.2


def test_cells_are_the_same_under_another_magnification(plates):
    path = plates / "SIM01" / "SIM01 - B - 06(fld 1 wv {0} - {0}).tif"
    views = [tifffile.imread(str(path).format(view)) for view in ("FITC", "TexasRed")]
    views = np.stack(views, axis=-1)
    # Each pixel's noise is its own, whatever the magnification.
    large = ndimage.zoom(views.astype(float), (2, 2, 1), order=1)
    large = (large + np.random.default_rng(0).normal(0, 12, large.shape)).astype(np.uint16)
    _, once = make_cell_finder(_config(plates))(views)
    _, twice = make_cell_finder(_config(plates, plates__pixel_um=0.741 / 2))(large)
    assert abs(twice[0].max() - once[0].max()) <= 2
    assert (twice[0] > 0).sum() / (once[0] > 0).sum() == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(
    "changes",
    [
        {"plates__pixel_um": 0.0},
        {"measurement__contact_um": 100.0},
        {"measurement__near_um": -1.0},
        {"machine__threads": 0},
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(plates, tmp_path, changes):
    with pytest.raises(ValueError, match=next(iter(changes)).replace("__", ".")):
        measurement.measure_plates(_config(plates, **changes), tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"dataset__mask_method": "by_eye"},
        {"dataset__mask_scope": "plate"},
        {"dataset__mask_method": "instrument", "dataset__mask_scope": "patch"},
        {"measurement__segmentation": "/nowhere"},
    ],
)
def test_settings_that_do_not_exist_are_refused(plates, changes):
    with pytest.raises(ValueError, match="use|set|train one"):
        make_cell_finder(_config(plates, **changes))


@pytest.mark.parametrize(
    "method, scope",
    [
        ("two_means", "patch"),
        ("mean_sd", "field"),
        ("instrument", "field"),
    ],
)
def test_fields_without_cells_have_defined_measures(plates, method, scope):
    find = make_cell_finder(_config(plates, dataset__mask_method=method, dataset__mask_scope=scope))
    for value in (0, 300, 4095, 65535):
        masks, labels = find(np.full((200, 200, 2), value, np.uint16))
        assert not masks.any() and not labels.any()


@pytest.mark.slow
def test_killed_and_started_again_it_gives_the_same_tables(measured, plates, tmp_path):
    out = tmp_path / "out"
    command = (
        "measure", str(plates), f"--out={out}", "--config.measurement.granularity_steps=2"
    )  # fmt: skip
    process = start(*command)
    while len(list((out / "wells").glob("*.json") if out.exists() else [])) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "wells.csv").exists()
    assert "report/index.html" in finish(start(*command))
    pd.testing.assert_frame_equal(
        *(pd.read_csv(some / "wells.csv").drop(columns="seconds") for some in (out, measured[0]))
    )
    pd.testing.assert_frame_equal(
        pd.read_parquet(out / "cells.parquet"), pd.read_parquet(measured[0] / "cells.parquet")
    )


@pytest.fixture
def without_page(monkeypatch):
    """No figure is drawn, which takes longer than measuring."""
    monkeypatch.setattr(measurement, "write_measurement_report", lambda folder, **given: folder)


@pytest.mark.usefixtures("without_page")
def test_wells_of_other_plates_of_the_same_name_are_not_replaced(tmp_path):
    for number, place in enumerate("ab"):
        simulate_plates(tmp_path / place / "PLATES", rows=1, columns=3, field_size=128, seed=number)
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    out, settings = tmp_path / "out", {"measurement__granularity_steps": 0}
    first = _config(tmp_path / "a" / "PLATES", **settings)
    measurement.measure_plates(first, out, None)
    before = (out / "wells.csv").read_bytes()
    with pytest.raises(ValueError, match="other plates.*SIM01 "):
        measurement.measure_plates(_config(tmp_path / "b" / "PLATES", **settings), out, None)
    assert (out / "wells.csv").read_bytes() == before
    # The same plates in another place are the same plates.
    measurement.measure_plates(_config(tmp_path / "moved" / "PLATES", **settings), out, None)
    seconds = pd.read_csv(out / "wells.csv")["seconds"]
    assert list(seconds) == list(pd.read_csv(io.BytesIO(before))["seconds"])  # kept, all of them


@pytest.mark.usefixtures("without_page")
@pytest.mark.parametrize("harm", ["broken", "no column", "text"])
def test_a_truth_that_cannot_be_used_stops_no_measurement(tmp_path, capsys, harm):
    simulate_plates(tmp_path / "plates", rows=1, columns=3, field_size=128)
    path = next((tmp_path / "plates").rglob("truth/cells.parquet"))
    if harm == "broken":
        path.write_bytes(path.read_bytes()[:200])
    elif harm == "no column":
        pd.read_parquet(path).drop(columns="type").to_parquet(path)
    else:
        pd.read_parquet(path).assign(area_um2="x").to_parquet(path)
    config = _config(tmp_path / "plates", measurement__granularity_steps=0)
    measurement.measure_plates(config, tmp_path / "out", None)
    said = [line for line in capsys.readouterr().err.splitlines() if "cells.parquet" in line]
    assert len(said) == 1 and "not compared" in said[0]


@pytest.mark.usefixtures("without_page")
def test_what_is_not_ours_in_the_folder_of_wells_stays(tmp_path):
    simulate_plates(tmp_path / "plates", rows=1, columns=3, field_size=128)
    config, out = _config(tmp_path / "plates", measurement__granularity_steps=0), tmp_path / "out"
    measurement.measure_plates(config, out, None)
    mine = {"notes.json": '{"mine": 1}', "notes.txt": "mine", "table.parquet": "mine"}
    for name, text in mine.items():
        (out / "wells" / name).write_text(text)
    (out / "wells" / "folder").mkdir()
    (out / "wells" / "code").write_text("other code")
    measurement.measure_plates(config, out, None)
    assert {name: (out / "wells" / name).read_text() for name in mine} == mine
    assert (out / "wells" / "folder").is_dir()
