"""No cell runs in a spreadsheet, and every text comes back as it was."""

import io
import random

import pandas as pd

from jaxcell.storage.csv_cells import defused, harmless, restored


def test_any_text_comes_back_and_none_runs():
    draw = random.Random(0)
    for _ in range(20_000):
        text = "".join(draw.choices("=+-@'\t\r\nab1 ", k=draw.randrange(6)))
        cell = defused(text)
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        assert restored(cell) == text


def test_numbers_stay_and_texts_and_headings_are_defused():
    table = pd.DataFrame({"=1+1": ["=x", "fine"], "effect": [-1.5, 2.0], "mixed": ["-a", -3]})
    written = harmless(table).to_csv(index=False)
    assert written.splitlines() == ["'=1+1,effect,mixed", "'=x,-1.5,'-a", "fine,2.0,-3"]
    assert list(pd.read_csv(io.StringIO(written))["effect"]) == [-1.5, 2.0]
    assert list(table.columns) == ["=1+1", "effect", "mixed"]
