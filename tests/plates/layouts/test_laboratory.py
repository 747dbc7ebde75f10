"""The laboratory's own three layouts, compared with what a person reads off them."""

import math

import openpyxl
import pytest

from jaxcell.plates.layouts.workbook import open_layout, read_layout
from jaxcell.plates.tables import well_name


def _ck(shared_data, name):
    return shared_data / "layouts" / f"{name} plate layout.xlsx"


def test_ck19_to_the_last_well(shared_data):
    wells, findings = read_layout(_ck(shared_data, "CK19"))
    assert len(wells) == 384 and set(wells["plate"]) == {"CK19"} and wells["well"].is_unique
    counts = wells.groupby(["condition", "role"]).size().to_dict()
    # By hand: 6 columns of 16 a condition, the last of each three with 3 DMSO at its foot.
    assert counts == {("", "empty"): 90} | {
        (condition, role): number
        for condition in ("Unstimulated", "OVA", "ConA")
        for role, number in (("sample", 90), ("vehicle", 6), ("untreated", 2))
    }
    said = wells.set_index("well")
    columns = ["condition", "compound", "role"]
    for well, expected in {
        "A01": ["", "", "empty"], "A02": ["", "", "empty"], "P12": ["", "", "empty"],
        "A03": ["Unstimulated", "1", "sample"], "M05": ["Unstimulated", "45", "sample"],
        "N05": ["Unstimulated", "DMSO", "vehicle"], "P08": ["Unstimulated", "DMSO", "vehicle"],
        "A09": ["OVA", "1", "sample"], "P10": ["OVA", "17", "sample"],
        "P11": ["OVA", "DMSO", "vehicle"], "A13": ["OVA", "1", "sample"],
        "D15": ["OVA", "36", "sample"], "A16": ["ConA", "1", "sample"],
        "P20": ["ConA", "17", "sample"], "P21": ["ConA", "DMSO", "vehicle"],
        "M21": ["ConA", "45", "sample"],
        "A22": ["ConA", "", "untreated"], "B22": ["ConA", "", "untreated"],
        "A23": ["OVA", "", "untreated"], "B23": ["OVA", "", "untreated"],
        "A24": ["Unstimulated", "", "untreated"], "B24": ["Unstimulated", "", "untreated"],
        "C24": ["", "", "empty"], "P24": ["", "", "empty"],
    }.items():  # fmt: skip
        assert said.loc[well, columns].tolist() == expected, well
    stated = said[(said["role"] == "sample") & (said.index.str[1:] != "13")]
    assert (stated["concentration_um"] == 10).all()
    assert said.loc[said["role"] != "sample", "concentration_um"].isna().all()
    # The sheet leaves the dose over column 13 blank.
    (finding,) = findings
    assert not finding.fatal and "Sheet1!O4" in finding.message
    assert math.isnan(said.loc["A13", "concentration_um"])


@pytest.mark.filterwarnings("ignore:Unknown extension")
def test_ck19_agrees_with_the_wells_the_instrument_measured(shared_data):
    table = shared_data / "layouts" / "CK19 BTCure exp 19 INCell data 24h.xlsx"
    assert open_layout(table) is None
    sheet = openpyxl.load_workbook(table, read_only=True)["Sheet1"]
    sections = [row[0] for row in sheet.iter_rows(min_row=5, values_only=True) if row[0]]
    measured = {well_name(text) for text in sections}
    wells, _ = read_layout(_ck(shared_data, "CK19"))
    assert set(wells.loc[wells["role"] != "empty", "well"]) == measured


def test_ck22_needs_a_decision_and_then_is_read_whole(shared_data):
    wells, findings = read_layout(_ck(shared_data, "CK22"))
    (finding,) = [found for found in findings if found.fatal]
    assert wells.empty
    assert all(words in finding.message for words in ("CK22", "CK21", "Sheet1!A1"))
    assert '"CK22 plate layout.xlsx" --plate CK22' in finding.cure
    wells, (finding,) = read_layout(_ck(shared_data, "CK22"), "CK22")
    assert not finding.fatal and "CK21" in finding.message
    assert set(wells["plate"]) == {"CK22"} and len(wells) == 384
    compounds = ["4", "7", "9", "10", "11", "18", "36", "DMSO"]
    doses = [30, 10, 3, 1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001]
    said = wells.set_index("well")
    for first, condition, stimulus in ((2, "Unstimulated", math.nan), (14, "OVA", 1.0)):
        for place, dose in enumerate(doses):
            for row, compound in zip("ABCDEFGH", compounds, strict=True):
                well = said.loc[f"{row}{first + place:02d}"]
                assert (well.condition, well.compound) == (condition, compound)
                assert well.stimulus_ug_per_ml == stimulus or math.isnan(stimulus)
                assert well.concentration_um == dose or compound == "DMSO"
    assert said.loc[[f"P{column:02d}" for column in (1, 12, 13, 24)], "role"].eq("empty").all()
    assert said.loc[said["role"] == "vehicle", "concentration_um"].isna().all()


def test_ck01_by_its_colours(shared_data):
    wells, findings = read_layout(_ck(shared_data, "CK01"))
    assert [found for found in findings if found.fatal] == [] and set(wells["plate"]) == {"CK01"}
    assert sorted(wells["well"]) == sorted(
        f"{row}{column:02d}" for row in "BCDEFGHIJKLM" for column in range(2, 12)
    )
    said = wells.set_index("well")
    doses = [2.5, 1, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01, 0]
    # Blue, green, orange, gold, three rows each.
    for rows, condition in (("BCD", "OVA"), ("EFG", "ConA"), ("HIJ", "OVA"), ("KLM", "ConA")):
        for row in rows:
            for column, dose in enumerate(doses, start=2):
                well = said.loc[f"{row}{column:02d}"]
                assert (well.condition, well.stimulus_ug_per_ml) == (condition, dose)
                assert (well.compound, well.role) == ("", "sample")
    beside = said.loc[[f"{row}11" for row in "BCDEFGHIJKLM"]]
    assert (beside["condition"] == "Unstimulated").all()
    assert beside["compound"].tolist() == [""] * 6 + ["Y3-P"] * 6
    assert beside["role"].tolist() == ["untreated"] * 6 + ["sample"] * 6
    assert beside["stimulus_ug_per_ml"].isna().all() and said["concentration_um"].isna().all()
    by_problem = {finding.problem: finding.message for finding in findings}
    assert "Sheet1!D15 ... L17" in by_problem["colour by elimination"]
    assert "Sheet1!B25" in by_problem["colour by elimination"]
    assert "Sheet1!M6 ... M17" in by_problem["wells or labels"]
