"""A plan says what would be trained and what it costs, and leaves no trace."""

import jax
import numpy as np
import pandas as pd
import pytest
import tifffile

from jaxcell.configs import latent_sweep
from jaxcell.experiments.sweep import plan
from jaxcell.experiments.sweep.members import grid
from jaxcell.experiments.sweep.plan import Patches, count_patches, make_plan, plan_text
from jaxcell.plates.folder import Plates

# Of 20 wells of four windows: 12, 3 and 5.
PATCHES = Patches(48, 12, 20)


# Code of the network below: 6 x 6 places of 4 channels.
SPATIAL = 144
# What is timed, where the time itself is not the matter.
STEPS = {"autoencoder": plan.Step(0.5, 1_000_000), "regressor": plan.Step(0.25, 800_000)}


@pytest.fixture(autouse=True)
def timed(monkeypatch) -> list:
    """Configs whose steps were timed, on a machine of known speed."""
    configs = []
    monkeypatch.setattr(plan, "time_steps", lambda config: configs.append(config) or STEPS)
    return configs


def _config(folder="data", **changes):
    """A sweep of small networks on one small plate, one size, no nested members."""
    config = latent_sweep.get_config()
    settings = {
        "dataset.window": 96,
        "machine.folder": str(folder),
        "plates.simulate.plates": 1,
        "plates.simulate.rows": 4,
        "plates.simulate.columns": 5,
        "plates.simulate.field_size": 200,
        "model.autoencoder.features": (8,),
        "model.autoencoder.code_features": 4,
        "training.autoencoder.epochs": 3,
        "training.autoencoder.optimizer.warmup_steps": 0,
        "training.regressor.epochs": 1,
        "training.regressor.optimizer.warmup_steps": 0,
        "training.regressor.batch_size": 16,
        "sweep.latent_dim": (4,),
        "sweep.seed": (0, 1),
        "sweep.nested": False,
    }
    named = {name.replace("__", "."): value for name, value in changes.items()}
    config.update_from_flattened_dict({**settings, **named})
    return config


def _row(**changes):
    """What the first group costs."""
    return make_plan(grid(_config(**changes)), {}).rows[0]


def _plates(folder, sizes) -> Plates:
    """A plate a size, of twelve wells of two fields in two conditions, all black."""
    images, wells = [], []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.tif"
        tifffile.imwrite(path, np.zeros((size, size), np.uint16))
        for well in [f"{row}{column:02d}" for row in "ABC" for column in (1, 2, 3, 4)]:
            condition = "OVA" if well[0] == "A" else "Unstimulated"
            wells.append((f"P{number}", well, condition, "sample"))
            images += [
                (f"P{number}", well, field, role, str(path))
                for field in (1, 2) for role in ("t_cell", "dendritic_cell", "brightfield")
            ]  # fmt: skip
    return Plates(
        pd.DataFrame(images, columns=["plate", "well", "field", "role", "path"]),
        pd.DataFrame(wells, columns=["plate", "well", "condition", "role"]),
        [],
    )


def test_patches_of_simulated_plates_are_counted():
    assert count_patches(_config(), None) == PATCHES
    assert count_patches(_config(plates__simulate__fields=2), None) == Patches(96, 24, 40)
    # 200 pixels hold windows of 96 at 0, 48 and 96, or two of 64 steps.
    assert count_patches(_config(dataset__stride=48), None) == Patches(12 * 9, 3 * 9, 5 * 9)
    assert sum(count_patches(_config(dataset__subset="dmso"), None)) == 4 * 4
    with pytest.raises(ValueError, match="holds no window"):
        count_patches(_config(dataset__window=256), None)


def test_patches_of_a_folder_are_counted_split_by_split(tmp_path):
    plates = _plates(tmp_path, (200, 300))
    whole = 2 * 12 * (4 + 9)  # two fields of each well
    patches = count_patches(_config(), plates)
    assert sum(patches) == whole
    # Three wells of each condition and plate or so, whole wells of eight or eighteen patches.
    assert patches.train > patches.test > patches.validation > 0
    assert all(any((count - 18 * large) % 8 == 0 for large in range(4)) for count in patches)
    dual = _config(dataset__subset="dual", dataset__conditions=("OVA", "x"))
    assert sum(count_patches(dual, plates)) == whole / 3
    drawn = count_patches(_config(dataset__split_by="random_patch"), plates)
    assert np.allclose(drawn, [0.6 * whole, 0.15 * whole, 0.25 * whole], atol=1)


