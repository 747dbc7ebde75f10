"""Simulated plates: reproducible, true to their own truth, like the real plate."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
import tifffile
from scipy import ndimage, stats

from jaxcell.cells.masks import cell_threshold
from jaxcell.measures.patch import measure_patches
from jaxcell.simulator import cells
from jaxcell.simulator.biology import CONDITIONS, draw_compound, draw_well, treated
from jaxcell.simulator.field import Field, Well, simulate_field
from jaxcell.simulator.plates import simulate_plates

BACKGROUND = 255  # counts up to which unstained cells glow, in the reference study


def field_of(seed: int, size: int = 384, association: float = 0.3, **options) -> Field:
    return simulate_field(np.random.default_rng(seed), size, association, **options)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.suffix != ".xlsx"  # a workbook carries the time of writing
    }


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "plates"
    simulate_plates(folder, rows=5, columns=6, fields=2, field_size=128, seed=3)
    return folder


def test_same_seed_gives_same_bytes_whatever_the_number_of_workers(tmp_path):
    options = {"rows": 2, "columns": 3, "fields": 1, "field_size": 128}
    simulate_plates(tmp_path / "one", seed=5, workers=1, **options)
    simulate_plates(tmp_path / "two", seed=5, workers=4, **options)
    simulate_plates(tmp_path / "other", seed=6, workers=1, **options)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    one, other = digests(tmp_path / "one"), digests(tmp_path / "other")
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one if name.endswith("FITC).tif"))


def test_a_well_does_not_depend_on_the_others(tmp_path):
    simulate_plates(tmp_path / "few", rows=1, columns=3, field_size=128, seed=5)
    simulate_plates(tmp_path / "more", plates=2, rows=3, columns=3, field_size=128, seed=5)
    few, more = digests(tmp_path / "few"), digests(tmp_path / "more")
    images = [name for name in few if name.endswith(".tif")]
    assert len(images) == 3 * 4
    assert all(few[name] == more[name] for name in images)


def test_files_are_12_bit_tiffs_of_16_bits_with_incell_names(plate):
    folder = plate / "SIM01"
    images = sorted(folder.glob("*.tif"))
    assert len(images) == 5 * 6 * 2 * 3
    assert folder / "SIM01 - B - 02(fld 1 wv FITC - FITC).tif" in images
    assert folder / "SIM01 - F - 07(fld 2 wv Brightfield - Brightfield).tif" in images
    for path in images[::7]:
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].compression == tifffile.COMPRESSION.NONE
            image = file.asarray()
        assert image.dtype == np.uint16 and image.shape == (128, 128)
        assert image.max() <= 4095


def test_layout_says_condition_compound_dose_and_empty_wells(plate):
    sheet = openpyxl.load_workbook(plate / "SIM01" / "SIM01 plate layout.xlsx").active
    assert sheet["A1"].value == "SIM01"
    assert [sheet.cell(3, column).value for column in range(3, 27)] == list(range(1, 25))
    assert [sheet.cell(row, 2).value for row in range(5, 21)] == list("ABCDEFGHIJKLMNOP")
    # Column 1 and row A are the empty rim; columns 2-7 are in use, two to a condition.
    assert [sheet.cell(4, column).value for column in range(3, 11)] == [None] + [10] * 6 + [None]
    assert all(sheet.cell(5, column).value == "e" for column in range(3, 27))
    assert [sheet.cell(row, 4).value for row in range(5, 12)] == ["e", 1, 2, 3, 4, 1, "e"]
    assert [sheet.cell(row, 5).value for row in range(6, 11)] == [2, 3, 4, "DMSO", "DMSO"]
    assert [sheet.cell(21, column).value for column in (4, 6, 8)] == [
        "Unstimulated",
        "OVA peptide",
        "ConA",
    ]
    merged = {str(block) for block in sheet.merged_cells.ranges}
    assert {"D21:E21", "F21:G21", "H21:I21", "C2:Z2", "A5:A20"} == merged


def test_truth_on_disk_is_the_truth_of_the_images(plate):
    truth = plate / "SIM01" / "truth"
    table = pd.read_parquet(truth / "cells.parquet")
    contacts = pd.read_parquet(truth / "contacts.parquet")
    assert table["well"].nunique() == 30 and set(table["field"]) == {1, 2}
    assert list(contacts.columns) == ["well", "field", "t_cell", "dendritic_cell"]
    labels = tifffile.imread(truth / "SIM01 - C - 03(fld 2) labels.tif")
    mine = table[(table["well"] == "C03") & (table["field"] == 2)]
    for channel, kind in enumerate(("t_cell", "dendritic_cell")):
        rows = mine[mine["type"] == kind]
        assert set(np.unique(labels[channel])) - {0} == set(rows["cell"])
        area = np.bincount(labels[channel].ravel())[rows["cell"]] * cells.PIXEL_UM**2
        np.testing.assert_allclose(rows["area_um2"], area)
    wells = pd.read_parquet(truth / "wells.parquet").set_index("well")
    assert wells.loc[["B02", "D04", "F07"], "condition"].tolist() == ["Unstimulated", "OVA", "ConA"]
    assert wells.loc["F03", "compound"] == "DMSO" and np.isnan(wells.loc["F03", "concentration_um"])
    by_type = table.groupby(["well", "type"]).size().unstack(fill_value=0)
    assert (by_type["t_cell"] == wells["t_cells"]).all()
    assert (by_type["dendritic_cell"] == wells["dendritic_cells"]).all()
    assert (table.groupby("well")["bound"].sum() == wells["bound"]).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_centre_lies_inside_its_own_mask(seed):
    field = field_of(seed, association=0.8)
    for channel, kind in enumerate(("t_cell", "dendritic_cell")):
        rows = field.cells[field.cells["type"] == kind]
        y, x = np.rint(rows["y"]).astype(int), np.rint(rows["x"]).astype(int)
        np.testing.assert_array_equal(field.labels[channel][y, x], rows["cell"])


@pytest.mark.parametrize("channel", [0, 1])
def test_cells_are_brighter_than_their_surroundings_in_their_view_only(channel):
    field = field_of(4, 512, association=0.0, droplet_share=0.0)
    inside = field.labels[channel] > 0
    around = ndimage.binary_dilation(inside, iterations=14) & ~ndimage.binary_dilation(
        inside, iterations=5
    )
    mine, other = field.views[channel], field.views[1 - channel]
    assert mine[inside].mean() > 2 * mine[around].mean()
    assert other[inside].mean() < 1.5 * np.median(other[around]) + 100
    # Brightness of single cells follows the truth, so images and tables are not shuffled.
    kind = ("t_cell", "dendritic_cell")[channel]
    rows = field.cells[(field.cells["type"] == kind) & (field.cells["focus"] > 0.55)]
    seen = ndimage.median(mine, field.labels[channel], rows["cell"])
    assert stats.spearmanr(seen, rows["brightness"]).statistic > 0.5


def test_contacts_are_the_masks_that_touch():
    field = field_of(6, 256, association=0.6)
    expected = set()
    for t_cell in np.unique(field.labels[0])[1:]:
        grown = ndimage.binary_dilation(field.labels[0] == t_cell, np.ones((3, 3)))
        partners = np.unique(field.labels[1][grown])
        expected |= {(int(t_cell), int(partner)) for partner in partners if partner}
    found = list(field.contacts.itertuples(index=False, name=None))
    assert len(expected) > 3
    assert len(found) == len(set(found)) and set(found) == expected


@pytest.mark.parametrize("droplet_share", [0.0, 1.0])
def test_bound_t_cells_are_those_that_were_put_beside_a_dendritic_cell(droplet_share):
    field = field_of(8, 512, association=0.5, droplet_share=droplet_share)
    is_t_cell = field.cells["type"] == "t_cell"
    t_cells, dendritic_cells = field.cells[is_t_cell], field.cells[~is_t_cell]
    assert not dendritic_cells["bound"].any()
    gaps = np.hypot(
        t_cells["y"].to_numpy()[:, None] - dendritic_cells["y"].to_numpy(),
        t_cells["x"].to_numpy()[:, None] - dendritic_cells["x"].to_numpy(),
    ) - dendritic_cells["diameter_um"].to_numpy() / (2 * cells.PIXEL_UM)
    bound = t_cells["bound"].to_numpy()
    assert bound.any() and (gaps.min(axis=1)[bound] <= cells.T_CELL.diameter[0] / 2 + 1e-3).all()
    # The unbound lie anywhere, most of them beyond reach.
    assert (gaps.min(axis=1)[~bound] > cells.T_CELL.diameter[0]).mean() > 0.5
    if not droplet_share:
        assert bound.mean() == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / len(bound)))


def test_unbound_t_cells_roll_off_dendritic_cells_and_lie_beside_them():
    overlaps, touching = [], []
    for share in (0.0, 0.5, 1.0):
        well = Well(0.0, 1500.0, 1000.0, 0.0, roll_off=share)
        fields = [field_of(seed, 512, well=well, droplet_share=0.0) for seed in range(4)]
        overlaps.append(sum((field.labels > 0).all(axis=0).sum() for field in fields))
        touching.append(sum(field.contacts["t_cell"].nunique() for field in fields))
    assert overlaps[0] > 1.25 * overlaps[1] > 1.5 * overlaps[2]
    # They stay in touch: what chance makes of contacts does not change.
    assert touching[2] == pytest.approx(touching[0], rel=0.12)


def test_contacts_rise_with_association():
    def touching(association: float) -> float:
        fields = [field_of(seed, 768, association, droplet_share=0.0) for seed in range(3)]
        touched = sum(field.contacts["t_cell"].nunique() for field in fields)
        return touched / sum((field.cells["type"] == "t_cell").sum() for field in fields)

    shares = [touching(association) for association in (0.0, 0.3, 0.6, 1.0)]
    assert all(np.diff(shares) > 0.12)
    # Bound cells touch; what the unbound touch by chance is what the areas say.
    assert shares[3] > 0.97
    assert shares[0] < 0.25


def test_association_changes_where_cells_lie_and_nothing_else():
    """The two ends of association share the laws of number, brightness, size and focus."""
    pairs = [[], []]
    for seed in range(4):
        for end, association in enumerate((0.01, 0.3)):
            pairs[end].append(field_of(1000 * end + seed, 1024, association, droplet_share=0.0))
    low, high = (pd.concat([field.cells for field in fields]) for fields in pairs)
    for kind in ("t_cell", "dendritic_cell"):
        a, b = low[low["type"] == kind], high[high["type"] == kind]
        assert abs(len(a) - len(b)) < 5 * np.sqrt(len(a) + len(b))
        for column in ("brightness", "diameter_um", "focus", "y", "x"):
            # Places come in clumps, so their test is of the mean, with room for a few clumps.
            if column in "yx":
                assert abs(a[column].mean() - b[column].mean()) < 0.08 * 1024
            else:
                assert stats.ks_2samp(a[column], b[column]).pvalue > 1e-3


def test_a_field_holds_the_cells_that_its_well_says():
    well = Well(0.0, 1200.0, 1000.0, 0.0, swelling=(1.1, 1.2))
    fields = [field_of(seed, 1024, well=well, droplet_share=0.0) for seed in range(4)]
    table = pd.concat([field.cells for field in fields])
    for kind, count, law, factor in (
        ("t_cell", 1200, cells.T_CELL, 1.1), ("dendritic_cell", 1000, cells.DENDRITIC_CELL, 1.2),
    ):  # fmt: skip
        rows = table[table["type"] == kind]
        assert len(rows) == pytest.approx(count, rel=0.07)  # four quarters of a field
        width = rows["diameter_um"].mean() / cells.PIXEL_UM
        assert width == pytest.approx(factor * law.diameter[0], rel=0.02)


def test_droplets_and_empty_wells_make_faulty_regions():
    empty = Well(0.3, 0.0, 0.0, 0.0, background=(115.0, 115.0))
    field = field_of(2, 192, well=empty, droplet_share=0.0)
    assert (field.views[:2].max(axis=(1, 2)) <= BACKGROUND).any()
    assert len(field.cells) == 0 and len(field.contacts) == 0
    drop = field_of(2, 768, droplet_share=1.0)
    dry = field_of(2, 768, droplet_share=0.0)
    for channel in (0, 1):
        dark = [np.percentile(field.views[channel], 5) for field in (drop, dry)]
        assert dark[0] < 0.7 * dark[1]


def test_refuses_to_overwrite_and_to_overfill(tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(FileExistsError, match="taken"):
        simulate_plates(taken, rows=1, columns=3, field_size=64)
    with pytest.raises(ValueError, match="16 x 24"):
        simulate_plates(tmp_path / "big", rows=17, columns=3)
    assert list(taken.iterdir()) == [] and list(tmp_path.iterdir()) == [taken]


def test_killed_half_way_leaves_nothing_that_looks_whole(tmp_path):
    target = tmp_path / "plates"
    code = (
        "import sys; from pathlib import Path;"
        "from jaxcell.simulator.plates import simulate_plates;"
        "simulate_plates(Path(sys.argv[1]), rows=16, columns=24, field_size=256)"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(target)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.DEVNULL,
    )
    try:
        limit = time.monotonic() + 60
        while not list(tmp_path.rglob("*.tif")) and time.monotonic() < limit:
            time.sleep(0.02)
        assert process.poll() is None, "it ended before it was killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert list(tmp_path.rglob("*.tif")), "it had not begun to write"
    assert not target.exists()
    assert all(path.name.startswith(".") for path in tmp_path.iterdir())
    # The same call again is not in its own way.
    simulate_plates(target, rows=1, columns=3, field_size=64)
    assert target.exists()


def test_an_exception_leaves_no_trace(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("jaxcell.simulator.plates.tifffile.imwrite", broken)
    with pytest.raises(OSError, match="disk full"):
        simulate_plates(tmp_path / "plates", rows=1, columns=3, field_size=64)
    assert list(tmp_path.iterdir()) == []


# Mean, standard deviation, share of zeros in percent of the real plate CK19, in the order that
# docs/explanation/simulator.md gives its labels.
REAL = {"Unstimulated": (0.52, 1.44, 68), "OVA": (1.53, 3.04, 52), "ConA": (4.17, 5.79, 31)}


def patch_overlaps(field: Field, window: int = 192) -> tuple[np.ndarray, np.ndarray]:
    """Overlap in percent and faultiness of a field's patches."""
    count = field.views.shape[-1] // window
    stained = field.views[:2, : count * window, : count * window]
    patches = stained.reshape(2, count, window, count, window).transpose(0, 1, 3, 2, 4)
    patches = patches.reshape(2, -1, window, window)
    masks = np.stack([view > cell_threshold(view)[:, None, None] for view in patches], axis=-1)
    faulty = (patches.max(axis=(2, 3)) <= BACKGROUND).any(axis=0)
    return measure_patches(np.moveaxis(patches, 0, -1), masks, "iou", pixel_um=0.741), faulty


@pytest.mark.slow
@pytest.mark.parametrize("condition", list(REAL))
def test_overlaps_are_distributed_as_on_the_real_plate(condition):
    overlaps, faulty = [], []
    for number in range(60):
        rng = np.random.default_rng([2024, number])
        compound = draw_compound(rng, rng.random())
        median = treated(CONDITIONS[condition], CONDITIONS["Unstimulated"], compound, 10.0)
        well = draw_well(rng, median)
        measured = patch_overlaps(simulate_field(rng, 960, well.association, well=well))
        overlaps.append(measured[0])
        faulty.append(measured[1])
    overlaps = np.concatenate(overlaps)
    mean, deviation, zeros = REAL[condition]
    assert overlaps.mean() == pytest.approx(mean, rel=0.25)
    assert overlaps.std() == pytest.approx(deviation, rel=0.30)
    assert 100 * (overlaps == 0).mean() == pytest.approx(zeros, abs=8)
    assert 0.1 < 100 * np.concatenate(faulty).mean() < 6
