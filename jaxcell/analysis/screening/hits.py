"""Which compounds act: each against the controls of its condition, on its own plates.

Two wells a compound are enough because the variance between replicates is shared over compounds
(Smyth 2004). A group is a compound at a dose in a condition; wells are first freed of what they owe
to their place on the plate.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from jaxcell.analysis.conditions import condition_names, conditions
from jaxcell.analysis.evidence import false_discovery
from jaxcell.analysis.screening.moderation import (
    Difference,
    Moderated,
    Prior,
    error_of,
    fit_prior,
    moderated,
    reach,
    two_sided_p,
)
from jaxcell.analysis.screening.position import Places, PlateEffect, plate_effect
from jaxcell.analysis.screening.scale import Scale

FALSE_DISCOVERIES = 0.05
LEVEL = 0.95
# A compound with so many doses is a series: its wells say nothing of their place.
DOSES_OF_A_SERIES = 4
# p, before any correction, below which a group is not taken for inert when places are learnt from.
ACTIVE = 0.1
CONTROLS = ("vehicle", "untreated")
INHIBITOR, ENHANCER, NO_EFFECT = "inhibitor", "enhancer", "no effect shown"
GROUP = ["condition", "compound", "concentration_um"]


class Hits(NamedTuple):
    """What a screen says of its compounds.

    Attributes:
      wells: the wells that were compared, with `scaled`, `corrected` (on the scale), `place_effect`
        (corrected = scaled - place_effect), `control` (whether a control of its condition and
        plate) and `group` (int).
      effects: one row a compound, dose and condition; see `compare`.
      plates: plate -> what its places do.
      reasons: why compounds of a plate and condition were not compared, sentences.
      prior: of the variances; None where nothing was compared.
      scale: on which wells were compared.
    """

    wells: pd.DataFrame
    effects: pd.DataFrame
    plates: dict[str, PlateEffect]
    reasons: list[str]
    prior: Prior | None
    scale: Scale


def compare(wells: pd.DataFrame, value: str, scale: Scale, *, correct: bool = True) -> Hits:
    """Compares every compound with the controls of its condition on the same plate.

    Controls are the vehicle wells or, on a plate and condition without any, untreated ones.
    Doses that are not known are taken for the compound's only known dose.

    Args:
      wells: one row a well: plate, well, row, column (from 1), edge (bool), condition, compound,
        concentration_um (µM), role, and the value. Empty wells and those without a finite value are
        left out.
      value: column to compare.
      scale: on which it is compared.
      correct: whether wells are freed of what they owe to their place.

    Returns:
      `Hits`, whose `effects` has `condition`, `compound`, `concentration_um`, `wells`, `plates`,
      `control` (role), `control_wells`, `effect` (difference on the scale), `error` (its standard
      error), `low_effect`, `high_effect` (95 %), `p`, `q`, `mean`, `control_mean`,
      `difference`, `low`, `high` (in the unit of the value, at the mean of the controls).

    Source: moderated t, Smyth 2004, with unequal variances; false discoveries over
    compounds of the conditions in which there are any, Benjamini and Bogomolov 2014.
    """
    table = _comparable(wells, value, scale)
    plates: dict[str, PlateEffect] = {}
    if correct:
        active = in_series(table)
        plates, table = _correct(table, active)
        first, _, _ = _effects(table, plates, scale)
        active[first.loc[first["p"] < ACTIVE, "group"].to_numpy(int)] = True
        plates, table = _correct(table, active)
    effects, prior, reasons = _effects(table, plates, scale)
    if len(effects):
        q = selective_q(effects["p"].to_numpy(), effects["condition"].to_numpy())
        effects = effects.assign(q=q).sort_values(GROUP, key=_in_order, ignore_index=True)
    return Hits(table, effects, plates, reasons, prior, scale)


def _in_order(column: pd.Series) -> pd.Series:
    if column.name == "condition":
        return column.map({name: at for at, name in enumerate(conditions(column.to_frame()))})
    return natural_order(column) if column.name == "compound" else column


def natural_order(names: pd.Series) -> pd.Series:
    """Names for sorting as people do: compound 9 before 10, and both before `A1`."""
    parts = names.astype(str).map(lambda name: re.split(r"(\d+)", name))
    return parts.map(lambda some: tuple((int(p), "") if p.isdigit() else (-1, p) for p in some))


def call(effect: float, q: float, less_is_more: bool = False) -> str:
    """What a compound is called: `INHIBITOR`, `ENHANCER` or `NO_EFFECT`.

    Args:
      effect: on the scale.
      q: share of false discoveries.
      less_is_more: whether a smaller value means more interaction, as a distance does.
    """
    if not q <= FALSE_DISCOVERIES:
        return NO_EFFECT
    return ENHANCER if (effect > 0) != less_is_more else INHIBITOR


def from_controls(wells: pd.DataFrame) -> pd.Series:
    """Corrected values less the mean of the controls of their plate and condition, on the scale.

    Args:
      wells: as `Hits.wells`.

    Returns:
      float64 [N]; NaN where there are no controls.
    """
    keys = ["plate", "condition"]
    centre = wells[wells["control"]].groupby(keys)["corrected"].mean()
    base = centre.reindex(pd.MultiIndex.from_frame(wells[keys])).to_numpy()
    return wells["corrected"] - base


def _comparable(wells: pd.DataFrame, value: str, scale: Scale) -> pd.DataFrame:
    """Wells with a value, numbered by group; compounds and doses without gaps."""
    numbers = pd.to_numeric(wells[value], errors="coerce").astype(np.float64)
    table = wells[np.isfinite(numbers) & (wells["role"] != "empty")].reset_index(drop=True)
    scaled = scale.forward(pd.to_numeric(table[value], errors="coerce").astype(np.float64))
    sample = table["role"] == "sample"
    table = table.assign(
        scaled=scaled,
        plate=table["plate"].astype(str),
        condition=condition_names(table),
        compound=table["compound"].fillna("").astype(str).where(sample, ""),
        concentration_um=known_doses(table),
    )
    keys = ["condition", "role", "compound", "concentration_um"]
    group = table.groupby(keys, dropna=False, sort=True).ngroup()
    return table.assign(
        group=group,
        control=_controls(table),
        of_plate=table.groupby("plate").cumcount(),
        place_effect=0.0,
        corrected=scaled,
    )


def known_doses(table: pd.DataFrame) -> pd.Series:
    """Doses in µM of samples; one that is missing is the compound's only known dose, if it has one.

    Args:
      table: compound, concentration_um, role.
    """
    doses = pd.to_numeric(table["concentration_um"], errors="coerce").astype(np.float64)
    doses = doses.where(table["role"] == "sample")
    by_compound = doses.groupby(table["compound"].fillna("").astype(str))
    only = by_compound.transform("first").where(by_compound.transform("nunique") == 1)
    return doses.fillna(only).where(table["role"] == "sample")


def _controls(table: pd.DataFrame) -> pd.Series:
    """Whether a well is a control: vehicle or, without any there, untreated."""
    result = pd.Series(False, table.index)
    for _, own in table.groupby(["plate", "condition"]):
        role = next((role for role in CONTROLS if (own["role"] == role).any()), None)
        result[own.index] = own["role"] == role
    return result


def in_series(table: pd.DataFrame) -> np.ndarray:
    """Groups of compounds with so many doses that a plate's rows and columns may be doses.

    Args:
      table: as `Hits.wells`.

    Returns:
      bool [G].
    """
    samples = table[table["role"] == "sample"]
    doses = samples.groupby(["condition", "compound"])["concentration_um"].transform("nunique")
    result = np.zeros(len(table) and table["group"].max() + 1, bool)
    result[samples.loc[doses >= DOSES_OF_A_SERIES, "group"].unique()] = True
    return result


def _correct(
    table: pd.DataFrame, active: np.ndarray
) -> tuple[dict[str, PlateEffect], pd.DataFrame]:
    """What places do on each plate, and the table freed of it."""
    plates, effect = {}, np.zeros(len(table))
    for plate, own in table.groupby("plate"):
        found = plate_effect(own["scaled"].to_numpy(), places_of(own, active))
        plates[plate] = found
        effect[own.index] = found.effect
    return plates, table.assign(place_effect=effect, corrected=table["scaled"] - effect)


def places_of(own: pd.DataFrame, active: np.ndarray) -> Places:
    """Where wells of one plate are, in the words of `plate_effect`.

    Args:
      own: row, column, edge, condition, group.
      active: bool [G], groups that have an effect of their own.
    """
    return Places(
        own["row"].to_numpy(int),
        own["column"].to_numpy(int),
        pd.factorize(own["condition"])[0],
        own["group"].to_numpy(int),
        ~active[own["group"].to_numpy(int)],
        own["edge"].to_numpy(bool),
    )


def _effects(
    table: pd.DataFrame, plates: dict[str, PlateEffect], scale: Scale
) -> tuple[pd.DataFrame, Prior | None, list[str]]:
    """Every group against its controls, with p and without q."""
    parts, reasons = [], []
    for name in conditions(table):
        here = table[table["condition"] == name]
        samples = here[(here["role"] == "sample") & (here["compound"] != "")]
        controls = here[here["control"]]
        without = sorted(set(samples["plate"]) - set(controls["plate"]))
        reasons += [f"plate {plate} has no vehicle and no untreated well in {name}"
                    for plate in without]  # fmt: skip
        samples = samples[~samples["plate"].isin(without)]
        controls = controls[controls["plate"].isin(set(samples["plate"]))]
        if samples.empty:
            continue
        own = pd.concat([_of_controls(name, controls), _of_groups(samples, controls, plates)])
        if own["freedom"].sum() < 1:
            reasons.append(f"in {name} no compound and no control has two wells")
            continue
        parts.append(own)
    if not parts:
        return pd.DataFrame(columns=["group", "p", *GROUP]), None, reasons
    groups = pd.concat(parts, ignore_index=True)
    family = pd.factorize(groups["condition"])[0]
    given = groups["variance"].to_numpy(), groups["freedom"].to_numpy(float), family
    prior = fit_prior(*given)
    return _tested(groups, moderated(prior, *given), scale), prior, reasons


def _of_controls(name: str, controls: pd.DataFrame) -> pd.DataFrame:
    """The controls of a condition in one row, `group` -1: their variance within plates."""
    left = controls["corrected"] - controls.groupby("plate")["corrected"].transform("mean")
    freedom = len(controls) - controls["plate"].nunique()
    return pd.DataFrame([{
        "group": -1,
        "condition": name,
        "freedom": freedom,
        "variance": float(left @ left) / freedom if freedom else np.nan,
        "control": " and ".join(sorted(controls["role"].unique())),
    }])  # fmt: skip


def _of_groups(
    samples: pd.DataFrame, controls: pd.DataFrame, plates: dict[str, PlateEffect]
) -> pd.DataFrame:
    """Compounds at their doses: differences from the controls of each well's own plate."""
    of_plate = controls.groupby("plate")["corrected"].agg(["mean", "size"])
    base = samples["plate"].map(of_plate["mean"])
    groups = samples.assign(base=base, apart=samples["corrected"] - base).groupby("group")
    wells = pd.crosstab(samples["group"], samples["plate"])
    weight = wells.div(wells.sum(axis=1), axis=0)
    apart = {
        plate: _place_variances(plates.get(plate), samples, controls, plate) for plate in weight
    }
    result = (
        groups[GROUP]
        .first()
        .assign(
            wells=groups.size(),
            plates=(wells > 0).sum(axis=1),
            freedom=groups.size() - 1,
            variance=groups["apart"].var(),
            effect=groups["apart"].mean(),
            control_scaled=groups["base"].mean(),
            control_wells=(wells > 0) @ of_plate["size"],
            # What the variance of the controls is multiplied with.
            control_share=weight**2 @ (1 / of_plate["size"]),
            place_variance=sum(
                weight[plate] ** 2 * apart[plate].reindex(weight.index).fillna(0)
                for plate in weight
            ),
        )
    )
    return result.reset_index()


