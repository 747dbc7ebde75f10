import pandas as pd
import pytest

from jaxcell.plates.layouts.results_table import read_results


def _read(tmp_path, text, name="x.csv"):
    path = tmp_path / name
    path.write_text(text)
    return read_results(path)


def test_columns_have_one_name_whatever_a_program_calls_them(tmp_path):
    table = _read(
        tmp_path,
        "Metadata_Plate,Metadata_Well,Treatment,Stimulation,Dose (nM),Ratio\n"
        "P1,b2,7,pOVA,300,0.5\nP1,C - 03,DMSO,ConA,,0.6\nP1,D4,e,,,0.1\n",
    )
    assert table["well"].tolist() == ["B02", "C03", "D04"]
    assert table["condition"].tolist() == ["OVA", "ConA", ""]
    assert table["role"].tolist() == ["sample", "vehicle", "empty"]
    assert table["compound"].tolist() == ["7", "DMSO", ""]
    assert table["concentration_um"].tolist()[0] == pytest.approx(0.3)


def test_semicolons_come_with_decimal_commas(tmp_path):
    table = _read(tmp_path, "well;value\nA1;0,25\nA2;1,5\n")
    assert table["value"].tolist() == [0.25, 1.5]


def test_rows_and_columns_name_wells_too(tmp_path):
    table = _read(tmp_path, "Row,Column,value\n2,3,1\nP,24,2\n")
    assert table["well"].tolist() == ["B03", "P24"]


def test_other_files_are_read_alike(tmp_path):
    frame = pd.DataFrame({"well": ["A01"], "value": [2.0]})
    frame.to_parquet(tmp_path / "x.parquet")
    with pd.ExcelWriter(tmp_path / "x.xlsx") as writer:
        frame.to_excel(writer, startrow=3, startcol=2, index=False)
    for name in ("x.parquet", "x.xlsx"):
        assert read_results(tmp_path / name)["value"].tolist() == [2.0]


@pytest.mark.parametrize(
    "text,said",
    [
        ("value\n1\n", "no column of wells, but value"),
        ("well,value\nZ99,1\n", "'Z99' is not a well"),
        ("well,Well ID,value\nA1,A1,1\n", None),
        ("well,compound,value\nA1,,1\n", "well A01 has no compound"),
        ("well,role,value\nA1,positive,1\n", "role 'positive' is none of"),
        ("well,dose,value\nA1,3,1\n", "no unit"),
        ("well,dose (nM),conc (uM)\nA1,3,1\n", "may both be the dose"),
        ("", "cannot be read as a table"),
    ],
)
def test_what_can_be_read_in_two_ways_is_an_error(tmp_path, text, said):
    if said is None:  # an exact name is the one
        assert _read(tmp_path, text)["well"].tolist() == ["A01"]
        return
    with pytest.raises(ValueError, match=said):
        _read(tmp_path, text)
