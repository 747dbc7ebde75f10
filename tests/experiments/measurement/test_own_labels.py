"""Cells of other programs are measured as they are, found by name, and refused by name."""

import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import jaxcell
from jaxcell.configs import measure, ranges
from jaxcell.experiments.measurement.measure import measure_plates
from jaxcell.plates.findings import BadPlates
from jaxcell.plates.readers.labels import read_label_image
from jaxcell.simulator.plates import simulate_plates

KINDS = {"t_cell": "FITC", "dendritic_cell": "TexasRed"}


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own") / "plates"
    simulate_plates(folder, rows=1, columns=3, fields=2, field_size=160, droplet_share=0.0)
    return folder


@pytest.fixture(scope="module")
def found(plates):
    """What the program itself finds, with its own label images."""
    return plates.parent / "found", _measure(plates, plates.parent / "found", labels=True)


def _measure(plates, out, **changes):
    config = measure.get_config()
    config.plates.folder = str(plates)
    config.measurement.granularity_steps = 0
    config.measurement.update({name: str(v) if name != "labels" else v
                               for name, v in changes.items() if name != "skip"})  # fmt: skip
    config.plates.on_bad_image = "skip" if "skip" in changes else "stop"
    ranges.check(config)
    measure_plates(config, out, None)
    return pd.read_csv(out / "wells.csv"), pd.read_parquet(out / "cells.parquet")


def _images(plates):
    """(kind, path, well and field as label images are called) of each stained image."""
    for path in sorted(plates.rglob("*.tif")):
        kind = next((kind for kind, view in KINDS.items() if f"wv {view} " in path.name), None)
        if kind and path.parent.name != "truth":
            _, row, rest = path.name.split(" - ", 2)
            yield kind, path, f"{row}{int(rest[:2]):02d}_f{rest.split('fld ')[1][0]}"


def _write(plates, found, folder, name, save=tifffile.imwrite, change=lambda labels: labels):
    """The labels that were found, as another program would write them."""
    folder.mkdir()
    for kind, path, place in _images(plates):
        labels = read_label_image(found / "labels" / "SIM01" / f"{place}_{kind}.tif")
        save(folder / name.format(stem=path.stem), change(labels))


def test_labels_that_were_written_give_the_numbers_that_were_measured(plates, found, tmp_path):
    out, (wells, cells) = found
    again, same = _measure(plates, tmp_path / "out", labels_from=out / "labels")
    measured = [name for name in wells if not name.startswith("repeated") and name != "seconds"]
    pd.testing.assert_frame_equal(again[measured], wells[measured])
    # Masks of another program are not made again with more noise.
    assert again["repeated_share_t_cell"].isna().all()
    assert (same["label"] == same["cell"]).all()
    pd.testing.assert_frame_equal(same.drop(columns="label"), cells)


@pytest.mark.parametrize(
    "name, save",
    [
        ("{stem}.tif", tifffile.imwrite),
        ("{stem}_cp_masks.png", lambda path, labels: Image.fromarray(
            labels.astype(np.uint16)).save(path)),
        ("{stem}_labels.TIFF", lambda path, labels: tifffile.imwrite(
            path, labels.astype(np.float32))),
    ],
)  # fmt: skip
def test_names_of_other_programs_and_numbers_with_gaps(plates, found, tmp_path, name, save):
    spread = lambda labels: labels * 7 % 65521  # noqa: E731
    _write(plates, found[0], tmp_path / "labels", name, save, spread)
    wells, cells = _measure(plates, tmp_path / "out", labels_from=tmp_path / "labels")
    pd.testing.assert_series_equal(wells["contact_share"], found[1][0]["contact_share"])
    original = found[1][1]
    # Cells are numbered anew in the order of their own numbers, and keep these.
    assert sorted(cells["label"]) == sorted(original["cell"] * 7 % 65521)
    key = ["well", "field", "kind", "label"]
    both = cells.merge(original.assign(label=original["cell"] * 7 % 65521), on=key)
    np.testing.assert_allclose(both["area_um2_x"], both["area_um2_y"])
    assert len(both) == len(cells) and np.allclose(both["distance_um_x"].fillna(-1),
                                                   both["distance_um_y"].fillna(-1))  # fmt: skip


def _table(plates, out, folder, labels):
    """`images.csv` with a column `labels`."""
    folder.mkdir()
    shutil.copy(next(plates.rglob("*.xlsx")), folder)
    rows = []
    for kind, path, place in _images(plates):
        name = labels(kind, place, out / "labels" / "SIM01" / f"{place}_{kind}.tif")
        rows.append({"plate": "SIM01", "well": place[:3], "field": int(place[-1]),
                     "view": KINDS[kind], "path": path, "labels": name})  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "images.csv", index=False)
    return folder


