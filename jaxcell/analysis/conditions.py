"""Names of conditions."""

import pandas as pd

# What a patch without a stated condition is counted under.
NO_CONDITION = "without condition"


def condition_names(table: pd.DataFrame) -> pd.Series:
    """The condition of each row, str; `NO_CONDITION` where it is missing or blank."""
    names = table["condition"].astype(object)
    return names.where(names.notna() & (names != ""), NO_CONDITION).astype(str)


def conditions(table: pd.DataFrame) -> list[str]:
    """Conditions present: the study's by strength, others by name, `NO_CONDITION` last."""
    first = ["Unstimulated", "OVA", "ConA"]
    present = set(condition_names(table))
    others = sorted(present - set(first) - {NO_CONDITION})
    return [name for name in (*first, *others, NO_CONDITION) if name in present]
