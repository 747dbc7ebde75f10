"""How even a layout is, in figures, beside those of other ways to lay out the same wells."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.design.arrangement import regions, surface

GROUP = ["condition", "compound", "concentration_um"]


class Balance(NamedTuple):
    """How evenly treatments are spread.

    Attributes:
      same_row, same_column, same_quadrant: wells on one plate whose row, column or quadrant has
        another well of the same compound, dose and condition already.
      condition_row, condition_column: least and most wells of a condition in a row, in a column.
      vehicle_quadrant, vehicle_tile: least and most vehicle wells of a condition in a quadrant, in
        a tile (a twelfth of the wells in use).
      gradient: what a straight gradient whose SD over wells is 1 adds to the effects of compounds,
        root mean square over compounds and over gradients along rows and along columns.
      precision: of the comparisons of compounds with controls where wells are corrected for rows
        and columns, over that without rows and columns: 1 is perfect, 0 not possible.
    """

    same_row: int
    same_column: int
    same_quadrant: int
    condition_row: tuple[int, int]
    condition_column: tuple[int, int]
    vehicle_quadrant: tuple[int, int]
    vehicle_tile: tuple[int, int]
    gradient: float
    precision: float


def balance(layout: pd.DataFrame) -> Balance:
    """The figures of a layout.

    Args:
      layout: plate, row, column, condition, compound, concentration_um, role, one row a well.
    """
    parts = []
    for _, own in layout.groupby("plate", sort=False):
        quadrant, tile = regions(own["row"].to_numpy(), own["column"].to_numpy())
        parts.append(own.assign(quadrant=quadrant, tile=tile))
    table = pd.concat(parts, ignore_index=True)
    sample = table[table["role"] == "sample"]
    vehicle = table[table["role"] == "vehicle"]
    found = [_gradient_and_precision(own) for _, own in table.groupby("plate", sort=False)]
    return Balance(
        *(
            int(sample.duplicated(["plate", *GROUP, line]).sum())
            for line in ("row", "column", "quadrant")
        ),
        *(_range(table, table, line) for line in ("row", "column")),
        *(_range(vehicle, table, region) for region in ("quadrant", "tile")),
        *np.mean(found, axis=0).tolist(),
    )


def _range(wells: pd.DataFrame, everywhere: pd.DataFrame, line: str) -> tuple[int, int]:
    """Least and most wells of a condition in a row, column or region of a plate."""
    lines = pd.MultiIndex.from_frame(everywhere[["plate", line]].drop_duplicates())
    counts = wells.groupby(["plate", line, "condition"]).size().unstack(fill_value=0)
    counts = counts.reindex(lines, fill_value=0)
    return int(counts.to_numpy().min()), int(counts.to_numpy().max())


def _gradient_and_precision(own: pd.DataFrame) -> tuple[float, float]:
    """`Balance.gradient` and `Balance.precision` of one plate."""
    contrast = _contrasts(own)
    row, column = own["row"].to_numpy(), own["column"].to_numpy()
    gradient = float(np.sqrt(((contrast @ surface(row, column)[:, :2]) ** 2).mean()))
    lines = np.column_stack([row[:, None] == np.unique(row), column[:, None] == np.unique(column)])
    groups = own.groupby(["condition", "role", "compound", "concentration_um"], dropna=False)
    given = groups.ngroup().to_numpy()
    return gradient, precision(given, lines, contrast)


def _contrasts(own: pd.DataFrame) -> np.ndarray:
    """Of each compound, dose and condition, the weights of wells in its effect; [G, N]."""
    rows = []
    vehicle = (own["role"] == "vehicle").to_numpy()
    for name, condition in own.groupby("condition", sort=False):
        controls = vehicle & (own["condition"] == name).to_numpy()
        samples = condition[condition["role"] == "sample"]
        for _, wells in samples.groupby(GROUP[1:], sort=False):
            of_group = own.index.isin(wells.index)
            rows.append(of_group / of_group.sum() - controls / controls.sum())
    return np.array(rows)


def precision(given: np.ndarray, lines: np.ndarray, contrast: np.ndarray) -> float:
    """Variance of contrasts without terms for lines over that with them, means over contrasts.

    Args:
      given: int [N], the treatment of each well.
      lines: bool [N, L], the row and column of each.
      contrast: float [G, N], weights of wells in each contrast, the same within a treatment.

    Returns:
      From 0, where a contrast cannot be told from lines at all, to 1.

    Source: average efficiency factor of a row-column design, John and Williams 1995, section 2.
    """
    treatments = (given[:, None] == np.unique(given)).astype(np.float64)
    lines = lines - lines.mean(axis=0)
    basis, sizes, _ = np.linalg.svd(lines, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * max(sizes.max(initial=0), 1)]
    wells = treatments.sum(axis=0)
    information = np.diag(wells) - (treatments.T @ basis) @ (basis.T @ treatments)
    of_treatments = contrast @ treatments
    inverse = np.linalg.pinv(information, 1e-9, hermitian=True)
    lost = of_treatments - of_treatments @ inverse @ information
    if np.abs(lost).max(initial=0) > 1e-6:
        return 0.0
    without = (of_treatments**2 / wells).sum(axis=1).mean()
    return float(without / ((of_treatments @ inverse) * of_treatments).sum(axis=1).mean())