def test_a_folder_is_read_once_for_all_windows(tmp_path, monkeypatch):
    seen = []
    plates = _plates(tmp_path, (200,))
    monkeypatch.setattr(plan, "load_plates", lambda config: seen.append(config) or plates)
    changes = {"plates__folder": str(tmp_path), "machine__folder": str(tmp_path / "data")}
    made = make_plan(grid(_config(**changes, sweep__window=(32, 96))), {})
    assert len(seen) == 1
    # Nothing is simulated, so there are the two data sets alone: 36 and 4 windows a field.
    assert made.data_bytes == 24 * 4 * (36 * 32**2 + 4 * 96**2)


def test_a_longer_code_lengthens_two_dense_layers_and_nothing_else(timed):
    short, long, spatial = (_row(sweep__latent_dim=(size,)) for size in (4, 104, 0))
    assert (short.latent_size, long.latent_size, spatial.latent_size) == (4, 104, SPATIAL)
    assert long.parameters - short.parameters == 100 * (2 * SPATIAL + 1)
    assert spatial.parameters == short.parameters - 4 * (2 * SPATIAL + 1) - SPATIAL
    # Of codes that differ in size alone the largest is timed, for all of them.
    timed.clear()
    made = make_plan(grid(_config(sweep__latent_dim=(4, 104, 16, 0))), {})
    assert sorted(config.model.latent_dim for config in timed) == [0, 104]
    assert len({row.seconds for row in made.rows}) == 1


def test_time_is_that_of_all_steps_of_both_networks():
    # Batches of 16: three training steps an epoch, and one of validation, at a third of the time.
    # Two members, on as many devices, take no longer than one.
    assert _row().seconds == pytest.approx((3 + 1 / 3) * (3 * 0.5 + 1 * 0.25))
    assert _row(sweep__seed=(0,)).seconds == _row().seconds
    assert _row(sweep__seed=(0, 1, 2, 3, 4, 5, 6)).seconds > 1.5 * _row().seconds
    without, once, twice = (_row(training__regressor__epochs=n).seconds for n in (1, 2, 3))
    assert twice - once == pytest.approx(once - without) and once > without
    # Steps are whole batches.
    assert _row(training__autoencoder__batch_size=47).seconds < _row().seconds


def test_a_nested_member_costs_what_its_largest_size_does():
    changes = {"sweep__latent_dim": (4, 16), "sweep__nested_epochs": 3}
    made = make_plan(grid(_config(**changes, sweep__nested=True, sweep__seed=(0,))), {})
    *_, largest, nested = made.rows
    assert nested.latent_size == largest.latent_size
    # A scale and a shift of every unit for either of two sizes.
    assert nested.parameters - largest.parameters == 2 * 2 * SPATIAL
    assert nested.seconds == largest.seconds


def test_a_step_is_compiled_and_timed_and_a_slower_network_is_slower(monkeypatch):
    monkeypatch.undo()
    fast, slow = (
        plan.time_steps(grid(_config(model__autoencoder__features=features))[0].config)
        for features in ((8,), (512, 512))
    )
    for name in STEPS:
        assert slow[name].seconds > 2 * fast[name].seconds > 0
        assert slow[name].program_bytes > fast[name].program_bytes
    # At least one batch of images, and the gradients.
    assert fast["autoencoder"].program_bytes > 16 * 4 * 96 * 96


def test_what_would_stop_a_sweep_half_way_stops_it_before_it_begins():
    for name, value in (
        ("training__autoencoder__optimizer__warmup_steps", 10),
        ("sweep__nested_epochs", 0),
        ("training__regressor__optimizer__warmup_steps", 4),
        ("training__regressor__batch_size", 64),
    ):
        with pytest.raises(ValueError, match="warm-up|no step"):
            make_plan(grid(_config(sweep__nested=True, **{name: value})), {})


