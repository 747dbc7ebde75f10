"""Layouts of simulated plates: in blocks and by lot, as this program's own reader understands."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxcell.plates.folder import read_plates
from jaxcell.simulator.biology import CONDITIONS
from jaxcell.simulator.layout import VEHICLE, block_layout, lot_layout
from jaxcell.simulator.layout_workbook import well_name
from jaxcell.simulator.plates import simulate_plates

VIEWS = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}
NAMES = list(CONDITIONS)
DOSES = (30.0, 10.0, 3.0, 1.0)


def content(treatment) -> tuple:
    """A treatment that equals itself: NaN does not."""
    dose = treatment.concentration_um
    return treatment._replace(concentration_um=None if math.isnan(dose) else dose)


@pytest.mark.parametrize("rows, columns", [(6, 9), (8, 9), (16, 24), (1, 3), (5, 6), (3, 5)])
def test_each_condition_has_all_compounds_in_two_wells_and_the_vehicle(rows, columns):
    wells = block_layout(rows, columns, NAMES, (10.0,))
    assert len(wells) == rows * columns
    for name in NAMES:
        counts = Counter(some.compound for some in wells.values() if some.condition == name)
        vehicles = counts.pop(VEHICLE, 0)
        assert sorted(map(int, counts)) == list(range(1, len(counts) + 1))
        assert sum(count != 2 for count in counts.values()) <= 1
        wells_of_it = vehicles + sum(counts.values())
        if wells_of_it > 4:
            assert vehicles == pytest.approx(0.2 * wells_of_it, abs=max(1, 0.06 * wells_of_it))


def test_doses_stand_in_columns_and_compounds_in_two_rows_each():
    wells = block_layout(8, 12, NAMES, DOSES)
    for (_, column), some in wells.items():
        if some.compound != VEHICLE:
            assert some.concentration_um == DOSES[(column - 2) % 4]
    counts = Counter(
        (some.condition, some.compound, some.concentration_um)
        for some in wells.values() if some.compound != VEHICLE
    )  # fmt: skip
    assert set(counts.values()) == {2} and len(counts) == 3 * 3 * 4


def test_a_lot_gives_the_same_treatments_to_other_wells():
    blocks = block_layout(8, 12, NAMES, DOSES)
    lots = [lot_layout(np.random.default_rng(seed), blocks) for seed in range(200)]
    for lot in lots[:5]:
        assert list(lot) == list(blocks) and lot != blocks
        assert Counter(map(content, lot.values())) == Counter(map(content, blocks.values()))
    # Every well gets every condition equally often.
    shares = [np.mean([lot[place].condition == "ConA" for lot in lots]) for place in blocks]
    assert np.mean(shares) == pytest.approx(1 / 3) and np.ptp(shares) < 0.3


@pytest.mark.parametrize("layout", ["blocks", "lot"])
@pytest.mark.parametrize("doses_um", [(10.0,), DOSES])
def test_our_own_reader_reads_what_was_done(tmp_path, layout, doses_um):
    simulate_plates(tmp_path / "p", plates=2, rows=4, columns=12, field_size=64, layout=layout,
                    doses_um=doses_um)  # fmt: skip
    found = read_plates(Path(tmp_path / "p"), VIEWS, None)
    assert not [finding for finding in found.findings if finding.fatal]
    truth = pd.concat(
        pd.read_parquet(tmp_path / "p" / name / "truth" / "wells.parquet")
        for name in ("SIM01", "SIM02")
    )
    columns = ["plate", "well", "condition", "compound", "concentration_um"]
    read = found.wells[found.wells["role"] != "empty"]
    pd.testing.assert_frame_equal(
        read[columns].sort_values(columns[:2]).reset_index(drop=True),
        truth[columns].sort_values(columns[:2]).reset_index(drop=True),
    )
    assert (read.set_index("compound").loc[VEHICLE, "role"] == "vehicle").all()
    same = [some["condition"].tolist() for _, some in truth.groupby("plate")]
    assert (same[0] == same[1]) == (layout == "blocks")


def test_well_names():
    assert well_name((2, 2)) == "B02" and well_name((16, 24)) == "P24"


def test_unknown_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'rows': use blocks, lot"):
        simulate_plates(tmp_path / "p", layout="rows")
