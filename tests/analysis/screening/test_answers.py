import numpy as np
from dose_plates import dose_wells

from jaxcell.analysis.screening.answers import screen
from jaxcell.measures.catalogue import Quantity

MEASURE = Quantity("value", "value", "", None, None)


def test_compounds_in_rows_and_doses_in_columns_are_no_effect_of_places():
    curves = {"9": (60, 10, 0.3, 1.0), "10": (60, 20, 1, 1), "11": (60, 60, 1, 1)}
    lines = [
        screen(dose_wells(seed, curves=curves, sd=2), MEASURE).lines["P1"] for seed in range(4)
    ]
    for name in ("row", "column"):
        p = [tests[name].p for tests in lines]
        assert np.median(p) > 0.05 and min(p) > 0.001
    sloped = screen(dose_wells(1, curves=curves, sd=2, gradient=2.0), MEASURE).lines["P1"]
    assert sloped["row"].p < 0.001
