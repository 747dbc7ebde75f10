"""Interaction without toxicity: is the IC50 of a measure below that of the cells' number?

Both curves are drawn together, with noise that correlates as the wells' residuals do, since a well
with more cells has another overlap too. What no single curve tells is then the ratio's interval.
"""

from collections.abc import Sequence

import numpy as np

from jaxcell.analysis.screening.doses import (
    BELOW,
    BEYOND,
    FOUND,
    NO_EFFECT,
    UNKNOWN,
    Response,
)

# What is said of the number of cells, beside an effect on the measure.
UNCHANGED, FIRST, TOGETHER, AFTER, FALL, RISES = (
    "unchanged",
    "fall at lower doses",
    "fall at the same doses",
    "fall at higher doses",
    "fall",
    "more",
)


def beside_counts(responses: Sequence[Response], of_counts: Sequence[Response]) -> list[dict]:
    """What the number of cells does where the measure responds to the dose.

    Args:
      responses: of the measure.
      of_counts: of a count of cells of the same wells, drawn beside them (`respond`).

    Returns:
      For each response `cells` (None where nothing can be said, else `UNCHANGED`, `FIRST`,
      `TOGETHER`, `AFTER`, `FALL` where only the cells respond, or `RISES`) and `ratio`,
      `ratio_low`, `ratio_high`: IC50 of the count over IC50 of the measure with its 95 % interval;
      None where one of the two has none.
    """
    known = {(item.series.condition, item.series.compound): item for item in of_counts}
    return [
        _beside(item, known.get((item.series.condition, item.series.compound)))
        for item in responses
    ]


def _beside(item: Response, counted: Response | None) -> dict:
    nothing = dict.fromkeys(("cells", "ratio", "ratio_low", "ratio_high"))
    if counted is None or UNKNOWN in (item.row["answer"], counted.row["answer"]):
        return nothing
    if counted.row["answer"] == NO_EFFECT:
        return nothing | {"cells": UNCHANGED}
    if not counted.row["falls"]:
        return nothing | {"cells": RISES}
    if item.row["answer"] not in (FOUND, BEYOND, BELOW):
        return nothing | {"cells": FALL}
    ratio = counted.draws.half / item.draws.half
    low, high = np.quantile(ratio, (0.025, 0.975))
    cells = AFTER if low > 1 else FIRST if high < 1 else TOGETHER
    return {
        "cells": cells,
        "ratio": counted.curve.half / item.curve.half,
        "ratio_low": float(low),
        "ratio_high": float(high),
    }
