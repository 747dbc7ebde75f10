"""Simulated dose plates: a few compounds at ten doses on half a plate."""

import numpy as np
import pandas as pd

DOSES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


def response(dose, top, bottom, half, slope):
    """The log-logistic curve, written another way than in the package."""
    dose = np.asarray(dose, float)
    return top + (bottom - top) * dose**slope / (dose**slope + half**slope)


def dose_wells(seed=0, *, curves, doses=DOSES, replicates=2, controls=20, sd=4.0, gradient=0.0,
               condition="ConA", plate="P1"):  # fmt: skip
    """Wells with `value`; `curves` is compound -> (top, bottom, half, slope)."""
    random = np.random.default_rng(seed)
    rows = []
    for at in range(replicates):
        for line, (name, curve) in enumerate(curves.items()):
            for column, dose in enumerate(doses):
                value = float(response(dose, *curve))
                rows.append((at * (len(curves) + 1) + line, column, name, "sample", dose, value))
    top = next(iter(curves.values()))[0]
    for number in range(controls):
        line, column = divmod(number, len(doses))
        row = (line % replicates) * (len(curves) + 1) + len(curves)
        rows.append((row, column, "DMSO", "vehicle", np.nan, top))
    table = pd.DataFrame(rows, columns=["row", "column", "compound", "role", "concentration_um",
                                        "value"])  # fmt: skip
    table["value"] += sd * random.normal(size=len(table)) + gradient * table["row"]
    table[["row", "column"]] += 1
    table["well"] = [f"{chr(64 + r)}{c:02d}" for r, c in zip(table["row"], table["column"])]
    return table.assign(plate=plate, condition=condition, edge=False)
