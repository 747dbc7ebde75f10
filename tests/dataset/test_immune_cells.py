"""The data set: what goes in comes out, and nobody is on two sides."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.cells.methods import decoded
from jaxcell.dataset import flat_field
from jaxcell.dataset.batches import open_examples
from jaxcell.dataset.flat_field import read_flat_fields
from jaxcell.dataset.immune_cells import (
    ImmuneCells,
    ImmuneCellsConfig,
    build,
    open_built,
    select_fields,
)
from jaxcell.dataset.patches import darkest_light, faulty_patches, label
from jaxcell.dataset.splits import FRACTIONS
from jaxcell.plates.folder import read_plates

ROOT = Path(__file__).parents[2]
VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}
WELL = ["plate", "well"]


def _config(**changes) -> ImmuneCellsConfig:
    return ImmuneCellsConfig(**{"name": "unnamed", "window": 96, "stride": 96, **changes})


def _open(plates, folder, **changes):
    return open_examples(build(plates, _config(**changes), folder), memory_gib=1.0)


def _field(plates, row) -> np.ndarray:
    """The two views of an example's field, by another reader than the builder's."""
    images = plates.images.set_index(["plate", "well", "field", "role"])["path"]
    return np.stack(
        [
            tifffile.imread(images[row.plate, row.well, row.field, role])
            for role in ("t_cell", "dendritic_cell")
        ],
        axis=-1,
    )


def _wells_of(table: pd.DataFrame) -> set[tuple[str, str]]:
    return set(table[WELL].itertuples(index=False, name=None))


@pytest.mark.parametrize("target", ["iou", "t_cell_area_um2"])
def test_every_example_is_its_window_with_its_label(plates, tfds_folder, target):
    examples = _open(plates, tfds_folder, target=target)
    assert len(examples.table) == 4 * 6 * 4
    labels, table = label(examples.images, target=target), examples.table
    assert "masks" not in table and examples.masks is None
    np.testing.assert_array_equal(table["target"].to_numpy(np.float32), labels["target"])
    np.testing.assert_array_equal(table["overlap"].to_numpy(np.float32), labels["overlap"])
    assert min(table["overlap"].max(), table["target"].max()) > 0
    for row in table.itertuples():
        field = _field(plates, row)
        window = field[row.y : row.y + 96, row.x : row.x + 96]
        np.testing.assert_array_equal(examples.images[row.Index], window)
        assert row.faulty == faulty_patches(window[None], darkest_light(field))[0]
    # Four windows of a field of 200, the border of 8 cropped evenly.
    assert set(table[["y", "x"]].itertuples(index=False, name=None)) == {
        (4, 4), (4, 100), (100, 4), (100, 100)
    }  # fmt: skip


def test_every_example_says_where_it_comes_from(plates, tfds_folder):
    table = _open(plates, tfds_folder).table
    columns = ["condition", "compound", "concentration_um", "stimulus_ug_per_ml", "role"]
    wells = table.drop_duplicates(WELL).set_index(WELL)[columns].sort_index()
    expected = plates.wells[plates.wells["role"] != "empty"].set_index(WELL)[columns].sort_index()
    pd.testing.assert_frame_equal(wells, expected, check_dtype=False)
    assert (table["row"] == table["well"].str[0].map(ord) - ord("A") + 1).all()
    assert (table["column"] == table["well"].str[1:].astype(int)).all()


def test_no_well_is_in_two_splits_and_no_split_is_empty(plates, tfds_folder):
    table = _open(plates, tfds_folder).table
    assert (table.groupby(WELL)["split"].nunique() == 1).all()
    assert set(table["split"]) == set(FRACTIONS)
    assert set(table.loc[table["split"] == "test", "condition"]) == {
        "Unstimulated", "OVA", "ConA"
    }  # fmt: skip


def test_another_seed_holds_other_wells_out(plates):
    first, again, other = (select_fields(plates, _config(split_seed=seed)) for seed in (0, 0, 1))
    assert (first["split"] == again["split"]).all()
    assert (first["split"] != other["split"]).any()


@pytest.fixture
def even_light(monkeypatch):
    """Flat fields of plates that have too few wells to estimate any."""
    monkeypatch.setattr(
        flat_field,
        "estimate_flat_field",
        lambda fields, dark: flat_field.FlatField(np.ones_like([*fields][0], np.float32), dark),
    )


def _times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_building_leaves_nothing_in_the_systems_temporary_folder(plates, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    build(plates, _config(subset="dmso"), tmp_path / "data")
    assert not list((tmp_path / "temporary").iterdir())


def test_an_image_that_changes_while_it_is_built_leaves_no_data_set(
    plates_folder, tmp_path, monkeypatch
):
    shutil.copytree(plates_folder, tmp_path / "copy")
    plates = read_plates(tmp_path / "copy", VIEWS)
    prepare = ImmuneCells.download_and_prepare

    def meanwhile(builder, *given, **options):
        prepare(builder, *given, **options)
        path = Path(plates.images["path"].iloc[0])
        path.write_bytes(path.read_bytes() + b"\0")

    monkeypatch.setattr(ImmuneCells, "download_and_prepare", meanwhile)
    with pytest.raises(ValueError, match="changed while the data set was built"):
        build(plates, _config(subset="dmso"), tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*.array_record*"))


def test_a_damaged_data_set_is_named_or_built_anew(plates, tmp_path, capsys):
    first = build(plates, _config(subset="dmso"), tmp_path)
    home, name = Path(first.data_path), first.builder_config.name
    for path in [path for path in home.iterdir() if path.is_file() and path.name[0] != "."]:
        sound = path.read_bytes()
        for harm in (sound[: len(sound) // 2], bytes([sound[0] ^ 1]) + sound[1:]):
            path.write_bytes(harm)
            with pytest.raises(ValueError) as error:
                open_built(_config(subset="dmso"), name, tmp_path)
            assert str(path) in str(error.value) and "train the run again" in str(error.value)
        path.write_bytes(sound)
    path.write_bytes(harm)
    again = build(plates, _config(subset="dmso"), tmp_path)
    assert "built anew" in capsys.readouterr().err and again.is_prepared()
    assert open_built(_config(subset="dmso"), name, tmp_path).is_prepared()


def test_the_same_input_is_opened_and_not_built_again(plates, tmp_path):
    first = build(plates, _config(subset="dmso"), tmp_path)
    before = _times(tmp_path)
    again = build(plates, _config(subset="dmso"), tmp_path)
    assert again.builder_config.name == first.builder_config.name
    assert _times(tmp_path) == before
    opened = open_built(_config(subset="dmso"), first.builder_config.name, tmp_path)
    assert opened.info.splits["train"].num_examples == first.info.splits["train"].num_examples


def test_a_changed_file_well_option_or_measure_is_another_data_set(
    plates_folder, tmp_path, even_light, monkeypatch
):
    copy = tmp_path / "copy"
    shutil.copytree(plates_folder, copy)
    plates = read_plates(copy, VIEWS)

    def name(plates=plates, **changes) -> str:
        config = _config(**{"subset": "dmso", "split_by": "none", **changes})
        return build(plates, config, tmp_path / "tfds").builder_config.name

    wells = plates.wells.copy()
    wells.loc[wells["role"] == "vehicle", "compound"] = "another solvent"
    names = [
        name(),
        name(window=64),
        name(stride=48),
        name(masked=True),
        name(subset="full"),
        name(mask_method="mean_sd"),
        name(mask_scope="field"),
        name(flat_field=True),
        name(flat_field=True, dark_counts=100.0),
        name(pixel_um=0.65),
        name(target="overlap_share"),
        name(plates=plates._replace(wells=wells)),
    ]
    file = Path(plates.images["path"].iloc[0])
    content = bytearray(file.read_bytes())
    elsewhere = tmp_path / "moved.tif"
    elsewhere.write_bytes(content)
    images = plates.images.replace(str(file), str(elsewhere))
    assert name(plates=plates._replace(images=images)) == names[0]  # moved, and the same
    content[-1] ^= 1
    elsewhere.write_bytes(content)
    names.append(name(plates=plates._replace(images=images)))
    monkeypatch.setattr("jaxcell.dataset.immune_cells.code_digest", lambda *modules: "other code")
    names.append(name())
    assert len(set(names)) == len(names)


def test_a_build_that_was_cut_off_is_done_anew(plates, tmp_path, monkeypatch, even_light):
    from jaxcell.dataset import immune_cells

    whole = immune_cells.cut_fields

    def cut_off(*arguments):
        for number, one in enumerate(whole(*arguments)):
            if number == 1:
                raise KeyboardInterrupt
            yield one

    config = _config(subset="dmso", flat_field=True)
    monkeypatch.setattr(immune_cells, "cut_fields", cut_off)
    with pytest.raises(KeyboardInterrupt):
        build(plates, config, tmp_path)
    assert not list(tmp_path.rglob("*/2*/flat_fields.npz"))
    monkeypatch.setattr(immune_cells, "cut_fields", whole)
    builder = build(plates, config, tmp_path)
    assert len(open_examples(builder, 1.0).table) == 4 * 3 * 4
    assert read_flat_fields(Path(builder.data_path))


def test_subsets_hold_what_they_say(plates, tfds_folder):
    wells = plates.wells[plates.wells["role"] != "empty"]
    full = _open(plates, tfds_folder).table
    assert _wells_of(full) == _wells_of(wells)
    dual = _open(plates, tfds_folder, subset="dual", conditions=("OVA", "ConA")).table
    assert set(dual["condition"]) == {"OVA", "ConA"}
    assert _wells_of(dual) == _wells_of(wells[wells["condition"].isin(("OVA", "ConA"))])
    dmso = _open(plates, tfds_folder, subset="dmso").table
    assert set(dmso["role"]) == {"vehicle"} and set(dmso["compound"]) <= {"DMSO", ""}
    assert _wells_of(dmso) == _wells_of(wells[wells["role"] == "vehicle"])


def test_a_subset_without_wells_is_an_error(plates):
    config = _config(subset="dual", conditions=("OVA peptide", "nothing"))
    with pytest.raises(ValueError, match="no well"):
        select_fields(plates, config)
    with pytest.raises(ValueError, match="full, dual, dmso"):
        _config(subset="Full")


def test_masked_images_hold_the_cells_alone_and_the_same_labels(plates, tfds_folder):
    plain, masked = (
        open_examples(build(plates, _config(masked=masked), tfds_folder), 1.0, with_masks=True)
        for masked in (False, True)
    )
    pd.testing.assert_frame_equal(plain.table, masked.table)
    np.testing.assert_array_equal(plain.masks, masked.masks)
    cells = np.stack(decoded(plain.masks), axis=-1)
    assert cells.any() and not cells.all()
    np.testing.assert_array_equal(masked.images[cells], plain.images[cells])
    assert not masked.images[~cells].any()


@pytest.mark.parametrize("window,stride,patches", [(200, 200, 1), (37, 37, 25), (128, 36, 9)])
def test_any_window_and_stride(plates, tfds_folder, window, stride, patches):
    changes = {"subset": "dmso", "split_by": "none"}
    examples = _open(plates, tfds_folder, window=window, stride=stride, **changes)
    assert examples.images.shape == (12 * patches, window, window, 2)
    row = examples.table.iloc[-1]
    view = _field(plates, row)[row["y"] : row["y"] + window, row["x"] : row["x"] + window]
    np.testing.assert_array_equal(examples.images[-1], view)


def test_whole_plates_can_be_held_out(plates, tfds_folder):
    table = _open(plates, tfds_folder, split_by="plate").table
    assert (table.groupby("plate")["split"].nunique() == 1).all()
    assert set(table["split"]) == set(FRACTIONS)


def test_the_random_split_has_wells_on_both_sides_and_each_patch_once(plates, tfds_folder):
    table = _open(plates, tfds_folder, split_by="random_patch").table
    assert set(table["split"]) == set(FRACTIONS)
    assert (table.groupby(WELL)["split"].nunique() > 1).mean() > 0.5
    assert len(table) == len(table.drop_duplicates([*WELL, "field", "y", "x"])) == 96


def test_a_plate_to_evaluate_on_is_all_test(plates, tfds_folder):
    assert set(_open(plates, tfds_folder, split_by="none").table["split"]) == {"test"}


def test_empty_wells_never_appear(plates, tmp_path):
    wells = plates.wells.copy()
    emptied = wells["role"] == "vehicle"
    wells.loc[emptied, ["role", "condition", "compound"]] = ["empty", "", ""]
    table = _open(plates._replace(wells=wells), tmp_path, split_by="none").table
    assert "empty" not in set(table["role"])
    assert not _wells_of(table) & _wells_of(wells[emptied])


def test_which_image_is_which_belongs_to_the_name(plates, tmp_path):
    config = ImmuneCellsConfig(name="x", window=96)
    name = build(plates, config, tmp_path).builder_config.name
    images = plates.images.copy()
    images["role"] = images["role"].map(
        {"t_cell": "dendritic_cell", "dendritic_cell": "t_cell", "brightfield": "brightfield"}
    )
    swapped = build(plates._replace(images=images), config, tmp_path)
    assert swapped.builder_config.name != name


def test_the_stride_follows_the_window():
    assert ImmuneCellsConfig(name="x", window=96).stride == 96
    assert ImmuneCellsConfig(name="x", window=96, stride=48).stride == 48
    with pytest.raises(ValueError, match="share pixels"):
        ImmuneCellsConfig(name="x", window=96, stride=48, split_by="random_patch")
    with pytest.raises(ValueError, match="positive"):
        ImmuneCellsConfig(name="x", window=96, stride=-1)


def test_the_six_named_configurations():
    configs = {config.name: config for config in ImmuneCells.BUILDER_CONFIGS}
    subsets = ("full", "dual", "dmso")
    assert set(configs) == {f"{s}_{kind}" for s in subsets for kind in ("plain", "masked")}
    for name, config in configs.items():
        assert name == f"{config.subset}_{'masked' if config.masked else 'plain'}"
        assert (config.window, config.split_by) == (192, "well")


def test_opening_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="full_plain_96_gone is not in .* train the run again"):
        open_built(_config(), "full_plain_96_gone", tmp_path)


def test_no_tensorflow(plates_folder, tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from jaxcell.dataset.immune_cells import ImmuneCellsConfig, build\n"
        "from jaxcell.dataset.batches import open_examples\n"
        "from jaxcell.plates.folder import read_plates\n"
        f"plates = read_plates(Path({str(plates_folder)!r}), {VIEWS!r})\n"
        "config = ImmuneCellsConfig(name='x', subset='dmso', window=96, stride=96)\n"
        f"examples = open_examples(build(plates, config, Path({str(tmp_path)!r})), 1.0)\n"
        "print(len(examples.table), 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.stdout.split()[-2:] == ["48", "False"], result.stderr
