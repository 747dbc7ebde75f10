"""A result knows what it is of: the same plates go on, others of the same name are refused."""

import json

import pytest

from jaxcell.storage.source import (
    FILE,
    check_source,
    note_source,
    read_source,
    refuse_other,
    source_of,
)


def test_the_same_place_or_the_same_content_is_the_same_plates(tmp_path):
    here, there = str(tmp_path / "a" / "PLATES"), str(tmp_path / "b" / "PLATES")
    old = source_of(here, "x")
    refuse_other(tmp_path, None, old)  # nothing is known
    refuse_other(tmp_path, old, source_of(here, "y"))  # a well more
    refuse_other(tmp_path, old, source_of(there, "x"))  # moved
    for other in (source_of(there, "y"), source_of(there)):
        with pytest.raises(ValueError, match="other plates.*'PLATES'.*elsewhere"):
            refuse_other(tmp_path / "report-PLATES", old, other)
    # What nobody knows the content of is not the same as anything elsewhere.
    with pytest.raises(ValueError):
        refuse_other(tmp_path, source_of(here), source_of(there))


def test_a_path_says_nothing_of_the_machine(tmp_path):
    assert str(tmp_path) not in json.dumps(source_of(str(tmp_path / "PLATES")))
    (tmp_path / "PLATES").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "PLATES")
    assert source_of(str(tmp_path / "link")) == source_of(str(tmp_path / "PLATES"))


def test_kept_parts_are_looked_at_only_where_the_plates_lie_elsewhere(tmp_path):
    here, there = str(tmp_path / "a" / "PLATES"), str(tmp_path / "b" / "PLATES")
    asked = []
    check_source(tmp_path, here, lambda: asked.append(1) or ["P1 B02"])  # nothing was noted
    note_source(tmp_path, here)
    check_source(tmp_path, here, lambda: asked.append(1) or ["P1 B02"])
    assert not asked
    check_source(tmp_path, there, lambda: [])
    with pytest.raises(ValueError, match="P1 B02"):
        check_source(tmp_path, there, lambda: ["P1 B02"])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"folder": "x"}', "\udce9"])
def test_what_says_nothing_is_nothing(tmp_path, text):
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert read_source(tmp_path / FILE) is None
    assert read_source(tmp_path / FILE, "source") is None
    (tmp_path / FILE).write_text(json.dumps({"source": source_of("x")}))
    assert read_source(tmp_path / FILE, "source") == source_of("x")