def test_memory_is_of_the_data_the_members_and_one_step():
    def memory(**changes):
        return _row(**changes, sweep__seed=(0,)).memory_bytes

    images, row = sum(PATCHES) * 96 * 96 * 2 * 2, _row()
    one = memory()
    assert memory(machine__memory_gib=images / 2**31) == one - images  # streamed
    # Parameters and gradients are the program's; Adam's two moments are not.
    assert one - images - 1_000_000 >= 2 * 4 * row.parameters
    # As many more as a device has to hold: parameters and two moments of each.
    devices = jax.local_device_count()
    more = _row(sweep__seed=tuple(range(2 * devices))).memory_bytes
    assert more - _row(sweep__seed=tuple(range(devices))).memory_bytes >= 3 * 4 * row.parameters


def test_disk_holds_what_is_still_to_be_written():
    members = grid(_config(sweep__latent_dim=(4, 0), sweep__masked=(False, True)))
    made, data_set = make_plan(members, {}), sum(PATCHES) * 96 * 96 * 4
    simulated = 20 * 200 * 200 * 3 * 2
    assert made.data_bytes == simulated + 2 * data_set
    # Of two members the latest and the best, of three numbers a parameter.
    assert made.rows[0].checkpoint_bytes > 2 * 24 * made.rows[0].parameters
    plain = {member.name: 1.0 for member in members if not member.config.dataset.masked}
    assert make_plan(members, plain).data_bytes == simulated + data_set
    every = make_plan(members, {member.name: 1.0 for member in members})
    assert every.data_bytes == 0
    assert all(row.checkpoint_bytes == row.seconds == row.memory_bytes == 0 for row in every.rows)


def test_finished_members_stand_for_timed_steps():
    members = grid(_config(sweep__latent_dim=(4, 8, 0)))
    took = {"latent_4-seed_0": 60.0, "latent_4-seed_1": 80.0, "latent_8-seed_0": float("nan")}
    small, large, spatial = make_plan(members, took).rows
    assert (small.left, large.left, spatial.left) == (0, 1, 2)
    assert large.seconds == 70.0  # what members of its kind took, of one member left
    assert spatial.seconds == _row(sweep__latent_dim=(0,)).seconds


def test_what_is_finished_is_not_timed(timed):
    members = grid(_config(sweep__latent_dim=(4, 0)))
    make_plan(members, {member.name: 1.0 for member in members if member.kind == "spatial"})
    assert [config.model.latent_dim for config in timed] == [4]


def test_networks_that_do_not_fit_are_found_out():
    with pytest.raises(ValueError, match="not a multiple"):
        make_plan(grid(_config(sweep__window=(96, 100))), {})


def test_nothing_is_simulated_or_built(tmp_path):
    make_plan(grid(_config(tmp_path / "data")), {})
    assert not any(tmp_path.iterdir())


def test_the_text_is_a_table_with_totals():
    members = grid(_config(sweep__latent_dim=(4, 0), sweep__nested=True))
    text = plan_text(make_plan(members, {"latent_4-seed_0": 60.0, "latent_4-seed_1": 60.0}))
    lines = text.splitlines()
    head, rule, separate, spatial, nested = lines[:5]
    assert len({len(line) for line in lines[:6]}) == 1 and set(rule) == set(lines[5]) == {"-"}
    assert "setting" not in head
    names = head.split()
    cells = dict(zip(names, separate.split(), strict=True))
    assert (cells["kind"], cells["size"], cells["members"], cells["done"]) == (
        "separate", "4", "2", "2"
    )  # fmt: skip
    assert cells["minutes"] == cells["MiB"] == "–"
    assert cells["parameters"] == f"{_row().parameters:,}"
    cells = dict(zip(names, spatial.split(), strict=True))
    assert (cells["kind"], cells["size"], cells["done"]) == ("spatial", "144", "0")
    assert float(cells["minutes"]) == pytest.approx(_row().seconds / 60, abs=0.05)
    assert nested.split()[0] == "nested"
    assert "6, of which 2 done" in text
    assert "steps just timed and 2 finished members" in text
    assert max(map(len, lines)) <= 100


def test_the_text_names_settings_where_there_are_some():
    made = make_plan(grid(_config(sweep__masked=(False, True), sweep__seed=(0,))), {})
    text = plan_text(made)
    assert "setting" in text.splitlines()[0]
    assert "plain images" in text.splitlines()[2] and "masked" in text.splitlines()[3]
    assert "from steps just timed;" in text
    assert max(map(len, text.splitlines())) <= 100
