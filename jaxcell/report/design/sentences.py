"""What a design is and can show, in words, for the page and the terminal."""

from collections.abc import Mapping, Sequence

import pandas as pd

from jaxcell.analysis.conditions import conditions
from jaxcell.analysis.design.balance import Balance
from jaxcell.analysis.design.blocks import BLOCKS, BY_LOT, DESIGNED, Proof
from jaxcell.analysis.design.plan import Experiment
from jaxcell.analysis.design.power import EFFECTS, least_effect
from jaxcell.report.common.words import count, joined, number

# The gradient that sentences speak of, SDs of the noise.
GRADIENT = 0.5


def on_design(experiment: Experiment, layout: pd.DataFrame) -> str:
    """What is tested, on how many plates."""
    doses = [f"{dose:g}" for dose in experiment.doses_um]
    at = f"at {doses[0]} µM" if len(doses) == 1 else f"at {len(doses)} doses ({joined(doses)} µM)"
    used = layout[layout["role"] != "empty"]
    each = count(experiment.replicates, "well")
    under = f"under {joined(experiment.conditions)}"
    plates = count(used["plate"].nunique(), "plate")
    vehicle = int((used["role"] == "vehicle").sum())
    return (
        f"{count(experiment.compounds, 'compound')} {at}, {each} each {under}: {plates} with "
        f"{len(used) - vehicle:,} wells of compounds and {count(vehicle, 'vehicle well')}."
    )


def on_balance(found: Balance) -> str:
    """How evenly it is spread."""
    shared = (found.same_row, found.same_column, found.same_quadrant)
    replicates = (
        "No two wells of a treatment share a row, a column or a quadrant of a plate"
        if not any(shared)
        else f"Wells of a treatment share a row {shared[0]}, a column {shared[1]} and a quadrant "
        f"{shared[2]} times"
    )
    return (
        f"{replicates}. Wells of a condition: {_range(found.condition_row)} in each row, "
        f"{_range(found.condition_column)} in each column; its vehicle wells: "
        f"{_range(found.vehicle_quadrant)} in each quadrant."
    )


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def least_effects(power: pd.DataFrame) -> list[dict]:
    """The least effect that is found in four of five cases, for each number of wells.

    Args:
      power: source, condition, replicates, inhibition, power, plates, wells.

    Returns:
      One dict a source and condition: `source`, `condition` and `effects`, number of wells ->
      share, or None where even the largest effect drawn is found less often.
    """
    rows = []
    for source, of_source in power.groupby("source", sort=False):
        for name in conditions(of_source):
            own = of_source[of_source["condition"] == name]
            effects = {
                int(wells): least_effect(part["inhibition"].tolist(), part["power"].tolist())
                for wells, part in own.groupby("replicates")
            }
            rows.append({"source": source, "condition": name, "effects": effects})
    return rows


def on_power(row: Mapping, replicates: int) -> str:
    """Which effect so many wells show.

    Args:
      row: of `least_effects`.
      replicates: of the design.
    """
    said = [f"{_effect(row['effects'][replicates])} with {count(replicates, 'well')}"]
    said += [
        f"{_effect(least)} with {wells}"
        for wells, least in row["effects"].items()
        if wells != replicates
    ]
    return f"{row['condition']} ({row['source']}): {', '.join(said)}"


def _effect(least: float | None) -> str:
    if least is None:
        return f"more than {100 * EFFECTS[-1]:g} %"
    return f"{'at most ' if least == EFFECTS[0] else ''}{number(100 * least, 0)} %"


def on_blocks(found: Sequence[Proof], several: bool) -> str:
    """Why blocks of columns prove nothing.

    Args:
      found: as `blocks.proofs` gives.
      several: whether the groups are conditions, and not vehicle wells and compounds.
    """
    by_name = {proof.arrangement: proof for proof in found}
    blocks, lot, design = (by_name[name] for name in (BLOCKS, BY_LOT, DESIGNED))
    groups = "Conditions" if several else "Vehicle wells"
    false = [100 * proof.false_positives[GRADIENT] for proof in (blocks, lot, design)]
    return (
        f"{groups} in blocks of columns can prove nothing: where nothing acts and a gradient of "
        f"{GRADIENT} SD runs along the columns, {false[0]:.0f} % of comparisons have p ≤ 0.05 "
        f"(by lot {false[1]:.0f} %, in this design {false[2]:.0f} %); and once columns are "
        f"corrected for, {100 * blocks.information:.0f} % of what wells say of "
        f"{'conditions' if several else 'the difference'} is left (by lot "
        f"{100 * lot.information:.0f} %, in this design {100 * design.information:.0f} %)."
    )


def summary_lines(
    experiment: Experiment,
    layout: pd.DataFrame,
    balance: Balance,
    power: pd.DataFrame,
    proofs: Sequence[Proof],
    doubts: Sequence[str],
) -> dict[str, str]:
    """What a design is and can show, for the terminal.

    Returns:
      Name -> text.
    """
    lines = {"design": on_design(experiment, layout), "balance": on_balance(balance)}
    if len(power):
        rows = [on_power(row, experiment.replicates) for row in least_effects(power)]
        lines["power"] = "share of the stimulation's effect found in four of five cases\n" + (
            "\n".join(rows)
        )
    if doubts:
        lines["not known"] = "\n".join(doubts)
    lines["blocks"] = on_blocks(proofs, len(experiment.conditions) > 1)
    return lines
