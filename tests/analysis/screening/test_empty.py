import numpy as np
import pandas as pd

from jaxcell.analysis.screening.empty import empty_wells


def _wells(empties):
    """Controls of two conditions and wells called empty, (value, cells) each."""
    random = np.random.default_rng(0)
    rows = [
        (
            "P",
            f"A{number:02d}",
            name,
            "vehicle",
            value + random.normal(),
            900 + random.normal() * 50,
        )
        for name, value in (("Unstimulated", 10), ("ConA", 40))
        for number in range(1, 9)
    ]
    rows += [("P", f"B{at:02d}", "", "empty", *pair) for at, pair in enumerate(empties, 1)]
    return pd.DataFrame(rows, columns=["plate", "well", "condition", "role", "value", "t_cells"])


def test_wells_called_empty_that_hold_cells_are_said_and_what_they_look_like():
    found = empty_wells(_wells([(11, 940), (39, 930), (12, 900), (0, 3), (np.nan, np.nan)]),
                        "value", ["t_cells"])  # fmt: skip
    assert (found["named"], found["measured"], found["holding"]) == (5, 4, 3)
    assert found["like"] == {"Unstimulated": 2, "ConA": 1}
    assert found["median_cells"] == 930
    assert found["wells"]["well"].tolist() == ["B01", "B02", "B03"]


def test_wells_that_are_empty_are_no_news():
    found = empty_wells(_wells([(0, 2), (np.nan, np.nan)]), "value", ["t_cells"])
    assert found["holding"] == 0 and found["median_cells"] is None


def test_without_counts_a_value_is_what_can_be_seen():
    found = empty_wells(_wells([(11, 940), (np.nan, 5)]), "value", [])
    assert found["holding"] == 1 and found["like"] == {"Unstimulated": 1}
