"""What a sweep over latent sizes says: how small a code may be, at what cost, and how surely.

A sweep is a table with one row a member (see `by_size`); every interval here is over training
seeds judged on the same wells, so other wells would vary by more.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

LEVEL = 0.95
# In the order in which they are told of.
KINDS = ("separate", "nested", "spatial")
# Kinds that come in several sizes.
SIZED = ("separate", "nested")
STATES = ("done", "diverged", "waiting")
COSTS = ("parameters", "flops", "train_seconds", "code_bytes")
# What small and good mean together.
PARTS = ("mean", "se", "low", "high")
FRONT = ("code_bytes", "bce_excess", "rmse_over_sd", "auroc")


class Criterion(NamedTuple):
    """A column that members are judged by.

    Attributes:
      useless: what a code that holds nothing gets; None where that is not known.
    """

    name: str
    label: str
    unit: str
    lower_is_better: bool
    useless: float | None = None


CRITERIA = (
    Criterion("bce_excess", "cross-entropy over its floor", "nats", True),
    Criterion("psnr_db", "peak signal-to-noise ratio", "dB", False),
    Criterion("ssim", "structural similarity", "", False),
    Criterion("rmse_over_sd", "error of overlap (IoU)", "RMSE / SD", True, 1.0),
    Criterion("auroc", "condition told from the code", "AUROC", False, 0.5),
)


class Sufficient(NamedTuple):
    """The smallest code that is as good as the best one, as far as seeds can tell.

    Attributes:
      best: best mean, that of `best_size`.
      best_se: its standard error over seeds; None where that size has one seed.
      size: the smallest whose mean is within one `best_se` of `best`; `best_size` where that is
        None.
      useless: whether the interval of the best (its mean, where there is none) reaches what a code
        that holds nothing gets.
    """

    setting: str
    kind: str
    best_size: int
    best: float
    best_se: float | None
    size: int
    useless: bool


def by_size(members: pd.DataFrame) -> pd.DataFrame:
    """What the done members of each setting, kind and latent size came to, over their seeds.

    Args:
      members: one row a member, for nested ones one a member and size: setting, kind, latent_size,
        seed, state, the names of `CRITERIA` and `COSTS`.

    Returns:
      One row a (setting, kind, latent_size), in order of appearance, of `KINDS` and of size:
      `seeds`, their number; `NAME_mean` of each criterion and cost; for criteria `NAME_se`, the
      standard error, and `NAME_low`, `NAME_high`, the 95 % interval by Student's t, NaN for one
      seed. Values that are not finite are left out.
    """
    # The size of a spatial code may be unknown until it is done, which makes the column float.
    done = members[members["state"] == "done"].astype({"latent_size": int})
    keys = ["setting", "kind", "latent_size"]
    rows = []
    for key, group in done.groupby(keys, sort=False):
        row = dict(zip(keys, key)) | {"seeds": group["seed"].nunique()}
        for criterion in CRITERIA:
            for part, number in zip(PARTS, _over_seeds(group[criterion.name])):
                row[f"{criterion.name}_{part}"] = number
        rows.append(row | {f"{name}_mean": float(group[name].mean()) for name in COSTS})
    judged = [f"{item.name}_{part}" for item in CRITERIA for part in PARTS]
    columns = [*keys, "seeds", *judged, *(f"{name}_mean" for name in COSTS)]
    table = pd.DataFrame(rows, columns=columns)
    place = {name: index for index, name in enumerate(dict.fromkeys(members["setting"]))}
    order = table.assign(setting=table["setting"].map(place), kind=table["kind"].map(KINDS.index))
    return table.loc[order.sort_values(keys).index].reset_index(drop=True)


def _over_seeds(values: Sequence[float]) -> tuple[float, float, float, float]:
    """Mean, standard error and ends of the interval of the finite ones of float [seeds]."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values[0]) if len(values) else np.nan, *[np.nan] * 3)
    mean, error = float(values.mean()), float(values.std(ddof=1) / len(values) ** 0.5)
    half = _quantile(len(values) - 1) * error
    return mean, error, mean - half, mean + half


def _quantile(freedom: float) -> float:
    return float(student.ppf((1 + LEVEL) / 2, freedom))


def smallest_sufficient(sizes: pd.DataFrame, criterion: Criterion) -> list[Sufficient]:
    """The smallest code within one standard error of the best, for each setting and kind.

    A spatial code has one size alone, so that it is not asked; nor is a criterion without values.

    Source: Breiman, Friedman, Olshen and Stone 1984, section 3.4.3, the one-standard-error rule.
    """
    name, lower, none = criterion.name, criterion.lower_is_better, criterion.useless
    worse_end = "high" if lower else "low"
    known = sizes[sizes["kind"].isin(SIZED) & sizes[f"{name}_mean"].notna()]
    answers = []
    for (setting, kind), group in known.groupby(["setting", "kind"], sort=False):
        group = group.sort_values("latent_size")
        means = group[f"{name}_mean"].to_numpy()
        loss = means if lower else -means
        best = int(loss.argmin())
        error = float(group[f"{name}_se"].iloc[best])
        single = not np.isfinite(error)
        enough = best if single else int(np.flatnonzero(loss <= loss[best] + error)[0])
        places = group["latent_size"].to_numpy()
        worst = float(group[f"{name}_{'mean' if single else worse_end}"].iloc[best])
        useless = none is not None and (worst >= none if lower else worst <= none)
        answers.append(
            Sufficient(setting, kind, int(places[best]), float(means[best]),
                       None if single else error, int(places[enough]), useless)
        )  # fmt: skip
    return answers


