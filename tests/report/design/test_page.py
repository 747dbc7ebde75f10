"""The page says what the design is, and draws every well once."""

import numpy as np
import pandas as pd
import pytest
from html_page import Page

from jaxcell.analysis.design.balance import balance
from jaxcell.analysis.design.blocks import proofs
from jaxcell.analysis.design.layout import in_blocks, lay_out
from jaxcell.analysis.design.plan import Experiment
from jaxcell.analysis.design.power import EFFECTS
from jaxcell.experiments.design.design import whole_plates
from jaxcell.report.common import style
from jaxcell.report.design import figures
from jaxcell.report.design.page import write_design_report
from jaxcell.report.design.sentences import least_effects, on_blocks, on_design, on_power

STUDY = Experiment(6, 2, ("Unstimulated", "<ConA>"), (1.0, 10.0))


@pytest.fixture(scope="module")
def layout():
    return lay_out(STUDY, 96, rim=False, seed=0)


def _power(replicates=(2, 3)):
    rows = [
        {
            "source": "simulator", "condition": "<ConA>", "replicates": number, "plates": 1,
            "wells": 56, "vehicle_wells": 4, "inhibition": effect, "drawn": 10,
            "found": round(10 * min(1, effect * number)), "power": min(1, effect * number),
            "low": 0.0, "high": 1.0, "control": 60.0, "expected": 60 - 40 * effect,
            "hits": 30, "false_hits": 1, "inert": 100,
        }
        for number in replicates
        for effect in EFFECTS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _write(folder, layout, power):
    return write_design_report(
        folder,
        experiment=STUDY,
        layout=whole_plates(layout, 96),
        balance={"this design": balance(layout), "in blocks": balance(in_blocks(layout))},
        proofs=proofs(layout[layout["plate"] == "P1"], seed=0),
        power=power,
        measures={"simulator": ("share of T cells bound", "%")},
        components=None,
        doubts=["the previous plate knows nothing of it"],
        config={"seed": 0, "drawn": 0, "doses_um": STUDY.doses_um},
    )


def test_the_page_holds_plates_balance_power_and_why_not_blocks(layout, tmp_path):
    path = _write(tmp_path / "report", layout, _power())
    page = Page(path.read_text(encoding="utf-8"))
    assert len(page.images) == layout["plate"].nunique() + 2
    assert "could not be drawn" not in page.text
    assert "can prove nothing" in page.text and "knows nothing of it" in page.text
    assert "<ConA>: compounds found, %" in page.text
    rows = {row[0]: row[1:] for row in page.rows if row}
    assert rows["… in its quadrant"][0] == "0" and int(rows["… in its quadrant"][1]) > 0
    taken = next(cells for name, cells in rows.items() if name.startswith("50\N{NO-BREAK SPACE}%"))
    assert taken[0].startswith("100") and len(taken) == 2


def test_the_page_stands_without_power(layout, tmp_path):
    page = Page(_write(tmp_path / "report", layout, pd.DataFrame()).read_text(encoding="utf-8"))
    assert len(page.images) == layout["plate"].nunique() + 1


def test_the_map_shows_each_well_with_its_compound_and_dose(layout):
    table = whole_plates(layout, 96)
    own = table[table["plate"] == "P1"]
    figure = figures.plate_map(own, style.palette(STUDY.conditions))
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    used = own[own["role"] != "empty"]
    assert texts.count("V") == (used["role"] == "vehicle").sum()
    assert texts.count("10") >= (used["concentration_um"] == 10).sum()
    assert len(axes.patches) == 96
    place = used[used["role"] == "sample"].iloc[0]
    at = [t.get_text() for t in axes.texts
          if np.allclose(t.get_position(), (place["column"], place["row"]), atol=0.45)]  # fmt: skip
    assert at[0] == place["compound"]


def test_sentences_give_the_numbers_of_their_tables(layout):
    said = on_design(STUDY, layout)
    assert "6 compounds at 2 doses (1 and 10 µM), 2 wells each" in said
    assert f"{(layout['role'] == 'sample').sum()} wells of compounds" in said
    (row,) = least_effects(_power())
    # 2 x 0.4 = 0.8 and 3 x 0.267 = 0.8, on a logarithmic axis between 0.2 and 0.3.
    assert row["effects"][2] == pytest.approx(0.4)
    assert 0.2 < row["effects"][3] < 0.3
    assert on_power(row, 2).startswith("<ConA> (simulator): 40 % with 2 wells, 2")
    found = proofs(layout[layout["plate"] == "P1"], seed=0)
    blocks = next(proof for proof in found if proof.arrangement == "blocks of columns")
    assert f"{100 * blocks.false_positives[0.5]:.0f} % of comparisons" in on_blocks(found, True)
