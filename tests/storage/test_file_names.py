"""Names of files from names that people gave: inside their folder, within bounds, told apart."""

import pytest

from jaxcell.storage.file_names import file_name


@pytest.mark.parametrize("name", ["P1", "a b", "../up", "/root", "..", ".", "a/b", "µ" * 300, "\0"])
def test_a_file_of_any_name_lies_in_its_folder(name, tmp_path):
    path = tmp_path / file_name(name)
    path.write_text("x")
    assert path.resolve().parent == tmp_path.resolve() and list(tmp_path.iterdir()) == [path]


def test_usual_names_stay_and_different_ones_stay_different():
    assert file_name("CK19 plate 2") == "CK19 plate 2"
    names = ["a" * 300, "a" * 301, "a/b", "a_b", "a%2Fb", ".", ".."]
    assert len({file_name(name) for name in names}) == len(names)
