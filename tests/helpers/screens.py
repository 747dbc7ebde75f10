"""Simulated tables of wells: conditions, compounds, places, and what each adds."""

import numpy as np
import pandas as pd

CONDITIONS = ("Unstimulated", "OVA", "ConA")


def screen_wells(
    seed=0, *, compounds=20, replicates=2, controls=6, conditions=CONDITIONS, by_lot=True,
    effects=None, slope=0.0, noise=1.0, plate="P1", columns=24,
):  # fmt: skip
    """Wells of one plate, with `value`: a mean a condition, noise, effects and a column gradient.

    `effects` is (condition, compound) -> what is added; `slope` the whole rise over the columns.
    """
    random = np.random.default_rng(seed)
    rows = []
    for condition in conditions:
        for name in (*np.repeat(np.arange(1, compounds + 1), replicates).astype(str),
                     *["DMSO"] * controls):  # fmt: skip
            role = "vehicle" if name == "DMSO" else "sample"
            rows.append((condition, name, role, 10.0 if role == "sample" else np.nan))
    table = pd.DataFrame(rows, columns=["condition", "compound", "role", "concentration_um"])
    order = random.permutation(len(table)) if by_lot else np.arange(len(table))
    lines = -(-len(table) // columns) if by_lot else 16
    column, row = np.divmod(np.arange(len(table)), lines)
    table["row"], table["column"] = row[np.argsort(order)] + 1, column[np.argsort(order)] + 1
    table["plate"] = plate
    table["well"] = [f"{chr(64 + r)}{c:02d}" for r, c in zip(table["row"], table["column"])]
    base = table["condition"].map({name: 3.0 * at for at, name in enumerate(conditions)})
    added = [(effects or {}).get(pair, 0) for pair in zip(table["condition"], table["compound"])]
    side = (table["column"] - 1) / (table["column"].max() - 1)
    table["value"] = base + added + slope * side + noise * random.normal(size=len(table))
    return table.assign(edge=False)
