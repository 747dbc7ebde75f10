import pandas as pd
import pytest
from dose_plates import dose_wells

from jaxcell.analysis.screening.answers import screen
from jaxcell.measures.catalogue import Quantity
from jaxcell.report.screening.sentences import dose_words, in_blocks, interval_words, verdict


@pytest.mark.parametrize(
    "low,high,words",
    [
        (0.2, 0.5, "0.20 to 0.50 µM"),
        (0.02, 0.5, "20 nM to 0.50 µM"),
        (3.1, float("inf"), "3.1 µM or more"),
        (0, 12, "up to 12 µM"),
        (0, float("inf"), "any dose"),
    ],
)
def test_intervals_name_their_unit_once(low, high, words):
    assert interval_words(low, high) == words


def test_doses_have_two_digits_at_least():
    assert [dose_words(um) for um in (0.0012, 0.031, 0.31, 3.1, 31, 310)] == [
        "1.2 nM", "31 nM", "0.31 µM", "3.1 µM", "31 µM", "310 µM",
    ]  # fmt: skip


def test_blocks_of_columns_are_seen_and_conditions_by_lot_are_not():
    blocks = pd.DataFrame(
        [("P1", c, "ConA" if c > 6 else "OVA", "sample") for c in range(1, 13) for _ in range(4)],
        columns=["plate", "column", "condition", "role"],
    )
    lot = blocks.assign(plate="P2", condition=["ConA", "OVA"] * 24)
    assert in_blocks(pd.concat([blocks, lot])) == ["P1"]


def test_compounds_at_few_doses_are_compared_dose_by_dose():
    wells = dose_wells(1, curves={"9": (60, 10, 0.3, 1.0)}, doses=(1.0, 10.0), sd=2)
    (said,) = verdict(screen(wells, Quantity("value", "value", "", None, None)))
    assert said.startswith("ConA: of 2 compounds and doses 2 inhibitors (9 at 1")
