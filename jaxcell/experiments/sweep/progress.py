"""What a sweep says on the terminal while it runs."""

import pandas as pd

from jaxcell.experiments.sweep.plan import Plan, Row, aligned, duration

# Column of the table of members -> its heading and digits.
SHOWN = {
    "bce_excess": ("excess nats", 4),
    "ssim": ("SSIM", 3),
    "rmse_over_sd": ("RMSE / SD", 3),
    "auroc": ("AUROC", 2),
}


def status(members: pd.DataFrame, running: set[str], plan: Plan, elapsed: float) -> str:
    """Which members are done, running and waiting, what those done are worth, and the time left.

    Args:
      members: the table of members of this call.
      running: names of members that are being trained.
      plan: made when this call began.
      elapsed: seconds since then.

    Returns:
      Lines for a terminal, one a group of members and one of sums.
    """
    lines = [_group(row, members, running) for row in plan.rows]
    heading = ("code", "size", "setting", "done", "running", "diverged", "waiting")
    heading += tuple(name for name, _ in SHOWN.values())
    columns = [column for column in zip(heading, *lines, strict=True) if any(map(bool, column[1:]))]
    top, *table = map("  ".join, zip(*map(aligned, columns)))
    state = members.drop_duplicates("member").set_index("member")["state"]
    counts = f"{(state == 'done').sum()} of {len(state)} members done, {len(running)} running"
    left = _seconds_left(plan, state, elapsed)
    told = f"{counts}; {duration(elapsed)} so far" + (f", about {duration(left)} left" * (left > 0))
    rule = "-" * len(top)
    return "\n".join(["", top, rule, *table, rule, told])


def _group(row: Row, members: pd.DataFrame, running: set[str]) -> tuple[str, ...]:
    names = {member.name for member in row.members}
    own = members[members["member"].isin(names)]
    state = own.drop_duplicates("member")
    counts = {name: (state["state"] == name).sum() for name in ("done", "diverged", "waiting")}
    at_work = len(names & running)
    counts["waiting"] -= at_work
    # Of a nested member, the row of its largest size stands for it.
    done = own[own["latent_size"] == own["latent_size"].max()]
    means = [
        f"{done[name].mean():.{digits}f}" if done[name].notna().any() else ""
        for name, (_, digits) in SHOWN.items()
    ]
    numbers = (counts["done"], at_work, counts["diverged"], counts["waiting"])
    kind, first = own["kind"].iloc[0], row.members[0]
    return (
        kind,
        f"{row.cost.latent_size:,}",
        first.setting,
        *(str(number or "") for number in numbers),
        *means,
    )


def _seconds_left(plan: Plan, state: pd.Series, elapsed: float) -> float:
    """From what this call has trained so far; from the plan alone before the first group ends."""
    waiting = {name for name, said in state.items() if said == "waiting"}
    planned = sum(row.left * row.cost.training for row in plan.rows)
    left = sum(
        row.cost.training * sum(member.name in waiting for member in row.members)
        for row in plan.rows
    )
    done = planned - left
    return left * (elapsed / done if done > 0 else 1 / plan.speed)
