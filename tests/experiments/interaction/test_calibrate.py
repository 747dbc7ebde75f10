"""Each half of the test wells is calibrated on the other, and never on itself."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxcell.analysis.intervals import by_group, conformal
from jaxcell.experiments.interaction import calibrate

SCALE = {"at": [0.0, 10.0], "scale": [0.5, 2.0], "reason": None}


@pytest.fixture
def patches() -> pd.DataFrame:
    """Twenty wells of two conditions on two plates whose wells have the same names."""
    random = np.random.default_rng(0)
    well = np.repeat(np.arange(20), 6)
    target = random.exponential(4, len(well))
    return pd.DataFrame({
        "plate": np.where(well < 10, "P1", "P2"),
        "well": [f"B{number % 10:02d}" for number in well],
        "condition": np.where(well % 2, "OVA", "ConA"), "target": target,
        "predicted": target + random.normal(0, 0.3, len(well)),
    })  # fmt: skip


def _halves(patches, folder, seed=0):
    (folder / calibrate.FILE).write_text(json.dumps({"scale": SCALE}))
    return calibrate.calibrate(folder, None, None, patches, 8, seed)


def test_halves_share_no_well_and_leave_none_out(patches, tmp_path):
    (_, first), (_, second) = _halves(patches, tmp_path)
    assert (first ^ second).all()
    wells = [set(map(tuple, patches.loc[half, ["plate", "well"]].to_numpy()))
             for half in (first, second)]  # fmt: skip
    assert not wells[0] & wells[1] and len(wells[0]) == len(wells[1]) == 10
    for half in (first, second):
        assert abs((patches.loc[half, "condition"] == "OVA").mean() - 0.5) <= 0.1


def test_a_half_is_calibrated_on_the_other(patches, tmp_path):
    (of_first, first), _ = _halves(patches, tmp_path)
    other = patches[~first]
    expected = by_group.calibrate(
        other["condition"],
        conformal.well_numbers(other),
        other["target"],
        other["predicted"],
        SCALE,
    )
    assert of_first == expected
    # Its own errors, however large, change nothing.
    wild = patches.assign(predicted=patches["predicted"].where(~first, 99.0))
    assert _halves(wild, tmp_path)[0][0] == of_first


def test_the_seed_draws_the_halves(patches, tmp_path):
    first = _halves(patches, tmp_path)[0][1]
    assert (_halves(patches, tmp_path)[0][1] == first).all()
    assert (_halves(patches, tmp_path, seed=1)[0][1] != first).any()


@pytest.mark.parametrize("wells", [1, 2])
def test_too_few_wells_are_a_reason(patches, tmp_path, wells):
    pairs = _halves(patches.iloc[: 6 * wells], tmp_path)
    assert all(conformal.why_no_interval(found, 0.9) for found, _ in pairs)


def test_what_a_run_kept_is_for_all_patches_of_other_plates(patches, tmp_path):
    assert calibrate.load(tmp_path, 3) is None
    _halves(patches, tmp_path)
    ((kept, rows),) = calibrate.load(tmp_path, 3)
    assert kept["wells"] == 20 and kept["groups"]["OVA"]["wells"] == 10
    assert rows.tolist() == [True] * 3


def test_what_an_earlier_version_kept_is_no_calibration(tmp_path):
    (tmp_path / calibrate.FILE).write_text(json.dumps({"scale": SCALE}))
    assert calibrate.load(tmp_path, 3) is None