def _place_variances(
    found: PlateEffect | None, samples: pd.DataFrame, controls: pd.DataFrame, plate: str
) -> pd.Series:
    """Of each group on a plate: variance of what its places and those of the controls differ by."""
    own = samples[samples["plate"] == plate]
    if found is None or found.reason:
        return pd.Series(0.0, own["group"].unique())
    means = pd.DataFrame(found.place[own["of_plate"]]).groupby(own["group"].to_numpy()).mean()
    base = found.place[controls.loc[controls["plate"] == plate, "of_plate"]].mean(axis=0)
    apart = means.to_numpy() - base
    return pd.Series(((apart @ found.covariance) * apart).sum(axis=1), means.index)


def _tested(groups: pd.DataFrame, of: Moderated, scale: Scale) -> pd.DataFrame:
    """Effects, intervals and p from variances that were moderated."""
    is_control = (groups["group"] == -1).to_numpy()
    conditions_of = pd.Series(np.flatnonzero(is_control), groups.loc[is_control, "condition"])
    found = groups[~is_control].reset_index(drop=True)
    control_of = conditions_of[found["condition"]].to_numpy()
    error = Difference(
        of.weight,
        of.variance[:, ~is_control] / found["wells"].to_numpy(),
        of.variance[:, control_of] * found["control_share"].to_numpy(),
        of.freedom[:, ~is_control],
        of.freedom[:, control_of],
        found["place_variance"].to_numpy(np.float64),
    )
    effect = found["effect"].to_numpy()
    half = reach(error, LEVEL)
    low, high = effect - half, effect + half
    base = found["control_scaled"]
    means = {name: scale.backward(base + part) for name, part in
             (("mean", effect), ("low", low), ("high", high))}  # fmt: skip
    control_mean = scale.backward(base)
    names = groups["control"].to_numpy()[control_of]
    return found[[*GROUP]].assign(
        group=found["group"].astype(int),
        wells=found["wells"].astype(int),
        plates=found["plates"].astype(int),
        control=names,
        control_wells=found["control_wells"].astype(int),
        effect=effect,
        error=error_of(error),
        low_effect=low,
        high_effect=high,
        p=two_sided_p(effect, error),
        mean=means["mean"],
        control_mean=control_mean,
        difference=means["mean"] - control_mean,
        low=means["low"] - control_mean,
        high=means["high"] - control_mean,
    )


def selective_q(p: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Share of false discoveries, on average over the families in which any is made.

    A family is entered if Benjamini and Hochberg's procedure over the families' own p (Simes) finds
    it; inside, theirs is used at the level times the share of families entered. So a condition in
    which nothing acts costs nothing, and one in which much does buys no false hits in another.

    Args:
      p: float [N].
      family: [N], a label each.

    Returns:
      float64 [N], the least level at which each is found.

    Source: Benjamini and Bogomolov 2014.
    """
    names, number = np.unique(family, return_inverse=True)
    within, simes = np.ones(len(p)), np.ones(len(names))
    for place in range(len(names)):
        own = number == place
        within[own] = false_discovery(p[own].tolist())
        simes[place] = within[own].min()  # Simes 1986: the least adjusted p
    entered = np.array(false_discovery(simes.tolist()))
    result = np.ones(len(p))
    for rank, needed in enumerate(np.sort(entered), 1):
        level = np.maximum(within * len(names) / rank, np.maximum(needed, entered[number]))
        result = np.minimum(result, level)
    return result