def pareto(sizes: pd.DataFrame, names: Sequence[str] = FRONT) -> pd.Series:
    """Which rows of `by_size` no other row of their setting dominates, bool, one value a row.

    One row dominates another where it is as good or better in everything that is known of both
    (of costs less is better), better in something, and a criterion is among what is known. False
    for rows of which no criterion is known.
    """
    higher = {criterion.name for criterion in CRITERIA if not criterion.lower_is_better}
    values = sizes[[f"{name}_mean" for name in names]].to_numpy(np.float64)
    values = values * np.where([name in higher for name in names], -1.0, 1.0)
    judged = np.array([name not in COSTS for name in names])
    known = np.isfinite(values)
    shared = known[:, None] & known[None]
    with np.errstate(invalid="ignore"):
        worse = (values[:, None] > values[None]) & shared  # row i, judged against row j
        better = (values[:, None] < values[None]) & shared
    setting = sizes["setting"].to_numpy()
    comparable = (setting[:, None] == setting[None]) & (shared & judged).any(axis=-1)
    dominated = (comparable & worse.any(axis=-1) & ~better.any(axis=-1)).any(axis=1)
    return pd.Series(~dominated & (known & judged).any(axis=1), index=sizes.index, dtype=bool)


def nested_gap(members: pd.DataFrame) -> pd.DataFrame:
    """How much worse codes cut from one nested network are than those trained for their size.

    The gap is the ratio of mean `bce_excess` less 1. Its interval is by the delta method: over
    pairs of the same seed where both kinds have the same two seeds or more, else of two
    independent means with the degrees of freedom of Welch and Satterthwaite.

    Returns:
      One row a setting and latent size that both kinds of `members` have: `setting`,
      `latent_size`, `gap`, `low` and `high` (95 %; NaN where either has one seed), `seeds` (of the
      kind with fewer), `paired`.
    """
    done = members[(members["state"] == "done") & members["bce_excess"].notna()]
    rows = []
    for (setting, size), group in done.groupby(["setting", "latent_size"], sort=False):
        nested, separate = (
            group[group["kind"] == kind].groupby("seed")["bce_excess"].mean()
            for kind in ("nested", "separate")
        )
        if not len(nested) or not len(separate):
            continue
        paired = nested.index.equals(separate.index)
        half = (_half_of_pairs if paired else _half_of_means)(
            nested.to_numpy(), separate.to_numpy()
        )
        gap = float(nested.mean() / separate.mean() - 1)
        count = min(len(nested), len(separate))
        rows.append((setting, int(size), gap, gap - half, gap + half, count, paired))
    columns = ["setting", "latent_size", "gap", "low", "high", "seeds", "paired"]
    table = pd.DataFrame(rows, columns=columns)
    place = {name: index for index, name in enumerate(dict.fromkeys(members["setting"]))}
    order = table.assign(setting=table["setting"].map(place)).sort_values(columns[:2]).index
    return table.loc[order].reset_index(drop=True)


def _half_of_pairs(above: np.ndarray, below: np.ndarray) -> float:
    """Half of the interval of mean(above) / mean(below), float [n] each, a pair a seed."""
    if len(above) < 2:
        return np.nan
    rest = above - above.mean() / below.mean() * below
    error = rest.std(ddof=1) / (len(rest) ** 0.5 * below.mean())
    return _quantile(len(rest) - 1) * float(error)


def _half_of_means(above: np.ndarray, below: np.ndarray) -> float:
    """Half of the interval of mean(above) / mean(below), float [n] and [m], independent."""
    if min(len(above), len(below)) < 2:
        return np.nan
    parts = [some.var(ddof=1) / len(some) / some.mean() ** 2 for some in (above, below)]
    total = sum(parts)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(part**2 / (len(some) - 1) for part, some in zip(parts, (above, below)))
    return _quantile(freedom) * float(above.mean() / below.mean() * total**0.5)


def nested_shares(members: pd.DataFrame) -> pd.DataFrame:
    """What a nested run takes next to the runs that it can stand for, in each setting.

    Returns:
      One row a setting with done `members` of both kinds: `setting`; `sizes`, how many separate
      ones there are; `time_share`, seconds of a nested seed over the sum of one seed of each
      separate size; `share_of_sweep`, the same over all separate and spatial members.
    """
    done = members[(members["state"] == "done") & members["train_seconds"].notna()]
    rows = []
    for setting, group in done.groupby("setting", sort=False):
        kinds = {kind: group[group["kind"] == kind] for kind in KINDS}
        if not len(kinds["nested"]) or not len(kinds["separate"]):
            continue
        # A nested run stands in as many rows as it has sizes.
        nested = kinds["nested"].groupby("seed")["train_seconds"].first().mean()
        separate = kinds["separate"].groupby("latent_size")["train_seconds"].mean()
        whole = kinds["separate"]["train_seconds"].sum() + kinds["spatial"]["train_seconds"].sum()
        rows.append((setting, len(separate), nested / separate.sum(), nested / whole))
    return pd.DataFrame(rows, columns=["setting", "sizes", "time_share", "share_of_sweep"])


def states(members: pd.DataFrame) -> dict[str, int]:
    """How many members, not rows, are in each of `STATES`."""
    found = members.drop_duplicates("member")["state"].value_counts()
    return {state: int(found.get(state, 0)) for state in STATES}


def best_member(members: pd.DataFrame) -> str | None:
    """The done member with the lowest held-out excess, nested ones left out; None without any.

    Validation losses would not do: sweeps may differ in loss and images, and so in their floors.
    """
    chosen = (members["state"] == "done") & (members["kind"] != "nested")
    losses = members.loc[chosen & members["bce_excess"].notna(), "bce_excess"]
    return None if losses.empty else str(members.loc[losses.idxmin(), "member"])
