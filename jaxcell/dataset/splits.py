"""Who is trained on, who is validated on and who is tested on: wells, never patches of one well."""

from collections.abc import Hashable, Sequence

import numpy as np

# Shares of the wells. The reference study held out a third of its patches for testing and 15 %
# of the rest for validation.
FRACTIONS = {"train": 0.60, "validation": 0.15, "test": 0.25}


def assign(strata: Sequence[Hashable], seed: int) -> np.ndarray:
    """Deals items into splits so that every stratum, and the whole, comes close to `FRACTIONS`.

    Items are shuffled within their stratum and dealt one by one to the split that is furthest
    behind its share, in the stratum first and over all strata where that ties.

    Args:
      strata: one label an item (a well's plate and condition, say).
      seed: the same seed deals the same splits.

    Returns:
      object [N], the name of each item's split.
    """
    random = np.random.default_rng(seed)
    names, shares = list(FRACTIONS), np.array(list(FRACTIONS.values()))
    result = np.empty(len(strata), dtype=object)
    dealt = np.zeros(len(names))
    for stratum in sorted(set(strata), key=str):
        members = [i for i, other in enumerate(strata) if other == stratum]
        dealt_here = np.zeros(len(names))
        for count, item in enumerate(random.permutation(members), start=1):
            behind_here = shares * count - dealt_here
            behind = shares * (dealt.sum() + 1) - dealt
            choice = int(np.argmax(behind_here + 0.5 * behind))
            result[item] = names[choice]
            dealt_here[choice] += 1
            dealt[choice] += 1
    return result


def assign_wells(wells, split_by: str, seed: int) -> np.ndarray:
    """Gives each well its split.

    Args:
      wells: DataFrame with `plate`, `well` and `condition`, one row a well.
      split_by: `well` (stratified by plate and condition) or `plate` (whole plates held out).
      seed: the same seed gives the same splits.

    Returns:
      object [N], `train`, `validation` or `test`.

    Raises:
      ValueError: a split would be empty.
    """
    if split_by == "plate":
        plates = sorted(wells["plate"].unique())
        by_plate = dict(zip(plates, assign([""] * len(plates), seed), strict=True))
        result = wells["plate"].map(by_plate).to_numpy(dtype=object)
    else:
        result = assign(list(zip(wells["plate"], wells["condition"], strict=True)), seed)
    missing = [name for name in FRACTIONS if name not in set(result)]
    if missing:
        raise ValueError(
            f"{len(wells)} wells on {wells['plate'].nunique()} plates cannot be split by "
            f"{split_by}: nothing is left for {', '.join(missing)}. Add wells"
            + (" or set dataset.split_by to well." if split_by == "plate" else ".")
        )
    return result
