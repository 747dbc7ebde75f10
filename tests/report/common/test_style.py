"""Conditions are told apart by their marks, with any kind of colour vision."""

from itertools import combinations

import numpy as np
import pytest
from colour_vision import VISIONS, difference
from drawing import pixel_at

from jaxcell.analysis.conditions import NO_CONDITION
from jaxcell.report.common import style

# CIEDE2000. Colours nearer than `CLOSE` need another marker; none are nearer than `LEAST`.
CLOSE, LEAST = 20, 10


@pytest.fixture(scope="module")
def drawn():
    """Mark -> its colour as drawn, float [3], of the study's conditions and four others."""
    marks = [*style.KNOWN.values(), *style.SPARE[:4]]
    figure = style.new_figure(4, 1)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1, len(marks)), ylim=(-1, 1))
    for place, mark in enumerate(marks):
        axes.scatter(place, 0, s=400, c=mark.colour, marker=mark.marker)
    return {mark: pixel_at(axes, place, 0) for place, mark in enumerate(marks)}


@pytest.mark.parametrize("vision", VISIONS)
def test_marks_differ_in_colour_and_where_colours_are_close_in_shape(drawn, vision):
    for first, second in combinations(drawn, 2):
        apart = difference(drawn[first], drawn[second], vision)
        assert apart > LEAST, (first, second)
        assert apart > CLOSE or first.marker != second.marker, (first, second)


def test_colours_are_drawn_as_they_are_named(drawn):
    blue = np.array([0, 0x72, 0xB2]) / 255
    np.testing.assert_allclose(drawn[style.KNOWN["Unstimulated"]], blue, atol=1e-2)


def test_one_condition_looks_the_same_whoever_else_is_there():
    alone, crowd = style.palette(["ConA"]), style.palette(["Zymosan", "ConA", "LPS", "OVA"])
    assert alone["ConA"] == crowd["ConA"] == style.KNOWN["ConA"]
    assert style.palette(["LPS", "Zymosan"]) == style.palette(["Zymosan", "LPS"])
    many = style.palette([*style.KNOWN, *(f"drug {index}" for index in range(16))])
    assert len(set(many.values()) - {style.KNOWN[NO_CONDITION]}) == 19
