"""The closing table keeps names and texts in two columns."""

from pathlib import Path

from jaxcell.report.common.terminal import closing_table


def test_texts_stand_in_one_column_below_their_own_names():
    text = closing_table({"wells": "12", "left out": "A01\nB02"}, Path("run/index.html"), 61.4)
    rule, *lines, last = text.strip("\n").split("\n")
    assert set(rule) == {"-"} and rule == last
    assert [line[:8].strip() for line in lines] == ["wells", "left out", "", "time", "report"]
    assert [line[10:] for line in lines] == ["12", "A01", "B02", "1 min 1 s", "run/index.html"]


def test_a_command_without_a_page_names_none():
    assert "report" not in closing_table({"wells": "12"}, None, 1)
