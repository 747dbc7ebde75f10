"""Numbers and lists read the same everywhere."""

import pytest

from jaxcell.measures.catalogue import OVERLAP, Quantity
from jaxcell.report.common import words


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 2, "–"),
        (float("nan"), 2, "–"),
        (1234, 2, "1,234"),
        (-0.5, 1, "−0.5"),
        (2.0, 3, "2.000"),
        ("well", 2, "well"),
    ],
)
def test_numbers_as_text(value, digits, text):
    assert words.number(value, digits) == text


def test_counts_and_lists_are_english():
    assert words.count(1, "well") == "1 well"
    assert words.count(2000, "patch", "patches") == "2,000 patches"
    assert words.joined(["a", "b", "c"]) == "a, b and c"
    assert words.joined(["a"]) == "a" and words.joined([]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4355, "0.44"), (0.87, "0.87"), (0.0077, "0.0077"), (0.0496, "0.050"), (0.5, "0.50"),
     (1.0, "1.0"), (0.00099, "< 0.001"), (0.0001, "< 0.001"), (None, "–")],
)  # fmt: skip
def test_a_p_has_two_digits_that_count(value, text):
    assert words.p_value(value) == text
    said = text if value is None else f"q {text}" if text.startswith("<") else f"q = {text}"
    assert words.p_value(value, "q") == said


@pytest.mark.parametrize(
    ("value", "text"), [(1.904, "+1.90"), (-0.03, "−0.03"), (-0.001, "0.00"), (None, "–")]
)
def test_a_difference_has_a_sign_unless_it_is_nothing(value, text):
    assert words.signed(value) == text


def test_percentages_differ_by_percentage_points():
    assert words.amount(0.191, OVERLAP) == "0.19 percentage points"
    assert words.amount(-2, Quantity("d", "distance", "µm")) == "−2 µm"
    assert words.amount(0.5, Quantity("pearson", "Pearson correlation", "")) == "0.500"