def test_a_column_of_images_csv_names_the_labels(plates, found, tmp_path):
    folder = _table(plates, found[0], tmp_path / "plate", lambda kind, place, path: path)
    wells, cells = _measure(folder, tmp_path / "out")
    pd.testing.assert_series_equal(wells["overlap_share"], found[1][0]["overlap_share"])
    assert "label" in cells
    # A network, or another folder, is asked for by name and wins.
    with pytest.raises(ValueError, match="no folder of label images"):
        _measure(folder, tmp_path / "other", labels_from=tmp_path / "gone")


def test_fields_without_labels_stop_by_name_or_are_skipped(plates, found, tmp_path):
    folder = _table(plates, found[0], tmp_path / "plate",
                    lambda kind, place, path: "" if "f2" in place else path)  # fmt: skip
    with pytest.raises(BadPlates, match="field 2, view FITC: images.csv names no label image"):
        _measure(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    wells, cells = _measure(folder, tmp_path / "out", skip=True)
    assert (wells["fields"] == 1).all() and set(cells["field"]) == {1}


def test_one_label_image_for_both_kinds_is_refused(plates, found, tmp_path):
    folder = _table(plates, found[0], tmp_path / "plate",
                    lambda kind, place, path: path.with_name(f"{place}_t_cell.tif"))  # fmt: skip
    with pytest.raises(BadPlates, match="t_cell.tif is the label image of both kinds"):
        _measure(folder, tmp_path / "out")
    # A copy of it is no other; two images without cells are.
    own = tmp_path / "own"
    shutil.copytree(found[0] / "labels", own)
    for place in ("B02_f1", "B03_f2"):
        shutil.copy(own / "SIM01" / f"{place}_t_cell.tif",
                    own / "SIM01" / f"{place}_dendritic_cell.tif")  # fmt: skip
    for kind in KINDS:
        tifffile.imwrite(own / "SIM01" / f"B04_f1_{kind}.tif", np.zeros((160, 160), np.uint8))
    with pytest.raises(BadPlates, match="^2 problem.*(?s:.*)B02_f1_t_cell.tif is the label image"):
        _measure(plates, tmp_path / "out", labels_from=own)


def test_wrong_label_images_are_refused_with_well_and_cure(plates, found, tmp_path):
    for name, change, said in (
        (
            "small",
            lambda labels: labels[:-1],
            "159 x 160 pixels, its image 160 x 160.* -> label this",
        ),
        ("mask", lambda labels: (labels > 0) * np.uint32(7), "mask or a map of classes"),
        ("grey", lambda labels: labels.astype(np.float32) + 0.5, "not whole.* -> save it as"),
    ):
        _write(plates, found[0], tmp_path / name, "{stem}_labels.tif", change=change)
        with pytest.raises(BadPlates, match=f"SIM01 [A-P]0.: field 1, view FITC: .*{said}"):
            _measure(plates, tmp_path / "out", labels_from=tmp_path / name)
    _write(plates, found[0], tmp_path / "twice", "{stem}_labels.tif")
    for _, path, _ in _images(plates):
        shutil.copy(path, tmp_path / "twice" / f"{path.stem}_cp_masks.tif")
    with pytest.raises(BadPlates, match="holds 2 label images of"):
        _measure(plates, tmp_path / "out", labels_from=tmp_path / "twice")
    # The images' own folder holds no labels: an image is never its own label image.
    with pytest.raises(BadPlates, match="holds no label image of"):
        _measure(plates, tmp_path / "out", labels_from=plates)


def test_changed_labels_are_measured_anew_and_other_ones_elsewhere(plates, found, tmp_path):
    _write(plates, found[0], tmp_path / "labels", "{stem}.tif")
    before, _ = _measure(plates, tmp_path / "out", labels_from=tmp_path / "labels")
    kind, path, _ = next(_images(plates))
    tifffile.imwrite(tmp_path / "labels" / f"{path.stem}.tif", np.zeros((160, 160), np.uint8))
    after, _ = _measure(plates, tmp_path / "out", labels_from=tmp_path / "labels")
    changed = before["t_cells"] != after["t_cells"]
    assert changed.sum() == 1 and (after["seconds"] == before["seconds"])[~changed].all()
    with pytest.raises(ValueError, match="other settings.*own_labels"):
        _measure(plates, tmp_path / "out")


def test_labels_of_plates_that_were_segmented_are_found(plates, found, tmp_path):
    (tmp_path / "labels" / "SIM01").mkdir(parents=True)
    for path in (found[0] / "labels" / "SIM01").iterdir():
        shutil.copy(path, tmp_path / "labels" / "SIM01" / f"{path.stem}_labels.tif")
    wells, _ = _measure(plates, tmp_path / "out", labels_from=tmp_path / "labels")
    pd.testing.assert_series_equal(wells["contact_share"], found[1][0]["contact_share"])
    # Another plate's folder holds none of this one's.
    (tmp_path / "labels" / "SIM01").rename(tmp_path / "labels" / "SIM02")
    with pytest.raises(BadPlates, match="holds no label image"):
        _measure(plates, tmp_path / "other", labels_from=tmp_path / "labels")


def test_a_notebook_measures_the_same(plates, found, tmp_path):
    well = jaxcell.read_plate(plates)["B03"]
    settings = {"granularity_steps": 0, "labels_from": found[0] / "labels"}
    measured = jaxcell.measure(well, **settings)
    expected = found[1][0].set_index("well").loc["B03", "contact_share"]
    assert (
        measured.measures["contact_share"] == pytest.approx(expected) and "label" in measured.cells
    )
    folder = _table(plates, found[0], tmp_path / "plate", lambda kind, place, path: path)
    by_table = jaxcell.measure(jaxcell.read_plate(folder)["B03"], granularity_steps=0)
    pd.testing.assert_series_equal(by_table.measures, measured.measures)


def test_a_network_and_labels_are_one_too_many(plates, tmp_path):
    with pytest.raises(ValueError, match="use one of the two"):
        _measure(plates, tmp_path / "out", labels_from="a", segmentation="b")


def test_published_contacts_in_tissue(shared_data, tmp_path):
    """14 helper T cells and 23 B cells that touch, in 31 pairs, from another program's maps."""
    source = shared_data / "tissue"
    cells = read_label_image(source / "binary_seg_maps.tif")
    table = pd.read_csv(source / "cells.txt", sep="\t", encoding="latin1").set_index("Cell ID")
    stains = tifffile.imread(source / "component_data.tif", key=[4, 2])
    rows = []
    for (kind, view), phenotype, stain in zip(KINDS.items(), ("Helper T", "B"), stains):
        numbers = table.index[table["Phenotype"] == phenotype]
        tifffile.imwrite(tmp_path / f"{kind}.tif", (100 * stain).astype(np.uint16))
        tifffile.imwrite(
            tmp_path / f"{kind}_labels.tif", np.where(np.isin(cells, numbers), cells, 0)
        )
        rows.append({"plate": "T", "well": "A01", "field": 1, "view": view,
                     "path": f"{kind}.tif", "labels": f"{kind}_labels.tif"})  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "images.csv", index=False)
    config = measure.get_config()
    config.plates.update({"folder": str(tmp_path), "pixel_um": 0.497})
    measure_plates(config, tmp_path / "out", "tissue")
    found = pd.read_parquet(tmp_path / "out" / "cells.parquet").groupby("kind")["contacts"]
    assert (found.size()["t_cell"], found.size()["dendritic_cell"]) == (15, 249)
    touching = found.agg(lambda contacts: (contacts > 0).sum())
    assert (touching["t_cell"], touching["dendritic_cell"]) == (14, 23)
    assert (found.sum() == 31).all()


def test_seventy_thousand_cells_are_counted(shared_data, tmp_path):
    labels = tifffile.imread(shared_data / "cases" / "labels_70000" / "labels.tif")
    rows = []
    for kind, view in KINDS.items():
        tifffile.imwrite(
            tmp_path / f"{kind}.tif", (200 + 100 * (labels > 0)).astype(np.uint16) + len(rows)
        )
        # The other kind lies elsewhere, numbered far up.
        own = labels if kind == "t_cell" else (labels[::-1].astype(np.uint32) << 14)
        tifffile.imwrite(tmp_path / f"{kind}_labels.tif", own)
        rows.append({"plate": "P", "well": "A01", "field": 1, "view": view,
                     "path": f"{kind}.tif", "labels": f"{kind}_labels.tif"})  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "images.csv", index=False)
    config = measure.get_config()
    config.plates.folder, config.measurement.granularity_steps = str(tmp_path), 0
    measure_plates(config, tmp_path / "out", "none")
    well = pd.read_csv(tmp_path / "out" / "wells.csv").iloc[0]
    assert well["t_cells"] == well["dendritic_cells"] == 70_000
