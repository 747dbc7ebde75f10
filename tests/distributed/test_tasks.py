"""Tasks of this process: what fails is listed, and does not stop the rest."""

import pytest

from jaxcell.distributed.tasks import Failure, do_here, failed

WORDS = {"threads": 2, "doing": "doing", "unit": "wells"}


def _invert(number: int) -> float:
    if number == 0:
        raise ValueError("P B01: there is nothing in it")
    return 1 / number


def test_the_rest_goes_on_and_order_is_kept():
    done = do_here(_invert, [1, 0, 4], ["P A01", "P B01", "P C01"], **WORDS)
    assert done.results == [1.0, None, 0.25]
    assert done.failures == [Failure("P B01", "P B01: there is nothing in it")]


def test_what_is_no_fault_of_the_input_ends_all():
    with pytest.raises(TypeError):
        do_here(_invert, [1, "", 4], ["a", "b", "c"], **WORDS)


def test_failures_are_said_by_name_and_many_are_counted():
    text = failed([Failure(f"P A{n:02}", "bad") for n in range(1, 14)], "wells", "mend it")
    lines = text.splitlines()
    assert lines[0].startswith("13 wells failed") and lines[1] == "P A01: bad"
    assert lines[-2:] == ["and 3 more", "mend it"] and len(lines) == 13
    assert failed([Failure("P A01", "P A01, field 2: bad")], "wells", "").count("P A01") == 1
