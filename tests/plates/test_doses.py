import math

import pytest

from jaxcell.plates.doses import micromolar, unit_of_heading


@pytest.mark.parametrize(
    "heading,unit",
    [("concentration_um", "um"), ("Dose (nM)", "nm"), ("conc [M]", "m"), ("dose", ""),
     ("Concentration, µM", "um"), ("Area FITC", None), ("dose response", None)],
)  # fmt: skip
def test_headings_say_their_unit(heading, unit):
    assert unit_of_heading(heading) == unit


def test_doses_in_mixed_units_are_all_in_micromolar():
    doses = micromolar(["10 nM", "3uM", "1e-8 M", "0.5 µM", "2 mM", "", None, "0"], "")
    assert doses[:5] == pytest.approx([0.01, 3.0, 0.01, 0.5, 2000.0])
    assert math.isnan(doses[5]) and math.isnan(doses[6]) and doses[7] == 0


@pytest.mark.parametrize("unit,texts", [("um", [10, 0.3, 0]), ("nm", ["10000", "300 nM", "0"])])
def test_numbers_have_the_unit_of_the_heading(unit, texts):
    assert micromolar(texts, unit) == pytest.approx([10.0, 0.3, 0.0])


@pytest.mark.parametrize(
    "texts,unit,said",
    [
        (["10 nM", "3"], "", "row 2: '3' has no unit"),
        (["10 nM"], "um", "another unit than its heading"),
        (["ten"], "um", "'ten' is no dose"),
        (["10 mg"], "", "'10 mg' is no dose"),
        (["-1"], "um", "not a number of 0 or more"),
        (["1e400 M"], "", "not a number of 0 or more"),
    ],
)
def test_what_can_be_read_in_two_ways_is_an_error_that_names_the_row(texts, unit, said):
    with pytest.raises(ValueError, match=said):
        micromolar(texts, unit)
