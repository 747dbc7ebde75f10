"""Names of conditions."""

import pandas as pd

# What a patch without a stated condition is counted under.
NO_CONDITION = "without condition"
# The study's, by strength.
STUDY = ("Unstimulated", "OVA", "ConA")
# Conditions that figures show: more have no room on a page.
MOST_SHOWN = 24


def condition_names(table: pd.DataFrame) -> pd.Series:
    """The condition of each row, str; `NO_CONDITION` where it is missing or blank."""
    names = table["condition"].astype(object)
    return names.where(names.notna() & (names != ""), NO_CONDITION).astype(str)


def conditions(table: pd.DataFrame) -> list[str]:
    """Conditions present: the study's by strength, others by name, `NO_CONDITION` last."""
    present = set(condition_names(table))
    others = sorted(present - {*STUDY, NO_CONDITION})
    return [name for name in (*STUDY, *others, NO_CONDITION) if name in present]


def shown_conditions(table: pd.DataFrame) -> list[str]:
    """`conditions` for which there is room in figures: the study's, then those of most rows."""
    names, rows = conditions(table), condition_names(table).value_counts()
    first = sorted(names, key=lambda name: (name not in STUDY, -rows[name]))
    kept = set(first[:MOST_SHOWN])
    return [name for name in names if name in kept]


def of_shown(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `shown_conditions`."""
    return table[condition_names(table).isin(shown_conditions(table))]
