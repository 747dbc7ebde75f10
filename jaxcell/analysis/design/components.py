"""What wells of an earlier plate vary by: plate, place and replicate; and tables drawn from it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.design.arrangement import surface
from jaxcell.analysis.screening.hits import compare
from jaxcell.analysis.screening.scale import Scale
from jaxcell.analysis.strength import REFERENCE


class Components(NamedTuple):
    """What wells vary by, on the scale that a screen compares them on.

    Attributes:
      scale: of the values.
      controls: condition -> mean of its controls, on the scale.
      rest: what a compound that takes the whole stimulation away would leave, in the unit of the
        measure.
      replicate: condition -> SD between wells of one treatment on one plate, freed of their places.
      row, column, surface: SD over wells of offsets of rows, of columns and of the smooth surface.
      plate: SD between plates of the controls of a condition; None with one plate.
      plates, wells: how many this was learnt from.
      rest_is_zero: whether there is no unstimulated control, so that `rest` is a measure of 0.
    """

    scale: Scale
    controls: Mapping[str, float]
    rest: float
    replicate: Mapping[str, float]
    row: float
    column: float
    surface: float
    plate: float | None
    plates: int
    wells: int
    rest_is_zero: bool


def components(wells: pd.DataFrame, value: str, scale: Scale) -> Components:
    """Learns from wells of earlier plates.

    Args:
      wells: as `compare` takes them, with `value`.
      value: column of the measure.
      scale: on which it is compared.

    Raises:
      ValueError: no condition has controls and a treatment with two wells.

    Source: analysis of variance within treatments; noise and places as `plate_effect` finds them.
    """
    hits = compare(wells, value, scale)
    table = hits.wells
    controls = table[table["control"]]
    means = controls.groupby("condition")["scaled"].mean()
    replicate = _replicate(table, [found.noise for found in hits.plates.values()])
    known = {name: float(means[name]) for name in replicate if name in means}
    if not known:
        raise ValueError(
            "the previous plate tells no spread: no condition has control wells and a treatment "
            "with two wells on one plate"
        )
    row, column, places = (
        float(np.sqrt(np.mean(np.square(part))))
        for part in zip(*(
            (found.row_sd, found.column_sd, found.effect.std()) for found in hits.plates.values()
        ))
    )  # fmt: skip
    return Components(
        scale=scale,
        controls=known,
        rest=float(scale.backward([known[REFERENCE]])[0]) if REFERENCE in known else 0.0,
        replicate={name: replicate[name] for name in known},
        row=row,
        column=column,
        surface=float(np.sqrt(max(places**2 - row**2 - column**2, 0.0))),
        plate=_between_plates(controls),
        plates=table["plate"].nunique(),
        wells=len(table),
        rest_is_zero=REFERENCE not in known,
    )


def _replicate(table: pd.DataFrame, noise: list[float]) -> dict[str, float]:
    """SD between replicates of each condition that has any, at the level of the plates' noise.

    What places took from the wells makes the plain variance within treatments too small; the noise
    of the plates' model has the right degrees of freedom, but is one for all conditions.
    """
    keys = [table[name] for name in ("condition", "plate", "group")]
    left = table["corrected"] - table.groupby(keys)["corrected"].transform("mean")
    squares = (left**2).groupby(table["condition"]).sum()
    treatments = table.groupby("condition")[["plate", "group"]].apply(
        lambda own: len(own) - len(own.drop_duplicates())
    )
    squares, freedom = squares[treatments > 0], treatments[treatments > 0]
    usual = squares.sum() / freedom.sum() if len(freedom) else 0.0
    finite = np.square([value for value in noise if np.isfinite(value)])
    level = float(finite.mean() / usual) if len(finite) and usual > 0 else 1.0
    return {
        name: float(np.sqrt(level * squares[name] / freedom[name]))
        for name in conditions(table)
        if name in freedom
    }


def _between_plates(controls: pd.DataFrame) -> float | None:
    """SD between plates of a condition's controls, without what wells add; None with one plate."""
    if controls["plate"].nunique() < 2:
        return None
    found = controls.groupby(["condition", "plate"])["corrected"].agg(["mean", "var", "size"])
    found["of_wells"] = found["var"] / found["size"]
    of_condition = found.groupby("condition").agg(
        apart=("mean", "var"), of_wells=("of_wells", "mean")
    )
    variance = (of_condition["apart"] - of_condition["of_wells"].fillna(0)).mean()
    return float(np.sqrt(max(variance, 0.0))) if np.isfinite(variance) else None


def draw(random: np.random.Generator, layout: pd.DataFrame, of: Components) -> np.ndarray:
    """Draws the values of a layout's wells from the components of an earlier plate.

    Args:
      random: of all draws.
      layout: plate, row, column, condition and `inhibition` (share of the stimulation's effect that
        the well's compound takes away) of each well.
      of: the components.

    Returns:
      float64 [N], in the unit of the measure; NaN in conditions that the earlier plate had not.
    """
    result = np.full(len(layout), np.nan)
    for _, own in layout.reset_index(drop=True).groupby("plate", sort=False):
        names = own["condition"].map(of.controls).astype(np.float64).to_numpy()
        spread = own["condition"].map(of.replicate).astype(np.float64).to_numpy()
        values = names + effect(of, names, own["inhibition"].to_numpy())
        for line, sd in (("row", of.row), ("column", of.column)):
            number = np.unique(own[line], return_inverse=True)[1]
            values += sd * random.standard_normal(number.max() + 1)[number]
        angle = random.uniform(0, 2 * np.pi)
        slopes = surface(own["row"].to_numpy(), own["column"].to_numpy())[:, :2]
        values += of.surface * slopes @ (np.cos(angle), np.sin(angle))
        values += (of.plate or 0.0) * random.standard_normal()
        result[own.index] = values + spread * random.standard_normal(len(own))
    return of.scale.backward(result)


def effect(of: Components, controls: np.ndarray, inhibition: np.ndarray) -> np.ndarray:
    """What compounds add on the scale that take a share of the stimulation's effect away.

    Args:
      of: the components.
      controls: float [N], means of the controls, on the scale.
      inhibition: float [N], from 0 to 1.
    """
    return of.scale.forward(expected(of, controls, inhibition)) - controls


def expected(of: Components, controls: np.ndarray, inhibition: np.ndarray) -> np.ndarray:
    """The measure of wells whose compounds take a share of the stimulation's effect away.

    Args:
      of, controls, inhibition: as for `effect`.

    Returns:
      float64 [N], in the unit of the measure.
    """
    stimulated = of.scale.backward(controls)
    return stimulated + inhibition * (of.rest - stimulated)
